"""The DAVE delivery service of one room: who is in the MLS group, and which opcode goes to whom.

Sans I/O. Every input returns `Effects`: messages to send, per user in this order, and happenings for the log.
The gateway around it has to
  * ask `version_for` for op 4's `dave_protocol_version`, and call `member_connected` once op 4 is queued;
  * queue ops 11 and 13 before it calls `member_connected` and `member_left`, on one ordered queue a client,
    for clients refuse to add a user that was not announced;
  * call `tick` several times a second. A time limit starts at the first tick that sees it.

A room does one thing at a time: a batch of proposals (op 27) until one commit is accepted (op 28), then the
transition (ops 29, 30, 23, 22), then the next. What comes meanwhile waits for the next batch.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from clankvox.errors import WireError
from clankvox.ids import TransitionId, UserId
from clankvox.loopback.external_sender import ExternalSender
from clankvox.loopback.mls import KeyPackage, parse_key_package
from clankvox.loopback.mls_codec import u16
from clankvox.loopback.mls_group import Added, Batch, GroupView
from clankvox.loopback.mls_outbox import Effects, Outbox
from clankvox.loopback.mls_session import AnswerLimit, MemberSession, Transition
from clankvox.wire.gateway_ops import ExecuteTransition, Op, PrepareEpoch, PrepareTransition

NEW_GROUP_EPOCH: Final = 1
"""Op 24 with this epoch asks for a new group (DAVE: "sole member reset", upgrade)."""
_DAVE_VERSION: Final = 1
_MAX_TRANSITION_ID: Final = 0xFFFF
_IMMEDIATE: Final = TransitionId(0)


class Phase(StrEnum):
    """What the room does with media."""

    ENCRYPTED = "encrypted"
    PLAIN = "plain"
    UPGRADING = "upgrading"
    """Still plain: the new group is being formed."""


class DeliveryService:
    """The delivery service of one room. Not thread-safe: its gateway's event loop owns it."""

    def __init__(self, channel_id: int) -> None:
        """Begin with nobody in channel `channel_id`, which names the MLS group."""
        self.phase = Phase.ENCRYPTED
        self.dropped: Counter[str] = Counter()
        """Messages of clients that were ignored, by cause."""
        self._group = GroupView(channel_id, ExternalSender(channel_id))
        self._members: dict[UserId, MemberSession] = {}
        self._plain_ordered = False
        self._batch: Batch | None = None
        self._transition: Transition | None = None
        self._asked: set[UserId] = set()
        self._limit = AnswerLimit()
        self._last_id = 0
        self._corrupt_next: set[UserId] = set()
        self._outbox = Outbox()

    def rename(self, channel_id: int) -> bool:
        """Name the group after `channel_id`; False once proposals have bound the members to its name."""
        if self._group.established or self._batch is not None:
            return False
        self._group.group_id = channel_id
        self._group.sender.rename(channel_id)
        return True

    @property
    def epoch(self) -> int:
        """Epoch of the group; 0 while there is none."""
        return self._group.epoch

    @property
    def group_members(self) -> frozenset[UserId]:
        """Users that know the present group."""
        return frozenset(user_id for user_id, member in self._members.items() if member.leaf is not None)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: no batch, no transition, no key package that was asked for."""
        return self._batch is None and self._transition is None and not self._asked

    def awaits(self, user_id: UserId) -> bool:
        """Whether `user_id` was told of a change and has not answered: op 23 of a transition, or op 26 of a group."""
        return user_id in self._asked or (self._transition is not None and user_id in self._transition.waiting)

    def version_for(self, dave_version: int) -> int:
        """Return op 4's `dave_protocol_version` for a joiner that can do `dave_version` (0 if it named none)."""
        return _DAVE_VERSION if dave_version and self._wanted_version() else 0

    def member_connected(self, user_id: UserId, dave_version: int) -> Effects:
        """Take in a new session, once its op 4 is queued; a former session of this user has to have left."""
        member = MemberSession(dave_version)
        if self.version_for(dave_version):
            self._introduce(user_id, member)
        self._members[user_id] = member
        return self._settle()

    def member_left(self, user_id: UserId) -> Effects:
        """Take a session out; its leaf is removed with the next commit."""
        if self._members.pop(user_id, None) is None:
            return self._settle()
        self._asked.discard(user_id)
        self._corrupt_next.discard(user_id)
        if self._transition is not None:
            self._transition.waiting.discard(user_id)
        if not self._members:
            self._empty()
        elif self._batch is not None and self._batch.initial and user_id in self._batch.payloads:
            # The others hold a proposal to add someone who is gone, in groups of their own: they begin anew.
            self._ask_anew([UserId(user) for user in self._batch.payloads if user in self._members])
        return self._settle()

    def key_package(self, user_id: UserId, payload: bytes) -> Effects:
        """Op 26. From a member of the group it asks to join again."""
        member = self._capable(user_id)
        if member is None or self.phase is Phase.PLAIN:
            return self._drop("key_package_unexpected")
        try:
            member.key_package = parse_key_package(payload, user_id)
        except WireError:
            return self._drop("key_package_invalid")
        member.leaf = None
        self._asked.discard(user_id)
        return self._settle()

    def commit_welcome(self, user_id: UserId, payload: bytes) -> Effects:
        """Op 28. The first valid one wins; the others of the same epoch are dropped."""
        batch = self._batch
        if batch is None or not self._may_commit(batch, user_id):
            return self._drop("commit_unexpected")
        try:
            commit, added = self._group.accept(batch, user_id, payload)
        except WireError:
            return self._drop("commit_invalid")
        self._batch = None
        self._announce(batch, user_id, commit, added)
        return self._settle()

    def transition_ready(self, user_id: UserId, transition_id: int) -> Effects:
        """Op 23."""
        transition = self._transition
        member = self._members.get(user_id)
        if transition is None or transition.transition_id != transition_id or user_id not in transition.waiting:
            return self._drop("transition_ready_unexpected")
        transition.waiting.discard(user_id)
        if member is not None:
            self._note_recovered(user_id, member)
        return self._settle()

    def invalid_commit(self, user_id: UserId, transition_id: int) -> Effects:
        """Op 31: the user lost the group; its new key package follows, and re-adds it."""
        member = self._capable(user_id)
        if member is None or self.phase is Phase.PLAIN:
            return self._drop("invalid_commit_unexpected")
        self._outbox.happen("invalid_commit", userId=str(user_id), transitionId=transition_id)
        member.leaf = None
        member.key_package = None
        member.recovering = True
        if self._transition is not None:
            self._transition.waiting.discard(user_id)
        return self._settle()

    def prepare_downgrade(self) -> Effects:
        """Leave end-to-end encryption for good, until `prepare_upgrade`."""
        self._plain_ordered = True
        return self._settle()

    def prepare_upgrade(self) -> Effects:
        """Encrypt again, as soon as no member without DAVE is there."""
        self._plain_ordered = False
        return self._settle()

    def corrupt_next_commit_for(self, user_id: UserId) -> Effects:
        """Fault: what this user gets as its next op 29 or 30 is unreadable."""
        if user_id in self._members:
            self._corrupt_next.add(user_id)
        return self._settle()

    def tick(self, now: float) -> Effects:
        """Act on time limits that passed by `now` (monotonic seconds)."""
        if self._transition is not None:
            if self._transition.limit.passed(now):
                self._outbox.happen("expired", what="transition", transitionId=self._transition.transition_id)
                self._transition.waiting.clear()
        elif (self._batch is not None or self._asked) and self._limit.passed(now):
            self._expire()
        return self._settle()

    def _expire(self) -> None:
        """Nobody committed, or a key package did not come: begin anew with those who answer."""
        if self._batch is None:
            self._outbox.happen("expired", what="key_package", userIds=[str(user_id) for user_id in self._asked])
            self._asked.clear()
            return
        # A second batch in this epoch would be committed without its Welcome by some clients.
        self._outbox.happen("expired", what="commit", epoch=self.epoch)
        self._group.forget()
        self._ask_anew(self._capable_users())

    def _settle(self) -> Effects:
        """Start whatever can start now, and hand over all that is queued."""
        self._advance()
        return self._outbox.take()

    def _drop(self, cause: str) -> Effects:
        self.dropped[cause] += 1
        return self._settle()

    def _advance(self) -> None:
        """Do the next thing, if nothing is under way."""
        if self._transition is not None and not self._transition.waiting:
            self._execute(self._transition)
        self._forget_dead_group()
        if self._batch is not None or self._transition is not None:
            return
        if self._wanted_version() == 0:
            self._downgrade()
        elif self.phase is Phase.PLAIN:
            self._upgrade()
        elif not self._asked:
            self._regroup()

    def _downgrade(self) -> None:
        if self.phase is Phase.PLAIN:
            return
        users = self._capable_users()
        transition = self._prepare(users, version=0)
        prepare = PrepareTransition(transition_id=transition.transition_id, protocol_version=0)
        for user_id in users:
            self._outbox.send(user_id, Op.PREPARE_TRANSITION, prepare)
        if not users:
            self._execute(transition)

    def _upgrade(self) -> None:
        self.phase = Phase.UPGRADING
        users = self._capable_users()
        self._ask_anew(users)
        if not users:
            self._encrypt_at_once(users)

    def _regroup(self) -> None:
        """Bring the group in line with who is there: reset, first group, or one commit for all changes."""
        waiting = [member.key_package for member in self._members.values() if member.key_package is not None]
        if not self._group.established:
            if len(waiting) >= 2:
                self._propose(waiting, [], [package.leaf.user_id for package in waiting])
            elif self.phase is Phase.UPGRADING:
                self._encrypt_at_once(self._capable_users())
            return
        gone = [leaf for leaf, node in self._group.leaves.items() if node.user_id not in self._members]
        if gone and len(self._capable_users()) == 1:
            self._group.forget()
            self._outbox.happen("reset", userId=str(self._capable_users()[0]))
            self._ask_anew(self._capable_users())
        elif gone or waiting:
            owned = {member.leaf for member in self._members.values()}
            self._propose(waiting, sorted(self._group.leaves.keys() - owned), self.group_members)

    def _propose(self, adds: list[KeyPackage], removes: list[int], authors: Iterable[int]) -> None:
        self._batch = self._group.propose(adds, removes, authors)
        self._limit = AnswerLimit()
        for user_id, payload in self._batch.payloads.items():
            self._outbox.send(UserId(user_id), Op.MLS_PROPOSALS, payload)

    def _announce(self, batch: Batch, author: UserId, commit: bytes, added: list[Added]) -> None:
        """Send the accepted commit to those who can follow it, and its Welcomes to the rest."""
        if batch.initial:
            self._members[author].leaf = 0
            self._members[author].key_package = None
            followers = [author]
        else:
            followers = [UserId(user_id) for user_id in batch.payloads if UserId(user_id) in self.group_members]
        welcomed = {}
        for one in added:
            user_id = UserId(one.package.leaf.user_id)
            member = self._members.get(user_id)
            # Left, or sent a newer key package: its leaf is then nobody's, and goes with the next commit.
            if member is not None and member.key_package is one.package:
                member.leaf, member.key_package = one.leaf, None
                welcomed[user_id] = one.welcome
        self._outbox.happen("epoch", epoch=self.epoch, members=len(self._group.leaves), author=str(author))
        immediate = batch.initial and self.phase is Phase.ENCRYPTED
        everybody = [*followers, *welcomed]
        transition_id = _IMMEDIATE if immediate else self._prepare(everybody, _DAVE_VERSION).transition_id
        for user_id in followers:
            self._send_mls(user_id, Op.MLS_ANNOUNCE_COMMIT, transition_id, commit)
        for user_id, welcome in welcomed.items():
            self._send_mls(user_id, Op.MLS_WELCOME, transition_id, welcome)
        if immediate:
            self._outbox.happen("transition", transitionId=0, protocolVersion=_DAVE_VERSION)
            for user_id in everybody:
                self._note_recovered(user_id, self._members[user_id])

    def _prepare(self, users: Iterable[UserId], version: int) -> Transition:
        """Begin a transition with the next id, 1 to 65535 and round again; 0 is kept for the immediate ones."""
        self._last_id = self._last_id % _MAX_TRANSITION_ID + 1
        addressed = frozenset(users)
        self._transition = Transition(TransitionId(self._last_id), version, addressed, set(addressed))
        return self._transition

    def _execute(self, transition: Transition) -> None:
        self._transition = None
        for user_id in transition.addressed & self._members.keys():
            self._outbox.send(user_id, Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=transition.transition_id))
        self._outbox.happen("transition", transitionId=transition.transition_id, protocolVersion=transition.version)
        if transition.version:
            self.phase = Phase.ENCRYPTED
            return
        self.phase = Phase.PLAIN
        self._asked.clear()
        self._forget_group()

    def _ask_anew(self, users: list[UserId]) -> None:
        """Have `users` make a new group: their present one is void, their key packages are used up."""
        self._batch = None
        self._limit = AnswerLimit()
        self._asked = set(users)
        for user_id in users:
            member = self._members[user_id]
            member.leaf = member.key_package = None
            self._introduce(user_id, member)
            self._outbox.send(
                user_id,
                Op.PREPARE_EPOCH,
                PrepareEpoch(epoch=NEW_GROUP_EPOCH, protocol_version=_DAVE_VERSION),
            )
        if self.phase is Phase.ENCRYPTED:
            self._encrypt_at_once(users)

    def _encrypt_at_once(self, users: list[UserId]) -> None:
        """Transition 0: whatever group there was, stop using it."""
        self.phase = Phase.ENCRYPTED
        prepare = PrepareTransition(transition_id=_IMMEDIATE, protocol_version=_DAVE_VERSION)
        for user_id in users:
            self._outbox.send(user_id, Op.PREPARE_TRANSITION, prepare)
        self._outbox.happen("transition", transitionId=0, protocolVersion=_DAVE_VERSION)

    def _forget_group(self) -> None:
        self._batch = None
        self._group.forget()
        for member in self._members.values():
            member.leaf = member.key_package = None

    def _forget_dead_group(self) -> None:
        """Give up a group that no connected user knows any more: it can never commit again."""
        if self._group.established and not self.group_members:
            self._group.forget()
            self._batch = None

    def _empty(self) -> None:
        """Begin as at first, with a new external sender, since the last one left."""
        self._forget_group()
        self._group.sender = ExternalSender(self._group.group_id)
        self._transition = None
        self._asked.clear()
        self.phase = Phase.ENCRYPTED

    def _wanted_version(self) -> int:
        """One member without DAVE makes the whole room plain."""
        if self._plain_ordered or any(member.dave_version == 0 for member in self._members.values()):
            return 0
        return _DAVE_VERSION

    def _capable_users(self) -> list[UserId]:
        return [user_id for user_id, member in self._members.items() if member.dave_version]

    def _capable(self, user_id: UserId) -> MemberSession | None:
        member = self._members.get(user_id)
        return member if member is not None and member.dave_version else None

    def _may_commit(self, batch: Batch, user_id: UserId) -> bool:
        """Tell whether `user_id` was sent this batch and has not begun anew since."""
        member = self._members.get(user_id)
        if member is None or user_id not in batch.payloads:
            return False
        return member.key_package is batch.package_of(user_id) if batch.initial else member.leaf is not None

    def _introduce(self, user_id: UserId, member: MemberSession) -> None:
        """Op 25, once a session: clients that are in a group fail on a second one."""
        if not member.knows_sender:
            member.knows_sender = True
            self._outbox.send(user_id, Op.MLS_EXTERNAL_SENDER, self._group.sender.payload)

    def _note_recovered(self, user_id: UserId, member: MemberSession) -> None:
        if member.recovering and member.leaf is not None:
            member.recovering = False
            self._outbox.happen("recovered", userId=str(user_id))

    def _send_mls(self, user_id: UserId, op: Op, transition_id: TransitionId, message: bytes) -> None:
        if user_id in self._corrupt_next:
            self._corrupt_next.discard(user_id)
            message = b"\xff\xff" + message[2:]
        self._outbox.send(user_id, op, u16(transition_id) + message)
