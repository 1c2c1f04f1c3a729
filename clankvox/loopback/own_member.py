"""A member of our own in a room: a participant that answers the gateway as a full DAVE client."""

import asyncio
import random
from collections import deque
from pathlib import Path
from typing import Final

from clankvox.clock import Clock
from clankvox.ids import Ssrc, UserId
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.member import Answer, Library
from clankvox.loopback.participant import Emit, Participant
from clankvox.loopback.recording import Recording
from clankvox.loopback.room import Room
from clankvox.loopback.sealing_group import SealingGroup
from clankvox.loopback.sfu import Sfu
from clankvox.wire.gateway_ops import ClientDisconnect, ClientsConnect, Op, Payload

_DAVE_VERSION: Final = 1
_DAVE_OPS: Final = frozenset(
    {
        Op.PREPARE_TRANSITION,
        Op.EXECUTE_TRANSITION,
        Op.PREPARE_EPOCH,
        Op.MLS_EXTERNAL_SENDER,
        Op.MLS_PROPOSALS,
        Op.MLS_ANNOUNCE_COMMIT,
        Op.MLS_WELCOME,
    }
)


class OwnMember(Participant):
    """Base of speakers, publishers and watchers. The event loop owns it."""

    def __init__(self, user_id: UserId, ssrc: Ssrc, member: HostedMember, *, library: Library, seed: int) -> None:
        """`ssrc` is the member's alone. Call `begin` when it has entered its room."""
        super().__init__(user_id, ssrc, _DAVE_VERSION, seed)
        self.library = library
        self._member = member
        self._random = random.Random(f"{seed}/{type(self).__name__.lower()}/{user_id}")  # noqa: S311 - reproducible
        self._inbox: deque[tuple[Op, bytes | Payload, frozenset[UserId]]] = deque()
        self._sealing = SealingGroup(library, self.port.sealed_without)

    def begin(self, room: Room, sfu: Sfu, clock: Clock, emit: Emit) -> None:
        """Take part in `room`."""
        self._room, self._sfu, self._clock, self._emit = room, sfu, clock, emit
        version = room.service.version_for(self.dave_version)  # before `connect`, as for op 4 of a client
        room.connect(self, clock.now())
        self._member.start(version, self._answered)

    def end(self) -> None:
        """Let go of everything."""
        self._inbox.clear()
        self.port.hear = None
        self.port.hear_rtcp = None
        self._member.close()

    def send(self, op: Op, payload: bytes | Payload) -> None:
        """Take a message; it is answered in a later turn, for the room may be in the midst of sending."""
        match payload:
            case ClientsConnect(user_ids=user_ids):
                self._member.users_connected(map(int, user_ids))
            case ClientDisconnect(user_id=user_id):
                self._member.user_left(int(user_id))
            case _ if op in _DAVE_OPS:
                self._inbox.append((op, payload, self._room.service.group_members))
                asyncio.get_running_loop().call_soon(self._answer)

    def about(self, **fields: object) -> dict[str, object]:
        """Return the fields of a happening."""
        return {"userId": str(self.user_id), "serverId": str(self._room.server_id), **fields}

    def report(self) -> dict[str, object]:
        """Return what `stats` says of every member of our own."""
        return {
            "library": self.library,
            "daveVersion": self._member.version,
            "memberDropped": dict(self._member.dropped),
        }

    def _answer(self) -> None:
        """Answer one message a turn: MLS takes its time, and packets must not wait for a whole room of members."""
        if not self._inbox:
            return
        op, payload, members = self._inbox.popleft()
        self._member.receive(op, payload, self._answered)
        self._sealing.note(op, payload, members)

    def _answered(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._room.receive_dave(self, answer.op, answer.payload, self._clock.now())


def recording_in(folder: str | None) -> Recording | None:
    """Return where a member records what it hears; InvalidRequest if that is not possible."""
    return None if folder is None else Recording(Path(folder))
