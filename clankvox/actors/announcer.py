"""The router's pen: events into the lanes of the outbox, and PCM that waited for them behind them."""

import logging
from typing import Final, assert_never

from clankvox.audio_lane import News
from clankvox.ids import UserId
from clankvox.ipc.events import (
    ConnectionState,
    DaveState,
    ErrorEvent,
    Event,
    MusicError,
    PlayerState,
    Ready,
    Recovery,
    Segment,
    SpeakingStart,
    StreamPublishMediaStarted,
    TransportState,
    UserAudioEnd,
    UserVideoState,
    encode_event,
)
from clankvox.ipc.framing import FrameTooLarge, frame_json
from clankvox.ipc.message import wire_tag
from clankvox.ipc.statuses import DaveStatus, LaneName, TransportStatus
from clankvox.outbox import Outbox

_log = logging.getLogger("clankvox.router")

_NEWS: Final[dict[type[Event], News]] = {SpeakingStart: News.SPEECH_BEGAN, UserAudioEnd: News.UTTERANCE_ENDED}
_RECORDS: Final[dict[type[Event], tuple[str, ...]]] = {
    Ready: (),
    ConnectionState: ("status",),
    TransportState: ("role", "status", "reason"),
    DaveState: ("role", "status", "protocol_version"),
    ErrorEvent: ("code", "role"),
    Recovery: ("role", "step", "reason"),
    PlayerState: ("status",),
    MusicError: ("code",),
    UserVideoState: ("user_id", "codec", "video_ssrc"),
    StreamPublishMediaStarted: ("connection_generation", "source_generation"),
}
"""Turns of a call that are worth a line in the log, and the fields that it has; free text that may quote is none."""
_NAMES: Final = {
    Ready: "voice ready",
    ErrorEvent: "error",
    UserVideoState: "native video state emitted",
}
"""Where it is not the event's own; dashboards of legacy parents look for them."""


def announce(outbox: Outbox, events: list[Event]) -> None:
    """Queue `events` in order. Router's thread."""
    for event in events:
        try:
            _put(outbox, event, frame_json(encode_event(event)))
        except FrameTooLarge:
            _log.error("event does not fit a frame", extra={"fields": {"event": type(event).__name__}})
        _record(event)
        user_id = _speaker(event)
        if user_id is not None and type(event) in _NEWS:
            outbox.release_audio(user_id, _NEWS[type(event)])


def _speaker(event: Event) -> UserId | None:
    """Return whose words in the call `event` is about: only they wait for news, the sound of a stream does not."""
    match event:
        case SpeakingStart() | UserAudioEnd(role=None) | Segment(role=None):
            return event.user_id
        case _:
            return None


def _put(outbox: Outbox, event: Event, frame: bytes) -> None:
    match event.lane:
        case LaneName.CONTROL:
            outbox.put_control(frame, type(event).__name__ if event.is_telemetry else None)
        case LaneName.AUDIO:
            outbox.put_marker(frame, _speaker(event))
        case LaneName.VIDEO:
            outbox.put_video(frame)
        case _:
            assert_never(event.lane)


def _record(event: Event) -> None:
    names = _RECORDS.get(type(event))
    if names is None:
        return
    shown = {name: value for name in names if (value := getattr(event, name)) is not None}
    message = _NAMES.get(type(event), wire_tag(type(event)).replace("_", " "))
    _log.log(_level(event), message, extra={"fields": shown})


def _level(event: Event) -> int:
    """Return how much an operator has to care: ERROR ends a role, WARNING costs something or leaves it in clear."""
    match event:
        case ErrorEvent(role=None) | MusicError():
            return logging.WARNING
        case ErrorEvent():
            return logging.ERROR
        case TransportState(status=TransportStatus.FAILED) | DaveState(status=DaveStatus.DISABLED):
            return logging.WARNING
        case _:
            return logging.INFO
