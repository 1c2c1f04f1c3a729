"""One track in the mix: its PCM, its own fade, and what happens when its source starves."""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SLOT_S
from clankvox.ids import Track
from clankvox.media.fade import Continuity, Curve, Fade, Gain, apply, steady
from clankvox.media.pcm import FRAME_SAMPLES
from clankvox.media.track_buffer import TrackBuffer

CUSHION_SAMPLES: Final = 4_800
"""100 ms must be there before a track begins, or goes on after its source has starved."""
RAMP_SAMPLES: Final = 240
"""5 ms: the shortest way from sound to silence without a click. So much is always held back for it."""
LATE_S: Final = 2 * SLOT_S
"""A fade that is over by the clock has been mixed by then, unless frames do not flow."""

Samples = NDArray[np.float32]
"""Stereo in units of int16, shape (n, 2)."""


class VoiceState(StrEnum):
    """What a track is meant to do."""

    WAITING = "waiting"
    """It has not begun."""
    WAITING_HELD = "waiting_held"
    """It has not begun, and shall not yet."""
    SOUNDING = "sounding"
    HELD = "held"
    LEAVING = "leaving"
    """It fades out and will not come back by itself."""


_HELD: Final = {VoiceState.WAITING: VoiceState.WAITING_HELD, VoiceState.SOUNDING: VoiceState.HELD}
_RELEASED: Final = {held: free for free, held in _HELD.items()}
_NOT_BEGUN: Final = frozenset({VoiceState.WAITING, VoiceState.WAITING_HELD})
_ENDING: Final = frozenset({VoiceState.HELD, VoiceState.LEAVING})


class Drawn(NamedTuple):
    """What a track gives to one frame."""

    samples: Samples
    """Shape (n, 2), n up to 960."""
    taken: int
    """How many samples of the track were taken for it."""


class TrackVoice:
    """Not thread-safe: the mixer owns it. Every instant is in seconds of one clock."""

    def __init__(self, track: Track, buffer: TrackBuffer, fade_in_s: float) -> None:
        self.track = track
        self.buffer = buffer
        self.fade_in_s = fade_in_s
        self.state = VoiceState.WAITING
        self.underruns = 0
        self._fade = steady(1.0)
        self._fade_in_ends: float | None = None
        self._begun = False
        self._flowing = False
        self._continuity = Continuity(0.0)
        self._pcm = np.zeros((FRAME_SAMPLES, 2), np.int16)

    # --- what it is meant to do ---

    def begin(self, now: float, fade: Fade) -> None:
        """Sound from `now` on. A fade of no length begins with the very first sample."""
        self.state = VoiceState.SOUNDING
        self._begun = True
        self._fade = fade
        self._fade_in_ends = max(now, fade.ends_s)
        if fade.duration_s <= 0.0:
            self._continuity.last = None

    def leave(self, now: float, duration_s: float, curve: Curve) -> None:
        """Fade out."""
        start = self._fade.at(now) if self.state is VoiceState.SOUNDING else 0.0
        self.state = VoiceState.LEAVING
        self._fade = Fade(start, 0.0, now, duration_s, curve)

    def stay(self, now: float, duration_s: float) -> None:
        """Take a `leave` back."""
        if self.state is VoiceState.LEAVING:
            self.state = VoiceState.SOUNDING if self._begun else VoiceState.WAITING
            self._fade = Fade(self._fade.at(now), 1.0, now, duration_s)

    def hold(self) -> None:
        """Freeze after a fade of one frame."""
        self.state = _HELD.get(self.state, self.state)

    def release(self) -> None:
        """Go on where it was held."""
        self.state = _RELEASED.get(self.state, self.state)

    # --- what it is ---

    @property
    def can_begin(self) -> bool:
        """Whether it waits for nothing but to be begun."""
        return self.state is VoiceState.WAITING and self._has_cushion()

    @property
    def fills(self) -> bool:
        """Whether it stands still and some PCM is there: look again soon."""
        wants = self.state is VoiceState.WAITING or not (self._flowing or self._is_frozen())
        return wants and self.buffer.buffered_samples > 0

    @property
    def is_heard(self) -> bool:
        """Whether the last frame had any of it."""
        return self._flowing and self._continuity.last != 0.0

    def silent_at(self) -> float | None:
        """Instant from which a voice that leaves is silent; None if it does not leave."""
        if self.state is not VoiceState.LEAVING:
            return None
        return self._fade.ends_s + (LATE_S if self.is_heard else 0.0)

    def fade_in_ends(self) -> float | None:
        """Instant at which the first fade-in is complete; None if that was told, or is not to come."""
        return self._fade_in_ends if self.state is VoiceState.SOUNDING else None

    def fade_in_told(self) -> None:
        """Take note that the end of the fade-in was told."""
        self._fade_in_ends = None

    # --- samples ---

    def draw(self, first_s: float) -> Drawn | None:
        """Give the samples of the frame that sounds at `first_s`; None if the track is silent in it."""
        if self._is_frozen() or self.buffer.exhausted:
            return None
        if not self._flowing:
            if not self._has_cushion():
                return None
            self._flowing = True
        wanted = self._wanted(first_s)
        buffered, finished = self.buffer.buffered_samples, self.buffer.finished
        count = self._take(FRAME_SAMPLES)
        samples = apply(self._continuity.join(wanted), self._pcm[:count].astype(np.float32))
        if buffered < FRAME_SAMPLES + RAMP_SAMPLES and not finished:
            self.underruns += 1
            samples = self._run_dry(samples)
        self._pcm.fill(0)
        return Drawn(samples, count)

    def cut(self) -> Drawn:
        """Give the last 5 ms, ramped down, and nothing more after them; empty if it did not sound."""
        gain = self._continuity.last if self.is_heard else None
        count = self._take(RAMP_SAMPLES) if gain else 0
        samples = _ramped_down(self._pcm[:count].astype(np.float32) * np.float32(gain or 0.0))
        self._pcm.fill(0)
        self._flowing = False
        return Drawn(samples, count)

    def _wanted(self, first_s: float) -> Gain:
        if self.state is VoiceState.HELD:
            return np.zeros(FRAME_SAMPLES, np.float32)
        return self._fade.over(first_s)

    def _take(self, samples: int) -> int:
        return self.buffer.take_into(self._pcm[:samples])

    def _run_dry(self, samples: Samples) -> Samples:
        self._flowing = False
        self._continuity.last = 0.0
        return _ramped_down(samples)

    def _has_cushion(self) -> bool:
        buffered = self.buffer.buffered_samples
        return buffered >= CUSHION_SAMPLES or (self.buffer.finished and buffered > 0)

    def _is_frozen(self) -> bool:
        return self.state in _NOT_BEGUN or (self.state in _ENDING and not self.is_heard)


def _ramped_down(samples: Samples) -> Samples:
    """Return `samples` with their last 5 ms led to silence."""
    ramp = min(len(samples), RAMP_SAMPLES)
    gain = np.ones(len(samples), np.float32)
    gain[len(samples) - ramp :] = np.linspace(1.0, 0.0, ramp, dtype=np.float32)
    return apply(gain, samples)
