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
