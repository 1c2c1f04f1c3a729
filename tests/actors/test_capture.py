"""Captures as the parent sees them: two lifetimes, endings behind their PCM, and actors that go when they are done."""

import pytest

from clankvox.actors.farewells import FAREWELL_S
from clankvox.media.segment import Segment
from clankvox.messages.capture import Unsubscribe
from tests.support.factory import Call, short


def subscribe(call, user=42, capture_id=None, **more):
    ids = {} if capture_id is None else {"captureId": capture_id}
    call.line(type="subscribe_user", userId=str(user), **ids, **more)
    call.drain()


def speak(call, user=42, packets=2):
    for _ in range(packets):
        call.pipeline.packet(user)
    call.drain()


def silence(call, user=42):
    call.pipeline.silence(user)
    call.drain()


def lane(call):
    """Control and audio as they come out: `pcm` for each frame of captured speech."""
    lines = []
    for frame_format, payload in call.frames():
        if frame_format == 1:
            size = int.from_bytes(payload[18:20], "little") if len(payload) != 18 + 960 else 0
            lines.append("pcm " + payload[20 : 20 + size].decode() if size else "pcm")
        else:
            lines.append(payload.decode())
    return lines


def events_of(call):
    return short(call.events())


# --- speaking ---


def test_speaking_of_an_unsubscribed_user_is_told_without_an_id():
    call = Call().connect()
    speak(call)
    call.pipeline.pause(42)
    call.drain()
    assert call.events() == [{"type": "speaking_start", "userId": "42"}, {"type": "speaking_end", "userId": "42"}]


def test_speaking_names_the_live_capture():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call)
    assert call.events() == [{"type": "speaking_start", "userId": "42", "captureId": "k1"}]


def test_repeated_news_of_speaking_is_told_once():
    call = Call().connect()
    speak(call)
    call.pipeline._facts.speaking_started(42)
    call.pipeline._facts.speaking_ended(42)
    call.pipeline._facts.speaking_ended(42)
    call.drain()
    assert events_of(call) == ["speaking_start 42", "speaking_end 42"]


# --- one-shot captures (with an id) ---


def test_a_one_shot_capture_ends_with_its_utterance_behind_its_pcm():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call, packets=2)
    silence(call)
    assert lane(call) == [
        '{"type":"speaking_start","userId":"42","captureId":"k1"}',
        '{"type":"speaking_end","userId":"42","captureId":"k1"}',
        "pcm k1",
        "pcm k1",
        '{"type":"user_audio_end","userId":"42","captureId":"k1"}',
    ]


def test_after_a_one_shot_capture_the_user_is_not_captured_any_more():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call)
    silence(call)
    lane(call)
    speak(call)
    assert lane(call) == ['{"type":"speaking_start","userId":"42"}']


def test_subscribing_with_another_id_ends_the_capture_that_was_heard():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call)
    lane(call)
    subscribe(call, capture_id="k2")
    assert lane(call) == ['{"type":"user_audio_end","userId":"42","captureId":"k1"}']
    speak(call)
    assert lane(call) == ["pcm k2", "pcm k2"]


def test_subscribing_anew_before_anything_was_heard_ends_nothing():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    subscribe(call, capture_id="k2")
    assert lane(call) == []


def test_the_end_of_a_replaced_utterance_is_not_told_again():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call)
    call.pipeline.silence(42)
    call.line(type="subscribe_user", userId="42", captureId="k2")
    call.drain()
    assert sum("user_audio_end" in line for line in lane(call)) == 1


def test_pcm_that_crossed_its_unsubscription_gets_its_end():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    call.capture(42)
    call.pipeline.packet(42)  # its news is still on the way to the actor ...
    call.told(Unsubscribe(), call.capture(42))  # ... and this order came first
    assert lane(call)[-2:] == ["pcm k1", '{"type":"user_audio_end","userId":"42","captureId":"k1"}']


# --- persistent captures (without an id) ---


def test_a_persistent_capture_stays_armed_after_each_utterance():
    call = Call().connect(None)
    subscribe(call)
    for _ in range(2):
        speak(call, packets=1)
        silence(call)
    assert lane(call) == [
        '{"type":"speaking_start","userId":"42"}',
        '{"type":"speaking_end","userId":"42"}',
        '{"type":"speaking_start","userId":"42"}',
        '{"type":"speaking_end","userId":"42"}',
        "pcm",
        '{"type":"user_audio_end","userId":"42"}',
        "pcm",
        '{"type":"user_audio_end","userId":"42"}',
    ]


@pytest.mark.parametrize("speaking", [False, True])
def test_subscribing_again_without_an_id_updates_in_place(speaking):
    call = Call().connect(None)
    subscribe(call)
    if speaking:
        speak(call)
    lane(call)
    subscribe(call, sampleRate=16_000, silenceDurationMs=300)
    assert lane(call) == []
    with call.board.lock:
        config = call.board.armed(42)
    assert (config.sample_rate_hz, config.silence_duration_ms) == (16_000, 300)
    assert call.state("42") == ("capturing" if speaking else "armed")


def test_an_id_takes_the_place_of_a_persistent_capture_and_the_other_way_round():
    call = Call().connect()
    subscribe(call)
    speak(call)
    lane(call)
    subscribe(call, capture_id="k1")
    assert lane(call) == ['{"type":"user_audio_end","userId":"42"}']
    speak(call)
    lane(call)
    subscribe(call)
    assert lane(call) == ['{"type":"user_audio_end","userId":"42","captureId":"k1"}']


# --- unsubscribing, leaving, resets ---


@pytest.mark.parametrize(("heard", "ends"), [(True, 1), (False, 0)])
def test_unsubscribing_ends_what_was_heard(heard, ends):
    call = Call().connect()
    subscribe(call, capture_id="k1")
    if heard:
        speak(call)
    lane(call)
    call.line(type="unsubscribe_user", userId="42")
    call.drain()
    assert len(lane(call)) == ends
    speak(call)
    assert not any(line.startswith("pcm") for line in lane(call))


def test_unsubscribing_an_unknown_user_is_silent_and_makes_no_actor():
    call = Call()
    call.line(type="unsubscribe_user", userId="42")
    call.drain()
    assert call.events() == []
    assert "42" not in call.states()


def test_a_member_who_leaves_ends_in_the_contracts_order():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call)
    lane(call)
    call.server.member_gone(42)
    call.run(FAREWELL_S)
    assert lane(call) == [
        '{"type":"speaking_end","userId":"42","captureId":"k1"}',
        '{"type":"client_disconnect","userId":"42"}',
        '{"type":"user_audio_end","userId":"42","captureId":"k1"}',
    ]


def test_a_member_who_was_never_heard_is_still_said_to_be_gone():
    call = Call().connect()
    call.server.member_gone(43)
    call.drain()
    assert events_of(call) == ["client_disconnect 43"]
    assert "43" not in call.states()


def test_a_reset_ends_one_shot_captures_and_keeps_persistent_ones_armed():
    call = Call().connect()
    subscribe(call, 42, "k1")
    subscribe(call, 43)
    speak(call, 42)
    speak(call, 43)
    lane(call)
    call.line(type="leave")
    call.drain()
    lines = lane(call)
    assert [line for line in lines if "user_audio_end" in line] == [
        '{"type":"user_audio_end","userId":"42","captureId":"k1"}',
        '{"type":"user_audio_end","userId":"43"}',
    ]
    assert "42" not in call.states()
    assert call.state("43") == "armed"
    call.connect("c2")
    speak(call, 43)
    assert lane(call).count("pcm") == 2


def test_a_subscription_may_precede_the_connection():
    call = Call()
    subscribe(call)
    call.connect(None)
    speak(call)
    assert "pcm" in lane(call)


def test_an_idle_reset_tells_nothing_of_captures():
    call = Call().connect()
    subscribe(call, 42, "k1")
    call.line(type="leave")
    call.drain()
    assert not any("user" in line for line in lane(call))


# --- a lost link ---


def test_a_lost_link_ends_speaking_at_once_and_speech_after_the_silence_duration():
    call = Call().connect()
    subscribe(call, capture_id="k1", silenceDurationMs=700)
    speak(call)
    lane(call)
    call.server.lost()
    call.drain()
    lines = lane(call)
    assert not any("user_audio_end" in line for line in lines)
    assert '{"type":"speaking_end","userId":"42","captureId":"k1"}' in lines
    call.run(0.75)
    assert '{"type":"user_audio_end","userId":"42","captureId":"k1"}' in lane(call)


def test_speech_that_goes_on_in_time_is_one_utterance():
    call = Call().connect()
    subscribe(call, capture_id="k1", silenceDurationMs=5_000)
    speak(call)
    call.server.lost()
    call.run(1.1)
    call.server.handshake(0)
    speak(call)
    call.run(4.5)
    assert not any("user_audio_end" in line for line in lane(call))
    silence(call)
    assert '{"type":"user_audio_end","userId":"42","captureId":"k1"}' in lane(call)


# --- retirement ---


def test_who_leaves_takes_the_actor_along_also_after_a_lost_link():
    call = Call().connect()
    subscribe(call, capture_id="k1", silenceDurationMs=100)
    speak(call)
    call.server.lost()
    call.run(1.1)
    call.server.handshake(0)
    call.server.member_gone(42)
    call.drain()
    assert "42" not in call.states()


def test_an_unsubscribed_silent_user_has_no_actor():
    call = Call().connect()
    subscribe(call)
    call.line(type="unsubscribe_user", userId="42")
    call.drain()
    assert "42" not in call.states()


def test_a_subscription_on_its_way_saves_the_actor_from_retirement():
    call = Call().connect()
    subscribe(call)
    call.line(type="unsubscribe_user", userId="42")
    call.line(type="subscribe_user", userId="42", captureId="k2")
    call.drain()
    assert call.state("42") == "armed"
    speak(call)
    assert "pcm k2" in lane(call)


def test_who_comes_back_is_heard_again():
    call = Call().connect()
    subscribe(call, capture_id="k1")
    speak(call)
    silence(call)
    call.server.member_gone(42)
    call.drain()
    lane(call)
    subscribe(call, capture_id="k2")
    speak(call)
    assert "pcm k2" in lane(call)


# --- segments ---

SEGMENT = Segment(48_000, 96_000, 700, 9_000, -20.0)


def closing(call, segment=SEGMENT):
    """Have the pipeline give `segment` for what ends from this side; returns the questions."""
    asked = []
    call.board.closes_with(lambda user, arming: asked.append((user, arming)) or segment)
    return asked


def ends_of(call):
    return [event["type"] for event in call.events() if event["type"] in ("segment", "user_audio_end")]


def test_what_a_capture_asks_for_reaches_the_pipeline_and_by_default_is_nothing():
    call = Call().connect()
    subscribe(call, capture_id="k1", timeline=True, preRollMs=300, minSpeechMs=120)
    subscribe(call, user=43)
    with call.board.lock:
        asked, plain = call.board.armed(42), call.board.armed(43)
    assert asked[4:] == (True, 300, 120)
    assert plain[4:] == (False, 0, 0)
    assert not plain.wants_segments


def test_a_segment_comes_with_the_end_that_the_pipeline_finds():
    call = Call().connect()
    subscribe(call, capture_id="k1", timeline=True)
    speak(call)
    call.pipeline._facts.speech_ended(42, 1, SEGMENT)
    call.drain()
    assert ends_of(call) == ["segment", "user_audio_end"]


@pytest.mark.parametrize(("asked", "timed"), [({"timeline": True}, True), ({"preRollMs": 300}, False)])
def test_only_a_capture_with_a_timeline_has_media_times_in_its_end(asked, timed):
    call = Call().connect()
    subscribe(call, capture_id="k1", **asked)
    speak(call)
    call.pipeline._facts.speech_ended(42, 1, SEGMENT)
    call.drain()
    (end,) = (event for event in call.events() if event["type"] == "user_audio_end")
    times = {"startMs": 1_000.0, "endMs": 2_000.0} if timed else {}
    assert end == {"type": "user_audio_end", "userId": "42", "captureId": "k1", **times}


@pytest.mark.parametrize("heard", [True, False])
def test_unsubscribing_tells_the_segment_of_what_was_heard(heard):
    call = Call().connect()
    subscribe(call, capture_id="k1", timeline=True)
    if heard:
        speak(call)
    closing(call)
    call.line(type="unsubscribe_user", userId="42")
    call.drain()
    assert ends_of(call) == (["segment", "user_audio_end"] if heard else [])


def test_pcm_that_crossed_its_unsubscription_has_its_segment_as_well():
    call = Call().connect()
    subscribe(call, capture_id="k1", timeline=True)
    closing(call)
    call.pipeline.packet(42)
    call.told(Unsubscribe(), call.capture(42))
    assert ends_of(call) == ["segment", "user_audio_end"]


def test_a_reset_closes_the_utterance_of_a_capture_that_stays():
    call = Call().connect()
    subscribe(call, timeline=True)
    speak(call)
    asked = closing(call)
    call.line(type="leave")
    call.drain()
    assert asked == [(42, 1)]
    assert ends_of(call) == ["segment", "user_audio_end"]
