"""Sound files as numpy arrays: mono, int16, shape (samples,)."""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from clankvox.errors import ClankvoxError

SAMPLE_RATE_HZ: Final = 48_000
_FRAME_SAMPLES: Final = 960

Mono = NDArray[np.int16]


class NoSound(ClankvoxError):
    """A file that cannot be read as sound."""

    code = "no_sound"


def load(path: Path, rate_hz: int = SAMPLE_RATE_HZ, limit_s: float = 60.0) -> Mono:
    """Read any file that FFmpeg knows as mono at `rate_hz`, `limit_s` of it at most. Raises NoSound."""
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
            blocks: list[Mono] = []
            for frame in _decoded(container):
                blocks += [block.to_ndarray().ravel().astype(np.int16) for block in resampler.resample(frame)]
                if sum(map(len, blocks)) > limit_s * rate_hz:
                    break
    except (OSError, ValueError, IndexError) as error:  # FFmpeg's errors are ValueErrors or OSErrors
        raise NoSound(f"cannot read {path.name} as sound: {type(error).__name__}") from error
    if not sum(map(len, blocks)):
        raise NoSound(f"{path.name} has no sound in it")
    return np.concatenate(blocks)[: int(limit_s * rate_hz)]


def _decoded(container: av.container.InputContainer) -> Iterator[av.AudioFrame | None]:
    yield from container.decode(audio=0)
    yield None  # what the resampler still holds


def save_wav(path: Path, samples: Mono, rate_hz: int = SAMPLE_RATE_HZ, channels: int = 1) -> None:
    """Write a WAV file with the same sound in each channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(samples, channels).tobytes())


class OpusSettings(NamedTuple):
    """How a sender encodes. With an expected loss libopus writes FEC, in a mode that keeps the waveform less well."""

    bit_rate: int
    expected_loss_percent: int


def through_opus(samples: Mono, settings: OpusSettings) -> Mono:
    """Return what libopus alone (48 kHz stereo, 20 ms) makes of `samples`: what no call can be better than."""
    encoder = av.CodecContext.create("libopus", "w")
    decoder = av.CodecContext.create("libopus", "r")
    for codec in (encoder, decoder):
        codec.sample_rate = SAMPLE_RATE_HZ
        codec.layout = "stereo"
    encoder.format = av.AudioFormat("s16")
    encoder.bit_rate = settings.bit_rate
    loss = str(settings.expected_loss_percent)
    encoder.options = {"application": "audio", "frame_duration": "20", "fec": "1", "packet_loss": loss}
    padded = np.concatenate((samples, np.zeros(-len(samples) % _FRAME_SAMPLES, np.int16)))
    packets = []
    for start in range(0, len(padded), _FRAME_SAMPLES):
        block = np.repeat(padded[start : start + _FRAME_SAMPLES], 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [block.to_ndarray().reshape(-1, 2) for packet in packets for block in decoder.decode(packet)]
    return np.concatenate(decoded)[:, 0].astype(np.int16)
