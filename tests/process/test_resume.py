"""A socket that is lost costs no word: the session goes on over another one. And what is done when nothing is heard.

What this process waits for it waits a tenth as long (tests.support.hasty_vox).
"""

import pytest

from clankvox.demo.parent import VoxParent
from tests.process.test_connection import but_negotiating, disconnected, named, op4, reconnecting
from tests.support.hasty_vox import COMMAND
from tests.support.process_call import DEADLINE_S, TOKEN, check_nothing_leaked, chirp, eventually, write_wav
from tests.support.stream_call import StreamCall

C1 = {"connectionId": "c1"}
READY_AGAIN = [
    {"type": "connection_state", "status": "ready", **C1},
    {"type": "transport_state", "role": "voice", "status": "ready", **C1},
]


@pytest.fixture(scope="module")
def shared_vox(trust):
    with VoxParent(env=trust, command=COMMAND, args=("--log-level", "debug")) as parent:
        yield parent
    check_nothing_leaked(parent)
    assert parent.fault is None
    assert parent.exit_code == 0


def of_the_connection(told):
    kinds = {"connection_state", "transport_state", "dave_state", "ready", "playback_armed", "adapter_send", "recovery"}
    return [event for event in told if event["type"] in kinds]


def lost_packets(call, user_id):
    """What became of the packets of `user_id`, once that member has left."""
    since = call.vox.mark()
    call.remove(user_id)
    told = call.wait_for("stream_stats", since=since, userId=user_id, ended=True).body
    return told["missing"], {name for name, count in told["fates"].items() if count}


def said(call, frames):
    """What the server counted of us, once so many frames of speech have come."""
    seen = call.seen()
    return seen if seen["daveFrames"] >= frames else None


@pytest.mark.parametrize(("code", "reason"), [(4015, "server_crashed"), (1006, "connection lost")])
def test_a_socket_lost_in_mid_speech_costs_no_frame_either_way_and_keeps_the_group(last_call, tmp_path, code, reason):
    """Without haste: a tenth of its patience would take a speaker who gets no CPU for deafness."""
    call = last_call
    speaker = call.add(tone=300)
    call.listener(tmp_path)
    call.wait_for("dave_state", status="ready")
    call.subscribe(speaker, "k1", silenceDurationMs=2_000)
    call.say(chirp(1.5), "p1", 48_000)
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
    seen = eventually(lambda: said(call, 75), "all of it, at the server")
    room = call.room()
    assert (room["epoch"], seen["ssrc"], seen["gateway"]["resumes"]) == (epoch, ssrc, 1)
    assert (seen["seqGaps"], seen["seqLate"], seen["timestampAnomalies"]) == (0, 0, 0)
    missing, fates = lost_packets(call, speaker)
    assert (missing, fates & {"lost", "concealed", "silenced", "no_key", "discarded"}) == (0, set())


def test_who_joins_while_the_socket_is_gone_is_heard_behind_the_resume(call, tmp_path):
    """What the server had said meanwhile is replayed, a change of the group among it; and so is our key package,
    which may still be on its way when the socket is cut.
    """
    word = write_wav(tmp_path / "word.wav", chirp(0.3))
    call.close(1006)
    newcomer = call.add(file=word, loop=True, pauseMs=300)
    call.subscribe(newcomer, silenceDurationMs=200)
    call.vox.wait_for_audio(newcomer, timeout_s=DEADLINE_S)
    eventually(lambda: call.seen()["gateway"].get("resumes"), "the resume")
    call.say(chirp(0.3), "p1", 48_000)
    call.wait_said("p1")


@pytest.mark.parametrize("role", ["stream_watch", "stream_publish"])
@pytest.mark.parametrize("code", [4015, 1006])
def test_a_socket_of_a_stream_that_is_lost_is_replaced_and_the_parent_hears_nothing_of_it(call, role, code):
    stream = StreamCall(call, role)
    stream.add("watcher", decode=False)
    stream.enter()
    since, before = call.vox.mark(), stream.seen(call.me)
    call.discord.order({"type": "close", "userId": call.me, "serverId": stream.server, "code": code})
    after = eventually(lambda: resumed(stream.seen(call.me)), "the resume")
    assert (after["ssrc"], after["gateway"]["resumes"]) == (before["ssrc"], 1)
    assert stream.told(since) == []
    stream.leave()


def resumed(seen):
    return seen if seen.get("online") and seen["gateway"].get("resumes") else None


# --- what a close code means ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [4001, 4002, 4003, 4004, 4005, 4006, 4009, 4011, 4016, 4020, 4999])
def test_a_close_that_ends_the_session_asks_once_and_fresh_credentials_end_the_wait(call, code):
    before, since = call.seen(), call.vox.mark()
    call.close(code)
    call.wait_for("adapter_send", since=since)
    call.voice_server(token=f"{TOKEN}-{code}")
    call.wait_ready(since)
    told = but_negotiating(call.told(since))
    assert [event["type"] for event in told[:2]] == ["connection_state", "transport_state"]
    assert told[1]["status"] == "reconnecting"
    assert named(told, "adapter_send") == [op4(call, call.channel)]
    assert not [event for event in told if event.get("status") == "disconnected"]
    after = call.seen()
    assert after["ssrc"] != before["ssrc"]
    assert (after["mode"] != before["mode"]) is (code == 4016), "the other transport encryption"


def test_4013_resumes_the_session(call):
    since, before = call.vox.mark(), call.seen()
    call.close(4013)
    call.wait_for("transport_state", since=since, status="ready")
    assert of_the_connection(call.told(since)) == [*reconnecting("worker_crashed"), *READY_AGAIN]
    assert (call.seen()["ssrc"], call.seen()["gateway"]["resumes"]) == (before["ssrc"], 1)


@pytest.mark.parametrize(
    ("code", "reason"), [(4012, "unknown_protocol"), (4017, "dave_required"), (4021, "rate_limited")]
)
def test_a_close_that_forbids_to_come_back_is_told_once_and_nothing_is_tried(call, code, reason):
    since, happened = call.vox.mark(), len(call.discord.happenings)
    call.close(code)
    call.wait_for("dave_state", since=since, status="cleared")
    call.credentials()  # what was current when the call was given up does not bring it back
    assert eventually(lambda: state_of_the_connection(call), "a description of it") == "closed"
    error, *rest = [event for event in call.told(since) if event["type"] != "inspect"]
    assert (error["type"], error["code"]) == ("error", "voice_runtime_error")
    assert rest[:2] == disconnected(reason)
    assert [event["type"] for event in rest[2:]] == ["dave_state"]
    eventually(lambda: call.seen() == {}, "the end of it at the server, which is a process of its own")
    mine = [each for each in call.discord.happenings[happened:] if each.get("userId") == call.me]
    assert [each["type"] for each in mine if each["type"] in ("joined", "left")] == ["left"]


def state_of_the_connection(call):
    """What `inspect` tells, None if its actor had no time for that within 100 ms."""
    since = call.vox.mark()
    call.vox.send({"type": "inspect"})
    actors = call.wait_for("inspect", since=since).body["actors"]
    states = {(each["kind"], each["role"]): each["state"] for each in actors}
    return states.get(("connection", "voice"))


@pytest.mark.parametrize(("code", "reason"), [(4014, "disconnected"), (4022, "call_terminated")])
def test_a_disconnection_without_a_move_is_over_after_its_wait_and_asks_for_nothing(call, code, reason):
    since = call.vox.mark()
    call.close(code)
    call.wait_for("dave_state", since=since, status="cleared")
    told = call.told(since)
    assert told[:2] == reconnecting(reason)
    assert named(told, "error")[0]["code"] == "voice_runtime_error"
    assert disconnected("no_voice_server")[0] in told
    assert not named(told, "adapter_send")


# --- nothing is heard -------------------------------------------------------------------------------------------------


def test_silence_on_both_sides_does_not_make_a_nat_forget(call, tmp_path):
    """Behind a NAT that forgets after the time of three keepalives; `make soak` is silent for longer."""
    word = write_wav(tmp_path / "word.wav", chirp(0.3))
    call.discord.order({"type": "nat", "userId": call.me, "afterMs": 1_500})
    before = call.seen()["received"].get("ping", 0)
    eventually(lambda: call.seen()["received"]["ping"] >= before + 5, "five keepalives")
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
    assert told == [recovery("udp")]
    assert call.seen()["ssrc"] == ssrc


def test_what_is_done_about_deafness_is_told_step_by_step_until_somebody_is_heard(call):
    speaker = call.add(tone=300)
    call.subscribe(speaker)
    call.vox.wait_for_audio(speaker)
    since = call.vox.mark()
    deaf = {"type": "impair", "userId": call.me, "direction": "both"}
    call.discord.order({**deaf, "loss": 1.0})
    call.wait_for("recovery", since=since, step="resume")
    call.wait_for("transport_state", since=since, status="ready")
    call.discord.order({**deaf, "loss": 0.0})
    call.vox.wait_for_audio(speaker, since=call.vox.mark(), timeout_s=DEADLINE_S)
    told = of_the_connection(call.told(since))
    assert told[:2] == [recovery("udp"), recovery("resume")]
    assert not [event for event in told if event.get("status") == "disconnected"]


def recovery(step):
    reason = "keepalives_unanswered"
    return {"type": "recovery", "role": "voice", **C1, "step": step, "reason": reason}
