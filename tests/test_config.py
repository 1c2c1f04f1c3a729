"""Every setting by its flag, its variable and its key, and what is wrong with one."""

import pytest

from clankvox.__main__ import USAGE
from clankvox.config import FILE_SETTING, SETTINGS, Config, MetricsAddress, parse
from clankvox.errors import ExitCode

OTHER = {
    "log-level": ("debug", Config(log_level="debug")),
    "log-format": ("json", Config(log_format="json")),
    "metrics-addr": ("127.0.0.1:9464", Config(metrics_address=MetricsAddress("127.0.0.1", 9464))),
    "allow-files": (True, Config(allow_files=True)),
    "allow-private-hosts": (True, Config(allow_private_hosts=True)),
    "outlive-parent": (True, Config(outlive_parent=True)),
}
"""Of each setting another value than the default, and what it makes of the configuration."""
BY_NAME = {setting.name: setting for setting in SETTINGS}


@pytest.fixture
def file(tmp_path):
    """Write a configuration file and return its path."""

    def write(text):
        path = tmp_path / "clankvox.toml"
        path.write_text(text)
        return str(path)

    return write


def as_flag(name, value):
    return [f"--{name}"] if value is True else [f"--{name}", value]


def as_toml(name, value):
    return f"{name} = {'true' if value is True else repr(value)}\n"


def refused(argv, environment, code, capsys):
    """Return what is said about settings that end the process with `code`; nothing of it on stdout."""
    with pytest.raises(SystemExit) as ended:
        parse(argv, environment)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (code, "")
    return said.err


def test_defaults():
    assert parse([], {}) == Config("info", "auto")


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_is_told_by_its_flag_its_variable_and_its_key_alike(name, file):
    value, config = OTHER[name]
    variable = "CLANKVOX_" + name.upper().replace("-", "_")
    path = file(as_toml(name, value))
    assert parse(as_flag(name, value), {}) == config
    assert parse([], {variable: "1" if value is True else value}) == config
    assert parse(["--config", path], {}) == config
    assert parse([], {"CLANKVOX_CONFIG": path}) == config


def test_a_variable_that_is_like_a_setting_and_is_none_changes_nothing_and_is_named():
    environment = {"CLANKVOX_LOGLEVEL": "debug", "CLANKVOX_ALLOW_FILE": "1", "CLANKVOX_LOG_LEVEL": "error", "PATH": "/"}
    assert parse([], environment) == Config("error", unknown=("CLANKVOX_ALLOW_FILE", "CLANKVOX_LOGLEVEL"))


def test_no_setting_is_missing_here():
    assert BY_NAME.keys() - OTHER.keys() == {FILE_SETTING, "metrics-public"}  # which have tests of their own


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(file):
    path = file("log-level = 'error'\nlog-format = 'json'\nallow-files = true\n")
    environment = {"CLANKVOX_CONFIG": path, "CLANKVOX_LOG_LEVEL": "Warning"}
    assert parse([], environment) == Config("warning", "json", allow_files=True)
    assert parse(["--log-level", "debug"], environment) == Config("debug", "json", allow_files=True)
    assert parse(["--log-level", "DEBUG"], environment) == Config("debug", "json", allow_files=True)
    assert parse([], environment | {"CLANKVOX_ALLOW_FILES": "off"}) == Config("warning", "json")
    assert parse(["--no-allow-files"], environment) == Config("warning", "json")
    assert parse(["--config", file("")], environment) == Config("warning")


def test_what_is_empty_in_the_environment_is_not_said(file):
    empty = {setting.variable: " " for setting in SETTINGS}
    assert parse([], empty) == Config()
    assert parse(["--config", file("log-level = 'debug'")], empty).log_level == "debug"
    assert parse(["--config", ""], {}) == Config()


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("info", "info"),
        ("trace", "debug"),
        ("warn,davey=error", "warning"),
        ("davey=error,warn", "warning"),
        ("davey=warn", "info"),
        ("warn,clankvox=DEBUG", "debug"),
        ("clankvox=error,trace", "error"),
        ("loud", "info"),
        ("", "info"),
        ("off", "error"),
        ("off,clankvox=info", "info"),
    ],
)
def test_parents_that_set_rust_log_get_its_level_where_nothing_else_says_one(value, level, file):
    assert parse([], {"RUST_LOG": value}).log_level == level
    assert parse([], {"RUST_LOG": value, "CLANKVOX_LOG_LEVEL": "error"}).log_level == "error"
    assert parse(["--config", file("log-level = 'error'")], {"RUST_LOG": value}).log_level == "error"


@pytest.mark.parametrize("argv", [["--nonsense"], ["--log-lev", "debug"], ["--log-level", "loud"], ["--config"], ["x"]])
def test_a_wrong_flag_is_a_usage_error(argv, capsys):
    assert "clankvox: " in refused(argv, {}, ExitCode.USAGE, capsys)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CLANKVOX_LOG_LEVEL", "loud", "must be one of error, warning, info, debug"),
        ("CLANKVOX_LOG_FORMAT", "xml", "must be one of auto, text, json"),
        ("CLANKVOX_ALLOW_FILES", "perhaps", "must be true or false"),
        ("CLANKVOX_METRICS_ADDR", "9464", "must be HOST:PORT"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_must_be(variable, value, said, capsys):
    assert refused([], {variable: value}, ExitCode.CONFIG, capsys) == f"clankvox: {variable} {said}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("log-level = 'loud'", "log-level must be one of error, warning, info, debug"),
        ("log-level = 7", "log-level must be one of error, warning, info, debug"),
        ("allow-files = 'true'\nallow-private-hosts = 1", "allow-private-hosts must be true or false"),
        ("allow-files = ['x']", "allow-files must be true or false"),
        ("metrics-addr = 9464", "metrics-addr must be HOST:PORT"),
        ("metrics-addr = '10.0.0.1:1'", "metrics-addr must be a loopback address unless --metrics-public is given"),
        ("loglevel = 'info'", "there is no setting 'loglevel'; there are log-level, log-format, metrics-addr,"),
        ("config = 'another.toml'", "there is no setting 'config'; there are log-level"),
        ("[log]\nlevel = 'info'", "there is no setting 'log'; there are log-level"),
        ("log-level info", "is not TOML: "),
        ("log-level = '\udcff'", "is not TOML: "),
    ],
)
def test_a_wrong_file_is_named_with_the_key_and_what_it_must_be(tmp_path, text, said, capsys):
    path = tmp_path / "settings.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    message = refused(["--config", str(path)], {}, ExitCode.CONFIG, capsys)
    assert message.startswith(f"clankvox: {path}: {said}")
    assert message.count("\n") == 1


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    path = tmp_path / "none.toml"
    said = refused([], {"CLANKVOX_CONFIG": str(path)}, ExitCode.CONFIG, capsys)
    assert said == f"clankvox: {path}: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", MetricsAddress("127.0.0.1", 9464)),
        ("localhost:0", MetricsAddress("localhost", 0)),
        ("[::1]:65535", MetricsAddress("::1", 65535)),
        ("", None),
    ],
)
def test_metrics_are_served_where_they_were_asked_for_and_nowhere_by_default(text, address):
    assert parse(["--metrics-addr", text], {}).metrics_address == address
    assert parse([], {}).metrics_address is None


@pytest.mark.parametrize("text", ["10.0.0.1:1", "example.org:1", "127.example.org:1", "[::]:1", "0.0.0.0:1"])
def test_metrics_are_for_this_machine_alone_unless_a_further_flag_says_otherwise(text, capsys, file):
    assert "loopback" in refused(["--metrics-addr", text], {}, ExitCode.USAGE, capsys)
    assert parse(["--metrics-addr", text, "--metrics-public"], {}).metrics_address is not None
    assert parse(["--metrics-addr", text], {"CLANKVOX_METRICS_PUBLIC": "1"}).metrics_address is not None
    assert parse(["--metrics-addr", text, "--config", file("metrics-public = true")], {}).metrics_address is not None


@pytest.mark.parametrize("text", ["9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:9464", "[::1]", ":1"])
def test_what_is_no_address_is_a_usage_error(text, capsys):
    assert "must be HOST:PORT" in refused(["--metrics-addr", text], {}, ExitCode.USAGE, capsys)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_flag_is_in_the_usage(setting):
    assert f"--{setting.name}" in USAGE
