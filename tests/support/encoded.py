"""Real encoded files, each made once a run: a stereo signal whose channels and instants differ, in every codec."""

import io
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import av
import numpy as np

SECONDS = 6.0


class Kind(NamedTuple):
    codec: str
    container: str
    rate_hz: int
    content_type: str
    sample_format: str
    options: Mapping[str, str] = MappingProxyType({})
    container_options: Mapping[str, str] = MappingProxyType({})


KINDS = {
    "flac": Kind("flac", "flac", 44_100, "audio/flac", "s16"),
    "opus": Kind("libopus", "ogg", 48_000, "audio/ogg", "s16", {"b": "128k"}),
    "webm": Kind("libopus", "webm", 48_000, "audio/webm", "s16", {"b": "128k"}),
    "mp3": Kind("libmp3lame", "mp3", 44_100, "audio/mpeg", "s16p", {"b": "192k"}),
    "vbr.mp3": Kind("libmp3lame", "mp3", 44_100, "audio/mpeg", "s16p", {"q": "2"}),
    "m4a": Kind("aac", "mp4", 44_100, "audio/mp4", "fltp", {"b": "160k"}, {"movflags": "faststart"}),
    "aac": Kind("aac", "adts", 44_100, "audio/aac", "fltp", {"b": "160k"}),
    "vorbis": Kind("vorbis", "ogg", 44_100, "audio/ogg", "fltp", {"strict": "experimental"}),
    "wav": Kind("pcm_s16le", "wav", 48_000, "audio/wav", "s16"),
}


def stereo_signal(rate_hz: int, seconds: float = SECONDS) -> np.ndarray:
    """Left sweeps upwards from 200 Hz, right is a 1 kHz tone that beats: no instant is like another. int16 (n, 2)."""
    time_s = np.arange(round(rate_hz * seconds)) / rate_hz
    sweep = np.sin(2 * np.pi * (200 * time_s + 150 * time_s**2))
    tone = np.sin(2 * np.pi * 1000 * time_s) * (0.7 + 0.3 * np.sin(2 * np.pi * 0.37 * time_s))
    return np.round(np.stack([sweep, tone], axis=1) * 12_000).astype(np.int16)


@cache
def encoded(name: str, seconds: float = SECONDS) -> bytes:
    """Return the file's bytes."""
    kind = KINDS[name]
    return encode(stereo_signal(kind.rate_hz, seconds), kind)


def encode(pcm: np.ndarray, kind: Kind) -> bytes:
    """Encode int16 PCM of shape (n, channels)."""
    with tempfile.NamedTemporaryFile() as target:  # a file, for a muxer that moves its index to the front reopens it
        with av.open(
            target.name, "w", format=kind.container, container_options=dict(kind.container_options)
        ) as container:
            write_audio(container, pcm, kind)
        return Path(target.name).read_bytes()


def write_audio(container: av.container.OutputContainer, pcm: np.ndarray, kind: Kind) -> None:
    layout = "mono" if pcm.shape[1] == 1 else "stereo"
    stream = container.add_stream(kind.codec, rate=kind.rate_hz, options=dict(kind.options))
    stream.layout = layout
    stream.format = kind.sample_format
    stream.codec_context.open(strict=False)
    frame_size = stream.codec_context.frame_size or 1024
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = kind.rate_hz, 0, Fraction(1, kind.rate_hz)
    resampler = av.AudioResampler(kind.sample_format, layout, kind.rate_hz, frame_size)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


@cache
def video_only() -> bytes:
    """Return an MP4 with pictures and no sound."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4", container_options={"movflags": "empty_moov+frag_keyframe"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 5, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


@cache
def hls(seconds: float = SECONDS, segment_s: float = 1.0) -> dict[str, bytes]:
    """Return an HLS playlist (`index.m3u8`) and its MPEG-TS segments (AAC), by name."""
    kind = KINDS["aac"]._replace(container="mpegts")
    transport = encode(stereo_signal(kind.rate_hz, seconds), kind)
    return _split(transport, segment_s)


def _split(transport: bytes, segment_s: float) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{int(segment_s + 1)}", "#EXT-X-PLAYLIST-TYPE:VOD"]
    with av.open(io.BytesIO(transport)) as source:
        packets = [packet for packet in source.demux(audio=0) if packet.dts is not None]
        first_s = float(packets[0].pts * packets[0].time_base)
        groups: dict[int, list[av.Packet]] = {}
        for packet in packets:
            groups.setdefault(int((float(packet.pts * packet.time_base) - first_s) / segment_s), []).append(packet)
        for number, group in groups.items():
            target = io.BytesIO()
            options = {"mpegts_copyts": "1"}
            with av.open(target, "w", format="mpegts", container_options=options) as container:
                stream = container.add_stream_from_template(source.streams.audio[0])
                duration_s = float(sum(packet.duration for packet in group) * group[0].time_base)
                for packet in group:
                    packet.stream = stream
                    container.mux(packet)
            files[f"segment{number}.ts"] = target.getvalue()
            lines += [f"#EXTINF:{duration_s:.5f},", f"segment{number}.ts"]
    files["index.m3u8"] = ("\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n").encode()
    return files
