"""What the publish actor (our own Go Live stream) receives."""

from clankvox.ids import Attempt, Ssrc
from clankvox.media.packet_sealer import PacketSealer
from clankvox.messages.common import Message, ResetBaton
from clankvox.messages.playback import SlotServed


class PublishUrl(Message, frozen=True, kw_only=True):
    """Router: publish a video; with a visualizer mode, a picture of its sound."""

    url: str
    direct: bool
    with_audio: bool = False
    visualizer_mode: str | None = None

    def __repr__(self) -> str:
        """URLs may hold keys."""
        return f"PublishUrl(direct={self.direct}, visualizer_mode={self.visualizer_mode})"


class PublishBrowser(Message, frozen=True, kw_only=True):
    """Router: publish pictures that the parent sends; `refusal` if it names a type that is not PNG."""

    refusal: str | None = None


class BrowserPicture(Message, frozen=True, kw_only=True):
    """Router: one picture, or the reason why there is none. `captured_at_ms` counts from any origin."""

    png: bytes | None
    refusal: str | None
    captured_at_ms: int

    def __repr__(self) -> str:
        """Pictures are not for logs."""
        return f"BrowserPicture({len(self.png or b'')} bytes)"


class PublishStop(Message, frozen=True, kw_only=True):
    """Router: publish nothing."""


class PublishPause(Message, frozen=True, kw_only=True):
    """Router: hold the source."""


class PublishResume(Message, frozen=True, kw_only=True):
    """Router: go on with the source."""


class PublishPathOpened(Message, frozen=True, kw_only=True):
    """Connection: media may be sealed and sent; a path of an older attempt is replaced."""

    attempt: Attempt
    audio_ssrc: Ssrc
    video_ssrc: Ssrc
    rtx_ssrc: Ssrc
    sealer: PacketSealer
    keyframe_interval_ms: float | None


class PublishPathClosed(Message, frozen=True, kw_only=True):
    """Connection: the link is gone. `final`: the parent wanted that, the source is not needed any more."""

    final: bool


class KeyframeIntervalChanged(Message, frozen=True, kw_only=True):
    """Connection: the server wants key frames as often as this (op 14)."""

    attempt: Attempt
    interval_ms: float


class PublishGateChanged(Message, frozen=True, kw_only=True):
    """DAVE actor: what may leave has changed; look at the cipher."""


class ViewersWant(Message, frozen=True, kw_only=True):
    """Connection: how much of our video others want to see (op 15), 0 to 100; `by_ssrc` wins over `any_quality`."""

    attempt: Attempt
    any_quality: int | None
    by_ssrc: dict[int, int]


class PublishStarted(Message, frozen=True, kw_only=True):
    """Publish worker: the first access unit of this source has left the socket of this connection."""

    source: int
    attempt: Attempt


class PublishEnded(Message, frozen=True, kw_only=True):
    """Publish worker: the source came to its natural end and all of it was sent."""

    source: int


class PublishFailed(Message, frozen=True, kw_only=True):
    """Publish worker: the source cannot go on; `reason` is redacted."""

    source: int
    reason: str


class PublishReportDue(Message, frozen=True, kw_only=True):
    """Own timer: sender reports of this connection are due."""

    connection: int


class SoundPoll(Message, frozen=True, kw_only=True):
    """Own timer while no sound leaves: look whether there is some."""


PublishMessage = (
    PublishUrl
    | PublishBrowser
    | BrowserPicture
    | PublishStop
    | PublishPause
    | PublishResume
    | PublishPathOpened
    | PublishPathClosed
    | KeyframeIntervalChanged
    | PublishGateChanged
    | ViewersWant
    | PublishStarted
    | PublishEnded
    | PublishFailed
    | PublishReportDue
    | SoundPoll
    | SlotServed
    | ResetBaton
)
