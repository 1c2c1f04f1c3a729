"""Desired states of what makes up a connection: its orders, its DAVE group, and what is to be seen on it."""

from msgspec import UNSET, structs

from clankvox.actors.video import MOST_SENDERS
from clankvox.actors.wish import INTERNAL_ERROR, Wish
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.ids import Address, Attempt, ConnectionId, UserId, connection_address
from clankvox.messages.common import ActorFailed, Envelope, Message, ResetBaton
from clankvox.messages.connection import (
    ConnectionOrder,
    Join,
    Leave,
    Revived,
    SessionLost,
    StreamConnect,
    StreamDisconnect,
    VoiceServerUpdated,
    VoiceStateUpdated,
)
from clankvox.messages.dave import DaveRevived
from clankvox.messages.router import ConnectionReported, DaveReported, Report, VideoGone
from clankvox.messages.video import (
    SubscribeVideo,
    UnsubscribeVideo,
    VideoLinkLost,
    VideoLinkReady,
    VideoMemberGone,
    VideoRevived,
    VideoStateAnnounced,
)
from clankvox.protocol.remote_video import RemoteVideo, merged

_ENDS = (Join, Leave, StreamConnect, StreamDisconnect)
"""Orders that end what there is, if they do not begin something else."""
_OUT = frozenset({ConnectionState.IDLE, ConnectionState.CLOSED})
_UNLINKED = _OUT | {ConnectionState.AWAITING_CREDENTIALS}


class ConnectionWish(Wish):
    """Where the parent wants to be connected.

    Orders take effect one at a time: the one that is under way is given to the heir again, on top of those before.
    """

    _target: Join | StreamConnect | None = None
    _server: VoiceServerUpdated | None = None
    _state: VoiceStateUpdated | None = None
    _under_way: Message | None = None
    _told = ConnectionState.IDLE
    _awaits_move = False
    _connection_id: ConnectionId | None = None

    def ordered(self, message: Message) -> None:
        """See Wish: it is under way until it settles."""
        if isinstance(message, ConnectionOrder):
            self._under_way = message

    @property
    def call(self) -> ConnectionId | None:
        """See Wish."""
        return self._under_way.connection_id if isinstance(self._under_way, Join) else None

    def covers(self, message: Message) -> bool:
        """See Wish."""
        return isinstance(message, ConnectionOrder | Revived)

    def settled(self) -> None:
        """See Wish."""
        order, self._under_way = self._under_way, None
        match order:
            case Join(connection_id=connection_id):
                self._target = order
                self._told, self._connection_id = ConnectionState.AWAITING_CREDENTIALS, connection_id
            case StreamConnect():
                self._target = order
            case Leave() | StreamDisconnect():
                self._target = None
            case VoiceServerUpdated() if not self._is_foreign(order.guild_id):
                self._server, self._awaits_move = order, False
            case VoiceStateUpdated() if not self._is_foreign(order.guild_id):
                self._note_state(order)
            case _:
                pass

    def _is_foreign(self, guild: object) -> bool:
        return isinstance(self._target, Join) and guild not in (None, UNSET, self._target.guild_id)

    def _note_state(self, order: VoiceStateUpdated) -> None:
        before = self._state or VoiceStateUpdated()
        news = {name: value for name in ("session_id", "user_id") if (value := getattr(order, name)) is not UNSET}
        self._state = structs.replace(before, **news)
        if order.channel_id is None:
            self._target = None
        elif order.channel_id is not UNSET and isinstance(self._target, Join):
            self._awaits_move &= order.channel_id == self._target.channel_id
            self._target = structs.replace(self._target, channel_id=order.channel_id)

    def reported(self, report: Message) -> None:
        """See Wish."""
        if not isinstance(report, ConnectionReported) or report.role is not self._address.role:
            return
        self._told = report.now
        self._awaits_move = report.awaits_move
        if report.awaits_move:
            self._server = None  # it is the one that has sent us away
        if report.event in ("left", "gave_up"):
            self._target = None

    def revival(self, failure: ActorFailed) -> list[Envelope]:  # noqa: ARG002 - it needs none
        """See Wish."""
        orders: list[Message] = []
        if self._target is not None:
            known = [each for each in (self._target, self._server, self._state) if each is not None]
            quietly, was_linked = isinstance(self._under_way, _ENDS), self._told not in _UNLINKED
            revived = Revived(
                orders=tuple(known), quietly=quietly, was_linked=was_linked, awaits_move=self._awaits_move
            )
            orders.append(revived)
        if self._under_way is not None:
            orders.append(self._under_way)
        return self.to_heir(*orders)

    def last_words(self, failure: ActorFailed) -> list[Report]:  # noqa: ARG002 - it needs none
        """See Wish: the connection is over, and so is the one that was to replace it."""
        over = [] if self._told in _OUT else [(self._connection_id, self._told)]
        if isinstance(self._under_way, Join):
            over.append((self._under_way.connection_id, ConnectionState.AWAITING_CREDENTIALS))
        return [
            ConnectionReported(
                role=self._address.role,
                connection_id=connection_id,
                event="left",
                was=was,
                now=ConnectionState.CLOSED,
                reason=INTERNAL_ERROR,
            )
            for connection_id, was in over
        ]


class DaveWish(Wish):
    """Nothing of a group can be brought back: its connection makes a new session, and the parent is told so."""

    _last: DaveReported | None = None

    def covers(self, message: Message) -> bool:
        """See Wish."""
        return isinstance(message, DaveRevived)

    def reported(self, report: Message) -> None:
        """See Wish."""
        if isinstance(report, DaveReported) and report.role is self._address.role:
            self._last = report

    def revival(self, failure: ActorFailed) -> list[Envelope]:  # noqa: ARG002 - it needs none
        """See Wish."""
        told: list[Envelope] = []
        last = self._last
        if last is not None and last.now is not DaveState.INACTIVE:
            told = self.to_heir(DaveRevived(was=last.now, version=last.version, connection_id=last.connection_id))
        lost = SessionLost(reason=INTERNAL_ERROR)
        return [*told, Envelope(to=connection_address(self._address.role), message=lost)]

    def last_words(self, failure: ActorFailed) -> list[Report]:  # noqa: ARG002 - it needs none
        """See Wish: the reset of the role finds nothing to end any more."""
        last = self._last
        if last is None or last.now is DaveState.INACTIVE:
            return []
        return [structs.replace(last, was=last.now, now=DaveState.INACTIVE, version=0)]


class VideoWish(Wish):
    """Whom the parent wants to see on one role, and what they send."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._subscriptions: dict[UserId, SubscribeVideo] = {}
        self._announced: dict[UserId, RemoteVideo] = {}
        self._attempt: Attempt | None = None

    def ordered(self, message: Message) -> None:
        """See Wish."""
        match message:
            case SubscribeVideo():
                self._subscriptions[message.user_id] = message
            case UnsubscribeVideo(user_id=user):
                self._subscriptions.pop(user, None)
            case VideoLinkReady(attempt=attempt):
                self._attempt = attempt
            case VideoLinkLost() | ResetBaton():
                self._attempt = None
                self._announced.clear()
            case VideoStateAnnounced(attempt=attempt, user_id=user, video=video) if attempt == self._attempt:
                self._announce(user, merged(self._announced.get(user), video))
            case VideoMemberGone(user_id=user):
                self._announce(user, None)
            case _:
                pass

    def _announce(self, user: UserId, video: RemoteVideo | None) -> None:
        if video is None:
            self._announced.pop(user, None)
        elif user in self._announced or len(self._announced) < MOST_SENDERS:
            self._announced[user] = video

    def covers(self, message: Message) -> bool:
        """See Wish; a baton is passed on, so it is not."""
        known = SubscribeVideo | UnsubscribeVideo | VideoLinkReady | VideoLinkLost | VideoStateAnnounced
        return isinstance(message, known | VideoMemberGone | VideoRevived)

    def revival(self, failure: ActorFailed) -> list[Envelope]:  # noqa: ARG002 - it needs none
        """See Wish."""
        subscriptions = tuple(self._subscriptions.values())
        return self.to_heir(
            VideoRevived(subscriptions=subscriptions, attempt=self._attempt, announced=dict(self._announced))
        )

    def last_words(self, failure: ActorFailed) -> list[Report]:  # noqa: ARG002 - it needs none
        """See Wish."""
        role = self._address.role
        return [VideoGone(role=role, user_id=user, ssrc=video.last_ssrc) for user, video in self._announced.items()]
