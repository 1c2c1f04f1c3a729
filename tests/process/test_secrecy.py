"""What nobody may see: tokens, sessions, endpoints and speech in logs and events, and speech in clear on the wire.

Every call of the other tests is watched for it as well (conftest.py).
"""

import base64
import json

import numpy as np

from tests.support.process_call import SESSION, TOKEN, Call, check_nothing_leaked, chirp


def test_neither_logs_nor_events_show_a_secret_whatever_happens_in_a_call(last_call, tmp_path):
    call, vox = last_call, last_call.vox
    call.listener(tmp_path)
    pcm = base64.b64encode(chirp(0.3).tobytes()).decode()
    vox.send({"type": "audio", "playbackId": "p1", "sampleRate": 48_000, "pcmBase64": pcm})
    call.wait_said("p1", "started")
    call.close(4006)
    since = vox.mark()
    call.wait_ready(since)
    for data in ({"endpoint": 1, "token": TOKEN}, {"endpoint": f"ws://x/{TOKEN}", "token": [TOKEN]}):
        vox.send({"type": "voice_server", "data": data})
    vox.send_line(json.dumps({"type": "voice_state", "data": {"session_id": SESSION, "user_id": 7}})[:-1].encode())
    call.voice_server(endpoint=f"wss://{TOKEN}:secret@example.com/?token={TOKEN}")
    call.wait_for("transport_state", status="disconnected", reason="endpoint_not_allowed")
    vox.send({"type": "destroy"})
    assert vox.wait_exit() == 0
    assert any('"level": "debug"' in text for text in vox.stderr_lines)
    check_nothing_leaked(vox)
    shown = "\n".join([*vox.stderr_lines, *(json.dumps(event.body) for event in vox.events)])
    assert pcm[:40] not in shown
    assert call.discord.endpoint not in shown
    assert "secret@" not in shown


def test_nothing_leaves_in_clear_while_members_come_and_go_and_the_group_is_changed(shared_vox, discord, tmp_path):
    call = Call(shared_vox, discord)
    call.enter()
    call.say(np.tile(chirp(1.0, rate_hz=24_000), 3), "p1")
    first = call.add(tone=300, receive=True)
    call.wait_said("p1", "started")
    libdave = call.add(tone=400, receive=True, library="libdave")
    call.discord.order({"type": "bad_commit", "userId": call.me})
    third = call.add(tone=500, receive=True)
    call.remove(libdave)
    call.remove(first)
    fourth = call.add(tone=600, receive=True)
    call.remove(third)
    call.wait_said("p1")
    seen = call.seen()
    assert seen["daveFrames"] >= 3 * 50
    assert (seen["plaintextFrames"], seen["plaintextInTransition"]) == (0, 0)
    assert call.room()["version"] == 1
    assert call.seen(fourth)["decrypted"][call.me] > 0
    call.hang_up()


def test_a_channel_that_empties_and_fills_again_hears_nothing_in_clear_and_goes_on(call, tmp_path):
    first = call.listener(tmp_path / "first")
    call.say(chirp(2.0, rate_hz=24_000), "p1")
    call.wait_said("p1", "started")
    call.remove(first)
    second = call.listener(tmp_path / "second")
    call.wait_said("p1")
    seen = call.seen()
    assert seen["plaintextFrames"] == 0
    assert call.seen(second)["decrypted"][call.me] > 25
