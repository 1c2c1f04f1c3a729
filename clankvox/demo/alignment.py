"""What was heard against what was said: found by cross-correlation, compared after matching the gain."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clankvox.demo.sound import SAMPLE_RATE_HZ, Mono

_FRAME_MS: Final = 20
_REACH_FRAMES: Final = 15
"""Parts are looked for so far from where the whole is most alike."""
_GRAINS_A_FRAME: Final = 8
_JUMP_COST: Final = 5e-3
"""A part is only taken to have moved if that explains this share (-23 dB) of the whole."""
_AUDIBLE: Final = 1e-4
"""A window of the original counts if it has this share (-40 dB) of the power of the loudest one."""
_GONE: Final = 1e-2
"""It is lost if less than this share (-20 dB) of its power arrived."""
_SILENCE: Final = 1e-12


class Alignment(NamedTuple):
    """Where and how well the original is found in what was heard."""

    delay_ms: float
    """From the beginning of what was heard to the beginning of the original; negative: its beginning is missing."""
    gain: float
    snr_db: float
    """Of the whole original: what is missing of it counts as noise, where it was put does not."""
    lost_ms: float
    """Audible parts of the original of which nothing arrived."""
    slipped_ms: float
    """By how much parts of it moved against each other: a sender that missed a slot goes on 20 ms later."""


def align(said: Mono, heard: Mono, rate_hz: int = SAMPLE_RATE_HZ) -> Alignment:
    """Find `said` in `heard`, both mono at `rate_hz`. Silence in either is an SNR of minus infinity."""
    original, stream = said.astype(np.float64), heard.astype(np.float64)
    delay = _delay(original, stream)
    power = float(original @ original)
    gain = float(original @ _cut(stream, delay, len(original))) / power if power > _SILENCE else 0.0
    if gain <= 0:
        return Alignment(delay * 1000 / rate_hz, 0.0, float("-inf"), len(said) * 1000 / rate_hz, 0.0)
    frame = rate_hz * _FRAME_MS // 1000
    shifts = delay + frame * np.arange(-_REACH_FRAMES, _REACH_FRAMES + 1)
    pieces = np.stack([_cut(stream, int(shift), len(original)) for shift in shifts])
    grain = frame // _GRAINS_A_FRAME
    path = _follow(_explained(original, pieces, grain), _JUMP_COST)
    arrived = np.take_along_axis(pieces, np.repeat(path, grain)[None, : len(original)], axis=0)[0]
    gain = float(original @ arrived) / power
    noise = arrived - gain * original
    snr = gain * gain * power / max(float(noise @ noise), _SILENCE)
    lost = _lost_windows(gain * original, arrived, frame)
    slipped = int(np.abs(np.diff(path)).sum())
    first = float(shifts[path[0]]) * 1000 / rate_hz
    return Alignment(first, gain, float(10 * np.log10(snr)), float(lost * _FRAME_MS), float(slipped * _FRAME_MS))


def _delay(original: NDArray[np.float64], heard: NDArray[np.float64]) -> int:
    """Return the shift at which the two are most alike, in samples."""
    size = 1 << (len(original) + len(heard)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size)), size)
    best = int(np.argmax(likeness))
    return best - size if best > size // 2 else best


def _cut(heard: NDArray[np.float64], start: int, length: int) -> NDArray[np.float64]:
    """Return `length` samples from `start` on, with zeros for what was not heard."""
    piece = np.zeros(length)
    first, last = max(start, 0), min(start + length, len(heard))
    if first < last:
        piece[first - start : last - start] = heard[first:last]
    return piece


def _windows(rows: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the sum of each window of each row, shape (rows, windows); the last window may be short."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % window)))
    return np.asarray(padded.reshape(len(rows), -1, window).sum(axis=2))


def _explained(original: NDArray[np.float64], pieces: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return which share of the whole the original explains in each window of each piece; what is unlike it, none."""
    power = float(original @ original)
    level = np.sqrt(np.square(pieces).sum(axis=1).max() / power)  # right even if half of it is elsewhere
    saved = _windows(2 * level * pieces * original - np.square(pieces), window)
    return np.asarray(np.maximum(saved, 0) / (level * level * power))


def _follow(likeness: NDArray[np.float64], jump_cost: float) -> NDArray[np.intp]:
    """Return for each window the row of `likeness` (rows, windows) to be in, for the greatest sum less the jumps."""
    came_from = np.empty(likeness.T.shape, np.intp)
    rows = np.arange(len(likeness))
    best = np.zeros(len(likeness))
    for window, gained in enumerate(likeness.T):  # a window is 2.5 ms: some thousand turns in all
        leader = int(best.argmax())
        jump = best[leader] - jump_cost
        came_from[window] = np.where(best >= jump, rows, leader)
        best = np.maximum(best, jump) + gained
    path = np.empty(len(came_from), np.intp)
    row = int(best.argmax())
    for window in range(len(path) - 1, -1, -1):
        path[window] = row
        row = int(came_from[window, row])
    return path


def _lost_windows(original: NDArray[np.float64], arrived: NDArray[np.float64], window: int) -> int:
    said, came = _windows(np.square(np.stack((original, arrived))), window)
    return int(np.count_nonzero((said > _AUDIBLE * said.max()) & (came < _GONE * said)))
