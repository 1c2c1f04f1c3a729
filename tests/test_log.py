import io
import json
import logging
import sys

import pytest

from clankvox.log import (
    RATE_BURST,
    RATE_EVENTS,
    RATE_WINDOW_S,
    JsonFormatter,
    RateLimit,
    TextFormatter,
    ThinnedHandler,
    fields_of,
    redact,
    set_up,
    tell_rest,
)

TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP"


def record(message="happened", fields=None, exc_info=None, level=logging.WARNING, at=0.0):
    made = logging.LogRecord("clankvox.x", level, __file__, 1, message, (), exc_info)
    made.created = at
    if fields is not None:
        made.fields = fields
    return made


def failure():
    try:
        int(TOKEN)
    except ValueError:
        return sys.exc_info()


HEX_TOKENS = ("4f2a9c01be77d3e5", "0123456789ABCDEF" * 2, "abcdef0123456789" * 4)


KEY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
URLS = ("wss://host/?token=x", "HTTPS://a.example/path?q", "rtmp://live.example/app/key", "file:///srv/me/song.mp3")


@pytest.mark.parametrize(
    "text", [TOKEN, *URLS, TOKEN + "==", KEY, "0b5c7d9e-4f2a-9c01-be77-d3e50b5c7d9e", "?sig=s3cret&x=1", *HEX_TOKENS]
)
def test_what_looks_like_a_secret_is_redacted(text):
    assert text not in redact(f"before {text} after")
    assert redact(f"before {text} after").endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "voice link lost",
        "role=voice attempt=3",
        "ValueError",
        "18446744073709551615",
        "effaced defaced decade",
        "stream_publish_browser_frame_unsupported_mime_type",
        "why? state=ready",
    ],
)
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
    assert not {"fields", "traceback"} & json.loads(JsonFormatter().format(record())).keys(), "nothing that is empty"


def test_text_lines_have_fields_behind_the_message():
    assert TextFormatter().format(record(fields={"a": 1, "b": "c"})) == "warning clankvox.x: happened a=1 b=c"


def test_snowflakes_keep_their_digits_where_numbers_are_floats():
    assert fields_of(record(fields={"user_id": 1 << 60, "count": 1 << 53})) == {
        "user_id": str(1 << 60),
        "count": 1 << 53,
    }


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


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("token", "abc", "[redacted]"),
        ("session_id", 7, "[redacted]"),
        ("Endpoint", "host:1", "[redacted]"),
        ("pcm", b"speech", "[6 bytes]"),
        ("pcm", bytearray(3), "[3 bytes]"),
        ("gap", float("inf"), "inf"),
        ("gap", 1.5, 1.5),
        ("ok", True, True),
        ("none", None, None),
        ("list", ["wss://h/?t=1"], "['[redacted-url]']"),
        ("keyframe", True, True),
        ("sessionId", 7, "[redacted]"),
        ("access_token", "abc", "[redacted]"),
        ("secretKey", "abc", "[redacted]"),
        ("apiKey", "abc", "[redacted]"),
        ("Cookie", "abc", "[redacted]"),
        ("data", {"token": "abc", "n": 1}, "{'token': '[redacted]', 'n': 1}"),
        ("users", {7}, "[7]"),
        ("reason", HEX_TOKENS[0], "[redacted]"),
        ("tokens_left", 3, 3),
    ],
)
def test_fields_are_what_json_can_say_and_no_secrets(key, value, shown):
    found = fields_of(record(fields={key: value}))
    assert found == {key: shown}
    json.loads(JsonFormatter().format(record(fields={key: value})))


def test_a_secret_is_found_however_deep_it_stands():
    shown = fields_of(record(fields={"data": [{"deep": ({"url": "hidden"}, "wss://hidden")}], TOKEN: 1}))
    assert "redacted" in shown["data"]
    assert "hidden" not in shown["data"]
    assert TOKEN not in shown


def test_an_event_that_repeats_is_thinned_and_the_next_line_says_how_many_were_left_out():
    limit = RateLimit()
    admitted = [limit.admit(record(at=i / 100)) for i in range(RATE_BURST + 30)]
    assert admitted == [0] * RATE_BURST + [None] * 30
    assert limit.admit(record(message="another", at=0.5)) == 0
    assert limit.admit(record(at=RATE_WINDOW_S)) == 30
    assert limit.admit(record(at=RATE_WINDOW_S + 0.1)) == 0
    assert limit.over() == [], "it was told"


def test_values_do_not_make_another_event_and_levels_do():
    limit = RateLimit()
    assert [limit.admit(record(fields={"n": n})) for n in range(RATE_BURST + 1)][-1] is None
    assert limit.admit(record(level=logging.ERROR)) == 0


def test_debug_is_not_thinned():
    limit = RateLimit()
    assert {limit.admit(record(level=logging.DEBUG)) for _ in range(10 * RATE_BURST)} == {0}


def test_a_wall_clock_that_goes_back_silences_nobody():
    limit = RateLimit()
    for _ in range(RATE_BURST + 1):
        limit.admit(record(at=1_000.0))
    assert limit.admit(record(at=10.0)) == 1


def test_no_more_events_are_kept_count_of_than_stated():
    limit = RateLimit()
    for number in range(2 * RATE_EVENTS):
        limit.admit(record(message=str(number)))
    assert len(limit._windows) == RATE_EVENTS


@pytest.fixture
def thinned():
    """A handler behind a burst that left out five lines, and a way to read what it wrote."""
    stream = io.StringIO()
    handler = ThinnedHandler(stream)
    handler.setFormatter(TextFormatter())
    for _ in range(RATE_BURST + 5):
        handler.handle(record())
    return handler, lambda: stream.getvalue().splitlines()


def test_lines_that_were_left_out_are_told_behind_the_next_one(thinned):
    handler, read = thinned
    handler.handle(record(at=RATE_WINDOW_S))
    lines = read()
    assert len(lines) == RATE_BURST + 2
    assert lines[-1] == "warning clankvox.log: records left out target=clankvox.x event=happened count=5"


def test_of_an_event_that_does_not_come_again_it_is_told_behind_another_one_and_once(thinned):
    handler, read = thinned
    handler.handle(record(message="other", at=RATE_WINDOW_S - 1))
    assert len(read()) == RATE_BURST + 1, "its time is not over"
    handler.handle(record(message="other", at=RATE_WINDOW_S))
    assert read()[-1].endswith("records left out target=clankvox.x event=happened count=5")
    handler.handle(record(message="other", at=RATE_WINDOW_S + 1))
    handler.handle(record(at=2 * RATE_WINDOW_S))
    assert sum("left out" in line for line in read()) == 1


def test_at_the_end_all_that_was_left_out_is_told(thinned, monkeypatch):
    handler, read = thinned
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    tell_rest()
    tell_rest()
    assert [line for line in read() if "left out" in line] == [read()[-1]]
