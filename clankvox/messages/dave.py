"""What a DAVE actor receives."""

from typing import Any

from clankvox.fsm.dave import DaveState
from clankvox.ids import Attempt, ChannelId, ConnectionId, TransitionId, UserId
from clankvox.messages.common import Message, ResetBaton


class SessionNegotiated(Message, frozen=True, kw_only=True):
    """Connection: the session description arrived; `version` 0 means media in clear."""

    attempt: Attempt
    connection_id: ConnectionId | None
    user_id: UserId
    group_id: ChannelId
    version: int
    members: tuple[UserId, ...]
    """Users that op 11 announced before the session description."""


class DaveOpReceived(Message, frozen=True, kw_only=True):
    """Connection: one of the opcodes 21, 22, 24 (a payload struct) or 25, 27, 29, 30 (bytes after the opcode)."""

    attempt: Attempt
    op: int
    payload: Any


class MembersConnected(Message, frozen=True, kw_only=True):
    """Connection: op 11 announced these users."""

    attempt: Attempt
    user_ids: tuple[UserId, ...]


class MemberDisconnected(Message, frozen=True, kw_only=True):
    """Connection: op 13 announced that this user left."""

    attempt: Attempt
    user_id: UserId


class ConnectionSuspended(Message, frozen=True, kw_only=True):
    """Connection: the link is lost and will be made anew; the group is gone with it."""


class ConnectionResumed(Message, frozen=True, kw_only=True):
    """Connection: the session goes on, and the group with it; what the server said meanwhile follows."""

    attempt: Attempt


class PatienceEnded(Message, frozen=True, kw_only=True):
    """Own timer: a group that should have been re-made within 2 s was not; `rekeying` numbers the wait."""

    rekeying: int


class RecoveryDue(Message, frozen=True, kw_only=True):
    """Own timer: by now a reset group should have been joined, or what came for it followed."""

    attempt: Attempt


class RepetitionDue(Message, frozen=True, kw_only=True):
    """Own timer: what the server said again after a resume has come; what is still unanswered was perhaps lost."""

    attempt: Attempt


class SwitchDue(Message, frozen=True, kw_only=True):
    """Own timer: by now op 22 of this transition should have come."""

    attempt: Attempt
    transition_id: TransitionId


class FramesUndecryptable(Message, frozen=True, kw_only=True):
    """Receive path: 36 frames in a row of one sender did not decrypt."""

    attempt: Attempt


class DaveRevived(Message, frozen=True, kw_only=True):
    """Router: you replace an actor that failed, and a session is being made anew.

    The parent was told what follows from `was`.
    """

    was: DaveState
    version: int
    connection_id: ConnectionId | None


GroupNews = SessionNegotiated | DaveOpReceived | MembersConnected | MemberDisconnected | ConnectionResumed
"""What the connection hands on of the server's words, in their order."""

DaveMessage = (
    SessionNegotiated
    | DaveOpReceived
    | MembersConnected
    | MemberDisconnected
    | ConnectionSuspended
    | ConnectionResumed
    | PatienceEnded
    | RecoveryDue
    | RepetitionDue
    | SwitchDue
    | FramesUndecryptable
    | DaveRevived
    | ResetBaton
)
