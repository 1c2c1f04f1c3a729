"""The router's pen: events into the lanes of the outbox, and PCM that waited for them behind them."""

import logging
from typing import Final, assert_never

from clankvox.ipc.events import Event, SpeakingStart, UserAudioEnd, encode_event
from clankvox.ipc.framing import FrameTooLarge, frame_json
from clankvox.ipc.statuses import LaneName
from clankvox.outbox import News, Outbox

_log = logging.getLogger("clankvox.router")

_NEWS: Final = {SpeakingStart: News.SPEECH_BEGAN, UserAudioEnd: News.UTTERANCE_ENDED}


def announce(outbox: Outbox, events: list[Event]) -> None:
    """Queue `events` in order. Router's thread."""
    for event in events:
        try:
            _put(outbox, event, frame_json(encode_event(event)))
        except FrameTooLarge:
            _log.error("event does not fit a frame", extra={"fields": {"event": type(event).__name__}})
        if isinstance(event, SpeakingStart | UserAudioEnd):
            outbox.release_audio(event.user_id, _NEWS[type(event)])


def _put(outbox: Outbox, event: Event, frame: bytes) -> None:
    match event.lane:
        case LaneName.CONTROL:
            outbox.put_control(frame, type(event).__name__ if event.is_telemetry else None)
        case LaneName.AUDIO:
            outbox.put_marker(frame, getattr(event, "user_id", None))
        case LaneName.VIDEO:
            outbox.put_video(frame)
        case _:
            assert_never(event.lane)
