import json
import logging
import sys

import pytest

from clankvox.log import JsonFormatter, TextFormatter, redact, set_up

TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP"


def record(message="happened", fields=None, exc_info=None):
    made = logging.LogRecord("clankvox.x", logging.WARNING, __file__, 1, message, (), exc_info)
    if fields is not None:
        made.fields = fields
    return made


def failure():
    try:
        int(TOKEN)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("text", [TOKEN, "wss://host/?token=x", "HTTPS://a.example/path?q", TOKEN + "=="])
def test_what_looks_like_a_secret_is_redacted(text):
    assert text not in redact(f"before {text} after")
    assert redact(f"before {text} after").endswith(" after")


@pytest.mark.parametrize("text", ["voice link lost", "role=voice attempt=3", "ValueError"])
def test_plain_words_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_no_formatter_lets_a_secret_through(formatter):
    line = formatter.format(record(fields={"url": "wss://h/?t=1", "token": TOKEN}, exc_info=failure()))
    assert TOKEN not in line
    assert "wss://" not in line
    assert "ValueError" in line
    assert "test_log.py" in line


def test_json_lines_have_level_target_message_and_fields():
    entry = json.loads(JsonFormatter().format(record(fields={"count": 3})))
    assert (entry["level"], entry["target"], entry["message"], entry["fields"]) == (
        "warning",
        "clankvox.x",
        "happened",
        {"count": 3},
    )
    assert entry["time"].endswith("+00:00")


def test_text_lines_have_fields_behind_the_message():
    assert TextFormatter().format(record(fields={"a": 1, "b": "c"})) == "warning clankvox.x: happened a=1 b=c"


def test_fields_that_are_no_mapping_are_left_out():
    assert TextFormatter().format(record(fields="odd")) == "warning clankvox.x: happened"


@pytest.mark.parametrize(("log_format", "formatter"), [("text", TextFormatter), ("json", JsonFormatter)])
def test_everything_goes_to_stderr_at_its_level(monkeypatch, log_format, formatter):
    root, ours = logging.getLogger(), logging.getLogger("clankvox")
    kept = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    try:
        set_up("debug", log_format)
        (handler,) = root.handlers
        assert handler.stream is sys.stderr
        assert isinstance(handler.formatter, formatter)
        assert ours.level == logging.DEBUG
        assert not logging.raiseExceptions
    finally:
        root.handlers[:] = kept[0]
        root.setLevel(kept[1])
        ours.setLevel(kept[2])
        logging.raiseExceptions = kept[3]
        logging.getLogger("pykka").setLevel(logging.NOTSET)
