import pytest

from clankvox.config import EXIT_USAGE, Config, parse


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
    assert parse([], {})[2:] == (False, False)
    assert parse(["--allow-files"], {})[2:] == (True, False)
    assert parse(["--allow-private-hosts"], {})[2:] == (False, True)
    assert parse([], {"CLANKVOX_ALLOW_FILES": "1", "CLANKVOX_ALLOW_PRIVATE_HOSTS": "True"})[2:] == (True, True)


@pytest.mark.parametrize("value", ["", "0", "false", "no", "perhaps"])
def test_an_environment_that_does_not_plainly_allow_forbids(value):
    assert not parse([], {"CLANKVOX_ALLOW_FILES": value}).allow_files
