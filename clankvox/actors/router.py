"""The router: owner of the parent's pipes and of the pacing clock, post office between actors, registry of captures.

Commands take effect strictly in the order in which the parent wrote them: a connection command, and stop_playback,
runs through several actors, and the ones behind it wait (machine state `settling`) until it has taken effect.
"""

import logging
from collections import deque
from collections.abc import Sequence
from itertools import product
from typing import Final, assert_never

import msgspec

from clankvox.actors import projection, translation
from clankvox.actors.announcer import announce
from clankvox.actors.base import BaseActor, Surroundings, teller
from clankvox.actors.boundary import Boundary
from clankvox.actors.desired import Desired
from clankvox.actors.inspection import DEADLINE_S, Answer, Inspections
from clankvox.actors.registry import Registry
from clankvox.actors.reset import baton_of
from clankvox.actors.supervision import Supervision
from clankvox.actors.user_video import UserVideoBook
from clankvox.actors.viewing import Viewing
from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.router import RouterMachine, RouterState
from clankvox.ids import (
    MUSIC,
    PLAYBACK,
    PUBLISH,
    ROUTER,
    ActorKind,
    Address,
    ConnectionId,
    Role,
    capture_address,
    connection_address,
    video_address,
)
from clankvox.ids import dave_address as dave
from clankvox.ipc import commands, dialects
from clankvox.ipc.events import Event, encode_event
from clankvox.messages import capture, connection
from clankvox.messages.common import ActorFailed, Envelope, Inspect, Inspected, InspectionAsked, Message, ResetBaton
from clankvox.messages.router import (
    AdapterSendRequested,
    CaptureIdle,
    CommandReceived,
    ConnectionReported,
    DaveReported,
    InspectionOverdue,
    InspectionRequested,
    LineRejected,
    MemberLeft,
    Report,
    ResetRequested,
    RouterMessage,
    RuntimeFailed,
    Settled,
    SettleOverdue,
    StatisticsDue,
    StopOverdue,
    StopRequested,
    StreamsSuspended,
    VideoGone,
    VideoReported,
)

_log = logging.getLogger("clankvox.router")

STATISTICS_S: Final = 5.0
SETTLE_DEADLINE_S: Final = 2.0
"""A command that runs through several actors settles in well under 10 ms; after this the router goes on without it."""
STOP_DEADLINE_S: Final = 0.1
"""Part of the 250 ms that the parent gives us between destroy and SIGKILL."""
OVERFLOW_LIMIT_S: Final = 60.0
"""A parent that has not read for so long is gone for all purposes."""
EXIT_STDOUT_STALLED: Final = 74

_CONNECTED: Final = frozenset({ConnectionState.READY, ConnectionState.DAVE_TRANSITION})
_ENDING: Final = frozenset({RouterState.STOPPING, RouterState.ENDED})
_CORE: Final = (connection_address(Role.VOICE), dave(Role.VOICE), PLAYBACK, MUSIC)


class RouterActor(BaseActor[RouterMessage | Inspect]):
    """Started first, stopped last."""

    def __init__(self, surroundings: Surroundings, boundary: Boundary) -> None:
        super().__init__(surroundings)
        self._boundary = boundary
        self._outbox = boundary.outbox
        self._machine = RouterMachine(self._observe)
        self._registry = Registry(boundary.spawn, self.tell_self)
        self._desired = Desired()
        self._supervision = Supervision()
        self._inspections = Inspections(self._supervision, boundary.queues, boundary.collect)
        self._under_way: Address | None = None
        self._waiting: deque[commands.Command | StopRequested | Envelope] = deque()
        """Commands, and in front of them the ends of roles whose actors have failed too often."""
        self._tickets = 0
        self._connections = dict.fromkeys(Role, ConnectionState.IDLE)
        self._videos = UserVideoBook()
        self._viewing = Viewing()
        self._connection_id: ConnectionId | None = None
        self._exit_code = 0
        self._unsettled = 0

    def begin(self) -> None:
        """Bring the call's actors to life and start the pacing clock."""
        self._boundary.pacer.start()
        for address in _CORE:
            self._registry.spawn(address)
        self.later(STATISTICS_S, StatisticsDue())

    def on_stop(self) -> None:
        """Stop the pacing clock."""
        self._boundary.pacer.stop()

    def handle(self, message: RouterMessage | Inspect) -> object:
        """See BaseActor."""
        match message:
            case Envelope(to=to, message=inner):
                self._deliver(to, inner)
            case CommandReceived(command=command):
                self._on_line(command)
            case LineRejected(error=error):
                self._emit(dialects.request_error(error))
                self._boundary.release()
            case StopRequested():
                self._on_stop_requested(message)
            case StopOverdue():
                self._finish()
            case Settled():
                self._unsettled = max(0, self._unsettled - 1)
                if not self._unsettled:
                    self._on_settled()
            case SettleOverdue(ticket=ticket):
                if ticket == self._tickets and self._state is RouterState.SETTLING:
                    _log.error("command did not settle")
                    self._unsettled = 0
                    self._on_settled()
            case ResetRequested():
                self._pass_baton(baton_of(message, self._registry.captures(message.role)))
            case ResetBaton():
                self._pass_baton(message)
            case StreamsSuspended(role=role):
                for address in self._registry.captures(role):
                    self._deliver(address, capture.StreamSuspended())
            case CaptureIdle(role=role, user_id=user, handled=handled):
                if self._registry.retire(capture_address(user, role), handled):
                    self._desired.forget(capture_address(user, role))
            case StatisticsDue():
                self._on_statistics_due()
            case ActorFailed():
                self._on_actor_failed(message)
            case InspectionRequested() | Inspected() | InspectionOverdue():
                self._on_inspection(message)
            case Inspect():
                return {"state": str(self._state), "waiting": len(self._waiting), "unsettled": self._unsettled}
            case _:
                self._on_report(message)
        return None

    @property
    def _state(self) -> RouterState:
        return RouterState(self._machine.current_state_value)

    # --- commands, in order ---

    def _on_line(self, command: object) -> None:
        assert isinstance(command, commands.Command)  # noqa: S101 - the stdin shell hands over nothing else
        if isinstance(command, commands.Inspect):  # a question takes no effect, so it waits for none
            self._carry_out(command)
        else:
            self._waiting.append(command)
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._waiting and self._state is RouterState.SERVING:
            item = self._waiting.popleft()
            match item:
                case StopRequested():
                    self._begin_stop(item)
                case Envelope(to=to, message=message):
                    self._settle(to, message)
                case _:
                    self._carry_out(item)

    def _on_settled(self) -> None:
        if self._under_way is not None:
            self._desired.settled(self._under_way)
            self._under_way = None
        if self._state is RouterState.SETTLING:
            self._machine.command_settled()
            self._serve_waiting()
        else:
            self._finish()

    def _carry_out(self, command: commands.Command) -> None:
        match command:
            case (
                commands.Join()
                | commands.Leave()
                | commands.VoiceServer()
                | commands.VoiceState()
                | commands.StreamWatchConnect()
                | commands.StreamWatchDisconnect()
                | commands.StreamPublishConnect()
                | commands.StreamPublishDisconnect()
            ):
                self._forward_connection_command(command)
            case commands.StopPlayback():  # playback passes it on to music
                self._settle(PLAYBACK, translation.playback_message(command))
            case _ if isinstance(command, translation.PlaybackCommand):
                self._deliver(PLAYBACK, translation.playback_message(command))
            case _ if isinstance(command, translation.MusicCommand):  # it decides whether speech behind it is taken
                self._settle(MUSIC, translation.music_message(command))
            case commands.SubscribeUser():
                self._deliver(capture_address(command.user_id, command.role), translation.subscription(command))
            case commands.UnsubscribeUser():
                address = capture_address(command.user_id, command.role)
                if address in self._registry:
                    self._deliver(address, capture.Unsubscribe())
            case commands.SubscribeUserVideo() | commands.UnsubscribeUserVideo():
                self._want([self._viewing.noted(translation.video_message(command, self._connection_id))])
            case _ if isinstance(command, translation.PublishCommand):
                self._deliver(PUBLISH, translation.publish_message(command))
            case commands.Inspect():
                self._inspect(lambda event: self._emit([event]))
            case commands.Destroy():
                self._begin_stop(StopRequested(exit_code=0, reason="destroy"))
            case _:
                assert_never(command)
        self._boundary.release()

    def _forward_connection_command(self, command: translation.ConnectionCommand) -> None:
        if isinstance(command, commands.Join):
            self._connections[Role.VOICE] = ConnectionState.AWAITING_CREDENTIALS
            self._boundary.mirror_logs(dialects.wants_legacy_log(command.connection_id))
            self._want(self._viewing.joined(decode_vp8=dialects.decodes_vp8(command.connection_id)))
        self._settle(connection_address(translation.role_of(command)), translation.connection_message(command))

    def _want(self, pictures: Sequence[Message]) -> None:
        for role, order in product((Role.VOICE, Role.STREAM_WATCH), pictures):
            self._deliver(video_address(role), order)

    def _settle(self, to: Address, message: Message) -> None:
        """Deliver an order, and let later commands wait until the actors through which it runs say Settled."""
        self._machine.command_forwarded()
        self._tickets += 1
        self._unsettled += 1
        self._under_way = to
        self.later(SETTLE_DEADLINE_S, SettleOverdue(ticket=self._tickets))
        self._deliver(to, message)

    # --- the post office ---

    def _deliver(self, to: Address, message: Message) -> None:
        self._desired.ordered(to, message)
        self._registry.deliver(to, message)

    def tell_self(self, message: Message) -> None:
        """Append to the router's own inbox. Any thread."""
        teller(self.actor_ref)(message)

    def _pass_baton(self, baton: ResetBaton) -> None:
        """Hand the baton to the next on its route; an actor that is gone is skipped."""
        for position, address in enumerate(baton.route):
            if address in self._registry:
                self._deliver(address, msgspec.structs.replace(baton, route=baton.route[position + 1 :]))
                return

    # --- to the parent ---

    def _on_report(self, report: Report) -> None:
        self._desired.reported(report)
        if isinstance(report, AdapterSendRequested) and report.channel_id is not None:
            self._connection_id = report.connection_id
        if isinstance(report, ConnectionReported):
            if not report.media_goes_on:
                self._connections[report.role] = report.now
            if report.event == "left" and report.role is Role.VOICE:
                self._connection_id = None
        if isinstance(report, RuntimeFailed) and report.role is Role.VOICE and report.connection_id is None:
            report = msgspec.structs.replace(report, connection_id=self._connection_id)
        if isinstance(report, VideoReported | VideoGone):
            told = self._videos.events_of(report)
            self._emit(told if dialects.wants_video_state(self._connection_id) else [])
            return
        self._emit(projection.events_of(report, transport_ready=self._connections[Role.VOICE] in _CONNECTED))
        if isinstance(report, MemberLeft | ConnectionReported):
            self._emit_stream_statistics()

    def _emit(self, events: list[Event]) -> None:
        announce(self._outbox, events)

    def _emit_stream_statistics(self) -> None:
        for role in Role:
            self._emit(projection.stream_statistics(role, self._boundary.streams(role)))

    def _on_statistics_due(self) -> None:
        self.later(STATISTICS_S, StatisticsDue())
        self._emit_stream_statistics()
        if any(state in _CONNECTED for state in self._connections.values()):
            self._emit([self._boundary.collect()])
        since = self._outbox.control_overflow_since(self._clock.now())
        if since is not None and self._clock.now() - since >= OVERFLOW_LIMIT_S:
            stalled = StopRequested(exit_code=EXIT_STDOUT_STALLED, reason="stdout_stalled", at_once=True)
            self._on_stop_requested(stalled)

    def _on_inspection(self, message: InspectionRequested | Inspected | InspectionOverdue) -> None:
        match message:
            case InspectionRequested():
                self._inspect(lambda event: self._boundary.show(encode_event(event)))
            case Inspected():
                self._inspections.take(message)
            case InspectionOverdue(ticket=ticket):
                self._inspections.overdue(ticket)

    def _inspect(self, answer: Answer) -> None:
        """Ask everybody for a description; `answer` gets what came back in time."""
        ticket = self._inspections.begin([ROUTER, *self._registry.addresses], answer)
        for address in self._registry.addresses:
            self._registry.whisper(address, InspectionAsked(ticket=ticket))
        self.tell_self(InspectionAsked(ticket=ticket))
        self.later(DEADLINE_S, InspectionOverdue(ticket=ticket))

    # --- failures and the end ---

    def _on_actor_failed(self, failure: ActorFailed) -> None:
        """Replace what died: its heir goes on where it was, unless that has failed too often."""
        address = failure.address
        late = self._registry.bury(address)
        if self._state in _ENDING:
            self._reset_behind(address)
            self._bury(failure, late)
            return
        self._registry.spawn(address)
        if self._supervision.admit(address, failure.error, self._clock.now()):
            for envelope in self._desired.revival(failure, late):
                self._deliver(envelope.to, envelope.message)
        else:
            self._close_role(failure, late)

    def _reset_behind(self, address: Address) -> None:
        """If it was a connection, let everybody be done with it: it cannot ask for that any more."""
        if address.kind is ActorKind.CONNECTION and self._state is not RouterState.ENDED:
            name = self._connection_id if address.role is Role.VOICE else None
            self.handle(ResetRequested(ticket=0, role=address.role, reason=INTERNAL_ERROR, connection_id=name))

    def _bury(self, failure: ActorFailed, late: tuple[Message, ...]) -> None:
        """Say on behalf of the dead what is over with it, and pass on the baton that it had or was to get."""
        has_heir = failure.address in self._registry
        for report in self._desired.last_words(failure):
            if has_heir and isinstance(report, DaveReported) and report.connection_id is not None:
                continue  # the heir says so itself when the call is reset
            self._on_report(report)
        for message in (failure.cause, *failure.unread, *late):
            if isinstance(message, ResetBaton):
                self._pass_baton(message)

    def _close_role(self, failure: ActorFailed, late: tuple[Message, ...]) -> None:
        """Say the error, and what is over with the dead; everybody else ends what is theirs."""
        address, role = failure.address, failure.address.role
        connection_id = self._connection_id if role is Role.VOICE else None
        called = self._desired.call_asked_for(address) or connection_id
        self._on_report(RuntimeFailed(role=role, connection_id=called, message=f"internal error: {failure.error}"))
        self._reset_behind(address)
        if address.kind is not ActorKind.CONNECTION:
            end = translation.end_of(role, INTERNAL_ERROR)
            self._waiting.appendleft(Envelope(to=connection_address(role), message=end))
        self._bury(failure, late)
        if address == self._under_way:
            self._unsettled = 0
            self._on_settled()
        self._serve_waiting()

    def _on_stop_requested(self, request: StopRequested) -> None:
        if request.at_once and self._state not in _ENDING:
            self._begin_stop(request)
        else:
            self._waiting.append(request)
            self._serve_waiting()

    def _begin_stop(self, request: StopRequested) -> None:
        self._exit_code = request.exit_code
        self._machine.stop_requested()
        for role in Role:
            if connection_address(role) in self._registry:
                self._unsettled += 1
                self._deliver(connection_address(role), connection.Close(reason=request.reason))
        self.later(STOP_DEADLINE_S, StopOverdue())

    def _finish(self) -> None:
        if self._state is RouterState.STOPPING:
            self._machine.ended()
            self._boundary.stopped(self._exit_code)
