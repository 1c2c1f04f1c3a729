"""Access units to the pictures that the parent is shown: decode all, score all, encode the few that are wanted."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import av
from av.video.reformatter import ColorRange

from clankvox.errors import CodecError
from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.media.change_score import ChangeMeter, ChangeScore
from clankvox.media.jpeg import JpegEncoder
from clankvox.media.picture_gate import PictureGate
from clankvox.media.video_decoder import VideoDecoder, luma_of
from clankvox.media.video_ports import AccessUnit
from clankvox.media.watch_list import PictureWish, WatchList
from clankvox.wire.video_codec import VideoCodec

_log = logging.getLogger("clankvox.video")

RESET_ERRORS: Final = 50
RESET_INTERVAL_S: Final = 5.0
KEYFRAME_INTERVAL_S: Final = 1.0
"""A key frame is asked for no more often for parents that decode VP8 themselves: every viewer pays for it."""
LONGEST_PATIENCE_S: Final = 60.0
"""From a key frame that was refused to the next one that is asked for, in the end: who cannot decode one cannot decode
the next either, if nothing changes, and every viewer pays for it."""
_MOST_STREAMS: Final = 16


class DecodedPicture(NamedTuple):
    """A picture for the parent."""

    role: Role
    user_id: UserId
    ssrc: Ssrc
    width: int
    height: int
    jpeg: bytes
    rtp_timestamp: int
    stream_type: str | None
    rid: str | None
    change: ChangeScore


class PictureSink(Protocol):
    """Where pictures go. Worker thread; must not block."""

    def picture(self, picture: DecodedPicture) -> None:
        """Take a picture."""
        ...

    def compressed(self, unit: AccessUnit) -> None:
        """Take a VP8 key frame for a parent that decodes them itself."""
        ...


class PictureTotals:
    """Since the process started; reading single counters is safe from any thread."""

    __slots__ = ("compressed", "decode_errors", "decoded", "emitted", "resets", "too_large")

    def __init__(self) -> None:
        self.decoded = 0
        self.emitted = 0
        """Pictures that went to the parent as JPEG."""
        self.compressed = 0
        """VP8 key frames that went to the parent as they are."""
        self.decode_errors = 0
        self.too_large = 0
        """Among the errors: pictures that were refused by their declared size."""
        self.resets = 0


class _Stream:
    """What is kept of one stream between its pictures."""

    def __init__(self, unit: AccessUnit) -> None:
        self.attempt: Attempt = unit.attempt
        self.decoder = VideoDecoder(unit.codec)
        self.meter = ChangeMeter()
        self.gate = PictureGate()
        self.jpeg = JpegEncoder()
        self.errors = 0
        """In a row."""
        self.refused_keyframes = 0
        """In a row."""
        self.ask_at = float("-inf")
        """When a key frame may be asked for, because the decoder lost track."""
        self.made_at = unit.arrival
        self.keyframe_due = float("inf")
        """When the next key frame is to be asked for, because it is passed on as it is."""
        self.is_shown = False
        """Whether the parent got a picture of it."""


class PictureMaker:
    """Makes the pictures of a role. `watch` from any thread, all else on the role's decoding thread.

    `need_keyframe` is called, with no lock held, when a decoder lost track of its stream.
    """

    def __init__(self, sink: PictureSink, need_keyframe: Callable[[Ssrc], None]) -> None:
        self.totals = PictureTotals()
        self._sink = sink
        self._need_keyframe = need_keyframe
        self._wishes: dict[Ssrc, PictureWish] = {}
        self._wishes_of: dict[UserId, PictureWish] = {}
        self._streams: dict[Ssrc, _Stream] = {}

    def watch(self, streams: WatchList) -> None:
        """Take what is wanted now."""
        self._wishes = {stream.ssrc: stream.wish for stream in streams if stream.wish is not None}
        self._wishes_of = {stream.user_id: stream.wish for stream in streams if stream.wish is not None}

    def make(self, unit: AccessUnit) -> None:
        """Decode a unit, and emit its picture if it is due."""
        wish = self._wishes.get(unit.ssrc) or self._wishes_of.get(unit.user_id)
        if wish is None:
            return
        stream = self._stream(unit)
        if unit.codec is VideoCodec.VP8 and not wish.decode_vp8:
            self._pass_on(stream, unit, wish)
            return
        frame = self._decode(stream, unit)
        if frame is None:
            return
        stream.meter.observe(luma_of(frame), full_range=frame.color_range == ColorRange.JPEG)
        if stream.gate.admit(wish.max_frames_per_second, unit.rtp_timestamp, unit.arrival):
            self._emit(stream, unit, frame, wish.jpeg_quality)

    def forget(self, ssrc: Ssrc) -> None:
        """Drop the decoder of a stream that is over."""
        self._streams.pop(ssrc, None)

    def _stream(self, unit: AccessUnit) -> _Stream:
        """Find or make what belongs to the unit; a new connection or codec begins anew."""
        stream = self._streams.get(unit.ssrc)
        if stream is None or stream.attempt != unit.attempt or stream.decoder.codec is not unit.codec:
            self._streams.pop(unit.ssrc, None)
            if len(self._streams) >= _MOST_STREAMS:
                del self._streams[next(iter(self._streams))]
            stream = self._streams[unit.ssrc] = _Stream(unit)
        return stream

    def _pass_on(self, stream: _Stream, unit: AccessUnit, wish: PictureWish) -> None:
        """Pass key frames on, and ask for the next: deltas that are thinned out of their run decode nowhere."""
        if not unit.keyframe:
            if unit.arrival >= stream.keyframe_due:
                stream.keyframe_due = unit.arrival + KEYFRAME_INTERVAL_S
                self._need_keyframe(unit.ssrc)
        elif stream.gate.admit(wish.max_frames_per_second, unit.rtp_timestamp, unit.arrival):
            stream.keyframe_due = unit.arrival + KEYFRAME_INTERVAL_S
            self.totals.compressed += 1
            self._sink.compressed(unit)
            self._note_shown(stream, unit)

    def _decode(self, stream: _Stream, unit: AccessUnit) -> av.VideoFrame | None:
        try:
            frame = stream.decoder.decode(unit.data)
        except CodecError as error:
            self._on_error(stream, unit, error)
            return None
        stream.errors = stream.refused_keyframes = 0
        stream.ask_at = float("-inf")
        self.totals.decoded += frame is not None
        return frame

    def _on_error(self, stream: _Stream, unit: AccessUnit, error: CodecError) -> None:
        """Count, begin anew if nothing has come out for long, and ask for what a decoder can begin with."""
        self.totals.decode_errors += 1
        self.totals.too_large += error.code == "picture_too_large"
        _log.info("picture not decoded", extra={"fields": {**_named(unit), "code": error.code}})
        stream.errors += 1
        if unit.keyframe:
            stream.ask_at = unit.arrival + min(2.0**stream.refused_keyframes, LONGEST_PATIENCE_S)
            stream.refused_keyframes += 1
        if unit.arrival >= stream.ask_at:
            self._need_keyframe(unit.ssrc)
        if stream.errors >= RESET_ERRORS and unit.arrival >= stream.made_at + RESET_INTERVAL_S:
            self.totals.resets += 1
            _log.info("decoder begun anew", extra={"fields": _named(unit)})
            self._streams[unit.ssrc] = anew = _Stream(unit)
            anew.refused_keyframes, anew.ask_at = stream.refused_keyframes, stream.ask_at

    def _emit(self, stream: _Stream, unit: AccessUnit, frame: av.VideoFrame, quality: int) -> None:
        self.totals.emitted += 1
        self._sink.picture(
            DecodedPicture(
                role=unit.role,
                user_id=unit.user_id,
                ssrc=unit.ssrc,
                width=frame.width,
                height=frame.height,
                jpeg=stream.jpeg.encode(frame, quality),
                rtp_timestamp=unit.rtp_timestamp,
                stream_type=unit.stream_type,
                rid=unit.rid,
                change=stream.meter.take(),
            )
        )
        self._note_shown(stream, unit)

    @staticmethod
    def _note_shown(stream: _Stream, unit: AccessUnit) -> None:
        if not stream.is_shown:
            stream.is_shown = True
            _log.info("first video frame forwarded", extra={"fields": _named(unit)})


def _named(unit: AccessUnit) -> dict[str, object]:
    return {"role": unit.role, "user_id": unit.user_id, "ssrc": unit.ssrc, "codec": unit.codec}
