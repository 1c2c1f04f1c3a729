"""discord.py in the offline Discord: it joins over TLS, is encrypted end to end, and is heard. It cannot receive."""

import pytest

from tests.support.peers import WAIT_S, DiscordJs, DiscordPy

pytestmark = [pytest.mark.peers, pytest.mark.timeout(90)]


@pytest.fixture
def listener(discord):
    with DiscordJs(discord, 11) as peer:
        yield peer


@pytest.fixture
def speaker(discord):
    with DiscordPy(discord, 13) as peer:
        yield peer


def test_is_heard_by_discordjs_end_to_end_encrypted(discord, listener, speaker):
    listener.join()
    speaker.join()
    discord.wait_for(lambda it: it["type"] == "transition", WAIT_S)
    speaker.play(880)
    listener.wait_hears(speaker.user, 880, 0)
    counters = discord.stats(speaker.user)
    assert counters["daveFrames"] > 50
    assert counters["mode"] == "aead_xchacha20_poly1305_rtpsize"
    assert not speaker.faults


def test_is_heard_again_after_it_came_first_left_and_came_back(discord, listener, speaker):
    speaker.join().play(880)
    listener.join()
    listener.wait_hears(speaker.user, 880, 0)
    speaker.leave()
    mark = listener.mark()
    speaker.join().play(740)
    listener.wait_hears(speaker.user, 740, mark)
    assert not speaker.faults


def test_is_heard_again_after_downgrade_upgrade_and_bad_commit(discord, listener, speaker):
    speaker.join().play(880)
    listener.join()
    for order, version in (("downgrade", 0), ("upgrade", 1)):
        happened = len(discord.happenings)
        discord.command({"type": order})
        discord.wait_for(
            lambda it, version=version: it["type"] == "transition" and it["protocolVersion"] == version,
            WAIT_S,
            happened,
        )
        mark = listener.mark()
        listener.wait_hears(speaker.user, 880, mark)
    happened = len(discord.happenings)
    discord.command({"type": "bad_commit", "userId": speaker.user})
    discord.command({"type": "add_speaker", "userId": "90", "tone": 300})
    discord.wait_for(lambda it: (it["type"], it.get("userId")) == ("recovered", speaker.user), WAIT_S, happened)
    mark = listener.mark()
    listener.wait_hears(speaker.user, 880, mark)
    listener.wait_hears(90, 300, mark)
    assert not speaker.faults
