"""clankvox, @discordjs/voice and discord.py in one room: all hear all, whatever happens to the group."""

import numpy as np
import pytest

from clankvox.demo.parent import Event
from clankvox.loopback.discord import LoopbackDiscord
from tests.support.peers import WAIT_S, DiscordJs, DiscordPy
from tests.support.pitch import HZ_TOLERANCE, PURE, pitch
from tests.support.vox_member import CAPTURE_HZ, VoxMember

pytestmark = [pytest.mark.peers, pytest.mark.process, pytest.mark.timeout(120)]

VOX, JS, PY, PASSER_BY = 1, 11, 13, 90
VOX_HZ, JS_HZ, PY_HZ, PASSER_BY_HZ = 510, 440, 880, 300
SPOKEN_FRAMES = 150
SPOKEN_S = SPOKEN_FRAMES * 0.020
FRAME_S = 0.020


class Room:
    """The three of them, and what a test wants of all."""

    def __init__(self, discord, vox, js, py):
        self.discord, self.vox, self.js, self.py = discord, vox, js, py

    def change(self, order, **happening):
        """Give an order and wait for what it has to bring about."""
        since = len(self.discord.happenings)
        self.discord.command(order)
        self.wait_for(since, **happening)

    def wait_for(self, since, **happening):
        self.discord.wait_for(lambda it: happening.items() <= it.items(), WAIT_S, since)

    def check_all_hear_all(self):
        """From now on: a second of the right tone from everybody, at everybody who can receive."""
        vox, js, py = self.vox, self.js, self.py
        vox_since, js_since = vox.mark(), js.mark()
        playback = vox.say(VOX_HZ)
        js.wait_hears(VOX, VOX_HZ, js_since)
        js.wait_hears(PY, PY_HZ, js_since)
        vox.wait_hears(JS, JS_HZ, vox_since)
        vox.wait_hears(PY, PY_HZ, vox_since)
        vox.wait_said(playback, vox_since)
        assert not js.faults
        assert not py.faults

    def check_nothing_left_in_clear(self):
        assert self.discord.stats(VOX)["plaintextFrames"] == 0


@pytest.fixture
def room(discord):
    with VoxMember(discord, VOX) as vox, DiscordJs(discord, JS) as js, DiscordPy(discord, PY) as py:
        vox.capture(JS)
        vox.capture(PY)
        yield Room(discord, vox, js, py)


@pytest.fixture
def talking(room):
    """Everybody has joined and speaks."""
    room.vox.join()
    room.js.join().play(JS_HZ)
    since = len(room.discord.happenings)
    room.py.join().play(PY_HZ)
    room.wait_for(since, type="transition")
    return room


def spoken(vox, user, capture_id):
    """What was captured: its samples, which of them are sound, and the pitch of those."""
    pcm = np.frombuffer(b"".join(piece.pcm for piece in vox.audio_of(user, capture_id)), np.int16)
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 1000)
    sound = pcm[loud[0] : loud[-1] + 1]
    middle = sound[CAPTURE_HZ // 10 : -CAPTURE_HZ // 10]
    return len(sound) / CAPTURE_HZ, pitch(middle, CAPTURE_HZ)


def test_both_are_captured_as_streams_of_their_own_with_the_right_tone_and_length(room):
    vox, js, py = room.vox, room.js, room.py
    for user in (JS, PY):
        vox.send({"type": "unsubscribe_user", "userId": str(user)})
    js.join()
    py.join()
    since = len(room.discord.happenings)
    vox.join()
    room.wait_for(since, type="transition")
    js.play(JS_HZ, SPOKEN_FRAMES)
    py.play(PY_HZ, SPOKEN_FRAMES)
    for user in (JS, PY):  # a client opens a one-shot capture when it is told that somebody speaks
        vox.wait_for("speaking_start", timeout_s=WAIT_S, userId=str(user))
        vox.capture(user, capture_id=f"capture-{user}")
    for user, hz in ((JS, JS_HZ), (PY, PY_HZ)):
        vox.wait_for("user_audio_end", timeout_s=WAIT_S, userId=str(user), captureId=f"capture-{user}")
        seconds, (heard_hz, purity) = spoken(vox, user, f"capture-{user}")
        assert abs(seconds - SPOKEN_S) < FRAME_S
        assert abs(heard_hz - hz) < HZ_TOLERANCE
        assert purity > PURE


def test_tts_is_heard_by_a_third_party_end_to_end_encrypted_in_the_right_tone(room):
    vox, js = room.vox, room.js
    js.join()
    vox.join()
    playback = vox.say(VOX_HZ)
    js.wait_hears(VOX, VOX_HZ, 0)
    vox.wait_said(playback, 0)
    told = [event.body["status"] for event in vox.events_of("tts_playback_state", playbackId=playback)]
    assert told == ["buffered", "started", "drained"]
    counters = room.discord.stats(VOX)
    assert counters["daveFrames"] >= 80
    assert counters["plaintextFrames"] == counters["seqGaps"] == counters["timestampAnomalies"] == 0
    assert not js.lines_of("deaf")
    assert [line for line in js.lines_of("dave") if "Failed to decrypt" in line["text"]] == []


def test_all_hear_all_after_downgrade_and_upgrade(talking):
    talking.check_all_hear_all()
    talking.check_nothing_left_in_clear()
    talking.change({"type": "downgrade"}, type="transition", protocolVersion=0)
    talking.vox.wait_for("dave_state", timeout_s=WAIT_S, status="disabled", protocolVersion=0)
    encrypted = talking.discord.stats(VOX)["daveFrames"]
    talking.check_all_hear_all()
    assert talking.discord.stats(VOX)["daveFrames"] == encrypted
    since = talking.vox.mark()
    talking.change({"type": "upgrade"}, type="transition", protocolVersion=1)
    talking.vox.wait_for("dave_state", timeout_s=WAIT_S, since=since, status="ready", protocolVersion=1)
    talking.check_all_hear_all()
    talking.check_nothing_left_in_clear()


@pytest.mark.parametrize("victim", [VOX, JS, PY], ids=["clankvox", "discordjs", "discordpy"])
def test_all_hear_all_after_a_bad_commit(talking, victim):
    talking.change({"type": "bad_commit", "userId": str(victim)})
    since = len(talking.discord.happenings)
    talking.discord.command({"type": "add_speaker", "userId": str(PASSER_BY), "tone": PASSER_BY_HZ})
    talking.wait_for(since, type="invalid_commit", userId=str(victim))
    talking.wait_for(since, type="recovered", userId=str(victim))
    talking.vox.capture(PASSER_BY)
    vox_since, js_since = talking.vox.mark(), talking.js.mark()
    talking.check_all_hear_all()
    talking.vox.wait_hears(PASSER_BY, PASSER_BY_HZ, vox_since)
    talking.js.wait_hears(PASSER_BY, PASSER_BY_HZ, js_since)
    talking.change({"type": "remove_speaker", "userId": str(PASSER_BY)}, type="epoch")
    talking.check_all_hear_all()
    talking.check_nothing_left_in_clear()


def test_all_hear_all_after_each_left_and_came_back(talking):
    for peer, hz in ((talking.js, JS_HZ), (talking.py, PY_HZ)):
        peer.leave()
        talking.vox.wait_for("client_disconnect", timeout_s=WAIT_S, userId=peer.user)
        since = len(talking.discord.happenings)
        peer.join().play(hz)
        talking.vox.capture(peer.user)  # a capture ends with its user's leaving
        talking.wait_for(since, type="transition")
        talking.check_all_hear_all()
    talking.vox.leave()
    since = len(talking.discord.happenings)
    talking.vox.join()
    talking.wait_for(since, type="transition")
    talking.check_all_hear_all()
    talking.check_nothing_left_in_clear()


def test_all_hear_all_after_the_channel_was_emptied_around_it_and_refilled(talking):
    talking.js.leave()
    since = len(talking.discord.happenings)
    talking.py.leave()
    talking.wait_for(since, type="reset", userId=str(VOX))
    for peer in (talking.js, talking.py):
        talking.vox.wait_for("client_disconnect", timeout_s=WAIT_S, userId=peer.user)
    alone = talking.vox.mark()
    playback = talking.vox.say(VOX_HZ)  # nobody is there: it has to wait, and not to leave in clear
    talking.vox.capture(JS)
    talking.vox.capture(PY)
    talking.js.join().play(JS_HZ)
    talking.js.wait_hears(VOX, VOX_HZ, 0)
    talking.vox.wait_said(playback, alone)
    talking.py.join().play(PY_HZ)
    talking.check_all_hear_all()
    talking.check_nothing_left_in_clear()


def test_all_hear_all_after_everybody_left_and_came_back_in_another_order(talking):
    talking.vox.leave()
    talking.js.leave()
    talking.py.leave()
    assert talking.discord.command({"type": "stats"})["rooms"] == []
    talking.py.join().play(PY_HZ)
    talking.vox.join()
    since = talking.js.mark()
    talking.js.join().play(JS_HZ)
    talking.js.wait_for("transitioned", since=since)  # who is not of the group hears nothing of three seconds of speech
    talking.check_all_hear_all()
    talking.check_nothing_left_in_clear()


@pytest.mark.parametrize("ids", [True, False], ids=["with-ids", "without-ids"])
def test_each_generation_is_told_ready_and_disconnected_in_its_form(discord, ids):
    with DiscordJs(discord, JS) as js, VoxMember(discord, VOX, ids=ids) as vox:
        js.join()
        vox.join()
        about = {"connectionId": vox.connection} if ids else {}
        voice = {"role": "voice", **about}
        negotiating = {"type": "dave_state", "status": "negotiating", "protocolVersion": 1, **voice}
        # it is told only if the group did not exist before the connection was ready
        assert [event for event in call_events(vox.events) if event != negotiating] == [
            {"type": "connection_state", "status": "ready", **about},
            {"type": "transport_state", "status": "ready", **voice},
            {"type": "ready", **about},
            {"type": "playback_armed", "reason": "connection_ready"},
            {"type": "dave_state", "status": "ready", "protocolVersion": 1, **voice},
        ]
        left = len(vox.events)
        since = vox.mark()
        # the gateway says that we are out of the channel
        vox.send({"type": "voice_state", "data": {"channel_id": None}})
        vox.wait_for("transport_state", since=since, status="disconnected")
        vox.send({"type": "destroy"})
        assert vox.wait_exit() == 0
        reason = {"reason": "gateway_voice_state_left"}
        assert call_events(vox.events[left:]) == [
            {"type": "dave_state", "status": "cleared", **voice},
            {"type": "connection_state", "status": "disconnected", **about},
            {"type": "transport_state", "status": "disconnected", **voice, **reason},
        ]


def call_events(events: list[Event]):
    kinds = {"connection_state", "transport_state", "ready", "playback_armed", "dave_state", "error"}
    return [event.body for event in events if event.type in kinds]


@pytest.mark.parametrize("ids", [True, False], ids=["with-ids", "without-ids"])
def test_each_generation_is_told_of_refused_credentials_in_its_form(ids):
    with LoopbackDiscord(tokens=frozenset({"right"})) as discord, VoxMember(discord, VOX, ids=ids) as vox:
        vox.token = "wrong"
        since = vox.ask_to_join()
        vox.give_credentials()
        # it asks for fresh ones once
        asked = vox.mark()
        vox.wait_for("adapter_send", since=since + 1, timeout_s=WAIT_S)
        vox.give_credentials()
        vox.wait_for("transport_state", since=asked, timeout_s=WAIT_S, status="disconnected")
        vox.send({"type": "destroy"})
        assert vox.wait_exit() == 0
        about = {"connectionId": vox.connection} if ids else {}
        voice, reason = {"role": "voice", **about}, {"reason": "authentication_failed"}
        told = [event for event in call_events(vox.events) if event.get("status") != "reconnecting"]
        error, *rest = [event for event in told if event["type"] != "dave_state"]
        assert error.items() >= {"type": "error", "code": "voice_connect_failed", **voice}.items()
        assert rest == [
            {"type": "connection_state", "status": "disconnected", **about},
            {"type": "transport_state", "status": "disconnected", **voice, **reason},
        ]
        assert len(vox.events_of("adapter_send")) == 2
