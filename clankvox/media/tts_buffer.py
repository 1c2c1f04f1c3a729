"""The speech of one playback between the parent and the encoder: resampled, bounded, and never started too early.

A parent gives PCM in chunks, faster than real time or just as fast. How much is there says nothing about when the
next chunk comes: a chunk of 250 ms may be all there is for 250 ms. So a playback begins a fixed time after its first
PCM, and from then on chunks may be late by that time, less the one frame that must be whole.
"""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from clankvox.clock import SLOT_S
from clankvox.errors import InvalidRequest
from clankvox.media.opus_encoder import LOOKAHEAD_SAMPLES
from clankvox.media.pcm import FRAME_SAMPLES, Mono, PcmRing
from clankvox.media.pcm_intake import PcmIntake

CAPACITY_SAMPLES: Final = 720_000
"""15 s at 48 kHz."""
FIRST_PREBUFFER_S: Final = 0.060
"""The first packet leaves within this time of the first PCM."""
LONGEST_PREBUFFER_S: Final = 0.200
_PREBUFFER_STEP_S: Final = 0.040
_STALLED_S: Final = 3 * SLOT_S
"""PCM that has not grown for so long is all there is for now."""
_PARTIAL_HOLD_S: Final = 2 * SLOT_S
"""How long less than a frame waits for its rest."""
_PAUSE_S: Final = 0.500
"""PCM that comes sooner than this after the buffer ran dry was late; later, it is a new utterance."""
_TOLERANCE_S: Final = 0.001
"""Slot deadlines are sums of floats."""


class OverflowRule(StrEnum):
    """What happens to a chunk that does not fit whole."""

    REFUSE = "refuse"
    """Nothing of it is kept: the playback has an id and fails."""
    TRUNCATE = "truncate"
    """Its end is dropped: the parent gives no ids and expects to go on."""


class PushResult(NamedTuple):
    """What became of a chunk; samples at 48 kHz."""

    added_samples: int
    dropped_samples: int
    would_be_samples: int
    """What would be buffered had all of it been kept."""


class Frame(NamedTuple):
    """20 ms for the encoder."""

    samples: Mono
    """960 int16 samples of a fresh array: zero it after use."""
    audible: bool
    """Whether any sample is not zero."""
    pcm_samples: int
    """How many are the parent's; the rest is padding behind them."""


class FlowState(StrEnum):
    """Whether frames come out."""

    EMPTY = "empty"
    FILLING = "filling"
    FLOWING = "flowing"


class TtsBuffer:
    """Takes chunks and gives one frame per slot. Not thread-safe: the playback actor owns it.

    Every instant is in seconds of one clock. Call `clear` between playbacks.
    """

    def __init__(self) -> None:
        self._intake = PcmIntake()
        self._ring = PcmRing(CAPACITY_SAMPLES)
        self.underruns = 0
        """How often frames ran out while more was on its way, since the buffer was made."""
        self._state = FlowState.EMPTY
        self._finished = False
        self._prebuffer_s = FIRST_PREBUFFER_S
        self._start_by = 0.0
        self._grown_at = 0.0
        self._dry_at = -_PAUSE_S
        self._codec_backlog_samples = 0

    @property
    def state(self) -> FlowState:
        """Whether frames come out."""
        return self._state

    @property
    def buffered_samples(self) -> int:
        """48 kHz samples that were taken and have not been given as frames."""
        return len(self._ring) + self._intake.pending_samples

    @property
    def has_whole_frame(self) -> bool:
        """Whether frames flow, and the next one needs neither padding nor what is still to come."""
        return self._state is FlowState.FLOWING and len(self._ring) >= FRAME_SAMPLES

    @property
    def drained(self) -> bool:
        """Whether `finish` was called and every frame has been given."""
        return self._finished and self._state is FlowState.EMPTY

    def push(self, pcm: bytes | bytearray, sample_rate_hz: int, now: float, rule: OverflowRule) -> PushResult:
        """Take a chunk of s16le mono that arrived at `now`.

        Raises InvalidRequest for a rate outside 8000 to 48000 and for PCM after `finish`.
        """
        if self._finished:
            raise InvalidRequest("audio after the end of its playback")
        before = self.buffered_samples
        offered = self._intake.whole_samples(pcm)
        would_be = len(self._ring) + self._intake.pending_after(offered, sample_rate_hz)
        if would_be > CAPACITY_SAMPLES and rule is OverflowRule.REFUSE:
            return PushResult(0, would_be - before, would_be)
        room = CAPACITY_SAMPLES - len(self._ring)
        limit = offered if would_be <= CAPACITY_SAMPLES else self._intake.fitting(room, sample_rate_hz)
        self._ring.put(self._intake.push(pcm, sample_rate_hz, limit))
        after = self.buffered_samples
        if after > before:
            self._grown(now)
        return PushResult(after - before, would_be - after, would_be)

    def finish(self) -> None:
        """Say that no more PCM comes: what is held back by prebuffer, resampler or an incomplete frame is due now."""
        self._ring.put(self._intake.finish_stretch())
        self._finished = True
        if self._state is FlowState.FILLING and not self.buffered_samples and not self._codec_backlog_samples:
            self._state = FlowState.EMPTY

    def next_frame(self, now: float) -> Frame | None:
        """Return what the slot that is due at `now` shall carry, None for nothing. Call once per slot."""
        was = self._state
        if was is FlowState.EMPTY or (was is FlowState.FILLING and not self._may_start(now)):
            return None
        if self._awaits_rest(now):
            self._fill_again(now)
            return None
        self._state = FlowState.FLOWING
        if len(self._ring) < FRAME_SAMPLES:
            self._ring.put(self._intake.finish_stretch())
        frame = self._take()
        if not self._codec_backlog_samples and not self.buffered_samples:
            self._state = FlowState.EMPTY
            self._dry_at = now
        return frame

    def cut(self, samples: int) -> Mono:
        """Return up to `samples` of what would have been given next, and clear: its sound ends with a ramp."""
        rest = np.zeros(samples, np.int16)
        count = self._ring.take_into(rest) if self._state is FlowState.FLOWING else 0
        self.clear()
        return rest[:count]

    def clear(self) -> None:
        """Forget everything and overwrite it; ready for the next playback."""
        self._ring.clear()
        self._intake.clear()
        self._state = FlowState.EMPTY
        self._finished = False
        self._prebuffer_s = FIRST_PREBUFFER_S
        self._start_by = 0.0
        self._grown_at = 0.0
        self._dry_at = -_PAUSE_S
        self._codec_backlog_samples = 0

    def _grown(self, now: float) -> None:
        self._grown_at = now
        if self._state is not FlowState.EMPTY:
            return
        if now - self._dry_at < _PAUSE_S:
            self._count_underrun()
        else:
            self._prebuffer_s = FIRST_PREBUFFER_S
        self._fill(now)

    def _fill(self, now: float) -> None:
        self._state = FlowState.FILLING
        self._start_by = now + self._prebuffer_s - SLOT_S

    def _may_start(self, now: float) -> bool:
        return (
            self._finished or now >= self._start_by - _TOLERANCE_S or now - self._grown_at >= _STALLED_S - _TOLERANCE_S
        )

    def _awaits_rest(self, now: float) -> bool:
        """Whether there is less than a frame and its rest may still come."""
        if len(self._ring) >= FRAME_SAMPLES or self._finished or not self.buffered_samples:
            return False
        return now - self._grown_at < _PARTIAL_HOLD_S - _TOLERANCE_S

    def _fill_again(self, now: float) -> None:
        if self._state is FlowState.FLOWING:
            self._count_underrun()
            self._fill(now)

    def _count_underrun(self) -> None:
        self.underruns += 1
        self._prebuffer_s = min(self._prebuffer_s + _PREBUFFER_STEP_S, LONGEST_PREBUFFER_S)

    def _take(self) -> Frame:
        """Give a frame, zero-padded if need be; one of silence when only the encoder still holds speech."""
        samples = np.zeros(FRAME_SAMPLES, np.int16)
        count = self._ring.take_into(samples)
        # the encoder gives the last LOOKAHEAD_SAMPLES only once it is fed what follows them
        padding = FRAME_SAMPLES - count
        self._codec_backlog_samples = max(0, LOOKAHEAD_SAMPLES - padding) if count else 0
        return Frame(samples, bool(samples.any()), count)
