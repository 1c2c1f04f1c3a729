"""What a member of our own says: a sound file or a tone, encoded once as 20 ms Opus frames."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from clankvox.errors import InvalidRequest

SAMPLE_RATE_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960
_BIT_RATE: Final = 96_000
_TONE_S: Final = 2
_TONE_AMPLITUDE: Final = 8192  # -12 dBFS
_MAX_S: Final = 3600

Pcm = NDArray[np.int16]
"""Stereo samples at 48 kHz, shape (n, 2)."""


class Speech(NamedTuple):
    """Opus frames; a loop goes on at `loop_from`, behind what the encoder needs to settle."""

    frames: tuple[bytes, ...]
    loop_from: int = 0


@lru_cache(maxsize=32)
def tone(hz: float) -> Speech:
    """Return a sine of `hz` at -12 dBFS that can be looped without a seam if `hz` is whole. Blocks: use a thread."""
    seconds = np.arange(_TONE_S * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    mono = np.round(_TONE_AMPLITUDE * np.sin(2 * np.pi * hz * seconds)).astype(np.int16)
    frames = encode(np.stack((mono, mono), axis=1))[: _TONE_S * 50]
    return Speech(frames, loop_from=len(frames) // 2)


def load(path: Path) -> Speech:
    """Read and encode any sound file that FFmpeg knows; InvalidRequest if it is none. Blocks: use a thread."""
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InvalidRequest(f"cannot read the sound file: {error.strerror or type(error).__name__}") from error
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise InvalidRequest("not a sound file") from error


@lru_cache(maxsize=32)
def _load(path: Path, _modified_ns: int) -> Speech:
    return Speech(encode(read_pcm(path)))


def read_pcm(path: Path) -> Pcm:
    """Decode a sound file to 48 kHz stereo, an hour of it at most."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE_HZ)
        blocks = []
        for frame in _decoded(container):
            blocks += [block.to_ndarray().reshape(-1, 2) for block in resampler.resample(frame)]
            if sum(map(len, blocks)) > _MAX_S * SAMPLE_RATE_HZ:
                break
    return np.concatenate(blocks) if blocks else np.zeros((0, 2), np.int16)


def _decoded(container: av.container.InputContainer) -> Iterator[av.AudioFrame | None]:
    yield from container.decode(audio=0)
    yield None  # what the resampler still holds


def encode(pcm: Pcm) -> tuple[bytes, ...]:
    """Encode as Opus frames of 20 ms, the last one filled up with silence."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = SAMPLE_RATE_HZ
    encoder.layout = "stereo"
    encoder.format = av.AudioFormat("s16")
    encoder.bit_rate = _BIT_RATE
    encoder.options = {"application": "audio", "frame_duration": "20"}
    padded = np.concatenate((pcm, np.zeros((-len(pcm) % FRAME_SAMPLES, 2), np.int16)))
    packets: list[bytes] = []
    for start in range(0, len(padded), FRAME_SAMPLES):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(padded[start : start + FRAME_SAMPLES]).reshape(1, -1), format="s16", layout="stereo"
        )
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = start
        packets += map(bytes, encoder.encode(frame))
    packets += map(bytes, encoder.encode(None))
    return tuple(packets)
