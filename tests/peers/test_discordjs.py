"""@discordjs/voice in the offline Discord: it joins over TLS, is encrypted end to end, and hears its like."""

import pytest

from tests.support.peers import WAIT_S, DiscordJs

pytestmark = [pytest.mark.peers, pytest.mark.timeout(90)]


@pytest.fixture
def alice(discord):
    with DiscordJs(discord, 11) as peer:
        yield peer


@pytest.fixture
def bob(discord):
    with DiscordJs(discord, 12) as peer:
        yield peer


def test_two_of_them_hear_each_other_end_to_end_encrypted(discord, alice, bob):
    alice.join()
    bob.join()
    discord.wait_for(lambda it: it["type"] == "transition", WAIT_S)
    alice.play(440)
    bob.play(620)
    alice.wait_hears(bob.user, 620, 0)
    bob.wait_hears(alice.user, 440, 0)
    for peer in (alice, bob):
        counters = discord.stats(peer.user)
        assert counters["daveFrames"] > 50
        assert counters["seqGaps"] == counters["timestampAnomalies"] == 0
        assert not peer.faults


def test_hears_again_after_downgrade_and_upgrade(discord, alice, bob):
    alice.join().play(440)
    bob.join().play(620)
    for order, version in (("downgrade", 0), ("upgrade", 1)):
        happened = len(discord.happenings)
        discord.command({"type": order})
        discord.wait_for(
            lambda it, version=version: it["type"] == "transition" and it["protocolVersion"] == version,
            WAIT_S,
            happened,
        )
        encrypted = {peer: discord.stats(peer.user)["daveFrames"] for peer in (alice, bob)}
        marks = {peer: peer.mark() for peer in (alice, bob)}
        alice.wait_hears(bob.user, 620, marks[alice])
        bob.wait_hears(alice.user, 440, marks[bob])
        for peer, before in encrypted.items():
            now = discord.stats(peer.user)["daveFrames"]
            assert now - before < 10 if version == 0 else now - before > 25


def test_recovers_from_a_bad_commit_and_a_bad_welcome(discord, alice, bob):
    alice.join().play(440)
    discord.command({"type": "bad_commit", "userId": alice.user})
    bob.join().play(620)  # the commit of this join is the bad one
    discord.wait_for(lambda it: (it["type"], it.get("userId")) == ("recovered", alice.user), WAIT_S)
    alice_mark, bob_mark = alice.mark(), bob.mark()
    alice.wait_hears(bob.user, 620, alice_mark)
    bob.wait_hears(alice.user, 440, bob_mark)


def test_resumes_its_session_after_the_connection_was_cut(discord, alice, bob):
    alice.join().play(440)
    bob.join().play(620)
    discord.command({"type": "close", "userId": alice.user, "code": 4015})
    discord.wait_for(lambda it: (it["type"], it.get("userId")) == ("resumed", alice.user), WAIT_S)
    alice_mark, bob_mark = alice.mark(), bob.mark()
    alice.wait_hears(bob.user, 620, alice_mark)
    bob.wait_hears(alice.user, 440, bob_mark)
