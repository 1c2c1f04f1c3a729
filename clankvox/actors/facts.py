"""From the receive pipeline to actors: every fact becomes one message, told by way of the router.

The pipeline calls these at control rate, on the role's UDP thread; nothing here waits.
"""

from collections.abc import Callable

from clankvox.actors.base import Tell
from clankvox.audio_lane import News
from clankvox.ids import Attempt, Role, Ssrc, UserId, capture_address, connection_address, dave_address, video_address
from clankvox.media.segment import Segment
from clankvox.messages.capture import SpeakingEnded, SpeakingStarted, SpeechEnded, SpeechStarted
from clankvox.messages.common import Envelope, Message
from clankvox.messages.connection import DiscoveryReplied, PongReceived
from clankvox.messages.dave import FramesUndecryptable
from clankvox.messages.video import PictureOverdue
from clankvox.outbox import Outbox


class FactMail:
    """media.receive_ports.ReceiveFacts for one role."""

    def __init__(self, role: Role, tell_router: Tell, attempt: Callable[[], Attempt], outbox: Outbox) -> None:
        """`attempt` names the connection that the pipeline is attached to.

        PCM takes the straight way to `outbox`, and what the parent is told first takes the way through two actors: so
        a user's PCM is kept back there until the news have come.
        """
        self._outbox = outbox
        self._role = role
        self._tell_router = tell_router
        self._attempt = attempt

    def speaking_started(self, user_id: UserId) -> None:
        """Tell that packets of the user arrive."""
        if self._role is Role.VOICE:  # of other roles nobody is told who speaks
            self._hold(user_id, News.SPEECH_BEGAN)
        self._to_capture(user_id, SpeakingStarted())

    def speaking_ended(self, user_id: UserId) -> None:
        """Tell that there was no packet for 100 ms."""
        self._to_capture(user_id, SpeakingEnded())

    def speech_started(self, user_id: UserId, arming: int) -> None:
        """Tell that the first PCM went into this arming."""
        self._to_capture(user_id, SpeechStarted(arming=arming))

    def speech_ended(self, user_id: UserId, arming: int, segment: Segment | None = None) -> None:
        """Tell that no PCM will go into this arming any more."""
        self._hold(user_id, News.UTTERANCE_ENDED)
        self._to_capture(user_id, SpeechEnded(arming=arming, segment=segment))

    def speech_cut(self, user_id: UserId) -> None:
        """Keep the next utterance behind the end that whoever cut this one reports."""
        self._hold(user_id, News.UTTERANCE_ENDED)

    def member_heard(self, ssrc: Ssrc, user_id: UserId) -> None:
        """Tell nobody: the pipeline itself is the one who needs the binding."""

    def discovery_replied(self, address: str, port: int) -> None:
        """Tell what the server says is our public address."""
        self._to_connection(DiscoveryReplied(attempt=self._attempt(), address=address, port=port))

    def pong(self, counter: int) -> None:
        """Tell that the server answered a keepalive."""
        self._to_connection(PongReceived(attempt=self._attempt(), counter=counter))

    def undecryptable(self, ssrc: Ssrc, user_id: UserId | None, consecutive: int) -> None:  # noqa: ARG002
        """Tell that so many frames in a row of one sender did not decrypt."""
        self._tell_router(Envelope(to=dave_address(self._role), message=FramesUndecryptable(attempt=self._attempt())))

    def picture_overdue(self, ssrc: Ssrc) -> None:
        """Tell that a wanted stream has no picture to begin with."""
        self._tell_router(Envelope(to=video_address(self._role), message=PictureOverdue(ssrc=ssrc)))

    def _hold(self, user_id: UserId, news: News) -> None:
        if self._role is Role.VOICE:  # of a stream's sound the parent is told only its ends
            self._outbox.hold_audio(user_id, news)

    def _to_capture(self, user_id: UserId, message: Message) -> None:
        self._tell_router(Envelope(to=capture_address(user_id, self._role), message=message))

    def _to_connection(self, message: Message) -> None:
        self._tell_router(Envelope(to=connection_address(self._role), message=message))
