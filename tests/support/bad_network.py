"""Talkspurts of real speech over a simulated bad network into the receive pipeline; nothing sleeps."""

import heapq
import itertools
from typing import NamedTuple

import numpy as np

from clankvox.ids import UserId
from clankvox.media.receive import ReceivePipeline
from clankvox.media.receive_ports import Timing
from clankvox.wire.rtp import OPUS_CLOCK_HZ, SILENCE_FRAME
from tests.support.hearing import Ears, Heard

SLOT_S = 0.02
SLOT_TICKS = 960
TRAILING_SILENCE = 5
TRANSIT_S = 0.05


class Sent(NamedTuple):
    """A packet that was sent, whatever became of it."""

    spurt: int
    place: int
    """Within its spurt."""
    frame: bytes
    made_s: float
    """When the sound in it began."""
    arrives_s: tuple[float, ...]


class Sender:
    """Sends spurts by a Talker over a Link, on a clock that runs slow by `ppm`; over pauses its RTP time may stand."""

    def __init__(self, talker, link, *, at=100.0, ppm=0.0, over_pauses="still"):
        self.talker, self.link, self.now = talker, link, at
        self.slot_s, self.over_pauses = SLOT_S * (1 + ppm * 1e-6), over_pauses
        self.sent: list[Sent] = []
        self.by_arrival: dict[int, int] = {}
        """Indices into `sent`, by the tick of arrival that a timeline states."""

    def packets(self, spurts):
        """Yield (arrival, number, datagram) by arrival. `spurts` are pairs of the pause before it in s and frames."""
        on_the_way = []
        for spurt, (pause_s, frames) in enumerate(spurts):
            self._pause(pause_s)
            for place, frame in enumerate([*frames, *[SILENCE_FRAME] * TRAILING_SILENCE]):
                yield from self._arrived(on_the_way, self.now + self.slot_s + TRANSIT_S)
                self._send(on_the_way, spurt, place, frame)
        yield from self._arrived(on_the_way, float("inf"))

    def _pause(self, seconds):
        slots = round(seconds / self.slot_s)
        self.now += slots * self.slot_s
        if self.over_pauses == "real":
            self.talker.timestamp += slots * SLOT_TICKS

    def _send(self, on_the_way, spurt, place, frame):
        made, number = self.now, len(self.sent)
        self.now += self.slot_s
        arrives = tuple(map(self._alone, self.link.plan(self.now + TRANSIT_S)))
        self.sent.append(Sent(spurt, place, frame, made, arrives))
        datagram = self.talker.packet(frame)
        for arrival in arrives:
            self.by_arrival[round(arrival * OPUS_CLOCK_HZ)] = number
            heapq.heappush(on_the_way, (arrival, number, datagram))

    def _alone(self, arrival):
        """A tick of its own: no two datagrams are read at the same instant."""
        while round(arrival * OPUS_CLOCK_HZ) in self.by_arrival:
            arrival += 1 / OPUS_CLOCK_HZ
        return arrival

    @staticmethod
    def _arrived(on_the_way, until):
        while on_the_way and on_the_way[0][0] <= until:
            yield heapq.heappop(on_the_way)


class Piece(NamedTuple):
    """Delivered PCM."""

    user_id: UserId
    arming: int
    pcm: np.ndarray
    timing: Timing


class Notes(Heard):
    """Remembers pieces with their timing and utterance instead of what Heard does; `pcm_too` keeps the PCM."""

    def __init__(self, *, pcm_too=True):
        super().__init__()
        self.noted, self.pcm_too = [], pcm_too
        self.ended = []
        """Whose capture has to be armed anew."""

    def user_audio(self, user_id, capture_id, pcm, signal, duration_ms, timing):
        kept = np.frombuffer(bytes(pcm) if self.pcm_too else b"", np.int16)
        self.noted.append(Piece(user_id, int(capture_id), kept, timing))
        return True

    def speech_ended(self, user_id, arming, segment=None):
        self.ended.append((user_id, arming))

    def utterances(self, user):
        """Lists of pieces, in order."""
        mine = (piece for piece in self.noted if piece.user_id == user)
        return [list(pieces) for _, pieces in itertools.groupby(mine, lambda piece: piece.arming)]


class Listening(Ears):
    """Captures timelines for good: each end of speech arms the next capture, as a lasting subscription does."""

    def __init__(self, users, room=None, *, clear=False, rate_hz=16_000, pcm_too=True):
        super().__init__(room, clear)
        self.heard = Notes(pcm_too=pcm_too)
        self.pipeline = ReceivePipeline(self.cipher, self.board, self.heard, self.heard)
        self.attach()
        self.rate_hz = rate_hz
        for user in users:
            self._arm_anew(user, 0)

    def listen(self, *senders):
        """Take what the iterators of `Sender.packets` bring, each at its instant."""
        for arrival, _, datagram in heapq.merge(*senders):
            self.wait(arrival - self.now)
            self.feed(datagram)
            self._go_on()
        for _ in range(3):
            self.wait(1.0)
            self._go_on()

    def _go_on(self):
        while self.heard.ended:
            self._arm_anew(*self.heard.ended.pop())
            self.pipeline.poll(self.now)

    def _arm_anew(self, user, arming):
        self.arm(user, arming + 1, str(arming + 1), self.rate_hz, silence_ms=400, timeline=True)
