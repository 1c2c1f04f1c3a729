"""A client's voice session: it outlives its WebSocket, so that another one can resume it (op 7)."""

import secrets
from collections import Counter, deque
from typing import Final, Protocol

from clankvox.ids import Ssrc, UserId
from clankvox.loopback.participant import Participant
from clankvox.loopback.room import Room
from clankvox.wire.gateway_ops import Identify, Op, Payload, StreamDescription, encode_json, encode_server_binary

_MAX_LAYERS: Final = 8
SSRCS_A_SESSION: Final = 1 + 2 * _MAX_LAYERS
"""Audio, then for each video layer its own and its repair SSRC."""
_NUMBERS: Final = 1 << 16
_REPLAY_MESSAGES: Final = 4096
"""Numbered messages that are kept for a resume; a client that is further behind has to identify anew."""


class Link(Protocol):
    """The WebSocket side of a session."""

    def put(self, frame: str | bytes) -> None:
        """Queue a frame; order is kept, nothing blocks."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close after what is queued."""
        ...


class Session(Participant):
    """A client in a room: numbers what it is sent, from 1, and keeps it for a resume."""

    def __init__(self, identify: Identify, room: Room, user_id: UserId, ssrc: Ssrc, version: int, seed: int) -> None:
        """Begin without a WebSocket, for gateway `version`."""
        super().__init__(user_id, ssrc, identify.max_dave_protocol_version or 0, seed)
        self.identify = identify
        self.room = room
        self.version = version
        self.streams = _mirrored(_offered(identify), ssrc)
        self.port.ssrcs = frozenset(range(ssrc, ssrc + 1 + 2 * max(len(self.streams), 1)))
        self.link: Link | None = None
        """The WebSocket that serves this session now."""
        self.lost_at_s: float | None = None
        """Since when there is none."""
        self.resumable = True
        """False once it was closed with a code that ends the session."""
        self.media_session_id = secrets.token_hex(16)
        self.counters: Counter[str] = Counter()
        self._numbered = 0
        self._replay: deque[str | bytes] = deque(maxlen=_REPLAY_MESSAGES)

    def send(self, op: Op, payload: bytes | Payload) -> None:
        """Queue a numbered message; without a WebSocket it waits for the resume."""
        self._numbered += 1
        number = self._numbered % _NUMBERS
        if isinstance(payload, bytes):
            frame: str | bytes = encode_server_binary(number, op, payload)
        else:
            frame = encode_json(op, payload, number)
        self.counters["sent"] += 1
        self._replay.append(frame)
        if self.link is not None:
            self.link.put(frame)

    def can_replay(self, last_seen: int) -> bool:
        """Whether the buffer reaches back to number `last_seen` (-1: nothing seen)."""
        return self._behind(last_seen) <= len(self._replay)

    def replay(self, last_seen: int) -> int:
        """Queue all that came after number `last_seen` and return how many messages that is."""
        behind = self._behind(last_seen)
        if self.link is not None:
            for frame in list(self._replay)[len(self._replay) - behind :]:
                self.link.put(frame)
        return behind

    def _behind(self, last_seen: int) -> int:
        if last_seen < 0:
            return self._numbered
        return (self._numbered - last_seen) % _NUMBERS

    def close(self, code: int, reason: str = "") -> None:
        """Close the WebSocket, if there is one."""
        if self.link is not None:
            self.link.close(code, reason)

    def report(self) -> dict[str, object]:
        """Return the gateway's part of `stats`."""
        return {
            "kind": "client",
            "gatewayVersion": self.version,
            "daveVersion": self.dave_version,
            "mode": None if self.port.transport is None else str(self.port.transport.mode),
            "online": self.link is not None,
            "gateway": dict(self.counters),
        }


def _offered(identify: Identify) -> tuple[StreamDescription, ...]:
    """Return the layers that op 0 offers; a client that says `video` without a list gets one."""
    if not identify.streams and identify.video:
        return (StreamDescription(type="video", rid="100", quality=100),)
    return (identify.streams or ())[:_MAX_LAYERS]


def _mirrored(offered: tuple[StreamDescription, ...], ssrc: int) -> tuple[StreamDescription, ...]:
    """Return op 2's `streams`: each layer has the next SSRC and its repair SSRC, and any type is called video."""
    return tuple(
        StreamDescription(
            type="video",
            rid=stream.rid,
            quality=stream.quality,
            ssrc=ssrc + 1 + 2 * layer,
            rtx_ssrc=ssrc + 2 + 2 * layer,
            active=False,
        )
        for layer, stream in enumerate(offered)
    )
