"""Log records as events, for the parents that read them."""

import json
import logging

import pytest

from clankvox.log import RATE_BURST
from clankvox.log_mirror import LogMirror
from clankvox.outbox import Outbox


def record(message="voice ready", level=logging.INFO, **fields):
    made = logging.LogRecord("clankvox.router", level, __file__, 1, message, (), None)
    made.fields = fields
    return made


def told(outbox):
    return [json.loads(frame[5:]) for frame in iter(lambda: outbox.take(0.0), None)]


@pytest.fixture
def outbox():
    return Outbox()


@pytest.fixture
def mirror(outbox):
    made = LogMirror(outbox)
    made.show(True)
    return made


def test_a_record_is_an_event_by_the_name_that_dashboards_look_for(mirror, outbox):
    mirror.handle(record(ssrc=1, reason=None, gap=0.5))
    assert told(outbox) == [
        {
            "type": "log",
            "level": "info",
            "target": "clankvox::router",
            "message": "clankvox_voice_ready",
            "fields": {"ssrc": 1, "gap": 0.5},
        }
    ]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("transport decrypt failed", "clankvox_transport_decrypt_failed"),
        ("picture not decoded", "clankvox_openh264_decode_error"),
        ("decoder begun anew", "clankvox_openh264_decoder_reset"),
    ],
)
def test_dashboards_find_the_names_that_they_have_always_looked_for(mirror, outbox, message, name):
    mirror.handle(record(message))
    assert told(outbox)[0]["message"] == name


@pytest.mark.parametrize(
    ("level", "name"), [(logging.WARNING, "warn"), (logging.ERROR, "error"), (logging.CRITICAL, "error")]
)
def test_levels_are_those_that_legacy_parents_know(mirror, outbox, level, name):
    mirror.handle(record(level=level))
    assert told(outbox)[0]["level"] == name


def test_nothing_is_told_until_a_parent_wants_it_and_when_it_wants_it_no_more(outbox):
    mirror = LogMirror(outbox)
    mirror.handle(record())
    mirror.show(True)
    mirror.show(False)
    mirror.handle(record())
    assert told(outbox) == []


def test_debug_is_not_mirrored():
    assert LogMirror(Outbox()).level == logging.INFO


def test_secrets_are_redacted(mirror, outbox):
    mirror.handle(record("went to wss://host/?token=1", session_id="s", why="https://a.example/?k=1"))
    event = told(outbox)[0]
    assert "host" not in event["message"]
    assert event["fields"] == {"session_id": "[redacted]", "why": "[redacted-url]"}


def test_what_repeats_is_thinned(mirror, outbox):
    for _ in range(RATE_BURST + 10):
        mirror.handle(record())
    assert len(told(outbox)) == RATE_BURST


def test_a_record_that_cannot_be_said_harms_nobody_who_logs(mirror, outbox, monkeypatch, capsys):
    """A library's, such as one whose values do not fit its text; its text is not repeated where it fails either."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    odd = record("%d packets")
    odd.args = ("many",)
    for bad in (odd, record(reason="\ud800")):
        mirror.handle(bad)
    mirror.handle(record())
    assert [event["message"] for event in told(outbox)] == ["clankvox_voice_ready"]
    assert capsys.readouterr() == ("", "")
