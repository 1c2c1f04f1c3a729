"""A DAVE group in one process: members who speak, and ourselves as the process would be; real MLS, no network."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from clankvox.ids import ChannelId, TransitionId, UserId
from clankvox.loopback.delivery import DeliveryService
from clankvox.loopback.member import Answer, DaveMember
from clankvox.loopback.mls_outbox import Effects
from clankvox.media.mls_engine import DAVE_VERSION, DaveyEngine
from clankvox.wire.gateway_ops import Op, TransitionReady

_CHANNEL: Final = ChannelId(1_000_003)
_OURSELVES: Final = UserId(7)


class DaveGroup:
    """Ourselves (`ours`) and `members` in one group, every frame of which `ours` can open."""

    def __init__(self, users: Iterable[UserId]) -> None:
        """Let all join, one after the other. MlsError if davey refuses."""
        self.ours = DaveyEngine(DAVE_VERSION, _OURSELVES, _CHANNEL)
        self.members: dict[UserId, DaveMember] = {}
        self._service = DeliveryService(_CHANNEL)
        self._effects: deque[Effects] = deque()
        self._effects.append(self._service.member_connected(_OURSELVES, DAVE_VERSION))
        self._effects.append(self._service.key_package(_OURSELVES, self.ours.key_package()))
        self._deliver()
        for user in users:
            self._join(user)

    def _join(self, user: UserId) -> None:
        member = DaveMember(user, _CHANNEL)
        member.users_connected([_OURSELVES, *self.members])
        for other in self.members.values():
            other.users_connected([user])
        self.members[user] = member
        answers = member.start(DAVE_VERSION)
        self._effects.append(self._service.member_connected(user, DAVE_VERSION))
        self._answer(user, answers)
        self._deliver()

    def _deliver(self) -> None:
        while self._effects:
            for user, op, payload in self._effects.popleft().outgoing:
                if user != _OURSELVES:
                    self._answer(user, self.members[user].receive(op, payload))
                elif isinstance(payload, bytes):
                    self._to_us(op, payload)

    def _to_us(self, op: Op, payload: bytes) -> None:
        match op:
            case Op.MLS_EXTERNAL_SENDER:
                self.ours.set_external_sender(payload)
            case Op.MLS_PROPOSALS:
                commit = self.ours.process_proposals(payload, [_OURSELVES, *self.members])
                if commit:
                    self._effects.append(self._service.commit_welcome(_OURSELVES, commit))
            case Op.MLS_ANNOUNCE_COMMIT | Op.MLS_WELCOME:
                join = self.ours.process_commit if op is Op.MLS_ANNOUNCE_COMMIT else self.ours.process_welcome
                join(payload[2:])
                transition_id = TransitionId(int.from_bytes(payload[:2], "big"))
                self._effects.append(self._service.transition_ready(_OURSELVES, transition_id))

    def _answer(self, user: UserId, answers: list[Answer]) -> None:
        for op, payload in answers:
            match payload:
                case bytes() if op is Op.MLS_KEY_PACKAGE:
                    self._effects.append(self._service.key_package(user, payload))
                case bytes() if op is Op.MLS_COMMIT_WELCOME:
                    self._effects.append(self._service.commit_welcome(user, payload))
                case TransitionReady(transition_id=transition_id):
                    self._effects.append(self._service.transition_ready(user, transition_id))
