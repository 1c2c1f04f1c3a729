import pytest

from clankvox.__main__ import USAGE
from clankvox.config import EXIT_USAGE, Config, MetricsAddress, parse


def test_defaults():
    assert parse([], {}) == Config("info", "auto")


def test_a_flag_beats_the_environment_which_beats_the_default():
    environment = {"CLANKVOX_LOG_LEVEL": "Warning", "CLANKVOX_LOG_FORMAT": "json"}
    assert parse([], environment) == Config("warning", "json")
    assert parse(["--log-level", "debug", "--log-format", "text"], environment) == Config("debug", "text")


@pytest.mark.parametrize(
    ("value", "level"),
    [("info", "info"), ("trace", "debug"), ("warn,davey=error", "warning"), ("davey=warn", "info"), ("", "info")],
)
def test_parents_that_set_rust_log_get_its_level(value, level):
    assert parse([], {"RUST_LOG": value}).log_level == level


@pytest.mark.parametrize(
    ("argv", "environment"),
    [
        (["--nonsense"], {}),
        (["--log-level", "loud"], {}),
        ([], {"CLANKVOX_LOG_LEVEL": "loud"}),
        ([], {"CLANKVOX_LOG_FORMAT": "xml"}),
    ],
)
def test_what_is_wrong_ends_with_code_64_and_nothing_on_stdout(capsys, argv, environment):
    with pytest.raises(SystemExit) as ended:
        parse(argv, environment)
    assert ended.value.code == EXIT_USAGE
    assert capsys.readouterr().out == ""


def test_files_and_private_hosts_are_refused_unless_a_flag_or_the_environment_allows_them():
    assert parse([], {})[2:4] == (False, False)
    assert parse(["--allow-files"], {})[2:4] == (True, False)
    assert parse(["--allow-private-hosts"], {})[2:4] == (False, True)
    assert parse([], {"CLANKVOX_ALLOW_FILES": "1", "CLANKVOX_ALLOW_PRIVATE_HOSTS": "True"})[2:4] == (True, True)


@pytest.mark.parametrize("value", ["", "0", "false", "no", "perhaps"])
def test_an_environment_that_does_not_plainly_allow_forbids(value):
    assert not parse([], {"CLANKVOX_ALLOW_FILES": value}).allow_files


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", MetricsAddress("127.0.0.1", 9464)),
        ("localhost:0", MetricsAddress("localhost", 0)),
        ("[::1]:65535", MetricsAddress("::1", 65535)),
    ],
)
def test_metrics_are_served_nowhere_unless_a_flag_or_the_environment_says_where(text, address):
    assert parse([], {}).metrics_address is None
    assert parse(["--metrics-addr", text], {}).metrics_address == address
    assert parse([], {"CLANKVOX_METRICS_ADDR": text}).metrics_address == address


@pytest.mark.parametrize("text", ["10.0.0.1:1", "example.org:1", "127.example.org:1", "[::]:1", "0.0.0.0:1"])
def test_metrics_are_for_this_machine_alone_unless_a_further_flag_says_otherwise(text, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--metrics-addr", text], {})
    assert ended.value.code == EXIT_USAGE
    assert "loopback" in capsys.readouterr().err
    assert parse(["--metrics-addr", text, "--metrics-public"], {}).metrics_address is not None
    assert parse(["--metrics-addr", text], {"CLANKVOX_METRICS_PUBLIC": "1"}).metrics_address is not None


@pytest.mark.parametrize("text", ["9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:9464", "[::1]", ":1"])
def test_what_is_no_address_is_a_usage_error(text):
    with pytest.raises(SystemExit) as ended:
        parse(["--metrics-addr", text], {})
    assert ended.value.code == EXIT_USAGE


@pytest.mark.parametrize("flag", ["--log-level", "--log-format", "--metrics-addr", "--allow-files", "--metrics-public"])
def test_every_flag_is_in_the_usage(flag):
    assert flag in USAGE
