"""Members speak and no key opens it: each step that is taken, and calls in which all is well, that are not touched.

Nothing is hurried here: whether the group may still be asked for (10 s after its last change), and what a step is given
to help, are matters of real times. Steps for datagrams that go nowhere are in test_resume.
"""

from tests.process.test_connection import READY, named, op4, reconnecting
from tests.process.test_resume import C1, READY_AGAIN, of_the_connection
from tests.support.process_call import DEADLINE_S, chirp, eventually, write_wav

SPEAKERS = 3
REASON = "frames_undecryptable"
STEPS_S = 2 * DEADLINE_S
"""More than all steps take on a busy machine."""


def recovery(step):
    return {"type": "recovery", "role": "voice", **C1, "step": step, "reason": REASON}


def speakers(call):
    """Let members speak, and wait until all are in the group and one is heard."""
    users = [call.add(tone=300 + 50 * number) for number in range(SPEAKERS)]
    call.subscribe(users[0], silenceDurationMs=500)
    in_group(call, users)
    call.vox.wait_for_audio(users[0], since=call.vox.mark(), timeout_s=DEADLINE_S)
    return users


def in_group(call, users):
    eventually(lambda: {call.me, *users} <= set(call.room()["groupMembers"]), "all in one group")


def garble(call, **order):
    call.discord.order({"type": "garble", "userId": call.me, **order})


def steps(call, since):
    return [event["step"] for event in named(call.told(since), "recovery")]


def asked_for_a_group(call, happened):
    """How often the server was told that a change could not be followed (op 31)."""
    ours = (each for each in call.discord.happenings[happened:] if each.get("userId") == call.me)
    return sum(each["type"] == "invalid_commit" for each in ours)


def test_frames_that_no_key_opens_are_heard_again_when_the_group_is_asked_for_anew(call):
    speaker, *_ = speakers(call)
    happened, ssrc, since = len(call.discord.happenings), call.seen()["ssrc"], call.vox.mark()
    garble(call, until="group")
    eventually(lambda: asked_for_a_group(call, happened), "op 31")
    call.vox.wait_for_audio(speaker, since=call.vox.mark(), timeout_s=DEADLINE_S)
    assert asked_for_a_group(call, happened) == 1
    assert not {"resume", "rejoin"} & set(steps(call, since))
    assert call.seen()["ssrc"] == ssrc


def test_frames_that_no_group_helps_with_are_mended_step_by_step_until_another_session_hears_them(call):
    speaker, *_ = speakers(call)
    happened, ssrc, since = len(call.discord.happenings), call.seen()["ssrc"], call.vox.mark()
    garble(call, until="session")
    call.vox.wait_for("recovery", since=since, timeout_s=STEPS_S, step="rejoin")
    call.wait_ready(since)
    call.vox.wait_for_audio(speaker, since=call.vox.mark(), timeout_s=DEADLINE_S)
    told = [event for event in of_the_connection(call.told(since)) if event["type"] != "dave_state"]
    assert told == [
        *map(recovery, ("udp", "dave", "resume")),
        *reconnecting(REASON),
        *READY_AGAIN,
        recovery("rejoin"),
        *reconnecting(REASON),
        op4(call, call.channel),
        *(event for event in READY if event["type"] != "dave_state"),
    ]
    assert asked_for_a_group(call, happened) == 1, "the answer is a change as well, and it does not help either"
    assert call.seen()["ssrc"] != ssrc


def test_calls_in_which_all_is_well_are_not_touched(call, tmp_path):
    """A member who says nothing, one whom nobody can open beside one who is heard, pictures that nobody can open; then
    no word at all.
    """
    word = write_wav(tmp_path / "word.wav", chirp(0.3))
    speaker = call.add(file=word, loop=True, pauseMs=700)
    garbled = call.add(tone=300)
    publisher = str(next(call._members))
    call.discord.order(
        {"type": "add_publisher", "userId": publisher, "serverId": call.guild, "clock": False, "fps": 15,
         "width": 160, "height": 96}
    )  # fmt: skip
    call.listener(tmp_path)
    call.subscribe(speaker, silenceDurationMs=300)
    call.vox.send({"type": "subscribe_user_video", "userId": publisher, "maxFramesPerSecond": 15, "jpegQuality": 50})
    in_group(call, [speaker, garbled, publisher])
    call.vox.wait_for_audio(speaker, since=call.vox.mark(), timeout_s=DEADLINE_S)
    since = call.vox.mark()
    garble(call, media="audio", of=garbled)
    keepalives(call, 2)
    call.remove(garbled)
    garble(call, media="video")
    keepalives(call, 1)
    call.remove(speaker)
    keepalives(call, 1)
    assert steps(call, since) == []
    assert not [event for event in call.told(since) if event.get("status") == "reconnecting"]


def keepalives(call, count):
    before = call.seen()["received"]["ping"]
    eventually(lambda: call.seen()["received"]["ping"] >= before + count, f"{count} keepalives", STEPS_S)
