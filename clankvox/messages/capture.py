"""What a capture actor (one user's speech) receives."""

from clankvox.ids import CaptureId
from clankvox.media.segment import Segment
from clankvox.messages.common import Message, ResetBaton


class Subscribe(Message, frozen=True, kw_only=True):
    """Router: the parent wants this user's speech; a capture with an id is one-shot."""

    capture_id: CaptureId | None
    sample_rate_hz: int
    silence_duration_ms: int
    timeline: bool = False
    pre_roll_ms: int = 0
    min_speech_ms: int = 0


class Unsubscribe(Message, frozen=True, kw_only=True):
    """Router: the parent does not want this user's speech any more."""


class SpeakingStarted(Message, frozen=True, kw_only=True):
    """Receive path: packets of the user arrive."""


class SpeakingEnded(Message, frozen=True, kw_only=True):
    """Receive path: no packet for 100 ms."""


class SpeechStarted(Message, frozen=True, kw_only=True):
    """Receive path: the first PCM of `arming` was delivered."""

    arming: int


class SpeechEnded(Message, frozen=True, kw_only=True):
    """Receive path: no packet for the capture's silence duration; nothing more is delivered into `arming`."""

    arming: int
    segment: Segment | None = None


class MemberGone(Message, frozen=True, kw_only=True):
    """Connection: the user left the channel (op 13)."""


class StreamSuspended(Message, frozen=True, kw_only=True):
    """Connection: the link is lost for now; speech ends unless it goes on within the silence duration."""


class SilenceElapsed(Message, frozen=True, kw_only=True):
    """Own timer: the link was lost for the silence duration of `arming`; `suspension` numbers the loss."""

    arming: int
    suspension: int


class CaptureWill(Message, frozen=True, kw_only=True):
    """Last will of a capture actor that failed."""

    subscription: Subscribe | None
    arming: int
    """Of its subscription; PCM may have flowed into it."""
    capturing: bool
    """It knew that PCM of its subscription has flowed."""


class CaptureRevived(Message, frozen=True, kw_only=True):
    """Router: you replace an actor that failed; arm what it had armed, and tell the end of what it was in.

    It withdrew its arming in its end, so that the news of PCM that it delivered have come before this.
    """

    subscription: Subscribe | None
    arming: int
    """Of the predecessor."""
    capturing: bool
    """PCM of this subscription has flowed, and its end was not told."""
    speaking: bool
    """The parent was told that the user speaks."""


CaptureMessage = (
    Subscribe
    | Unsubscribe
    | SpeakingStarted
    | SpeakingEnded
    | SpeechStarted
    | SpeechEnded
    | MemberGone
    | StreamSuspended
    | SilenceElapsed
    | CaptureRevived
    | ResetBaton
)
