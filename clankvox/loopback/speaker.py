"""A member of our own: joins a room as a full DAVE member, says something, and hears the others if asked to."""

import asyncio
import random
from collections import Counter, deque
from enum import StrEnum, auto
from typing import Final

import msgspec

from clankvox.clock import Clock
from clankvox.ids import Ssrc, UserId
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.media_port import Packet
from clankvox.loopback.member import Answer, Library
from clankvox.loopback.packet_dress import audio_header
from clankvox.loopback.participant import Emit, Participant
from clankvox.loopback.recording import Recording
from clankvox.loopback.room import Room
from clankvox.loopback.sfu import Sfu
from clankvox.loopback.speech import Speech
from clankvox.wire.gateway_ops import ClientDisconnect, ClientsConnect, Op, Payload, SpeakingFlag
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, SILENCE_FRAME, build_header
from clankvox.wire.seq import seq_add, timestamp_add

_DAVE_VERSION: Final = 1
_SLOT_S: Final = 0.020
_SLOT_TICKS: Final = 960
_TRAILING_SILENCE: Final = 5
_PADDING_PACKET_SHARE: Final = 0.01
_DAVE_OPS: Final = frozenset(
    {
        Op.PREPARE_TRANSITION,
        Op.EXECUTE_TRANSITION,
        Op.PREPARE_EPOCH,
        Op.MLS_EXTERNAL_SENDER,
        Op.MLS_PROPOSALS,
        Op.MLS_ANNOUNCE_COMMIT,
        Op.MLS_WELCOME,
    }
)


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What is said and when: first after `start_s`, and if it loops, again after pauses of `pause_s`."""

    speech: Speech
    start_s: float = 0.0
    loop: bool = False
    pause_s: float = 0.0


class _Stage(StrEnum):
    WAITING = auto()
    SPEAKING = auto()
    TRAILING = auto()
    DONE = auto()


class Speaker(Participant):
    """Paced on an absolute grid of 20 ms. It keeps its words until it may encrypt, so nobody misses the first one."""

    def __init__(
        self,
        user_id: UserId,
        ssrc: Ssrc,
        member: HostedMember,
        script: Script,
        recording: Recording | None,
        *,
        receive: bool,
        library: Library,
        seed: int,
    ) -> None:
        """`ssrc` is the speaker's alone. Call `begin` when it has entered its room."""
        super().__init__(user_id, ssrc, _DAVE_VERSION, seed)
        self.library = library
        self.decrypted: Counter[UserId] = Counter()
        """Frames heard, by sender."""
        self.undecryptable: Counter[UserId] = Counter()
        self._member = member
        self._script = script
        self._recording = recording
        self._random = random.Random(f"{seed}/speaker/{user_id}")  # noqa: S311 - reproducible, not secret
        self._inbox: deque[tuple[Op, bytes | Payload]] = deque()
        self._stage = _Stage.WAITING
        self._position = 0
        self._frames_sent = 0
        self._frames_unsent = 0
        self._sequence = self._random.randrange(1 << 16)
        self._timestamp = self._random.randrange(1 << 32)
        self._timer: asyncio.TimerHandle | None = None
        if receive or recording is not None:
            self.port.hear = self._hear

    def begin(self, room: Room, sfu: Sfu, clock: Clock, emit: Emit) -> None:
        """Answer the gateway, and start pacing."""
        self._room, self._sfu, self._clock, self._emit = room, sfu, clock, emit
        self._loop = asyncio.get_running_loop()
        version = room.service.version_for(self.dave_version)  # before `connect`, as for op 4 of a client
        room.connect(self, clock.now())
        self._member.start(version, self._answered)
        self._slot_at_s = clock.now()
        self._speak_at_s = self._slot_at_s + self._script.start_s
        self._slot()

    def end(self) -> None:
        """Stop pacing and finish the recording."""
        if self._timer is not None:
            self._timer.cancel()
        self._stage = _Stage.DONE
        self._inbox.clear()
        self.port.hear = None
        self._member.close()
        if self._recording is not None:
            self._recording.close()

    def send(self, op: Op, payload: bytes | Payload) -> None:
        """Take a message; it is answered in a later turn, for the room may be in the midst of sending."""
        match payload:
            case ClientsConnect(user_ids=user_ids):
                self._member.users_connected(map(int, user_ids))
            case ClientDisconnect(user_id=user_id):
                self._member.user_left(int(user_id))
            case _ if op in _DAVE_OPS:
                self._inbox.append((op, payload))
                asyncio.get_running_loop().call_soon(self._answer)

    def report(self) -> dict[str, object]:
        """Return what `stats` says of this speaker."""
        return {
            "kind": "speaker",
            "library": self.library,
            "stage": str(self._stage),
            "framesSent": self._frames_sent,
            "framesUnsent": self._frames_unsent,
            "daveVersion": self._member.version,
            "decrypted": {str(user_id): count for user_id, count in self.decrypted.items()},
            "undecryptable": {str(user_id): count for user_id, count in self.undecryptable.items()},
            "memberDropped": dict(self._member.dropped),
        }

    def _answer(self) -> None:
        """Answer one message a turn: MLS takes its time, and packets must not wait for a whole room of members."""
        if not self._inbox:
            return
        op, payload = self._inbox.popleft()
        self._member.receive(op, payload, self._answered)

    def _answered(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._room.receive_dave(self, answer.op, answer.payload, self._clock.now())

    def _slot(self) -> None:
        """Send what is due, and wait for the next slot; whole slots that were missed are skipped, not replayed."""
        now = self._clock.now()
        missed = max(0, int((now - self._slot_at_s) / _SLOT_S))
        self._slot_at_s += missed * _SLOT_S
        self._timestamp = timestamp_add(self._timestamp, missed * _SLOT_TICKS)
        self._step(now)
        self._timestamp = timestamp_add(self._timestamp, _SLOT_TICKS)
        self._slot_at_s += _SLOT_S
        if self._stage is not _Stage.DONE:
            self._timer = self._loop.call_at(self._slot_at_s, self._slot)

    def _step(self, now: float) -> None:
        if not self._member.ready:
            return
        match self._stage:
            case _Stage.WAITING if now >= self._speak_at_s and self._room.service.settled:
                self._room.speak(self, SpeakingFlag.MICROPHONE)
                self._position = 0
                self._stage = _Stage.SPEAKING
                self._say_next(now)
            case _Stage.SPEAKING:
                self._say_next(now)
            case _Stage.TRAILING:
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
                self._stage = _Stage.TRAILING

    def _fall_silent(self, now: float) -> None:
        self._send_frame(SILENCE_FRAME, now)
        self._position += 1
        if self._position < _TRAILING_SILENCE:
            return
        self._room.speak(self, SpeakingFlag.NONE)
        if self._script.loop:
            self._speak_at_s = now + self._script.pause_s
            self._stage = _Stage.WAITING
            return
        self._stage = _Stage.DONE
        self._emit(
            "spoken",
            {"userId": str(self.user_id), "serverId": str(self._room.server_id), "framesSent": self._frames_sent},
        )

    def _send_frame(self, frame: bytes, now: float) -> None:
        if self._random.random() < _PADDING_PACKET_SHARE and self._frames_sent:
            self._send_padding(now)
        timestamp = self._timestamp
        self._member.encrypt(frame, lambda sealed: self._send_sealed(sealed, timestamp, now))

    def _send_sealed(self, sealed: bytes | None, timestamp: int, now: float) -> None:
        if sealed is None:
            self._frames_unsent += 1
            return
        self._frames_sent += 1
        self._send_packet(sealed, timestamp, now)

    def _send_padding(self, now: float) -> None:
        """Send a packet of nothing but padding, as native clients do now and then, with the last frame's timestamp."""
        self._send_packet(b"", timestamp_add(self._timestamp, -_SLOT_TICKS), now)

    def _send_packet(self, payload: bytes, timestamp: int, now: float) -> None:
        fixed = build_header(
            payload_type=OPUS_PAYLOAD_TYPE, sequence=self._sequence, timestamp=timestamp, ssrc=self.port.ssrc
        )
        self._sfu.forward(self.port, fixed, audio_header(self._sequence, timestamp, self.port.ssrc), payload, now)
        self._sequence = seq_add(self._sequence, 1)

    def _hear(self, packet: Packet, _now: float) -> None:
        if packet.header.payload_type != OPUS_PAYLOAD_TYPE or not packet.payload:
            return
        self._member.decrypt(packet.sender, packet.payload, lambda frame: self._heard(packet, frame))

    def _heard(self, packet: Packet, frame: bytes | None) -> None:
        if frame is None:
            self.undecryptable[packet.sender] += 1
            return
        self.decrypted[packet.sender] += 1
        if self._recording is not None:
            self._recording.add(packet.sender, packet.header, frame)
