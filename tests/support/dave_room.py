"""A DAVE room without a network: the delivery service, members with real MLS libraries, and ordered queues."""

import random
from collections import deque

from clankvox.loopback.delivery import DeliveryService
from clankvox.loopback.member import Answer, DaveMember
from clankvox.loopback.mls_outbox import Effects, Happening, Outgoing
from clankvox.wire.gateway_ops import Op

CHANNEL = 0x42FBE6FCDD020
LIMIT_S = 2.5
PLAIN = "plain"


class DaveRoom:
    """Delivers messages one at a time; with an `rng` it interleaves the sockets at random, each in order."""

    def __init__(self, rng: random.Random | None = None):
        self.service = DeliveryService(CHANNEL)
        self.members: dict[int, DaveMember] = {}
        self.plain: set[int] = set()
        self.sent: list[Outgoing] = []
        self.happened: list[Happening] = []
        self.muted: set[int] = set()
        """Users whose op 28 never arrives."""
        self.now = 0.0
        self._rng = rng
        self._down: dict[int, deque] = {}
        self._up: dict[int, deque] = {}

    def join(self, user, library="davey", member=None):
        others = [*self.members, *self.plain]
        self._down[user], self._up[user] = deque(), deque()
        for other in others:
            self._down[other].append(("connect", [user]))
        version = self.service.version_for(0 if library == PLAIN else 1)
        if library == PLAIN:
            self.plain.add(user)
        else:
            member = self.members[user] = member or DaveMember(user, CHANNEL, library)
            self._down[user].append(("connect", others))
            self._up[user].extend(member.start(version))
        self.apply(self.service.member_connected(user, 0 if library == PLAIN else 1))

    def leave(self, user):
        self.members.pop(user, None)
        self.plain.discard(user)
        del self._down[user], self._up[user]
        for queue in self._down.values():
            queue.append(("disconnect", user))
        self.apply(self.service.member_left(user))

    def apply(self, effects: Effects):
        self.sent += effects.outgoing
        self.happened += effects.happenings
        for user, op, payload in effects.outgoing:
            self._down[user].append((op, payload))

    def step(self):
        """Deliver one message of one socket; False if there is none."""
        ready = [(queues, user) for queues in (self._down, self._up) for user in queues if queues[user]]
        if not ready:
            return False
        queues, user = self._rng.choice(ready) if self._rng else ready[0]
        message = queues[user].popleft()
        if queues is self._up:
            self.to_server(user, message)
        elif user in self.members:
            self._up[user].extend(self._to_member(self.members[user], *message))
        return True

    def run(self):
        """Deliver everything, and let time limits pass until the service waits for nothing."""
        self.flush()
        for _ in range(20):
            if self.service.settled:
                return self
            self.elapse()
        raise AssertionError("the room does not settle")

    def flush(self):
        while self.step():
            pass

    def elapse(self):
        for _ in range(2):
            self.apply(self.service.tick(self.now))
            self.now += LIMIT_S
        self.flush()

    def to_server(self, user, answer: Answer):
        service = self.service
        match answer.op:
            case Op.MLS_KEY_PACKAGE:
                self.apply(service.key_package(user, answer.payload))
            case Op.MLS_COMMIT_WELCOME:
                if user not in self.muted:
                    self.apply(service.commit_welcome(user, answer.payload))
            case Op.TRANSITION_READY:
                self.apply(service.transition_ready(user, answer.payload.transition_id))
            case Op.INVALID_COMMIT_WELCOME:
                self.apply(service.invalid_commit(user, answer.payload.transition_id))

    def _to_member(self, member, op, payload):
        if op == "connect":
            member.users_connected(payload)
        elif op == "disconnect":
            member.user_left(payload)
        else:
            return member.receive(op, payload)
        return []

    def assert_all_hear_all(self, version=1):
        """Every frame of every member decrypts at every other, and is not readable on the way."""
        for sender_id, sender in self.members.items():
            assert sender.version == version, f"{sender_id} executes version {sender.version}"
            if len(self.members) < 2:
                continue
            frame = b"\xfc" + random.randbytes(40)
            assert sender.ready, f"{sender_id} has no key"
            sealed = sender.encrypt_opus(frame)
            assert (frame in sealed) == (version == 0)
            for receiver_id, receiver in self.members.items():
                if receiver_id != sender_id:
                    assert receiver.decrypt(sender_id, sealed) == frame, f"{sender_id} -> {receiver_id}"

    def has_news_for(self, user):
        """Whether something was said to `user` that it has not read yet."""
        return bool(self._down[user])

    def ops_to(self, user):
        return [message.op for message in self.sent if message.user_id == user]

    def happenings(self, kind):
        return [happening.fields for happening in self.happened if happening.kind == kind]
