"""One track from its first sample to its last, over as many openings of its source as it takes."""

from collections.abc import Callable
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.stream import Discard

from clankvox.media.overlap_check import OverlapCheck
from clankvox.media.packet_feed import AudioPacket, GapFound, PacketFeed
from clankvox.media.pcm import Stereo
from clankvox.media.sample_timeline import SampleTimeline
from clankvox.media.source_fault import NoAudio, broken, fault_of
from clankvox.media.track_buffer import nothing
from clankvox.media.track_resampler import RATE_HZ, TrackResampler

_PREROLL_S: Final = 1.0
"""Decoded and dropped after a seek, until decoders have forgotten that they began in the middle (Opus: 80 ms)."""
_SKIP_MARGIN_S: Final = 2.0
_MOST_DECODE_ERRORS: Final = 200
"""In a row: about five seconds."""
_LATE_S: Final = 0.002


class TrackReader:
    """Yields the track's PCM as 48 kHz stereo int16; blocks as the source does.

    The caller opens a container and hands it to `attach`; when `read` raises a SourceFault it may attach another one
    of the same track, and the next `read` goes on with the sample after the last one. Not thread-safe.
    """

    def __init__(self, start_ms: int = 0) -> None:
        """Begin `start_ms` into the track."""
        self._start_ms = start_ms
        self._resampler = TrackResampler()
        self._timeline: SampleTimeline | None = None
        self._stream: av.AudioStream
        self._feed: PacketFeed
        self._on_packet = nothing
        self._digest: bytes | None = None
        self._tolerated: frozenset[int] = frozenset()
        self._jumps = False
        self._overlap = OverlapCheck()
        self._landing = False
        self._from_start = False
        self._decode_errors = 0
        self._read_samples = 0
        self._ended = False

    @property
    def heard(self) -> bool:
        """Whether PCM was read."""
        return self._read_samples > 0

    @property
    def position_ms(self) -> int:
        """Where in the track the next sample is."""
        return self._start_ms + self._read_samples * 1000 // RATE_HZ

    def attach(
        self, container: InputContainer, whole: Callable[[], bool], on_packet: Callable[[], None] = nothing
    ) -> None:
        """Read from `container` from now on; `whole` as in PacketFeed. Raises SourceFault.

        `on_packet` hears of every packet, also of those before the position.
        """
        stream = container.streams.best("audio")
        if not isinstance(stream, av.AudioStream):
            raise broken("there is no audio in it", self.heard)
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._on_packet = on_packet
        jumps = self._jumps or container.duration is None
        self._feed = PacketFeed(container, stream, whole, None if jumps else self._tolerated)
        try:
            self._approach(container)
        except av.FFmpegError as error:
            raise fault_of(error, self.heard) from None

    def read(self) -> Stereo | None:
        """Return the next PCM, shape (n, 2); None at the end of the track. Raises SourceFault."""
        while not self._ended:
            try:
                packet = self._feed.next()
            except GapFound as gap:
                self._tolerated |= {gap.end_pts}  # if it is still there next time it is the track's own
                raise
            except (av.FFmpegError, OSError) as error:
                raise fault_of(error, self.heard) from None
            self._on_packet()
            if self._feed.leapt and self._timeline is not None:
                self._jumps = True
                self._timeline.jump()
            pcm = self._decode(packet)
            if packet is None:
                self._land(at_position=not self._landing)
                self._ended = True
                pcm = np.concatenate([pcm, self._resampler.finish()])
            if len(pcm):
                self._read_samples += len(pcm)
                return pcm
        if not self.heard:
            raise NoAudio("there is no audio in it")
        return None

    # --- coming to the position ---

    def _approach(self, container: InputContainer) -> None:
        """Make the feed begin at the position, or a little before it."""
        timeline = self._timeline
        endless = container.duration is None and (container.size <= 0 or "hls" in container.format.name)
        if endless:
            digest = self._feed.digest()
            if timeline is not None and digest != self._digest:
                timeline.go_on()
                return
            self._digest = digest
        if timeline is not None:
            timeline.jump()
        self._landing = False
        target_s = self._start_ms / 1000 if timeline is None else timeline.position / timeline.rate_hz
        if target_s > _PREROLL_S and not endless and not self._from_start:
            time_base = self._stream.time_base or 1
            begin_s = self._begin_s() + target_s - _PREROLL_S
            self._landing = True
            self._overlap.begin()
            try:
                container.seek(int(begin_s / time_base), stream=self._stream, backward=True)
            except av.FFmpegError:
                self._land(at_position=False)

    def _land(self, *, at_position: bool) -> None:
        """End the approach after a seek; if it failed, say so and read the next opening from its beginning."""
        if self._landing and not at_position:
            self._from_start = True
            raise broken("the source could not be sought", self.heard)
        self._landing = False

    def _begin_s(self) -> float:
        """Time stamp of the track's beginning."""
        start, time_base = self._stream.start_time, self._stream.time_base
        return 0.0 if start is None or time_base is None else float(start * time_base)

    # --- decoding ---

    def _decode(self, packet: "AudioPacket | None") -> Stereo:
        if packet is not None and self._skippable(packet):
            return _EMPTY
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            self._decode_errors += 1
            if self._decode_errors > _MOST_DECODE_ERRORS:
                raise fault_of(error, self.heard) from None
            return _EMPTY
        self._decode_errors = 0 if frames else self._decode_errors
        parts = [self._place(frame) for frame in frames]
        return np.concatenate(parts) if parts else _EMPTY

    def _skippable(self, packet: AudioPacket) -> bool:
        """Whether the packet is far before the position, in a source that could not be sought."""
        if self._timeline is None or packet.pts is None or packet.time_base is None:
            return False
        return self._timeline.before(float(packet.pts * packet.time_base) - self._begin_s() + _SKIP_MARGIN_S)

    def _place(self, frame: av.AudioFrame) -> Stereo:
        """Convert what is wanted of `frame`."""
        rate_hz = frame.sample_rate
        if self._timeline is None:
            self._timeline = SampleTimeline(rate_hz, self._start_ms * rate_hz // 1000)
        elif self._timeline.rate_hz != rate_hz:
            self._timeline = self._timeline.continued(rate_hz)
        time_base = self._stream.time_base
        coarse = time_base is not None and time_base * rate_hz > 1
        time_s = None if frame.time is None else frame.time - self._begin_s()
        if self._landing and self._timeline.missing(time_s, frame.samples, coarse) > _LATE_S * rate_hz:
            self._land(at_position=False)
        position = self._timeline.position
        unwanted = self._timeline.place(time_s, frame.samples, coarse)
        if self._landing:
            self._overlap.hear_again(frame, unwanted)
        if unwanted == frame.samples:
            return _EMPTY
        if self._landing and not self._overlap.fits(unwanted):
            self._timeline.position = position  # nothing of this frame is delivered
            self._land(at_position=False)
        self._landing = False
        self._overlap.deliver(frame)
        return self._resampler.convert(frame, unwanted)


_EMPTY: Final[Stereo] = np.empty((0, 2), np.int16)
