"""The router: owner of the parent's pipes and of the pacing clock, post office between actors, registry of captures.

Commands take effect strictly in the order in which the parent wrote them: a connection command, and stop_playback,
runs through several actors, and the ones behind it wait (machine state `settling`) until it has taken effect.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from clankvox.actors import projection, translation
from clankvox.actors.announcer import announce
from clankvox.actors.base import BaseActor, Mailbox, Surroundings, Tell, teller
from clankvox.actors.user_video import UserVideoBook
from clankvox.errors import InvalidRequest
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.router import RouterMachine, RouterState
from clankvox.ids import (
    MUSIC,
    PLAYBACK,
    PUBLISH,
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
from clankvox.ipc.events import Event, TransportStats
from clankvox.media.receive import StreamReport
from clankvox.messages import capture, connection
from clankvox.messages.common import ActorFailed, Envelope, Inspect, Message, ResetBaton
from clankvox.messages.router import (
    CaptureIdle,
    CommandReceived,
    ConnectionReported,
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
from clankvox.outbox import Outbox

_log = logging.getLogger("clankvox.router")

STATISTICS_S: Final = 5.0
SETTLE_DEADLINE_S: Final = 2.0
"""A command that runs through several actors settles in well under 10 ms; after this the router goes on without it."""
STOP_DEADLINE_S: Final = 0.1
"""Part of the 250 ms that the parent gives us between destroy and SIGKILL."""
OVERFLOW_LIMIT_S: Final = 60.0
"""A parent that has not read for so long is gone for all purposes."""
EXIT_STDOUT_STALLED: Final = 74

_INTERNAL_ERROR: Final = "internal_error"
_OUT: Final = frozenset({ConnectionState.IDLE, ConnectionState.CLOSED})
_CONNECTED: Final = frozenset({ConnectionState.READY, ConnectionState.DAVE_TRANSITION})
_CORE: Final = (connection_address(Role.VOICE), dave(Role.VOICE), PLAYBACK, MUSIC)


class PacingClock(Protocol):
    """The pacer's life; its slots are the playback actor's business (ports.PacerPort)."""

    def start(self) -> None:
        """Start the thread."""
        ...

    def stop(self) -> None:
        """Stop the thread."""
        ...


def no_streams(_role: Role) -> list[StreamReport]:
    """Report nothing: there is no receive pipeline."""
    return []


def no_mirror(_wanted: bool) -> None:
    """Mirror no log records to the parent."""


class Boundary:
    """What connects the router with the shells and the composition root; calls never block."""

    __slots__ = ("collect", "mirror_logs", "outbox", "pacer", "release", "spawn", "stopped", "streams")

    def __init__(
        self,
        *,
        outbox: Outbox,
        pacer: PacingClock,
        spawn: Callable[[Address, Tell], Mailbox],
        collect: Callable[[], TransportStats],
        release: Callable[[], None],
        stopped: Callable[[int], None],
        streams: Callable[[Role], list[StreamReport]] = no_streams,
        mirror_logs: Callable[[bool], None] = no_mirror,
    ) -> None:
        """`release` gives one line's credit back; `stopped` is called once, with the exit code."""
        self.outbox = outbox
        self.pacer = pacer
        self.spawn = spawn
        self.collect = collect
        self.release = release
        self.stopped = stopped
        self.streams = streams
        self.mirror_logs = mirror_logs


class RouterActor(BaseActor[RouterMessage | Inspect]):
    """Started first, stopped last."""

    def __init__(self, surroundings: Surroundings, boundary: Boundary) -> None:
        super().__init__(surroundings)
        self._boundary = boundary
        self._outbox = boundary.outbox
        self._machine = RouterMachine(self._observe)
        self._actors: dict[Address, Mailbox] = {}
        self._sent: dict[Address, int] = {}
        self._waiting: deque[commands.Command | StopRequested] = deque()
        self._tickets = 0
        self._connections = dict.fromkeys(Role, ConnectionState.IDLE)
        self._videos = UserVideoBook()
        self._connection_id: ConnectionId | None = None
        self._exit_code = 0
        self._unsettled = 0
        self._has_ended = False

    def on_start(self) -> None:
        """Bring the call's actors to life and start the pacing clock."""
        self._boundary.pacer.start()
        for address in _CORE:
            self._spawn(address)
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
            case StopRequested(at_once=at_once):
                self._on_stop_requested(message, at_once=at_once)
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
                self._begin_reset(message)
            case ResetBaton():
                self._pass_baton(message)
            case StreamsSuspended(role=role):
                for address in self._captures(role):
                    self._deliver(address, capture.StreamSuspended())
            case CaptureIdle(role=role, user_id=user, handled=handled):
                self._retire(capture_address(user, role), handled)
            case StatisticsDue():
                self._on_statistics_due()
            case ActorFailed(address=address, error=error):
                self._on_actor_failed(address, error)
            case Inspect():
                return {"state": str(self._state), "actors": [str(address.kind) for address in self._actors]}
            case _:
                self._on_report(message)
        return None

    @property
    def _state(self) -> RouterState:
        return RouterState(self._machine.current_state_value)

    # --- commands, in order ---

    def _on_line(self, command: object) -> None:
        assert isinstance(command, commands.Command)  # noqa: S101 - the stdin shell hands over nothing else
        self._waiting.append(command)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._waiting and self._state is RouterState.SERVING:
            item = self._waiting.popleft()
            if isinstance(item, StopRequested):
                self._begin_stop(item)
                return
            self._carry_out(item)
            self._boundary.release()

    def _on_settled(self) -> None:
        match self._state:
            case RouterState.SETTLING:
                self._machine.command_settled()
                self._serve_waiting()
            case RouterState.STOPPING:
                self._finish()
            case RouterState.SERVING:
                pass

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
                self._begin_settling()
                self._deliver(PLAYBACK, translation.playback_message(command))
            case _ if isinstance(command, translation.PlaybackCommand):
                self._deliver(PLAYBACK, translation.playback_message(command))
            case _ if isinstance(command, translation.MusicCommand):  # it decides whether speech behind it is taken
                self._begin_settling()
                self._deliver(MUSIC, translation.music_message(command))
            case commands.SubscribeUser():
                subscribe = capture.Subscribe(
                    capture_id=command.capture_id,
                    sample_rate_hz=command.sample_rate,
                    silence_duration_ms=command.silence_duration_ms,
                    timeline=command.timeline,
                    pre_roll_ms=command.pre_roll_ms,
                    min_speech_ms=command.min_speech_ms,
                )
                self._deliver(capture_address(command.user_id, command.role), subscribe)
            case commands.UnsubscribeUser():
                address = capture_address(command.user_id, command.role)
                if address in self._actors:
                    self._deliver(address, capture.Unsubscribe())
            case commands.SubscribeUserVideo() | commands.UnsubscribeUserVideo():
                wanted = translation.video_message(command, self._connection_id)
                for role in (Role.VOICE, Role.STREAM_WATCH):
                    self._deliver(video_address(role), wanted)
            case (
                commands.StreamPublishPlay()
                | commands.StreamPublishPlayVisualizer()
                | commands.StreamPublishBrowserStart()
                | commands.StreamPublishBrowserFrame()
                | commands.StreamPublishStop()
                | commands.StreamPublishPause()
                | commands.StreamPublishResume()
            ):
                self._deliver(PUBLISH, translation.publish_message(command))
            case commands.Destroy():
                self._begin_stop(StopRequested(exit_code=0, reason="destroy"))
            case _:
                self._emit(dialects.request_error(InvalidRequest("this version cannot do that")))

    def _forward_connection_command(self, command: translation.ConnectionCommand) -> None:
        if isinstance(command, commands.Join):
            self._connections[Role.VOICE] = ConnectionState.AWAITING_CREDENTIALS
            self._connection_id = command.connection_id
            self._boundary.mirror_logs(dialects.wants_legacy_log(command.connection_id))
        self._begin_settling()
        self._deliver(connection_address(translation.role_of(command)), translation.connection_message(command))

    def _begin_settling(self) -> None:
        """Let later commands wait until the actors through which this one runs say Settled."""
        self._machine.command_forwarded()
        self._tickets += 1
        self._unsettled += 1
        self.later(SETTLE_DEADLINE_S, SettleOverdue(ticket=self._tickets))

    def _order_connection(self, role: Role, message: Message) -> None:
        """Send what the connection answers with Settled."""
        self._unsettled += 1
        self._deliver(connection_address(role), message)

    # --- the post office ---

    def _deliver(self, to: Address, message: Message) -> None:
        mailbox = self._actors.get(to)
        if mailbox is None:
            mailbox = self._spawn(to)
        self._sent[to] = self._sent.get(to, 0) + 1
        teller(mailbox)(message)

    def _spawn(self, address: Address) -> Mailbox:
        mailbox = self._boundary.spawn(address, self.tell_self)
        self._actors[address] = mailbox
        self._sent[address] = 0
        return mailbox

    def tell_self(self, message: Message) -> None:
        """Append to the router's own inbox. Any thread."""
        teller(self.actor_ref)(message)

    def _captures(self, role: Role) -> list[Address]:
        return [address for address in self._actors if address.kind is ActorKind.CAPTURE and address.role is role]

    def _retire(self, address: Address, handled: int) -> None:
        """Stop a capture actor that has nothing to do, unless something is on its way to it."""
        mailbox = self._actors.get(address)
        if mailbox is None or self._sent[address] != handled:
            return
        del self._actors[address], self._sent[address]
        stop = getattr(mailbox, "stop", None)
        if stop is not None:
            stop(block=False)

    def _begin_reset(self, request: ResetRequested) -> None:
        role = request.role
        heard = [PLAYBACK, MUSIC] if role is Role.VOICE else []
        others = [*heard, dave(role), video_address(role), *self._captures(role)]
        baton = ResetBaton(
            ticket=request.ticket,
            role=request.role,
            reason=request.reason,
            connection_id=request.connection_id,
            route=(*others, connection_address(request.role)),
        )
        self._pass_baton(baton)

    def _pass_baton(self, baton: ResetBaton) -> None:
        """Hand the baton to the next on its route; an actor that is gone is skipped."""
        for position, address in enumerate(baton.route):
            if address in self._actors:
                rest = baton.route[position + 1 :]
                self._deliver(
                    address,
                    ResetBaton(
                        ticket=baton.ticket,
                        role=baton.role,
                        reason=baton.reason,
                        connection_id=baton.connection_id,
                        route=rest,
                    ),
                )
                return

    # --- to the parent ---

    def _on_report(self, report: Report) -> None:
        if isinstance(report, ConnectionReported):
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
            self._emit(projection.stream_events(role, self._boundary.streams(role)))

    def _on_statistics_due(self) -> None:
        self.later(STATISTICS_S, StatisticsDue())
        self._emit_stream_statistics()
        if any(state in _CONNECTED for state in self._connections.values()):
            self._emit([self._boundary.collect()])
        since = self._outbox.control_overflow_since(self._clock.now())
        if since is not None and self._clock.now() - since >= OVERFLOW_LIMIT_S:
            self._on_stop_requested(StopRequested(exit_code=EXIT_STDOUT_STALLED, reason="stdout_stalled"), at_once=True)

    # --- failures and the end ---

    def _on_actor_failed(self, address: Address, error: str) -> None:
        """Replace what died. A capture comes back with its next message; a core actor takes its call with it."""
        self._actors.pop(address, None)
        self._sent.pop(address, None)
        if address.kind is ActorKind.CAPTURE or self._state is RouterState.STOPPING:
            return
        if address.kind is ActorKind.MUSIC:  # it has told the parent; the call goes on
            self._spawn(address)
            return
        self._on_report(RuntimeFailed(role=address.role, connection_id=None, message=f"internal error: {error}"))
        self._spawn(address)
        if address.kind is ActorKind.CONNECTION:
            self._on_connection_replaced(address.role)
        else:
            self._order_connection(address.role, translation.end_of(address.role, _INTERNAL_ERROR))

    def _on_connection_replaced(self, role: Role) -> None:
        """Say on behalf of the dead that its call is over, and have everybody end theirs; its heir is idle."""
        was, connection_id = self._connections[role], self._connection_id if role is Role.VOICE else None
        lost = ConnectionReported(
            role=role,
            connection_id=connection_id,
            event="left",
            was=was,
            now=ConnectionState.CLOSED,
            reason=_INTERNAL_ERROR,
        )
        self._unsettled = 0
        self._begin_reset(ResetRequested(ticket=0, role=role, reason=_INTERNAL_ERROR, connection_id=connection_id))
        if was not in _OUT:
            self._on_report(lost)
        if self._state is RouterState.SETTLING:
            self._on_settled()

    def _on_stop_requested(self, request: StopRequested, *, at_once: bool) -> None:
        if self._state is RouterState.STOPPING:
            return
        if at_once:
            self._begin_stop(request)
        else:
            self._waiting.append(request)
            self._serve_waiting()

    def _begin_stop(self, request: StopRequested) -> None:
        self._exit_code = request.exit_code
        self._machine.stop_requested()
        for role in Role:
            if connection_address(role) in self._actors:
                self._order_connection(role, connection.Close(reason=request.reason))
        self.later(STOP_DEADLINE_S, StopOverdue())

    def _finish(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._boundary.stopped(self._exit_code)
