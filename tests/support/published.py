"""What a publisher needs around it: a lane that a test empties by hand, a wire that keeps datagrams, and films."""

import atexit
import shutil
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random

import av
import numpy as np

from clankvox.errors import TransportLost
from clankvox.ids import Ssrc
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.video_path import VideoPath
from clankvox.media.video_sender import VideoSender
from clankvox.wire.h264 import depacketise
from clankvox.wire.rtp import parse_header, strip
from clankvox.wire.transport_crypto import TransportMode
from tests.support.coded_video import av_frame
from tests.support.manual_clock import ManualClock

SSRC, RTX_SSRC = Ssrc(4001), Ssrc(4002)


class HandLane:
    """ports.VideoPacerPort: keeps groups until the test lets them leave."""

    def __init__(self, events=None):
        self.groups = []
        self.spreads = []
        self.full = False
        self.backlog = 0.0
        self.events = events if events is not None else []

    def queue(self, ssrc, packets, spread_s):
        if self.full:
            return False
        self.groups.append((ssrc, list(packets)))
        self.spreads.append(spread_s)
        return True

    def clear(self, ssrc):
        taken = [packet for owner, packets in self.groups if owner == ssrc for packet in packets]
        self.groups = [group for group in self.groups if group[0] != ssrc]
        return taken

    drop = clear

    def backlog_s(self, ssrc):
        return self.backlog

    def leave(self, count=None):
        """Let `count` groups leave, or all; returns the outcomes of their packets."""
        leaving, self.groups = self.groups[:count], self.groups[count:] if count is not None else []
        return [packet.send() for _, packets in leaving for packet in packets]


class VideoWire:
    """A sender whose datagrams end in a list."""

    def __init__(self, gate=Gate.CLEAR, cipher=None, seed=1):
        self.clock = ManualClock()
        self.cipher = cipher or FrameCipher()
        if cipher is None:
            self.cipher.set_gate(gate)
        self.sealer = PacketSealer(TransportMode.AES256_GCM, bytes(32))
        self.lane = HandLane()
        self.datagrams = []
        self.broken = False
        self.path = VideoPath(
            ssrc=SSRC,
            rtx_ssrc=RTX_SSRC,
            sealer=self.sealer,
            cipher=self.cipher,
            pacer=self.lane,
            transmit=self._transmit,
        )
        self.sender = VideoSender(self.path, Random(seed))

    def _transmit(self, datagram):
        if self.broken:
            raise TransportLost("gone")
        self.datagrams.append(datagram)

    @property
    def counters(self):
        return self.path.counters

    def packets(self, ssrc=SSRC):
        """What has left for `ssrc`: headers and payloads as a receiver reads them."""
        opened = []
        for datagram in self.datagrams:
            header = parse_header(datagram)
            if header.ssrc == ssrc:
                opened.append((header, strip(header, self.sealer.open(datagram, header.clear_bytes))))
        return opened

    def sealed_units(self):
        """Access units put together of what has left, still as DAVE made them, with their timestamps."""
        units, part = [], b""
        for header, payload in self.packets():
            part += depacketise(payload).data
            if header.marker:
                units.append((header.timestamp, part))
                part = b""
        return units


def luma(frame):
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width].copy()


def psnr(one, other):
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return 99.0 if not error else 10 * np.log10(255**2 / error)


def decoded(units):
    """Frames by a plain decoder."""
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    return [frame for unit in units for frame in context.decode(av.Packet(unit))]


def write_film(path, pictures=30, rate=30, size=(320, 192), sound=False, times=None, aspect=None, begins_s=0):
    """Write a film whose pictures are coded_video.picture(n), the n-th at `times[n]` (1/1000 s) from `begins_s` on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        tone = container.add_stream("aac", rate=48_000, layout="stereo") if sound else None
        for index in range(pictures):
            frame = av_frame(index, *size)
            frame.pts = begins_s * 1000 + (times[index] if times else round(index * 1000 / rate))
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
            if tone is not None:
                _mux_sound(container, tone, index, 48_000 // rate, begins_s)
        for each in [stream] if tone is None else [stream, tone]:
            container.mux(each.encode(None))
    return path


def _mux_sound(container, stream, index, samples, begins_s):
    """A second of silence, then a click a second: each tells its instant."""
    at = np.arange(index * samples, (index + 1) * samples)
    pcm = np.where(at % 48_000 < 480, 12_000, 0).astype(np.int16).repeat(2).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, begins_s * 48_000 + index * samples, Fraction(1, 48_000)
    container.mux(stream.encode(frame))


@cache
def film(**options):
    """The path of a film that is made once a run."""
    folder = Path(tempfile.mkdtemp(prefix="film"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_film(folder / f"film{options.pop('suffix', '.mp4')}", **options)


def png_of(frame):
    """Encode a picture as PNG."""
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "rgb24"
    context.time_base = Fraction(1, 30)
    return b"".join(bytes(packet) for packet in context.encode(frame.reformat(format="rgb24")))
