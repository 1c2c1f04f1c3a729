"""Rooms mixed of both DAVE libraries: the real process hears and is heard after everything that moves a group."""

import pytest

from clankvox.clock import SystemClock
from clankvox.loopback.refused import Refusal
from tests.support.peers import WAIT_S
from tests.support.vox_member import SAID_S, VoxMember

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

VOX, VOX_HZ = 1, 510
DAVEY, LIBDAVE = 100, 200
TONES = {"davey": (300, 370), "libdave": (440, 620, 740)}
HEARD_FRAMES = int(SAID_S / 0.020)


class MixedRoom:
    """The process among members of our own, each with a tone; all of them receive."""

    def __init__(self, discord, vox):
        self.discord, self.vox = discord, vox
        self.tones = {}

    def add(self, user, library, hz):
        since = len(self.discord.happenings)
        self.discord.command(
            {
                "type": "add_speaker",
                "userId": str(user),
                "serverId": self.vox.server,
                "tone": hz,
                "library": library,
                "receive": True,
            }
        )
        self.tones[user] = hz
        self.vox.capture(user)
        return since

    def remove(self, user):
        since, mark = len(self.discord.happenings), self.vox.mark()
        self.discord.command({"type": "remove_speaker", "userId": str(user)})
        del self.tones[user]
        self.vox.wait_for("client_disconnect", timeout_s=WAIT_S, since=mark, userId=str(user))
        return since

    def wait_for(self, since, **happening):
        self.discord.wait_for(lambda it: happening.items() <= it.items(), WAIT_S, since)

    def opened(self):
        """How many frames of ours each member has opened, and how many it could not open though it was in the group."""
        told = {user: self.discord.stats(user) for user in self.tones}
        return {user: (stats["decrypted"].get(str(VOX), 0), refused(stats)) for user, stats in told.items()}

    def check(self):
        """From now on we hear everybody's tone, and everybody opens all that we say."""
        before, since, clock = self.opened(), self.vox.mark(), SystemClock()
        playback = self.vox.say(VOX_HZ)
        for user, hz in self.tones.items():
            self.vox.wait_hears(user, hz, since)
        self.vox.wait_said(playback, since)
        deadline, after = clock.now() + WAIT_S, self.opened()
        while min(after[user][0] - before[user][0] for user in self.tones) < HEARD_FRAMES:
            assert clock.now() < deadline, "not everybody hears us"
            after = self.opened()
        assert {user: after[user][1] - before[user][1] for user in self.tones} == dict.fromkeys(self.tones, 0)
        assert self.discord.stats(VOX)["plaintextFrames"] == 0


def refused(stats):
    """Whoever enters a group is told before we are (op 22) to seal for it."""
    return sum(count for why, count in stats["refused"].get(str(VOX), {}).items() if why != Refusal.OUTSIDE)


@pytest.fixture
def room(discord):
    with VoxMember(discord, VOX) as vox:
        yield MixedRoom(discord, vox)


def mixture(davey, libdave):
    """So many members of each library, taking turns: user, library, tone."""
    members = [
        (first + index, library, TONES[library][index])
        for library, first, count in (("davey", DAVEY, davey), ("libdave", LIBDAVE, libdave))
        for index in range(count)
    ]
    return sorted(members, key=lambda member: member[0] % 100)


@pytest.mark.parametrize(("davey", "libdave"), [(2, 2), (0, 2)], ids=["both-libraries", "libdave-only"])
def test_hears_and_is_heard_after_each_join_and_each_leave(room, davey, libdave):
    members = mixture(davey, libdave)
    room.vox.join()
    for member in members:
        since = room.add(*member)
        room.wait_for(since, type="transition")
        room.check()
    for user, _, _ in members[:-1]:
        since = room.remove(user)
        room.wait_for(since, type="transition")
        room.check()


def test_hears_and_is_heard_as_one_who_came_last_left_and_came_back(room):
    for member in mixture(1, 2):
        room.add(*member)
    room.vox.join()
    room.check()
    for user in room.tones:
        room.vox.capture(user)
    room.vox.leave()
    since = len(room.discord.happenings)
    room.vox.join()
    room.wait_for(since, type="transition")
    for user in room.tones:
        room.vox.capture(user)
    room.check()


def test_hears_and_is_heard_after_downgrade_and_upgrade(room):
    room.vox.join()
    for member in mixture(1, 2):
        since = room.add(*member)
        room.wait_for(since, type="transition")
    for order, version in (("downgrade", 0), ("upgrade", 1)):
        since = len(room.discord.happenings)
        room.discord.command({"type": order})
        room.wait_for(since, type="transition", protocolVersion=version)
        room.check()


@pytest.mark.parametrize("victim", [VOX, DAVEY, LIBDAVE], ids=["clankvox", "davey", "libdave"])
def test_hears_and_is_heard_after_a_bad_commit(room, victim):
    room.vox.join()
    first, second, third = mixture(1, 2)
    for member in (first, second):
        since = room.add(*member)
        room.wait_for(since, type="transition")
    room.discord.command({"type": "bad_commit", "userId": str(victim)})
    since = room.add(*third)
    room.wait_for(since, type="recovered", userId=str(victim))
    room.check()
    since = room.remove(third[0])
    room.wait_for(since, type="transition")
    room.check()


def test_hears_and_is_heard_after_the_channel_was_emptied_and_refilled(room):
    members = mixture(1, 2)
    room.vox.join()
    for _ in range(2):
        for member in members:
            since = room.add(*member)
            room.wait_for(since, type="transition")
        room.check()
        for user, _, _ in members:
            since = room.remove(user)
        room.wait_for(since, type="reset", userId=str(VOX))
    assert room.discord.stats(VOX)["plaintextFrames"] == 0
