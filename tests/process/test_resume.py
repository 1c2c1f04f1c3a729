"""A socket that is lost costs no word: the session goes on over another one. And what is done when nothing is heard."""

import pytest

from tests.process.test_connection import disconnected, named, reconnecting
from tests.support.process_call import DEADLINE_S, chirp, eventually, write_wav

C1 = {"connectionId": "c1"}
READY_AGAIN = [
    {"type": "connection_state", "status": "ready", **C1},
    {"type": "transport_state", "role": "voice", "status": "ready", **C1},
]


def of_the_connection(told):
    kinds = {"connection_state", "transport_state", "dave_state", "ready", "playback_armed", "adapter_send", "recovery"}
    return [event for event in told if event["type"] in kinds]


def lost_packets(call, user_id):
    """What became of the packets of `user_id`, once that member has left."""
    since = call.vox.mark()
    call.remove(user_id)
    told = call.wait_for("stream_stats", since=since, userId=user_id, ended=True).body
    return told["missing"], {name for name, count in told["fates"].items() if count}


@pytest.mark.parametrize(("code", "reason"), [(4015, "server_crashed"), (1006, "connection lost")])
def test_a_socket_lost_in_mid_speech_costs_no_frame_either_way_and_keeps_the_group(call, tmp_path, code, reason):
    speaker = call.add(tone=300)
    call.listener(tmp_path)
    call.wait_for("dave_state", status="ready")
    call.subscribe(speaker, "k1", silenceDurationMs=2_000)
    call.say(chirp(2.5), "p1", 48_000)
    call.wait_said("p1", "started")
    call.vox.wait_for_audio(speaker)
    epoch, ssrc = call.room()["epoch"], call.seen()["ssrc"]
    since = call.vox.mark()
    call.close(code)
    call.wait_for("transport_state", since=since, status="ready")
    call.vox.wait_for_audio(speaker, since=call.vox.mark())
    assert not call.events_of("tts_playback_state", status="drained"), "resumed while it still speaks"
    call.wait_said("p1")
    told = call.told(since)
    assert of_the_connection(told) == [*reconnecting(reason), *READY_AGAIN]
    assert not named(told, "user_audio_end")
    seen, room = call.seen(), call.room()
    assert (room["epoch"], seen["ssrc"], seen["gateway"]["resumes"]) == (epoch, ssrc, 1)
    assert (seen["seqGaps"], seen["seqLate"], seen["timestampAnomalies"]) == (0, 0, 0)
    assert seen["daveFrames"] >= 125
    missing, fates = lost_packets(call, speaker)
    assert (missing, fates & {"lost", "concealed", "silenced", "no_key", "discarded"}) == (0, set())


def test_who_joins_while_the_socket_is_gone_is_heard_behind_the_resume(call, tmp_path):
    """What the server had said meanwhile is replayed, a change of the group among it."""
    word = write_wav(tmp_path / "word.wav", chirp(0.3))
    call.close(1006)
    newcomer = call.add(file=word, loop=True, pauseMs=300)
    call.subscribe(newcomer, silenceDurationMs=200)
    call.vox.wait_for_audio(newcomer, timeout_s=DEADLINE_S)
    eventually(lambda: call.seen()["gateway"].get("resumes"), "the resume")
    call.say(chirp(0.3), "p1", 48_000)
    call.wait_said("p1")


@pytest.mark.parametrize(("code", "reason"), [(4021, "rate_limited"), (4017, "dave_required")])
def test_a_close_that_forbids_to_come_back_is_told_once_and_nothing_is_tried(call, code, reason):
    since = call.vox.mark()
    call.close(code)
    call.wait_for("dave_state", since=since, status="cleared")
    error, *rest = call.told(since)
    assert (error["type"], error["code"]) == ("error", "voice_runtime_error")
    assert rest[:2] == disconnected(reason)
    assert not named(rest, "adapter_send")
    assert call.seen() == {}


def test_a_disconnection_without_a_move_is_over_after_its_wait_and_asks_for_nothing(call):
    since = call.vox.mark()
    call.close(4014)
    call.wait_for("dave_state", since=since, status="cleared")
    told = call.told(since)
    assert told[:2] == reconnecting("disconnected")
    assert named(told, "error")[0]["code"] == "voice_runtime_error"
    assert disconnected("no_voice_server")[0] in told
    assert not named(told, "adapter_send")


# --- nothing is heard -------------------------------------------------------------------------------------------------


def test_silence_on_both_sides_does_not_make_a_nat_forget(call, tmp_path):
    """Two minutes behind a NAT that forgets after 30 s, at a scale: its time is just over what keepalives leave."""
    word = write_wav(tmp_path / "word.wav", chirp(0.3))
    call.discord.order({"type": "nat", "userId": call.me, "afterMs": 5_600})
    before = call.seen()["received"].get("ping", 0)
    eventually(lambda: call.seen()["received"]["ping"] >= before + 2, "two keepalives")
    speaker = call.add(file=word, loop=True, pauseMs=300)
    call.subscribe(speaker)
    call.vox.wait_for_audio(speaker)
    assert "nat_forgotten" not in call.seen()["received"]
    assert not named(call.told(), "recovery")


def test_a_nat_that_forgot_us_is_found_out_and_the_next_word_is_heard(call):
    speaker = call.add(tone=300)
    call.subscribe(speaker)
    call.vox.wait_for_audio(speaker)
    ssrc = call.seen()["ssrc"]
    since = call.vox.mark()
    call.discord.order({"type": "nat", "userId": call.me})
    call.wait_for("recovery", since=since)
    call.vox.wait_for_audio(speaker, since=call.vox.mark())
    told = of_the_connection(call.told(since))
    assert told == [{"type": "recovery", "role": "voice", **C1, "step": "udp", "reason": "keepalives_unanswered"}]
    assert call.seen()["ssrc"] == ssrc
