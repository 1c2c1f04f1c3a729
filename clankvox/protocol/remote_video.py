"""What the others of one connection send as video, and what we say that we want of it (ops 12 and 15).

Pure rules over values of the wire; the video actor keeps the state.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from clankvox.ids import Role, Ssrc, UserId
from clankvox.wire.gateway_ops import MediaSinkWants, StreamDescription, Video

SCREEN: Final = "screen"
DEFAULT_PIXELS: Final = 921_600
"""1280 x 720: without a pixel count the server takes us for a small tile and sends its lowest quality."""
MOST_LAYERS: Final = 16
"""Streams of one user; clients send one to three, and the server is told what is wanted of each."""
_NEUTRAL_TYPES: Final = frozenset({None, "video"})
"""Servers rewrite `screen` to `video`, so that such a type says nothing."""
_MATCHES: Final = 2


class RemoteVideo(NamedTuple):
    """What one user sends now."""

    audio_ssrc: Ssrc | None
    video_ssrc: Ssrc | None
    streams: tuple[StreamDescription, ...]

    @property
    def ssrcs(self) -> frozenset[Ssrc]:
        """Every primary SSRC of this user."""
        return frozenset(Ssrc(stream.ssrc) for stream in self.streams if stream.ssrc)

    @property
    def last_ssrc(self) -> Ssrc | None:
        """Name this video by one SSRC, for its end."""
        return self.video_ssrc or next((Ssrc(stream.ssrc) for stream in self.streams if stream.ssrc), None)


class Wish(NamedTuple):
    """What the parent wants of one user; a `stream_type` of None means no preference."""

    quality: int
    pixel_count: int | None
    stream_type: str | None


def merged(before: RemoteVideo | None, video: Video) -> RemoteVideo | None:
    """Return what the user sends after `video` was announced; None if it sends nothing any more.

    An update without streams keeps the ones before; a video SSRC that no stream names is a stream of its own.
    """
    if not video.video_ssrc and not video.streams:
        return None  # zeros, with an empty list or without one: video is off
    listed = video.streams if video.streams is not None else (before.streams if before is not None else ())
    streams = tuple(_lowered(stream) for stream in listed if stream.ssrc)[:MOST_LAYERS]
    if video.video_ssrc and all(stream.ssrc != video.video_ssrc for stream in streams):
        streams = (*streams, StreamDescription(ssrc=video.video_ssrc, rtx_ssrc=video.rtx_ssrc, active=True))
    if not streams:
        return None
    return RemoteVideo(
        Ssrc(video.audio_ssrc) if video.audio_ssrc else (before.audio_ssrc if before is not None else None),
        Ssrc(video.video_ssrc) if video.video_ssrc else (before.video_ssrc if before is not None else None),
        streams,
    )


def preferred(video: RemoteVideo, stream_type: str | None) -> StreamDescription | None:
    """Return the stream to watch: active, of the wanted type, the announced one, the largest, the best."""
    if not video.streams:
        return None

    def rank(stream: StreamDescription) -> tuple[bool, int, bool, float, int]:
        return (
            stream.active is not False,
            _type_match(stream.type, stream_type),
            stream.ssrc == video.video_ssrc,
            pixels_of(stream),
            stream.quality or 0,
        )

    return max(video.streams, key=rank)


def sink_wants(
    remote: Mapping[UserId, RemoteVideo], wishes: Mapping[UserId, Wish], gone: Iterable[Ssrc] = ()
) -> MediaSinkWants | None:
    """Return op 15: the preferred stream of each user who is wanted, zero for all others; None if nothing is known."""
    wants: dict[int, int] = dict.fromkeys(gone, 0)
    pixel_counts: dict[int, float] = {}
    for video in remote.values():
        wants.update(dict.fromkeys(video.ssrcs, 0))
    for user, video in remote.items():
        wish = wishes.get(user)
        stream = preferred(video, wish.stream_type) if wish is not None else None
        if wish is None or stream is None or not stream.ssrc:
            continue
        wants[stream.ssrc] = wish.quality
        pixel_counts[stream.ssrc] = float(wish.pixel_count or pixels_of(stream) or DEFAULT_PIXELS)
    if not wants:
        return None
    best = max((wish.quality for wish in wishes.values()), default=0)
    return MediaSinkWants(any=best, wants=wants, pixel_counts=pixel_counts)


def shown_type(role: Role, announced: str | None) -> str | None:
    """Return the stream type that a parent is shown: what comes on the stream connection is a screen."""
    return SCREEN if role is Role.STREAM_WATCH and announced in _NEUTRAL_TYPES else announced


def pixels_of(stream: StreamDescription) -> float:
    """Return the area that the sender announced, 0 if it did not."""
    size = stream.max_resolution
    return float(size.width * size.height) if size is not None else 0.0


def _type_match(announced: str | None, wanted: str | None) -> int:
    if wanted is None or announced == wanted:
        return _MATCHES
    return 1 if announced in _NEUTRAL_TYPES else 0


def _lowered(stream: StreamDescription) -> StreamDescription:
    if stream.type is None or stream.type.islower():
        return stream
    return StreamDescription(
        type=stream.type.lower(),
        rid=stream.rid,
        ssrc=stream.ssrc,
        rtx_ssrc=stream.rtx_ssrc,
        active=stream.active,
        quality=stream.quality,
        max_bitrate=stream.max_bitrate,
        max_framerate=stream.max_framerate,
        max_resolution=stream.max_resolution,
    )
