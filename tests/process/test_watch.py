"""Go Live and webcams as the parent of the real process sees them, beside a call that speaks."""

import pytest

from tests.support.process_call import chirp, eventually, loudest_hz, pcm_of
from tests.support.stream_call import StreamCall, counters, source_psnr_db

SIZE = {"width": 320, "height": 192}
FIELDS = {
    "type": str,
    "role": str,
    "userId": str,
    "ssrc": int,
    "width": int,
    "height": int,
    "jpegBase64": str,
    "rtpTimestamp": int,
    "streamType": str,
    "rid": str,
    "changeScore": float,
    "emaChangeScore": float,
    "isSceneCut": bool,
}
"""The union of what all client generations read."""


@pytest.fixture
def stream(call):
    made = StreamCall(call, "stream_watch")
    yield made
    made.leave()


def test_connecting_and_disconnecting_are_told_in_order_and_the_call_speaks_on(call, stream, tmp_path):
    call.listener(tmp_path)
    user = stream.add("publisher", **SIZE)
    stream.subscribe(user)
    since = call.vox.mark()
    call.say(chirp(2.5, rate_hz=24_000), "p1")
    call.wait_said("p1", "started")
    stream.connect()
    first = stream.wait_pictures(user, 1)[0]
    assert {name: type(value) for name, value in first.body.items()} == FIELDS
    about = {"role": "stream_watch", "streamType": "screen", "rid": "100", **SIZE}
    assert about.items() <= first.body.items()
    assert (first.body["changeScore"], first.body["isSceneCut"]) == (0, False)
    assert stream.wait_pictures(user, 5)[-1].body["changeScore"] > 0
    stream.disconnect()
    call.wait_said("p1")
    told = stream.told(since)
    assert told[:2] == ["transport_state connecting", "transport_state ready"]
    # the group may be there before the transport, or after
    assert told[2:-2] in (["dave_state ready"], ["dave_state negotiating", "dave_state ready"])
    assert told[-2:] == ["dave_state cleared", "transport_state disconnected stream_watch_disconnect"]
    calls = [body for body in call.told(since) if body.get("role") == "voice" or body["type"] == "connection_state"]
    assert not calls
    sent = call.seen()
    assert (sent["seqGaps"], sent["timestampAnomalies"]) == (0, 0)
    assert not stream.pictures(user, len(call.vox.entries))


def test_every_codec_and_library_is_seen_as_it_was_drawn_and_the_clock_runs(stream):
    users = {
        stream.add("publisher", codec=codec, library=library, bitRate=1_500_000, **SIZE): (codec, library)
        for codec in ("H264", "VP8")
        for library in ("davey", "libdave")
    }
    for user in users:
        stream.subscribe(user, fps=30)
    stream.enter()
    for user, sender in users.items():
        pictures = stream.wait_pictures(user, 10)
        seen = counters(pictures)
        assert seen == sorted(set(seen)), sender
        for picture in pictures[5:]:
            assert source_psnr_db(picture) >= 30, sender


def test_the_sound_of_a_stream_is_captured_apart_from_the_call(call, stream):
    user = stream.add("publisher", tone=440, **SIZE)
    call.discord.order({"type": "add_speaker", "userId": user, "serverId": call.guild, "tone": 1_200})
    call.subscribe(user, "of-the-call")
    call.subscribe(user, "of-the-stream", role="stream_watch")
    stream.enter()
    for capture, hz in (("of-the-call", 1_200), ("of-the-stream", 440)):
        pieces = eventually(lambda name=capture: call.audio_of(user, name)[50:60], capture)
        assert loudest_hz(pcm_of(pieces)) == pytest.approx(hz, abs=20)
    stream.disconnect()
    call.wait_for("user_audio_end", captureId="of-the-stream")
    before = len(call.audio_of(user, "of-the-call"))
    eventually(lambda: len(call.audio_of(user, "of-the-call")) > before + 10, "more of the call")


def test_a_webcam_of_the_call_and_a_stream_of_the_same_user_are_two_pictures(call, stream):
    user = stream.add("publisher", **SIZE)
    webcam = {"type": "add_publisher", "userId": user, "serverId": call.guild, "width": 192, "height": 96}
    call.discord.order(webcam)
    stream.subscribe(user)
    stream.enter()
    eventually(lambda: {_kind(event) for event in stream.pictures(user)} == _BOTH, "both pictures")
    call.discord.order({"type": "remove_member", "userId": user, "serverId": call.guild})
    since = call.vox.mark()
    stream.wait_pictures(user, 5, since)
    assert {_kind(event) for event in stream.pictures(user, since)[2:]} == {("stream_watch", "screen", 320)}


_BOTH = {("stream_watch", "screen", 320), ("voice", "video", 192)}


def _kind(event):
    return event.body["role"], event.body.get("streamType"), event.body["width"]


def test_who_subscribes_late_gets_a_key_frame_that_was_asked_for_and_nothing_after_he_has_had_enough(stream):
    user = stream.add("publisher", gop=3_000, **SIZE)
    other = stream.add("publisher", gop=3_000, **SIZE)
    stream.subscribe(other)
    stream.enter()
    stream.wait_pictures(other, 15)
    asked = stream.seen(user)["publisher"]["plis"]
    begun = stream.seen(user)["publisher"]["pictures"]
    stream.subscribe(user)
    seen = counters(stream.wait_pictures(user, 5))
    assert seen[0] >= begun
    assert stream.seen(user)["publisher"]["plis"] > asked
    stream.vox.send({"type": "unsubscribe_user_video", "userId": user})
    eventually(lambda: stream.seen(stream.call.me)["wants"][str(_ssrc(stream, user))] == 0, "op 15 with zero")
    since = stream.vox.mark()
    stream.wait_pictures(other, 10, since)
    assert len(stream.pictures(user, since)) <= 8  # what was on its way


def _ssrc(stream, user):
    return stream.seen(user)["publisher"]["videoSsrc"]


def test_a_shared_window_that_is_resized_goes_on_in_its_new_size(stream):
    user = stream.add("publisher", bitRate=1_500_000, **SIZE)
    stream.subscribe(user)
    stream.enter()
    before = stream.wait_pictures(user, 5)[-1]
    stream.discord.order({"type": "resize", "userId": user, "width": 480, "height": 270})
    sized = eventually(lambda: [e for e in stream.pictures(user) if e.body["width"] == 480][9:10], "the new size")
    after = stream.wait_pictures(user, len(stream.pictures(user)))[-1]
    assert sized[0].body["height"] == after.body["height"] == 270
    assert after.body["ssrc"] == before.body["ssrc"]
    assert counters([after]) > counters([before])
    assert source_psnr_db(after) >= 30


def test_what_a_bad_network_loses_is_repaired_and_nothing_drifts(call, stream):
    user = stream.add("publisher", gop=3_000, bitRate=1_500_000, **SIZE)
    stream.subscribe(user, fps=30)
    stream.enter()
    stream.wait_pictures(user, 1)
    faults = {"loss": 0.05, "reorder": 0.02, "duplicate": 0.02, "jitterMs": 10, "seed": 3}
    stream.discord.order({"type": "impair", "userId": call.me, "serverId": stream.server, **faults})
    since = stream.vox.mark()
    pictures = stream.wait_pictures(user, 80, since)
    seen = counters(pictures)
    assert seen == sorted(set(seen))
    assert min(map(source_psnr_db, pictures[::8])) >= 30
    seen_by_server = stream.seen(user)["video"][str(_ssrc(stream, user))]
    assert seen_by_server["rtxHere"] > 0
    assert stream.seen(call.me)["impaired"]["down"]["lost"] > 0


def test_a_picture_that_nobody_repairs_is_made_good_by_a_key_frame_that_was_asked_for(call, stream):
    user = stream.add("publisher", gop=3_000, bitRate=1_500_000, answersNack=False, **SIZE)
    stream.subscribe(user, fps=30)
    stream.enter()
    stream.wait_pictures(user, 3)
    asked = stream.seen(user)["publisher"]["plis"]
    lossy = {"type": "impair", "userId": user, "serverId": stream.server, "direction": "up"}
    stream.discord.order({**lossy, "loss": 0.2, "seed": 5})
    eventually(lambda: stream.seen(user)["publisher"]["plis"] > asked, "a request for a key frame")
    stream.discord.order({**lossy, "loss": 0.0})
    begun = stream.seen(user)["publisher"]["pictures"]
    eventually(lambda: counters(stream.wait_pictures(user, len(stream.pictures(user)))[-1:])[0] > begun + 20, "more")
    pictures = stream.wait_pictures(user, len(stream.pictures(user)))
    assert counters(pictures) == sorted(set(counters(pictures)))
    assert min(map(source_psnr_db, pictures[::5])) >= 30


def test_a_parent_without_ids_gets_h264_as_jpeg_and_key_frames_of_vp8_and_hears_who_shows_what(plain_call):
    stream = StreamCall(plain_call, "stream_watch")
    h264, vp8 = (stream.add("publisher", codec=codec, gop=3_000, **SIZE) for codec in ("H264", "VP8"))
    for user in (h264, vp8):
        stream.subscribe(user, fps=2)
    stream.enter()
    frames = eventually(lambda: plain_call.events_of("user_video_frame", userId=vp8)[2:3], "three key frames")
    assert frames[0].body["codec"] == "VP8"
    assert all(event.body["keyframe"] for event in plain_call.events_of("user_video_frame"))
    assert not stream.pictures(vp8)
    assert {event.body["userId"] for event in plain_call.events_of("decoded_video_frame")} == {h264}
    described = plain_call.wait_for("user_video_state", userId=h264).body
    assert described["streams"][0]["streamType"] == "screen"
    stream.remove(h264)
    stream._members.remove(h264)
    plain_call.wait_for("user_video_end", userId=h264)
    stream.leave()


def test_nothing_is_shown_of_what_nobody_wants(stream):
    user, other = (stream.add("publisher", **SIZE) for _ in range(2))
    stream.subscribe(other)
    stream.enter()
    stream.wait_pictures(other, 20)
    assert not stream.pictures(user)
    wants = stream.seen(stream.call.me)["wants"]
    assert wants[str(_ssrc(stream, user))] == 0
    assert wants[str(_ssrc(stream, other))] == 100


def test_another_stream_replaces_the_one_that_is_watched_and_its_end_is_no_news_of_the_new_one(call, stream):
    first = stream.add("publisher", **SIZE)
    stream.subscribe(first)
    stream.enter()
    stream.wait_pictures(first, 3)
    other = StreamCall(call, "stream_watch")
    second = other.add("publisher", codec="VP8", **SIZE)
    other.subscribe(second)
    since = call.vox.mark()
    other.enter()
    other.wait_pictures(second, 5)
    assert other.told(since)[-1].startswith("dave_state ready")
    stream.remove(first)
    stream._members.remove(first)
    since = call.vox.mark()
    other.wait_pictures(second, 5, since)
    assert not stream.pictures(first, since)
    assert other.told(since) == []
    other.leave()


def test_encryption_that_is_left_and_taken_up_again_costs_no_more_than_a_key_frame(call, stream):
    user = stream.add("publisher", gop=3_000, **SIZE)
    stream.subscribe(user)
    stream.enter()
    stream.wait_pictures(user, 5)
    for order_type, status in (("downgrade", "disabled"), ("upgrade", "ready")):
        since = call.vox.mark()
        stream.discord.order({"type": order_type, "serverId": stream.server})
        call.wait_for("dave_state", since=since, role="stream_watch", status=status)
        seen = counters(stream.wait_pictures(user, 15, call.vox.mark()))
        assert seen == sorted(set(seen))
