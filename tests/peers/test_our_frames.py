"""Our frames through every change of a group, opened by both libraries whatever the order in which sockets deliver."""

import random
from collections import Counter
from contextlib import suppress

import pytest

from clankvox.errors import OpenFailed
from clankvox.loopback.refused import Refusal
from clankvox.media.frame_cipher import FrameRejected
from tests.support.dave_room import CHANNEL, DaveRoom
from tests.support.our_member import OurMember

US = 900
MOST = 4
NEVER = (Refusal.CLEAR, Refusal.RETIRED, Refusal.EARLY, Refusal.UNEXPLAINED)


class Talk:
    """We and all others speak while the room changes: a frame of each after each message that a socket delivers."""

    def __init__(self, seed):
        self.draws = random.Random(seed)
        self.room = DaveRoom(self.draws)
        self.ours = OurMember(US, CHANNEL)
        self.room.join(US, member=self.ours)
        self.opened, self.refused = Counter(), Counter()
        self.kept = []
        self.said = 0
        self.numbers = iter(range(1, 10_000))
        for library in ("davey", "libdave"):
            self.room.join(next(self.numbers), library)
        self.rest()

    @property
    def others(self):
        return {user: member for user, member in self.room.members.items() if user != US}

    def change(self):
        kinds = ["join", "leave", "rekey"] if self.others else ["join"]
        match self.draws.choices(kinds, [5, 4, 1][: len(kinds)])[0]:
            case "join" if len(self.others) < MOST:
                library = self.draws.choice(["davey", "libdave"])
                self.room.join(next(self.numbers), library)
            case "join" | "leave":
                self.leave(self.draws.choice(sorted(self.others)))
            case "rekey":
                self.room.apply(self.room.service.prepare_downgrade())
                self.go_on(self.draws.randrange(10))
                self.room.apply(self.room.service.prepare_upgrade())

    def leave(self, user):
        self.refused.update(self.others[user].refused.counts[US])
        self.kept = [each for each in self.kept if each[0] != user]
        self.room.leave(user)

    def go_on(self, messages):
        """Deliver so many messages, or all there are, and say something after each."""
        for _ in range(messages):
            if not self.room.step():
                return
            self.we_speak()
            self.they_speak()

    def we_speak(self):
        self.said += 1
        frame, told = b"\xfc" + self.said.to_bytes(8, "big"), not self.room.has_news_for(US)
        sealed = self.ours.encrypt_opus(frame)
        if sealed is None:
            return
        for member in self.others.values():
            with suppress(OpenFailed):  # the member counts why
                assert member.decrypt(US, sealed, told=told) == frame
                self.opened[type(member._engine).__name__] += 1

    def they_speak(self):
        for user, member in self.others.items():
            if member.ready and self.room.service.settled:
                self.kept.append((user, member.encrypt_opus(b"\xfc" + self.said.to_bytes(8, "big"))))
        self.kept = [each for each in self.kept if not self.opens(*each)]

    def opens(self, user, frame):
        try:
            self.ours.decrypt(user, frame)
        except FrameRejected:
            return False
        return True

    def rest(self):
        """Deliver all there is, and until nothing is under way."""
        self.go_on(10_000)
        while not self.room.service.settled:
            self.room.elapse()
        self.we_speak()
        self.they_speak()


@pytest.mark.parametrize("seed", range(5))
def test_no_frame_of_ours_is_sealed_with_a_key_that_a_member_cannot_have(seed):
    talk = Talk(seed)
    for _ in range(25):
        talk.change()
        talk.go_on(talk.draws.randrange(40))
        if talk.draws.random() < 0.3:
            talk.rest()
    talk.rest()
    for user in [*talk.others]:
        talk.leave(user)
    assert {why: talk.refused[why] for why in NEVER} == dict.fromkeys(NEVER, 0)
    assert min(talk.opened["DaveyEngine"], talk.opened["LibdaveEngine"]) > 20
