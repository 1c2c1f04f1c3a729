"""What a member of our own says: Opus frames on an absolute grid of 20 ms, encrypted and put into RTP."""

import asyncio
import random
from collections.abc import Callable
from enum import StrEnum, auto
from typing import Final

import msgspec

from clankvox.clock import Clock
from clankvox.ids import UserId
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.media_port import MediaPort
from clankvox.loopback.packet_dress import audio_header
from clankvox.loopback.sealing_group import SealingGroup
from clankvox.loopback.sfu import Sfu
from clankvox.loopback.speech import Speech
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.gateway_ops import SpeakingFlag
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, SILENCE_FRAME, build_header
from clankvox.wire.seq import seq_add, timestamp_add

_SLOT_S: Final = 0.020
_SLOT_TICKS: Final = 960
_TRAILING_SILENCE: Final = 5
_PADDING_PACKET_SHARE: Final = 0.01


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What is said and when: first after `start_s`, and if it loops, again after pauses of `pause_s`."""

    speech: Speech
    start_s: float = 0.0
    loop: bool = False
    pause_s: float = 0.0


class Stage(StrEnum):
    """How far the track is."""

    WAITING = auto()
    SPEAKING = auto()
    TRAILING = auto()
    DONE = auto()


class OpusTrack:
    """One track. It keeps its words until it may encrypt, so nobody misses the first one. The event loop owns it."""

    def __init__(
        self, script: Script, member: HostedMember, port: MediaPort, draws: random.Random, flag: SpeakingFlag
    ) -> None:
        """Send as the audio SSRC of `port`; op 5 says `flag` while it sounds."""
        self.stage = Stage.WAITING
        self.frames_sent = 0
        self.frames_unsent = 0
        self.slots_missed = 0
        """Slots amid its words that passed before it had the CPU: its speech is as much longer."""
        self.sealing: SealingGroup | None = None
        """Who can open what is sealed now, if that is to be counted."""
        self._script = script
        self._member = member
        self._port = port
        self._random = draws
        self._flag = flag
        self._position = 0
        self._sequence = draws.randrange(1 << 16)
        self._timestamp = draws.randrange(1 << 32)
        self._timer: asyncio.TimerHandle | None = None
        self._being_sealed = 0

    def begin(
        self,
        sfu: Sfu,
        clock: Clock,
        speak: Callable[[int], None],
        may_begin: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:
        """Start pacing: `speak` says op 5, `may_begin` whether the room is settled, `done` when all was sent."""
        self._sfu, self._clock, self._speak, self._may_begin, self._done = sfu, clock, speak, may_begin, done
        self._loop = asyncio.get_running_loop()
        self._slot_at_s = clock.now()
        self._speak_at_s = self._slot_at_s + self._script.start_s
        self._slot()

    def end(self) -> None:
        """Stop pacing."""
        if self._timer is not None:
            self._timer.cancel()
        self.stage = Stage.DONE

    def rehearse(self, begin_s: float, end_s: float, at: Callable[[float], None]) -> int:
        """Say at once what is due from `begin_s` to `end_s`, if we speak; see `rehearsal.Track`."""
        if self._timer is None or self.stage is not Stage.SPEAKING:
            return 0
        self._timer.cancel()
        before = self.frames_sent
        self._skip(begin_s)
        while self._slot_at_s < end_s:
            at(self._slot_at_s)
            self._take(self._slot_at_s)
        self._timer = self._loop.call_at(self._slot_at_s, self._slot)
        return self.frames_sent - before

    def timestamp_at(self, now: float) -> int:
        """Return the RTP timestamp of what sounds at `now`."""
        return timestamp_add(self._timestamp, round((now - self._slot_at_s) / _SLOT_S * _SLOT_TICKS))

    def _slot(self) -> None:
        """Send what is due, and wait for the next slot; whole slots that were missed are skipped, not replayed."""
        now = self._clock.now()
        self._skip(now)
        self._take(now)
        if self.stage is not Stage.DONE:
            self._timer = self._loop.call_at(self._slot_at_s, self._slot)

    def _skip(self, now: float) -> None:
        missed = max(0, int((now - self._slot_at_s) / _SLOT_S))
        self._slot_at_s += missed * _SLOT_S
        if self.stage in (Stage.SPEAKING, Stage.TRAILING):
            self.slots_missed += missed
        self._timestamp = timestamp_add(self._timestamp, missed * _SLOT_TICKS)

    def _take(self, now: float) -> None:
        self._step(now)
        self._timestamp = timestamp_add(self._timestamp, _SLOT_TICKS)
        self._slot_at_s += _SLOT_S

    def _step(self, now: float) -> None:
        if not self._member.ready:
            return
        match self.stage:
            case Stage.WAITING if now >= self._speak_at_s and self._may_begin():
                self._speak(self._flag)
                self._position = 0
                self.stage = Stage.SPEAKING
                self._say_next(now)
            case Stage.SPEAKING:
                self._say_next(now)
            case Stage.TRAILING:
                self._fall_silent(now)

    def _say_next(self, now: float) -> None:
        if self._position < len(self._script.speech.frames):
            self._send_frame(self._script.speech.frames[self._position], now)
            self._position += 1
        if self._position >= len(self._script.speech.frames):
            if self._script.loop and not self._script.pause_s and self._script.speech.frames:
                self._position = self._script.speech.loop_from
            else:
                self._position = 0
                self.stage = Stage.TRAILING

    def _fall_silent(self, now: float) -> None:
        self._send_frame(SILENCE_FRAME, now)
        self._position += 1
        if self._position < _TRAILING_SILENCE:
            return
        self._speak(SpeakingFlag.NONE)
        if self._script.loop:
            self._speak_at_s = now + self._script.pause_s
            self.stage = Stage.WAITING
            return
        self.stage = Stage.DONE
        self._end_if_all_is_sent()

    def _end_if_all_is_sent(self) -> None:
        """Say that it is over; a member in a process of its own seals the last frames behind their slots."""
        if self.stage is Stage.DONE and not self._being_sealed:
            self._done()

    def _send_frame(self, frame: bytes, now: float) -> None:
        if self._random.random() < _PADDING_PACKET_SHARE and self.frames_sent:
            self._send_padding(now)
        timestamp = self._timestamp
        members = self.sealing.members if self.sealing is not None else frozenset[UserId]()
        self._being_sealed += 1
        self._member.encrypt(frame, lambda sealed: self._send_sealed(sealed, members, timestamp, now))

    def _send_sealed(self, sealed: bytes | None, members: frozenset[UserId], timestamp: int, now: float) -> None:
        self._being_sealed -= 1
        if sealed is None:
            self.frames_unsent += 1
        else:
            self._count_and_send(sealed, members, timestamp, now)
        self._end_if_all_is_sent()

    def _count_and_send(self, sealed: bytes, members: frozenset[UserId], timestamp: int, now: float) -> None:
        self.frames_sent += 1
        if self.sealing is not None and is_dave_frame(sealed):
            self.sealing.count(members, (port.user_id for port in self._port.room.ports if port is not self._port))
        self._send_packet(sealed, timestamp, now)

    def _send_padding(self, now: float) -> None:
        """Send a packet of nothing but padding, as native clients do now and then, with the last frame's timestamp."""
        self._send_packet(b"", timestamp_add(self._timestamp, -_SLOT_TICKS), now)

    def _send_packet(self, payload: bytes, timestamp: int, now: float) -> None:
        ssrc = self._port.ssrc
        fixed = build_header(payload_type=OPUS_PAYLOAD_TYPE, sequence=self._sequence, timestamp=timestamp, ssrc=ssrc)
        self._sfu.forward(self._port, fixed, audio_header(self._sequence, timestamp, ssrc), payload, now)
        self._sequence = seq_add(self._sequence, 1)
