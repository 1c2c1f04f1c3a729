"""The DAVE conversation: opcodes 21 to 31 over time (DAVE protocol, "Voice gateway opcodes", "Protocol transitions").

Sans-IO: every method returns what must be sent and what has happened; the caller sends, in order, and takes its
machine through the facts. The MLS library is injected, so that this module is rules only. Not thread-safe.
"""

import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from clankvox.errors import MlsError
from clankvox.ids import TransitionId, UserId
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
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    InvalidCommitWelcome,
    Op,
    PrepareEpoch,
    PrepareTransition,
    TransitionReady,
)

DOWNGRADE_WINDOW_S: Final = 24.0
"""How long clear frames are accepted once a downgrade (or an upgrade) is announced; the usual clients' figure."""
UPGRADE_WINDOW_S: Final = 10.0
"""How long clear frames are accepted after an upgrade: as long as old ratchets live."""
FLAG_WINDOW_S: Final = 10.0
"""How long after a transition undecryptable frames may be blamed on it (op 31)."""
ASK_AGAIN_S: Final = 30.0
"""The answer to op 31 is a change itself: without a rest, frames that no group opens would have us ask for ever."""
RECOVERY_WINDOW_S: Final = 1.0
"""After asking to be added anew (ops 31 and 26) what fails for so long was made before the server heard of it."""
SWITCH_LIMIT_S: Final = 1.0
"""How long op 22 is waited for; who has not followed the commit by then does not make everybody else wait."""
_FIRST_EPOCH: Final = 1


class MlsGroup(Protocol):
    """The calls that this conversation makes; each may raise MlsError."""

    @property
    def ready(self) -> bool:
        """Whether a group exists."""
        ...

    def begin(self, version: int) -> None:
        """Make a fresh session for `version`."""
        ...

    def begin_anew(self) -> None:
        """Leave the group, keep the external sender; frames that are on their way still open."""
        ...

    def set_external_sender(self, package: bytes) -> None:
        """Op 25."""
        ...

    def key_package(self) -> bytes:
        """Op 26."""
        ...

    def process_proposals(self, payload: bytes, recognized: Iterable[UserId]) -> bytes | None:
        """Op 27 in, op 28 out."""
        ...

    def process_commit(self, commit: bytes) -> None:
        """Op 29 without the transition id."""
        ...

    def process_welcome(self, welcome: bytes) -> None:
        """Op 30 without the transition id."""
        ...


class _Commit(NamedTuple):
    """A commit that is in hand and not followed yet."""

    transition_id: TransitionId
    message: bytes


class DaveConversation:
    """One connection's DAVE conversation, from session description to the end of the socket.

    Op 22 says when a sender changes its key: all members have the new one by then. The library changes ours with the
    commit itself, so the commit of a group that is in use waits for op 22, and a group that we enter is not used
    before. Frames of others who were faster are kept by the receive path and open then.
    """

    def __init__(self, mls: MlsGroup, self_id: UserId, version: int) -> None:
        """Begin with the `version` of the session description; `start` sends the first messages."""
        self._mls = mls
        self._self_id = self_id
        self._version = version
        self._others: set[UserId] = set()
        self._external_sender: bytes | None = None
        self._in_session = False
        self._package: bytes | None = None
        """What was said in op 26, until the server shows that it has it."""
        self._answer: bytes | None = None
        """What was said in op 28, until the group changes or begins anew."""
        self._pending: dict[TransitionId, int] = {}
        self._commit: _Commit | None = None
        self._entering = False
        self._last_received: tuple[TransitionId, float] | None = None
        self._flagged: set[TransitionId] = set()
        self._asked_at: float | None = None
        """When undecryptable frames had us ask to be added anew."""
        self._believe_from = 0.0
        """Failures that are told before may be of frames from before the last change of keys."""
        self._recovering_since: float | None = None
        self._unfollowed: TransitionId | None = None

    @property
    def version(self) -> int:
        """The version that was negotiated, or announced last."""
        return self._version

    @property
    def alone(self) -> bool:
        """Our key package is out, the external sender is known, and nobody else is there to make a group with."""
        return self._in_session and self._external_sender is not None and not self._others

    @property
    def others(self) -> frozenset[UserId]:
        """Members that the server has announced, without ourselves."""
        return frozenset(self._others)

    def start(self) -> list[Effect]:
        """Answer the session description."""
        if self._version == 0:
            return [ClearNegotiated()]
        return [VersionNegotiated(self._version, upgrade=False), *self._begin(self._version)]

    def say_again(self) -> list[Effect]:
        """After a resume say again what is unanswered: it may have gone down with the socket.

        The server says again what we have not seen, but nobody tells us what it has not (op 7 has no such number).
        What it has already changes nothing: it takes one commit for an epoch, one answer to a transition, and the
        last key package. Op 31 is said once only: a member's key package asks to be added anew as well.
        """
        again: list[Effect] = []
        if self._in_session and self._package is not None:
            again.append(Send(Op.MLS_KEY_PACKAGE, self._package))
        if self._in_session and self._answer is not None:
            again.append(Send(Op.MLS_COMMIT_WELCOME, self._answer))
        return again + [
            Send(Op.TRANSITION_READY, TransitionReady(transition_id=transition)) for transition in self._pending
        ]

    def members_connected(self, users: Iterable[UserId]) -> list[Effect]:
        """Op 11: these users may be added to the group."""
        self._others.update(user for user in users if user != self._self_id)
        return []

    def member_disconnected(self, user: UserId) -> list[Effect]:
        """Op 13: this user must not be added any more."""
        self._others.discard(user)
        return []

    def feed_binary(self, op: int, payload: bytes, now: float) -> list[Effect]:
        """Ops 25, 27, 29 and 30; `payload` is what follows the opcode."""
        match op:
            case Op.MLS_EXTERNAL_SENDER:
                return self._on_external_sender(payload)
            case Op.MLS_PROPOSALS:
                return self._on_proposals(payload, now)
            case Op.MLS_ANNOUNCE_COMMIT | Op.MLS_WELCOME:
                return self._on_group_change(op, payload, now)
            case _:
                return [Ignored("unknown_binary_op")]

    def prepare_transition(self, message: PrepareTransition, now: float) -> list[Effect]:
        """Op 21."""
        transition = TransitionId(message.transition_id)
        if transition == 0:
            return [*self._follow(now), *self._execute(message.protocol_version)]
        self._remember(transition, message.protocol_version, now)
        effects: list[Effect] = [Send(Op.TRANSITION_READY, TransitionReady(transition_id=transition))]
        if message.protocol_version == 0:
            effects.append(AcceptClear(DOWNGRADE_WINDOW_S))
        if self._in_session and self._mls.ready and not self._entering:
            effects.append(TransitionAnnounced(transition))
        return effects

    def execute_transition(self, message: ExecuteTransition, now: float) -> list[Effect]:
        """Op 22: what was announced before is superseded, what is not known is ignored."""
        transition = TransitionId(message.transition_id)
        if transition not in self._pending:
            return [Ignored("unknown_transition")]
        version = self._pending[transition]
        for announced in [*self._pending]:
            del self._pending[announced]
            if self._commit is not None and self._commit.transition_id == announced:
                failed = self._follow(now)
                if failed:
                    return failed
            if announced == transition:
                break
        return self._execute(version)

    def switch_overdue(self, transition: TransitionId, now: float) -> list[Effect]:
        """SWITCH_LIMIT_S after a SwitchAwaited: if op 22 is still not here, do without."""
        if transition not in self._pending:
            return []
        effects = self._follow(now)
        if self._entering and self._mls.ready:
            self._entering = False
            effects.append(TransitionAnnounced(transition))
        return effects

    def prepare_epoch(self, message: PrepareEpoch) -> list[Effect]:
        """Op 24: epoch 1 makes the group anew; any other epoch keeps it."""
        if message.protocol_version == 0 or int(message.epoch) != _FIRST_EPOCH:
            return []
        upgrade = self._version == 0
        self._version = message.protocol_version
        self._recovering_since = self._unfollowed = None
        self._take_last_keys()
        self._forget_pending()
        if upgrade:
            return [
                VersionNegotiated(self._version, upgrade=True),
                AcceptClear(DOWNGRADE_WINDOW_S),
                *self._begin(self._version),
            ]
        return [GroupReset(), *self._begin_again()]

    def frames_undecryptable(self, now: float) -> list[Effect]:
        """Blame the last transition, once, if it was received within 10 s; else leave it to the caller's watchdog."""
        if self._commit is not None:
            return self._follow(now)
        if self._last_received is None or self._version == 0 or now < self._believe_from:
            return []
        transition, received_at = self._last_received
        if transition in self._flagged or now - received_at > FLAG_WINDOW_S or not self._in_session:
            return []
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_S:
            return []
        self._asked_at = now
        return self._recover(transition, now)

    def recovery_overdue(self, now: float) -> list[Effect]:
        """Ask once more, RECOVERY_WINDOW_S after a GroupReset, if what came since could not be followed either."""
        if self._unfollowed is None or self._version == 0 or self._mls.ready:
            return []
        return self._recover(self._unfollowed, now)

    def _begin(self, version: int) -> list[Effect]:
        try:
            self._mls.begin(version)
            if self._external_sender is not None:
                self._mls.set_external_sender(self._external_sender)
            package = self._mls.key_package()
        except MlsError:
            return [Ignored("session_refused")]
        self._in_session = True
        self._package, self._answer = package, None
        return [Send(Op.MLS_KEY_PACKAGE, package)]

    def _begin_again(self) -> list[Effect]:
        if not self._in_session:
            return self._begin(self._version)
        try:
            self._mls.begin_anew()
            package = self._mls.key_package()
        except MlsError:
            return self._begin(self._version)
        self._package, self._answer = package, None
        return [Send(Op.MLS_KEY_PACKAGE, package)]

    def _on_external_sender(self, package: bytes) -> list[Effect]:
        if self._in_session:
            try:
                self._mls.set_external_sender(package)
            except MlsError:
                return [Ignored("external_sender_refused")]
        self._external_sender = package
        return []

    def _on_proposals(self, payload: bytes, now: float) -> list[Effect]:
        if not self._in_session or self._version == 0:
            return [Ignored("proposals_without_session")]
        effects = self._follow(now)
        try:
            answer = self._mls.process_proposals(payload, {*self._others, self._self_id})
        except MlsError:
            return [*effects, Ignored("proposals_refused")]
        self._package, self._answer = None, answer
        return effects if answer is None else [*effects, Send(Op.MLS_COMMIT_WELCOME, answer)]

    def _on_group_change(self, op: int, payload: bytes, now: float) -> list[Effect]:
        if len(payload) < 2 or not self._in_session or self._version == 0:
            return [Ignored("group_change_without_session")]
        transition = TransitionId(struct.unpack_from(">H", payload)[0])
        if op == Op.MLS_WELCOME and self._mls.ready:
            return [Ignored("welcome_of_a_member")]
        before = self._follow(now)
        self._answer = None
        self._last_received = (transition, now)
        in_use = self._mls.ready and not self._entering
        if in_use and transition != 0:
            self._commit = _Commit(transition, payload[2:])
            return [*before, *self._await_switch(transition, now), TransitionAnnounced(transition)]
        try:
            if op == Op.MLS_WELCOME:
                self._mls.process_welcome(payload[2:])
            else:
                self._mls.process_commit(payload[2:])
        except MlsError:
            return [*before, *self._on_unfollowed(transition, now)]
        self._recovering_since = self._unfollowed = self._package = None
        self._entering = transition != 0
        return [*before, *(self._await_switch(transition, now) if self._entering else [GroupEstablished()])]

    def _await_switch(self, transition: TransitionId, now: float) -> list[Effect]:
        self._remember(transition, self._version, now)
        return [Send(Op.TRANSITION_READY, TransitionReady(transition_id=transition)), SwitchAwaited(transition)]

    def _follow(self, now: float) -> list[Effect]:
        """Follow the commit that waits, if there is one: it is time, or what comes now builds on it."""
        commit, self._commit = self._commit, None
        if commit is None:
            return []
        try:
            self._mls.process_commit(commit.message)
        except MlsError:
            return self._on_unfollowed(commit.transition_id, now)
        self._recovering_since, self._unfollowed, self._believe_from = None, None, now + RECOVERY_WINDOW_S
        return []

    def _take_last_keys(self) -> None:
        """Follow what waits before the group is left: frames that are held open with its keys, or with none."""
        commit, self._commit = self._commit, None
        if commit is not None:
            with suppress(MlsError):
                self._mls.process_commit(commit.message)

    def _on_unfollowed(self, transition: TransitionId, now: float) -> list[Effect]:
        """Recover, but not again for what was on its way already: each new key package would outdate its answer."""
        since = self._recovering_since
        if since is not None and now - since < RECOVERY_WINDOW_S:
            self._unfollowed = transition
            return [Ignored("made_before_recovery")]
        return self._recover(transition, now)

    def _recover(self, transition: TransitionId, now: float) -> list[Effect]:
        """Flag the transition that cannot be followed and ask to be added anew (op 31 in JSON, then op 26)."""
        self._recovering_since, self._unfollowed = now, None
        self._forget_pending()
        self._flagged.add(transition)
        flag = Send(Op.INVALID_COMMIT_WELCOME, InvalidCommitWelcome(transition_id=transition))
        return [flag, GroupReset(), *self._begin_again()]

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._commit, self._entering = None, False

    def _remember(self, transition: TransitionId, version: int, now: float) -> None:
        self._pending.pop(transition, None)
        self._pending[transition] = version
        self._last_received = (transition, now)
        self._flagged.discard(transition)

    def _execute(self, version: int) -> list[Effect]:
        upgrade = self._version == 0 and version > 0
        self._version = version
        if version == 0:
            self._entering = False
            self._package = self._answer = None
            return [DowngradeExecuted()]
        if upgrade:
            # the window first: closing the gate ends version 0, and others still send in clear
            return [AcceptClear(UPGRADE_WINDOW_S), VersionNegotiated(version, upgrade=True), *self._take_up_group()]
        if not self._in_session or not self._mls.ready or self._pending:
            return []
        entering, self._entering = self._entering, False
        return [GroupEstablished() if entering else TransitionExecuted()]

    def _take_up_group(self) -> list[Effect]:
        """Encrypt again: with the group that outlived the downgrade, or with a new one."""
        if self._in_session and self._mls.ready:
            return [GroupEstablished()]
        return self._begin_again()
