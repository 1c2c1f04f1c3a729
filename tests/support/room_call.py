"""A call whose DAVE group is real: our actors with davey, the delivery service, and members with their libraries."""

from collections import deque
from typing import Any

from clankvox.loopback.member import Answer
from clankvox.media.mls_engine import DaveyEngine
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.gateway_ops import (
    InvalidCommitWelcome,
    Op,
    TransitionReady,
    decode_client_binary,
    decode_json,
    payload_of,
)
from clankvox.wire.rtp import SILENCE_FRAME
from tests.support.dave_room import CHANNEL, DaveRoom
from tests.support.factory import SELF, Call

_JSON_ANSWERS = {Op.TRANSITION_READY: TransitionReady, Op.INVALID_COMMIT_WELCOME: InvalidCommitWelcome}

FRAME = b"\xfc" + bytes(range(40))


class RoomCall(DaveRoom):
    """A DaveRoom in which one client is ours: what it gets goes through the whole call, what it says comes back."""

    def __init__(self, *others: int, **more: Any) -> None:
        super().__init__()
        self.call = Call(make_engine=DaveyEngine, **more)
        self._heard = 0
        for other in others:
            self.join(other)
        self.run()
        self.call.join(channel=CHANNEL)
        self.call.voice_server()
        self.call.voice_state(channel=CHANNEL)
        self.call.drain()
        self.enter()

    def enter(self) -> None:
        """Go through the handshake and into the room."""
        self.call.server.handshake(self.service.version_for(1))
        if self.members:
            self.call.server.members(*self.members)
        self._heard = len(self.call.web_socket.sent)
        self._down[SELF], self._up[SELF] = deque(), deque()
        self.plain.add(SELF)  # for the room: one who is told of others and is no member of its own making
        for other in self.members:
            self._down[other].append(("connect", [SELF]))
        self.apply(self.service.member_connected(SELF, 1))
        for op, payload in self.call.server.binary_sent()[-1:]:
            self._up[SELF].append(Answer(Op(op), payload))
        self.run()

    def drop(self) -> None:
        """Our connection is gone; the server notices."""
        del self._down[SELF], self._up[SELF]
        self.plain.discard(SELF)
        for queue in self._down.values():
            queue.append(("disconnect", SELF))
        self.apply(self.service.member_left(SELF))
        self.run()

    def step(self) -> bool:
        moved = bool(self._down.get(SELF))
        while self._down.get(SELF):
            self._tell_us(*self._down[SELF].popleft())
        self.call.drain()
        self._listen()
        return super().step() or moved

    def _tell_us(self, op: object, payload: object) -> None:
        server = self.call.server
        if op == "connect":
            server.members(*payload)
        elif op == "disconnect":
            server.member_gone(payload)
        elif isinstance(payload, bytes):
            server.binary(op, payload)
        else:
            server.text(op, payload)

    def _listen(self) -> None:
        sent = self.call.web_socket.sent
        for frame in sent[self._heard :]:
            if isinstance(frame, bytes):
                op, payload = decode_client_binary(frame)
                self._up[SELF].append(Answer(Op(op), payload))
                continue
            message = decode_json(frame)
            if message.op in _JSON_ANSWERS:
                self._up[SELF].append(Answer(Op(message.op), payload_of(message, _JSON_ANSWERS[message.op])))
        self._heard = len(sent)


def assert_heard_and_hearing(room, version=1):
    """Every member opens what we say, and we what he says; nothing has left in clear where DAVE is on."""
    call = room.call
    call.left()
    call.audio(None, 100)
    call.run(1.0)
    frames = [frame for frame in call.left() if frame != SILENCE_FRAME]
    assert len(frames) >= 5
    for frame in frames:
        assert is_dave_frame(frame) == (version == 1)
        for member in room.members.values():
            assert member.decrypt(SELF, frame)
    for user, member in room.members.items():
        assert call.cipher.open_audio(user, member.encrypt_opus(FRAME), call.clock.now()).payload == FRAME
    assert call.leaks == []
