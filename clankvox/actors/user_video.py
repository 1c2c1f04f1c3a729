"""What each user sends as video, over all roles: the form in which parents without ids know it (one state a user)."""

from clankvox.ids import Role, UserId
from clankvox.ipc.events import Event, MaxResolution, UserVideoEnd, UserVideoState, VideoStream
from clankvox.messages.router import VideoGone, VideoReported
from clankvox.protocol.remote_video import shown_type
from clankvox.wire.gateway_ops import StreamDescription


class UserVideoBook:
    """Merges the webcam of the call with the picture of a watched stream. Router's thread."""

    def __init__(self) -> None:
        self._sent: dict[UserId, dict[Role, VideoReported]] = {}

    def events_of(self, report: VideoReported | VideoGone) -> list[Event]:
        """Note `report` and return what a parent without ids is told."""
        roles = self._sent.setdefault(report.user_id, {})
        match report:
            case VideoReported():
                roles[report.role] = report
            case VideoGone():
                roles.pop(report.role, None)
        if roles:
            return [_state(report.user_id, [roles[role] for role in Role if role in roles])]
        del self._sent[report.user_id]
        return [UserVideoEnd(user_id=report.user_id, ssrc=report.ssrc)] if isinstance(report, VideoGone) else []


def _state(user_id: UserId, reports: list[VideoReported]) -> UserVideoState:
    """Show the last role's SSRCs first: a watched stream before the webcam."""
    newest = reports[-1]
    return UserVideoState(
        user_id=user_id,
        audio_ssrc=newest.audio_ssrc,
        video_ssrc=newest.video_ssrc,
        streams=tuple(_stream(report.role, stream) for report in reports for stream in report.streams if stream.ssrc),
    )


def _stream(role: Role, stream: StreamDescription) -> VideoStream:
    size = stream.max_resolution
    resolution = MaxResolution(width=int(size.width), height=int(size.height), type=size.type) if size else None
    return VideoStream(
        ssrc=stream.ssrc or 0,
        rtx_ssrc=stream.rtx_ssrc,
        rid=stream.rid,
        quality=stream.quality,
        stream_type=shown_type(role, stream.type),
        active=stream.active,
        max_bitrate=int(stream.max_bitrate) if stream.max_bitrate is not None else None,
        max_framerate=float(stream.max_framerate) if stream.max_framerate is not None else None,
        max_resolution=resolution,
    )
