"""Codecs against frozen packets and against themselves.

Decoded sound and pictures are compared by what they show and not to the bit: libopus and FFmpeg round differently from
one CPU to the next.
"""

from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from clankvox.doctor.finding import Wrong
from clankvox.media import libopus
from clankvox.media.opus_decoder import OpusDecoder
from clankvox.media.opus_encoder import LOOKAHEAD_SAMPLES, OpusEncoder
from clankvox.media.resample import StreamResampler
from clankvox.media.video_decoder import VideoDecoder, luma_of
from clankvox.media.video_encoder import VideoEncoder
from clankvox.media.video_target import VideoTarget
from clankvox.wire.video_codec import VideoCodec

_RATE_HZ: Final = 48_000
_FRAME: Final = 960
_TONE_HZ: Final = 1_000
_TONE_PEAK: Final = 8_000
_SIDE: Final = 32
_DARK: Final = 60
_BRIGHT: Final = 200
_TOLERANCE: Final = 6
"""Steps of luma out of 255."""

OPUS_PACKETS: Final = (
    "0884e474c7a18826a040041b80",
    "08af9879471207b239aba7987df89e99af5e5988b16b602539b8835c53de50",
    "08a7f0dcc0ef1ade37132bf72960f54253a153ff20",
)
"""60 ms of a tone of 1 kHz, by libopus 1.6.1 at 6 kb/s."""
H264_PICTURE: Final = (
    "000000016742c00ada25a10000030001000003003c8f1226a00000000168ce0fc8"
    "0000000165888404bfffff0f4500011c3fe1fff87a280009e17aebc0"
)
VP8_PICTURE: Final = "5002009d012a200020000047088585888584880202000911cf91b800fefec8eefff6a9c0"
"""Both: 32 x 32, luma 60 on the left and 200 on the right."""


def opus() -> str:
    """Decode known packets; encode a tone and find it again."""
    decoder = OpusDecoder(_RATE_HZ)
    heard = np.concatenate([decoder.decode(bytes.fromhex(packet)).copy() for packet in OPUS_PACKETS])
    _check_tone(heard[1_200:2_640], "known packets", 0.6)
    encoder, decoder, tone = OpusEncoder(), OpusDecoder(_RATE_HZ), _tone(10 * _FRAME)
    frames = tone.reshape(-1, _FRAME)
    packets = [encoder.encode(np.repeat(frame[:, None], 2, axis=1)) for frame in frames]
    again = np.concatenate([decoder.decode(packet).copy() for packet in packets])
    _check_tone(again[2 * _FRAME + LOOKAHEAD_SAMPLES :], "own packets", 0.95)
    return f"{libopus.version()}: known packets and own ones"


def h264() -> str:
    """Decode a known picture; encode one and decode it."""
    _check_picture(VideoDecoder(VideoCodec.H264), bytes.fromhex(H264_PICTURE), "known picture")
    encoder = VideoEncoder(VideoTarget(_SIDE, _SIDE, 30, 200_000, 30))
    try:
        unit = encoder.encode(_picture(), 0.0, idr=True)
    finally:
        encoder.close()
    if not unit.keyframe:
        raise Wrong("a key frame was asked for, and something else came")
    _check_picture(VideoDecoder(VideoCodec.H264), unit.data, "own picture")
    return "a known picture decodes, an own one encodes and decodes"


def vp8() -> str:
    """Decode a known picture."""
    _check_picture(VideoDecoder(VideoCodec.VP8), bytes.fromhex(VP8_PICTURE), "known picture")
    return "a known picture decodes"


def jpeg() -> str:
    """Encode a picture and have FFmpeg decode it."""
    from clankvox.media.jpeg import JpegEncoder  # noqa: PLC0415 - without simplejpeg the others can be examined

    data = JpegEncoder().encode(_picture(), 90)
    if not data.startswith(b"\xff\xd8") or not data.endswith(b"\xff\xd9"):
        raise Wrong("what comes out is no JPEG")
    decoder = av.CodecContext.create("mjpeg", "r")
    shown = decoder.decode(av.Packet(data))
    if not shown:
        raise Wrong("a JPEG of ours does not decode")
    gray = shown[0].reformat(format="rgb24").to_ndarray().mean(axis=2)
    full_range = [(luma - 16) * 255 / 219 for luma in (_DARK, _BRIGHT)]
    _check_halves(gray, full_range, "a JPEG")
    return f"{len(data)} bytes, colours in full range"


def resampling() -> str:
    """Convert in odd chunks: the count must be exact, and the tone whole."""
    for rate in (8_000, 16_000, 24_000, 44_100):
        tone, resampler = _tone(rate, rate), StreamResampler(rate, _RATE_HZ, 1)
        parts = [resampler.push(tone[start : start + 317, None]) for start in range(0, rate, 317)]
        out = np.concatenate([*parts, resampler.finish()])[:, 0]
        if len(out) != _RATE_HZ:
            raise Wrong(f"{rate} Hz: {len(out)} samples of {_RATE_HZ}")
        _check_tone(out[4_800:-4_800], f"{rate} Hz", 0.98)
    return "8, 16, 24 and 44.1 kHz to 48 kHz, exact to the sample"


def _tone(samples: int, rate_hz: int = _RATE_HZ) -> NDArray[np.int16]:
    turns = 2 * np.pi * _TONE_HZ * np.arange(samples) / rate_hz
    tone: NDArray[np.int16] = np.rint(_TONE_PEAK * np.sin(turns)).astype(np.int16)
    return tone


def _check_tone(pcm: NDArray[np.int16], what: str, least: float) -> None:
    """Raise Wrong unless `pcm` is a tone of 1 kHz of at least that share of its level, and of little else."""
    sound = pcm.astype(np.float64)
    turns = 2 * np.pi * _TONE_HZ * np.arange(len(sound)) / _RATE_HZ
    base = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    fitted = base @ np.linalg.lstsq(base, sound, rcond=None)[0]
    level = float(np.sqrt(2 * np.mean(fitted**2))) / _TONE_PEAK
    purity = float(np.mean(fitted**2) / max(np.mean(sound**2), 1.0))
    if not (least <= level <= 2 - least and purity > least):
        raise Wrong(f"{what}: the tone has {level:.2f} of its level and {purity:.2f} of the power")


def _picture() -> av.VideoFrame:
    luma = np.full((_SIDE, _SIDE), _DARK, np.uint8)
    luma[:, _SIDE // 2 :] = _BRIGHT
    planes = np.vstack([luma, np.full((_SIDE // 2, _SIDE), 128, np.uint8)])
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _check_picture(decoder: VideoDecoder, data: bytes, what: str) -> None:
    shown = decoder.decode(data)
    if shown is None:
        raise Wrong(f"{what}: nothing is shown")
    _check_halves(luma_of(shown).astype(np.float64), [_DARK, _BRIGHT], what)


def _check_halves(gray: NDArray[np.float64], wanted: list[float], what: str) -> None:
    if gray.shape != (_SIDE, _SIDE):
        raise Wrong(f"{what}: {gray.shape[1]} x {gray.shape[0]} instead of {_SIDE} x {_SIDE}")
    middle = _SIDE // 2
    found = [float(gray[:, 2 : middle - 2].mean()), float(gray[:, middle + 2 : -2].mean())]
    if any(abs(one - other) > _TOLERANCE for one, other in zip(found, wanted, strict=True)):
        raise Wrong(f"{what}: halves of {found[0]:.0f} and {found[1]:.0f}")
