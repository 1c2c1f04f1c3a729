"""The thread that decodes what a watching member receives, reads the clock in it, and writes pictures if asked."""

import queue
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from clankvox.clock import Clock
from clankvox.loopback.clock_picture import Luma, Stamp, read_clock
from clankvox.loopback.member_engine import VideoCodec

_MAX_QUEUED: Final = 60
_DECODERS: Final = {"H264": "h264", "VP8": "vp8"}


class Job(NamedTuple):
    """A picture to decode; pictures of one `stream` need each other."""

    stream: int
    codec: VideoCodec
    data: bytes


class Decoded(NamedTuple):
    """What was seen at `at_s`; `size` is None if it did not decode."""

    stream: int
    size: tuple[int, int] | None
    stamp: Stamp | None
    at_s: float


class PictureDecoder:
    """Decodes in order. The thread begins with the first job."""

    def __init__(self, clock: Clock, take: Callable[[Decoded], None], folder: Path | None, every: int) -> None:
        """Hand results to `take`, on the decoder's thread; write each `every`th picture of a stream into `folder`."""
        self._clock = clock
        self._take = take
        self._folder = folder
        self._every = every
        self._jobs: queue.Queue[Job | None] = queue.Queue(_MAX_QUEUED)
        self._contexts: dict[tuple[int, VideoCodec], av.VideoCodecContext] = {}
        self._counts: dict[int, int] = {}
        self._last: dict[int, av.VideoFrame] = {}
        self._thread: threading.Thread | None = None
        self.unwritten = 0
        """Pictures that could not be written."""

    def submit(self, job: Job) -> bool:
        """Queue a job; False if too many wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="loopback-decoder", daemon=True)
            self._thread.start()
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def last(self, stream: int) -> av.VideoFrame | None:
        """Return the last picture of a stream. Any thread."""
        return self._last.get(stream)

    def end(self) -> None:
        """End the thread once it has done what is queued, without waiting for it."""
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            self._jobs.get_nowait()
            self._jobs.put_nowait(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            frames = self._decode(job)
            for frame in frames:
                self._note(job.stream, frame)
            if not frames:
                self._take(Decoded(job.stream, None, None, self._clock.now()))

    def _decode(self, job: Job) -> list[av.VideoFrame]:
        key = (job.stream, job.codec)
        context = self._contexts.get(key)
        if context is None:
            made = av.CodecContext.create(_DECODERS[job.codec], "r")
            if not isinstance(made, av.VideoCodecContext):
                return []
            made.thread_count = 1
            context = self._contexts[key] = made
        try:
            return context.decode(av.Packet(job.data))
        except av.error.FFmpegError:
            return []

    def _note(self, stream: int, frame: av.VideoFrame) -> None:
        self._last[stream] = frame
        luma = luma_of(frame)
        self._take(Decoded(stream, (frame.width, frame.height), read_clock(luma), self._clock.now()))
        count = self._counts[stream] = self._counts.get(stream, 0) + 1
        if self._folder is not None and (count - 1) % self._every == 0:
            try:
                write_picture(frame, self._folder / f"{stream}-{count:06}.png")
            except OSError:
                self.unwritten += 1


def luma_of(frame: av.VideoFrame) -> Luma:
    """Return the luma of a decoded picture, shape (height, width), without a copy."""
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def write_picture(frame: av.VideoFrame, path: Path) -> None:
    """Write a picture as .png, or its exact planes as .npz (`planes`, yuv420p). Blocks; OSError if it cannot."""
    if path.suffix == ".npz":
        np.savez(path, planes=frame.reformat(format="yuv420p").to_ndarray())
        return
    context = av.CodecContext.create("png", "w")
    if not isinstance(context, av.VideoCodecContext):
        raise OSError("no PNG encoder")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "rgb24"
    context.time_base = Fraction(1, 1)
    rgb = frame.reformat(format="rgb24")
    rgb.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in [*context.encode(rgb), *context.encode(None)]))
