"""The DAVE manager of one role: takes the group's machine through what the gateway says, and owns the gate."""

import logging
from collections.abc import Callable, Iterable
from typing import Final, assert_never

from clankvox.actors.base import BaseActor, Surroundings
from clankvox.clock import Clock
from clankvox.fsm.dave import DaveMachine, DaveState
from clankvox.ids import PLAYBACK, PUBLISH, Attempt, ChannelId, ConnectionId, Role, UserId, connection_address
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.mls_engine import MlsEngine
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import SendGatewayBinary, SendGatewayJson, TransitionPrepared, TransitionSettled
from clankvox.messages.dave import (
    ConnectionResumed,
    ConnectionSuspended,
    DaveMessage,
    DaveOpReceived,
    DaveRevived,
    FramesUndecryptable,
    MemberDisconnected,
    MembersConnected,
    PatienceEnded,
    RecoveryDue,
    RepetitionDue,
    SessionNegotiated,
    SwitchDue,
)
from clankvox.messages.playback import GateChanged
from clankvox.messages.publish import PublishGateChanged
from clankvox.messages.router import DaveReported
from clankvox.protocol.dave import RECOVERY_WINDOW_S, SWITCH_LIMIT_S, DaveConversation
from clankvox.protocol.dave_effects import (
    AcceptClear,
    ClearNegotiated,
    DowngradeExecuted,
    Effect,
    GroupEstablished,
    GroupReset,
    Ignored,
    Send,
    SwitchAwaited,
    TransitionAnnounced,
    TransitionExecuted,
    VersionNegotiated,
)
from clankvox.wire.gateway_ops import ExecuteTransition, PrepareEpoch, PrepareTransition

_log = logging.getLogger("clankvox.dave")

PATIENCE_S: Final = 2.0
"""How long a re-key with members present stays untold: a delivery service gives members 2 s to answer."""
REPLAY_S: Final = 0.3
"""How long after a resume we wait for what the server says again, before we do: most of it is its answer to us."""

GATE_OF: Final = {
    DaveState.INACTIVE: Gate.CLOSED,
    DaveState.DISABLED: Gate.CLEAR,
    DaveState.NEGOTIATING: Gate.CLOSED,
    DaveState.ALONE: Gate.CLOSED,
    DaveState.REKEYING: Gate.CLOSED,
    DaveState.ESTABLISHED: Gate.ENCRYPT,
    DaveState.SWITCHING: Gate.ENCRYPT,
}
"""What may leave is a projection of the machine's state, total over all states: fail closed."""

EngineFactory = Callable[[int, UserId, ChannelId], MlsEngine]


class LockedGroup:
    """MlsGroup for the conversation: every call runs under the frame cipher's lock."""

    def __init__(
        self, cipher: FrameCipher, clock: Clock, make_engine: EngineFactory, user_id: UserId, group_id: ChannelId
    ) -> None:
        self._cipher = cipher
        self._clock = clock
        self._make_engine = make_engine
        self._user_id = user_id
        self._group_id = group_id
        self._version = 0
        self._external_sender: bytes | None = None

    @property
    def ready(self) -> bool:
        """Whether a group exists."""
        return self._cipher.group_ready

    def begin(self, version: int) -> None:
        """Install a fresh session; raises MlsError for a version that the library does not speak."""
        self._cipher.install(self._make_engine(version, self._user_id, self._group_id), self._clock.now())
        self._version = version

    def begin_anew(self) -> None:
        """Leave the group for a fresh session that knows the external sender; see FrameCipher.succeed."""
        engine = self._make_engine(self._version, self._user_id, self._group_id)
        if self._external_sender is not None:
            engine.set_external_sender(self._external_sender)
        self._cipher.succeed(engine, self._clock.now())

    def set_external_sender(self, package: bytes) -> None:
        """See MlsEngine.set_external_sender."""
        self._cipher.mls(lambda engine: engine.set_external_sender(package))
        self._external_sender = package

    def key_package(self) -> bytes:
        """See MlsEngine.key_package."""
        return self._cipher.mls(lambda engine: engine.key_package())

    def process_proposals(self, payload: bytes, recognized: Iterable[UserId]) -> bytes | None:
        """See MlsEngine.process_proposals."""
        return self._cipher.mls(lambda engine: engine.process_proposals(payload, recognized))

    def process_commit(self, commit: bytes) -> None:
        """See MlsEngine.process_commit."""
        self._cipher.mls(lambda engine: engine.process_commit(commit))

    def process_welcome(self, welcome: bytes) -> None:
        """See MlsEngine.process_welcome."""
        self._cipher.mls(lambda engine: engine.process_welcome(welcome))


class DaveActor(BaseActor[DaveMessage | Inspect]):
    """One per role. Owns the MLS group and the gate; frames are encrypted elsewhere, through the FrameCipher."""

    def __init__(self, surroundings: Surroundings, cipher: FrameCipher, make_engine: EngineFactory) -> None:
        super().__init__(surroundings)
        self._cipher = cipher
        self._make_engine = make_engine
        self._machine = DaveMachine(self._observe)
        self._conversation: DaveConversation | None = None
        self._attempt = Attempt(0)
        self._connection_id: ConnectionId | None = None
        self._rekeying = 0
        self._ignored: dict[str, int] = {}

    def handle(self, message: DaveMessage | Inspect) -> object:
        """See BaseActor."""
        match message:
            case SessionNegotiated():
                self._on_session(message)
            case DaveOpReceived():
                self._on_op(message)
            case MembersConnected(attempt=attempt, user_ids=users):
                self._on_members(attempt, users)
            case MemberDisconnected(attempt=attempt, user_id=user):
                self._on_member_gone(attempt, user)
            case ConnectionSuspended():
                self._on_suspended()
            case ConnectionResumed(attempt=attempt):
                self._on_resumed(attempt)
            case PatienceEnded(rekeying=number):
                if number == self._rekeying and self._state is DaveState.REKEYING:
                    self._take(self._machine.patience_ended)
            case RecoveryDue(attempt=attempt):
                if attempt == self._attempt and self._conversation is not None:
                    self._carry_out(self._conversation.recovery_overdue(self._clock.now()))
            case SwitchDue(attempt=attempt, transition_id=transition):
                if attempt == self._attempt and self._conversation is not None:
                    self._carry_out(self._conversation.switch_overdue(transition, self._clock.now()))
            case RepetitionDue(attempt=attempt):
                if attempt == self._attempt and self._conversation is not None:
                    self._carry_out(self._conversation.say_again())
            case FramesUndecryptable(attempt=attempt):
                if attempt == self._attempt and self._conversation is not None:
                    self._carry_out(self._conversation.frames_undecryptable(self._clock.now()))
            case DaveRevived():
                self._on_revived(message)
            case ResetBaton():
                self._on_reset(message)
            case Inspect():
                return self._describe()
            case _:
                assert_never(message)
        return None

    def let_go(self) -> None:
        """Fail closed: without this actor nothing leaves."""
        self._cipher.install(None)

    @property
    def _state(self) -> DaveState:
        return DaveState(self._machine.current_state_value)

    def _on_session(self, message: SessionNegotiated) -> None:
        group = LockedGroup(self._cipher, self._clock, self._make_engine, message.user_id, message.group_id)
        self._attempt = message.attempt
        self._connection_id = message.connection_id
        self._conversation = DaveConversation(group, message.user_id, message.version)
        self._conversation.members_connected(message.members)
        self._carry_out(self._conversation.start())
        self._settle_loneliness()

    def _on_op(self, message: DaveOpReceived) -> None:
        if message.attempt != self._attempt or self._conversation is None:
            return
        now = self._clock.now()
        match message.payload:
            case bytes():
                effects = self._conversation.feed_binary(message.op, message.payload, now)
            case PrepareTransition():
                effects = self._conversation.prepare_transition(message.payload, now)
            case ExecuteTransition():
                effects = self._conversation.execute_transition(message.payload, now)
            case PrepareEpoch():
                effects = self._conversation.prepare_epoch(message.payload)
            case _:
                effects = [Ignored("unknown_payload")]
        self._carry_out(effects)
        self._settle_loneliness()

    def _on_members(self, attempt: Attempt, users: tuple[UserId, ...]) -> None:
        if attempt != self._attempt or self._conversation is None:
            return
        self._conversation.members_connected(users)
        if self._state is DaveState.ALONE and self._conversation.others:
            self._take(self._machine.member_joined)
        self._settle_loneliness()

    def _on_member_gone(self, attempt: Attempt, user: UserId) -> None:
        if attempt != self._attempt or self._conversation is None:
            return
        self._conversation.member_disconnected(user)
        self._settle_loneliness()

    def _on_suspended(self) -> None:
        self._attempt = Attempt(0)
        self._take(self._machine.connection_lost)
        self._conversation = None
        self._cipher.install(None)

    def _on_revived(self, revival: DaveRevived) -> None:
        """Show that there is no group until the connection has made another session."""
        self._connection_id = revival.connection_id
        self._machine.version_negotiated()
        self.report(
            DaveReported(
                role=self._address.role,
                connection_id=revival.connection_id,
                was=revival.was,
                now=self._state,
                version=revival.version,
            )
        )

    def _on_resumed(self, attempt: Attempt) -> None:
        if attempt == self._attempt and self._state is DaveState.SWITCHING:
            self._to_connection(TransitionPrepared(attempt=attempt))
        if attempt == self._attempt and self._conversation is not None:
            self.later(REPLAY_S, RepetitionDue(attempt=attempt))

    def _on_reset(self, baton: ResetBaton) -> None:
        self._conversation = None
        self._attempt = Attempt(0)
        was = self._state
        self._machine.session_closed()
        self._cipher.install(None)
        self.report(
            DaveReported(
                role=self._address.role,
                connection_id=baton.connection_id,
                was=was,
                now=self._state,
                version=0,
                reset=baton.connection_id is not None,
            )
        )
        self._connection_id = None
        self.report(baton)

    def _settle_loneliness(self) -> None:
        """Nobody to make a group with: say so, once our own part is done (the group then begins with the next)."""
        alone = self._conversation is not None and self._conversation.alone
        if alone and self._state in (DaveState.NEGOTIATING, DaveState.REKEYING):
            self._take(self._machine.found_alone)

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(op=op, payload=bytes() as payload):
                    self._to_connection(SendGatewayBinary(attempt=self._attempt, op=op, payload=payload))
                case Send(op=op, payload=payload):
                    self._to_connection(SendGatewayJson(attempt=self._attempt, op=op, payload=payload))
                case AcceptClear(seconds=seconds):
                    self._cipher.accept_clear_until(self._clock.now() + seconds)
                case SwitchAwaited(transition_id=transition):
                    self.later(SWITCH_LIMIT_S, SwitchDue(attempt=self._attempt, transition_id=transition))
                case Ignored(cause=cause):
                    self._ignored[cause] = self._ignored.get(cause, 0) + 1
                    _log.info("dave message ignored", extra={"fields": {"cause": cause}})
                case _:
                    self._on_fact(effect)

    def _on_fact(
        self,
        fact: ClearNegotiated
        | VersionNegotiated
        | GroupEstablished
        | TransitionAnnounced
        | TransitionExecuted
        | DowngradeExecuted
        | GroupReset,
    ) -> None:
        match fact:
            case ClearNegotiated():
                self._take(self._machine.clear_negotiated)
            case VersionNegotiated(upgrade=upgrade):
                self._take(self._machine.upgrade_announced if upgrade else self._machine.version_negotiated)
            case GroupEstablished():
                self._take(self._machine.group_established)
            case TransitionAnnounced():
                if self._state is not DaveState.DISABLED:
                    self._take(self._machine.transition_announced)
            case TransitionExecuted():
                if self._state is DaveState.SWITCHING:
                    self._take(self._machine.transition_executed)
            case DowngradeExecuted():
                self._take(self._machine.downgrade_executed)
            case GroupReset():
                self._take(self._machine.group_reset)
                self.later(RECOVERY_WINDOW_S, RecoveryDue(attempt=self._attempt))
            case _:
                assert_never(fact)

    def _take(self, event: Callable[[], object]) -> None:
        """Take one transition, then let everything that is a projection of the state follow."""
        was = self._state
        event()
        now = self._state
        self._cipher.set_gate(GATE_OF[now])
        if now is DaveState.REKEYING and was is not DaveState.REKEYING:
            self._rekeying += 1
            self.later(PATIENCE_S, PatienceEnded(rekeying=self._rekeying))
        if now is DaveState.SWITCHING and was is not DaveState.SWITCHING:
            self._to_connection(TransitionPrepared(attempt=self._attempt))
        if was is DaveState.SWITCHING and now is not DaveState.SWITCHING:
            self._to_connection(TransitionSettled(attempt=self._attempt))
        version = self._conversation.version if self._conversation is not None else 0
        self.report(
            DaveReported(
                role=self._address.role,
                connection_id=self._connection_id,
                was=was,
                now=now,
                version=version,
            )
        )
        self._tell_sender()

    def _tell_sender(self) -> None:
        match self._address.role:
            case Role.VOICE:
                self.send(PLAYBACK, GateChanged())
            case Role.STREAM_PUBLISH:
                self.send(PUBLISH, PublishGateChanged())
            case Role.STREAM_WATCH:
                pass  # nothing leaves but feedback, which DAVE does not cover

    def _to_connection(
        self, message: SendGatewayBinary | SendGatewayJson | TransitionPrepared | TransitionSettled
    ) -> None:
        self.send(connection_address(self._address.role), message)

    def _describe(self) -> dict[str, object]:
        group = self._cipher.group()
        if self._state is DaveState.DISABLED:  # a group that is kept for old frames vouches for nothing
            group = {"gate": group["gate"]}
        return {"state": str(self._state), **group, "ignored": dict(self._ignored)}
