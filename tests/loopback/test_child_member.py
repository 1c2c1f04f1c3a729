"""A DAVE member in a child process behaves as one in this process does."""

import asyncio

from clankvox.loopback.child_member import ChildMember
from clankvox.loopback.delivery import DeliveryService
from clankvox.loopback.hosted_member import InlineMember
from clankvox.loopback.member import DaveMember
from clankvox.wire.gateway_ops import InvalidCommitWelcome, Op, TransitionReady

CHANNEL = 77


class Call:
    """The group of two hosted members, delivered by the real service."""

    def __init__(self, members):
        self.members = members
        self.service = DeliveryService(CHANNEL)
        self.changed = asyncio.Event()
        for user, member in members.items():
            member.users_connected(other for other in members if other != user)
        for user, member in members.items():
            version = self.service.version_for(1)
            self.apply(self.service.member_connected(user, 1))
            member.start(version, lambda answers, user=user: self.answered(user, answers))

    def apply(self, effects):
        for user, op, payload in effects.outgoing:
            answered = lambda answers, user=user: self.answered(user, answers)  # noqa: E731
            self.members[user].receive(op, payload, answered)

    def answered(self, user, answers):
        for op, payload in answers:
            match op, payload:
                case Op.MLS_KEY_PACKAGE, bytes():
                    self.apply(self.service.key_package(user, payload))
                case Op.MLS_COMMIT_WELCOME, bytes():
                    self.apply(self.service.commit_welcome(user, payload))
                case _, TransitionReady(transition_id=transition_id):
                    self.apply(self.service.transition_ready(user, transition_id))
                case _, InvalidCommitWelcome(transition_id=transition_id):
                    self.apply(self.service.invalid_commit(user, transition_id))
        self.changed.set()

    async def wait_ready(self):
        while not all(member.ready and member.version == 1 for member in self.members.values()):
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 10)


def ciphered(call, *arguments):
    future = asyncio.get_running_loop().create_future()
    call(*arguments, future.set_result)
    return asyncio.wait_for(future, 10)


def test_child_and_inline_member_hear_each_other():
    async def run():
        child = await ChildMember.spawn(1, CHANNEL)
        inline = InlineMember(DaveMember(2, CHANNEL, "davey"))
        try:
            call = Call({1: child, 2: inline})
            await call.wait_ready()
            for sender, receiver, user in ((child, inline, 1), (inline, child, 2)):
                sealed = await ciphered(sender.encrypt, b"\xfcword")
                assert b"word" not in sealed
                assert await ciphered(receiver.decrypt, user, sealed) == b"\xfcword"
                assert await ciphered(receiver.decrypt, user, sealed[:-4] + b"\x0c\xfa\xfa\xfa") is None
        finally:
            child.close()
            await child.ended()

    asyncio.run(run())


def test_a_child_is_not_ready_while_it_may_be_about_to_encrypt():
    async def run():
        child = await ChildMember.spawn(1, CHANNEL)
        try:
            assert child.ready  # version 0: plain
            answered = asyncio.get_running_loop().create_future()
            child.start(1, answered.set_result)
            assert not child.ready
            await asyncio.wait_for(answered, 10)
            assert not child.ready
        finally:
            child.close()
            await child.ended()

    asyncio.run(run())


def test_the_death_of_a_child_is_told_once():
    async def run():
        child = await ChildMember.spawn(1, CHANNEL)
        lost = asyncio.Event()
        child.on_lost = lost.set
        child._process.kill()
        await asyncio.wait_for(lost.wait(), 10)
        child.users_connected([5])
        child.close()
        await child.ended()

    asyncio.run(run())
