"""Publishing and watching members through the SFU: whole pictures, loss and its repair, key frames on request."""

import threading
import time
import wave

import av
import numpy as np
import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback.clock_picture import ClockPicture, Stamp
from clankvox.loopback.discord import LoopbackDiscord

WAIT_S = 15.0
PAUSE = threading.Event()
SERVER = "1400"


@pytest.fixture
def discord():
    with LoopbackDiscord(tls=False) as running:
        running.command({"type": "add_stream", "userId": "9", "serverId": SERVER, "sessionId": "s"})
        yield running


def add(discord, kind, user, **fields):
    return discord.command({"type": f"add_{kind}", "userId": str(user), "serverId": SERVER, **fields})


def watched(discord, user=2, of=1):
    return discord.stats(user)["watched"].get(str(of), {})


def until(condition, what="it"):
    """Poll the counters: they are the only sign of what a thread of the server did."""
    end = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen in time"
        PAUSE.wait(0.02)
    return found


def until_decoded(discord, count, **who):
    return until(lambda: (seen := watched(discord, **who)).get("decoded", 0) >= count and seen, f"{count} pictures")


def adds_up(seen):
    counted = seen["decrypted"] + seen["undecryptable"] + seen["early"]
    assert counted == seen["assembled"]
    assert 0 <= seen["decrypted"] - seen["withheld"] - seen["dropped"] - seen["decoded"] - seen["decodeErrors"] <= 2


@pytest.mark.parametrize("codec", ["H264", "VP8"])
@pytest.mark.parametrize(("publisher", "watcher"), [("davey", "libdave"), ("libdave", "davey")])
def test_every_picture_arrives_whole_across_both_dave_libraries(discord, codec, publisher, watcher):
    add(discord, "publisher", 1, codec=codec, library=publisher, width=320, height=180)
    add(discord, "watcher", 2, library=watcher)
    seen = until_decoded(discord, 25)
    adds_up(seen)
    assert (seen["undecryptable"], seen["decodeErrors"], seen["withoutClock"]) == (0, 0, 0)
    assert seen["distinct"] == seen["expected"] >= 24
    assert (seen["codec"], seen["size"]) == (codec, (320, 180))
    sent = discord.stats(1)
    (stream,) = sent["video"].values()
    assert stream["davePictures"] >= 25
    assert stream["plaintextPictures"] == 0
    assert discord.stats(2)["strayPackets"] == 0


@pytest.mark.parametrize("slices", [1, 5])
def test_pictures_of_several_slices_survive_repacking(discord, slices):
    discord.command({"type": "sfu", "stapA": True})
    add(discord, "publisher", 1, slices=slices, width=320, height=180, gop=5)
    add(discord, "watcher", 2, library="libdave")
    seen = until_decoded(discord, 20)
    assert (seen["undecryptable"], seen["decodeErrors"]) == (0, 0)
    assert seen["packets"]["padding"] >= 4


@pytest.mark.parametrize("sfu_answers", [True, False])
def test_what_is_lost_comes_again_on_either_way(discord, sfu_answers):
    discord.command({"type": "sfu", "nack": sfu_answers})
    add(discord, "publisher", 1, width=320, height=180, bitRate=2_000_000)
    add(discord, "watcher", 2)
    discord.wait_for(lambda happening: happening["type"] == "watched")
    discord.command({"type": "impair", "userId": "1", "direction": "up", "loss": 0.03, "reorder": 0.01, "seed": 3})
    discord.command({"type": "impair", "userId": "2", "loss": 0.03, "duplicate": 0.02, "seed": 4})
    seen = until_decoded(discord, 60)
    adds_up(seen)
    publisher = discord.stats(1)
    (stream,) = publisher["video"].values()
    assert seen["packets"]["repaired"] > 3
    assert stream["nackedPackets"] > 3
    assert publisher["publisher"]["rtxPackets"] == publisher["publisher"]["nackedPackets"] > 0
    assert (stream["rtxHere"] > 0) == sfu_answers
    assert seen["distinct"] >= 0.95 * seen["expected"]
    sent = publisher["publisher"]["packetsSent"] + publisher["publisher"]["rtxPackets"]
    arrived = publisher["received"]["packets"] + publisher["impaired"]["up"]["lost"]
    assert 0 <= sent - arrived <= 30  # what was sent since, and what is held back by reordering


def test_without_nack_a_loss_is_mended_by_a_key_frame_on_request(discord):
    add(discord, "publisher", 1, width=320, height=180, gop=3000)
    add(discord, "watcher", 2, nack=False)
    until_decoded(discord, 5)
    before = discord.stats(1)["publisher"]["keyPictures"]
    discord.command({"type": "impair", "userId": "2", "direction": "down", "loss": 0.05, "seed": 1})
    seen = until(lambda: (seen := watched(discord))["recoveriesMs"] and seen)
    assert seen["packets"]["lost"] > 0
    assert seen["packets"].get("asked", 0) == 0
    assert discord.stats(1)["publisher"]["keyPictures"] > before
    adds_up(until_decoded(discord, seen["decoded"] + 5))


def test_a_late_watcher_gets_a_picture_through_its_request(discord):
    add(discord, "publisher", 1, width=320, height=180, gop=3000)
    add(discord, "watcher", 2)
    until_decoded(discord, 10)
    add(discord, "watcher", 3, library="libdave", quality=0)
    until(lambda: discord.stats(3)["forwarded"].get("unwanted", 0) > 20)
    keys = discord.stats(1)["publisher"]["keyPictures"]
    discord.command({"type": "want", "userId": "3", "quality": 100})
    seen = until_decoded(discord, 5, user=3)
    assert seen["firstCounter"] >= 10
    assert seen["plis"] >= 1
    assert discord.stats(1)["publisher"]["keyPictures"] > keys
    assert watched(discord)["undecryptable"] == 0


def test_where_requests_are_ignored_the_next_key_frame_has_to_do(discord):
    add(discord, "publisher", 1, width=320, height=180, gop=20, fps=30, honoursPli=False)
    add(discord, "watcher", 2)
    until_decoded(discord, 25)
    add(discord, "watcher", 3)
    seen = until_decoded(discord, 1, user=3)
    assert seen["firstCounter"] % 20 == 0
    published = discord.stats(1)["publisher"]
    assert published["plis"] >= 1


def test_a_watcher_that_does_not_decode_still_counts_what_decrypts(discord):
    add(discord, "publisher", 1, width=320, height=180, clock=False)
    add(discord, "watcher", 2, decode=False)
    assert discord.wait_for(lambda happening: happening["type"] == "watched")["of"] == "1"
    seen = until(lambda: (seen := watched(discord))["undecoded"] > 10 and seen)
    assert seen["decoded"] == 0
    assert discord._server._control.cast.members[1400, 2]._decoder._thread is None


def test_a_snapshot_is_the_picture_that_was_drawn(discord, tmp_path):
    add(discord, "publisher", 1, width=320, height=180, bitRate=3_000_000)
    add(discord, "watcher", 2, record=str(tmp_path / "seen"), recordEvery=4)
    until_decoded(discord, 10)
    answer = discord.command({"type": "snapshot", "userId": "2", "file": str(tmp_path / "now.npz")})
    planes = np.load(tmp_path / "now.npz")["planes"].astype(float)
    drawn = ClockPicture(320, 180).draw(Stamp(answer["counter"], answer["timeMs"]))
    assert 10 * np.log10(255**2 / np.square(planes - drawn).mean()) > 30
    discord.command({"type": "snapshot", "userId": "2", "of": "1", "file": str(tmp_path / "now.png")})
    discord.command({"type": "remove_member", "userId": "2"})
    for path in [tmp_path / "now.png", *(tmp_path / "seen").glob("*.png")]:
        with av.open(str(path)) as container:
            assert next(container.decode(video=0)).width == 320
    assert len(list((tmp_path / "seen").glob("*.png"))) >= 2


@pytest.mark.parametrize(
    "command",
    [
        {"type": "snapshot", "userId": "2", "file": "x.png"},
        {"type": "snapshot", "userId": "8", "file": "x.png"},
        {"type": "snapshot", "userId": "2", "file": "x.jpg"},
        {"type": "pause", "userId": "2"},
        {"type": "want", "userId": "1", "quality": 5},
    ],
)
def test_what_cannot_be_done_is_refused(discord, command):
    add(discord, "watcher", 2)
    with pytest.raises(InvalidRequest):
        discord.command(command)


def test_a_watcher_that_wants_nothing_gets_nothing_until_it_does(discord):
    add(discord, "publisher", 1, width=320, height=180)
    add(discord, "watcher", 2)
    until_decoded(discord, 5)
    discord.command({"type": "want", "userId": "2", "quality": 0})
    assert discord.stats(1)["publisher"]["wanted"] == 0
    withheld = until(lambda: discord.stats(2)["forwarded"].get("unwanted", 0) > 10)
    assert withheld
    discord.command({"type": "want", "userId": "2", "quality": 100})
    seen = watched(discord)
    until_decoded(discord, seen["decoded"] + 5)
    assert discord.stats(1)["publisher"]["wanted"] == 100


def test_what_sounds_with_a_picture_is_heard_and_recorded(discord, tmp_path):
    add(discord, "publisher", 1, width=320, height=180, tone=440)
    add(discord, "watcher", 2, record=str(tmp_path))
    until(lambda: discord.stats(2)["decrypted"].get("1", 0) > 20)
    discord.command({"type": "remove_member", "userId": "2"})
    with wave.open(str(tmp_path / "1.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)[::2].astype(float)
    steady = sound[9_600:]
    assert np.argmax(np.abs(np.fft.rfft(steady))) * 48_000 / len(steady) == pytest.approx(440, abs=6)


def test_a_watcher_forgets_who_left_and_sees_who_comes_again(discord):
    add(discord, "publisher", 1, width=320, height=180)
    add(discord, "watcher", 2)
    until_decoded(discord, 5)
    discord.command({"type": "remove_member", "userId": "1"})
    assert watched(discord) == {}
    add(discord, "publisher", 1, width=320, height=180, codec="VP8")
    assert until_decoded(discord, 5)["codec"] == "VP8"


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_picture_may_change_its_size_in_mid_stream(discord, codec):
    add(discord, "publisher", 1, width=320, height=180, codec=codec)
    add(discord, "watcher", 2)
    until_decoded(discord, 5)
    for width, height in ((1280, 720), (160, 96)):
        discord.command({"type": "resize", "userId": "1", "width": width, "height": height})
        seen = until(lambda size=(width, height): (seen := watched(discord))["size"] == size and seen)
    seen = until_decoded(discord, seen["decoded"] + 5)
    assert (seen["decodeErrors"], seen["withoutClock"]) == (0, 0)
    assert seen["distinct"] == seen["expected"]


def test_pictures_survive_a_change_of_the_group_and_of_its_version(discord):
    add(discord, "publisher", 1, width=320, height=180)
    add(discord, "watcher", 2)
    until_decoded(discord, 5)
    add(discord, "watcher", 3, decode=False)
    discord.wait_for(lambda happening: happening["type"] == "epoch" and happening["members"] == 3)
    discord.command({"type": "remove_member", "userId": "3"})
    discord.wait_for(lambda happening: happening["type"] == "epoch" and happening["members"] == 2, since=8)
    for order in ("downgrade", "upgrade"):
        discord.command({"type": order})
        seen = until_decoded(discord, watched(discord)["decoded"] + 10)
    assert seen["decodeErrors"] == 0
    assert seen["distinct"] >= 0.9 * seen["expected"]
    (stream,) = discord.stats(1)["video"].values()
    assert stream["plaintextPictures"] == 0


def test_a_webcam_in_a_voice_room_is_seen_as_well(discord):
    discord.command({"type": "add_speaker", "userId": "3", "serverId": "5", "tone": 440, "receive": True})
    discord.command({"type": "add_publisher", "userId": "1", "serverId": "5", "width": 320, "height": 180})
    discord.command({"type": "add_watcher", "userId": "2", "serverId": "5"})
    until_decoded(discord, 10)
    until(lambda: discord.stats(2)["decrypted"].get("3", 0) > 10)
    assert discord.stats(3)["forwarded"]["before_op_12"] > 0
    assert discord.stats(3)["undecryptable"] == {}
