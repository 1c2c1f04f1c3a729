from clankvox.ids import Role
from clankvox.wire.gateway_ops import Op
from tests.actors.test_stream import ready


def test_a_watcher_says_that_it_sends_no_sound_and_no_picture():
    sent = ready("stream_watch").roles[Role.STREAM_WATCH].server.json_sent()
    (video,) = [data for op, data in sent if op == Op.VIDEO]
    (speaking,) = [data for op, data in sent if op == Op.SPEAKING]
    assert (video["video_ssrc"], video["streams"]) == (0, [])
    assert speaking == {"speaking": 0, "ssrc": 1000, "delay": 0}


def test_a_watcher_offers_to_decode_and_not_to_send():
    sent = dict(ready("stream_watch").roles[Role.STREAM_WATCH].server.json_sent())
    codecs = {codec["name"]: (codec.get("encode"), codec.get("decode")) for codec in sent[Op.SELECT_PROTOCOL]["codecs"]}
    assert codecs["H264"] == codecs["VP8"] == (False, True)


def test_the_sound_of_a_stream_is_captured_without_taking_its_owner_for_a_speaker():
    call = ready("stream_watch")
    call.line(type="subscribe_user", userId="42", captureId="k1", role="stream_watch")
    call.drain()
    call.events()
    call.roles[Role.STREAM_WATCH].pipeline.packet(42)
    call.drain()
    call.roles[Role.STREAM_WATCH].pipeline.silence(42)
    call.drain()
    formats = [(kind, payload) for kind, payload in call.frames()]
    assert [kind for kind, _ in formats] == [1, 0]
    assert b'"user_audio_end"' in formats[1][1]
    assert b'"k1"' in formats[1][1]
