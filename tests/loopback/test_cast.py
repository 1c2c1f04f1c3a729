"""Who is engaged where, and who is refused."""

import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback.discord import LoopbackDiscord


@pytest.fixture
def discord():
    with LoopbackDiscord(tls=False) as running:
        yield running


def order(discord, kind, user, server="5", **fields):
    return discord.command({"type": kind, "userId": str(user), "serverId": server, **fields})


def present(discord):
    return {
        (client["userId"], client["serverId"], client["kind"])
        for client in discord.command({"type": "stats"})["clients"]
    }


def test_one_user_can_be_in_a_call_and_in_a_stream(discord):
    order(discord, "add_speaker", 1, tone=440)
    order(discord, "add_publisher", 1, server="1400", clock=False)
    order(discord, "add_watcher", 2, server="1400", decode=False)
    assert present(discord) == {("1", "5", "speaker"), ("1", "1400", "publisher"), ("2", "1400", "watcher")}
    order(discord, "remove_member", 1, server="1400")
    assert present(discord) == {("1", "5", "speaker"), ("2", "1400", "watcher")}
    order(discord, "add_publisher", 1, server="1400", clock=False)
    discord.command({"type": "remove_member", "userId": "1"})
    assert present(discord) == {("2", "1400", "watcher")}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("add_publisher", {"file": "missing.mp4"}),
        ("add_publisher", {"width": 161}),
        ("add_publisher", {"codec": "AV1"}),
        ("add_publisher", {"slices": 9}),
        ("add_publisher", {"tone": 440, "sound": "x.wav"}),
        ("add_publisher", {"sound": "missing.wav"}),
        ("add_watcher", {"quality": 101}),
        ("add_watcher", {"record": "/dev/null/x"}),
        ("add_watcher", {"userId": "1"}),
        ("remove_member", {}),
    ],
)
def test_who_cannot_be_engaged_is_refused_and_nobody_is_there_for_it(discord, kind, fields):
    order(discord, "add_speaker", 1, tone=440)
    with pytest.raises(InvalidRequest):
        order(discord, kind, fields.pop("userId", 2), **fields)
    assert present(discord) == {("1", "5", "speaker")}


def test_no_more_than_five_members_with_libdave_of_whatever_kind(discord):
    for user in range(1, 6):
        order(discord, "add_watcher", user, library="libdave", decode=False)
    with pytest.raises(InvalidRequest):
        order(discord, "add_publisher", 6, library="libdave", clock=False)
