import pytest

from clankvox.ids import Role
from clankvox.protocol.remote_video import (
    DEFAULT_PIXELS,
    MOST_LAYERS,
    RemoteVideo,
    Wish,
    merged,
    preferred,
    shown_type,
    sink_wants,
)
from clankvox.wire.gateway_ops import Resolution, StreamDescription, Video

USER, OTHER = 42, 43
LOW = StreamDescription(ssrc=10, rtx_ssrc=11, quality=50, active=True, type="video")
HIGH = StreamDescription(
    ssrc=20,
    rtx_ssrc=21,
    quality=100,
    active=True,
    type="video",
    max_resolution=Resolution(type="fixed", width=1280, height=720),
)


def announced(video_ssrc=20, streams=(LOW, HIGH), audio_ssrc=5):
    return merged(None, Video(audio_ssrc=audio_ssrc, video_ssrc=video_ssrc, streams=streams))


def test_a_first_announcement_is_what_the_user_sends():
    video = announced()
    assert (video.audio_ssrc, video.video_ssrc, video.ssrcs) == (5, 20, {10, 20})


def test_an_update_without_streams_keeps_the_ones_before():
    assert merged(announced(), Video(audio_ssrc=5, video_ssrc=10)).streams == (LOW, HIGH)


def test_a_video_ssrc_that_no_stream_names_is_an_active_stream():
    video = announced(video_ssrc=30, streams=())
    assert [(stream.ssrc, stream.active) for stream in video.streams] == [(30, True)]


@pytest.mark.parametrize("streams", [(), None])
def test_zeros_end_the_video(streams):
    assert merged(announced(), Video(audio_ssrc=5, video_ssrc=0, streams=streams)) is None


def test_streams_with_ssrc_0_are_not_there():
    assert merged(None, Video(audio_ssrc=5, video_ssrc=0, streams=(StreamDescription(ssrc=0),))) is None


def test_stream_types_are_lowered():
    video = announced(streams=(StreamDescription(ssrc=20, type="Screen"),))
    assert video.streams[0].type == "screen"


def test_an_update_keeps_an_audio_ssrc_that_it_does_not_name():
    assert merged(announced(), Video(audio_ssrc=0, video_ssrc=20, streams=(HIGH,))).audio_ssrc == 5


@pytest.mark.parametrize(
    ("streams", "wanted", "chosen"),
    [
        ((LOW, HIGH), None, 20),
        ((StreamDescription(ssrc=20, active=False), LOW), None, 10),
        ((StreamDescription(ssrc=20, type="camera"), StreamDescription(ssrc=10, type="screen")), "screen", 10),
        ((StreamDescription(ssrc=20, type="camera"), StreamDescription(ssrc=10)), "screen", 10),
        ((StreamDescription(ssrc=1, quality=50), StreamDescription(ssrc=2, quality=100)), None, 2),
    ],
)
def test_the_preferred_stream_is_active_then_of_its_type_then_announced_then_large_then_good(streams, wanted, chosen):
    assert preferred(RemoteVideo(None, 20, streams), wanted).ssrc == chosen


def test_wanted_streams_get_their_quality_and_all_others_zero():
    remote = {USER: announced(), OTHER: announced(video_ssrc=30, streams=())}
    wants = sink_wants(remote, {USER: Wish(80, 230_400, None)}, gone=[99])
    assert wants.any == 80
    assert wants.wants == {10: 0, 20: 80, 30: 0, 99: 0}
    assert wants.pixel_counts == {20: 230_400.0}


@pytest.mark.parametrize("users", [(USER, OTHER), (OTHER, USER)])
def test_what_is_wanted_of_one_user_is_not_taken_back_for_another_who_claims_his_stream(users):
    remote = {user: announced() for user in users}
    assert sink_wants(remote, {USER: Wish(80, None, None)}, gone=[20]).wants == {10: 0, 20: 80}


def test_of_a_user_who_claims_no_end_of_streams_some_are_believed():
    streams = tuple(StreamDescription(ssrc=ssrc) for ssrc in range(100, 9_000))
    assert [stream.ssrc for stream in announced(streams=streams).streams][:MOST_LAYERS] == [*range(100, 116)]
    assert len(sink_wants({USER: announced(streams=streams)}, {}).wants) <= MOST_LAYERS + 1


def test_without_a_pixel_count_the_announced_size_counts():
    assert sink_wants({USER: announced()}, {USER: Wish(80, None, None)}).pixel_counts == {20: 921_600.0}
    unsized = {USER: announced(video_ssrc=30, streams=())}
    assert sink_wants(unsized, {USER: Wish(80, None, None)}).pixel_counts == {30: float(DEFAULT_PIXELS)}


@pytest.mark.parametrize(
    ("role", "announced", "shown"),
    [
        (Role.STREAM_WATCH, "video", "screen"),
        (Role.STREAM_WATCH, None, "screen"),
        (Role.STREAM_WATCH, "camera", "camera"),
        (Role.VOICE, "video", "video"),
        (Role.VOICE, None, None),
    ],
)
def test_a_watched_stream_is_a_screen_whatever_the_server_calls_it(role, announced, shown):
    assert shown_type(role, announced) == shown


def test_nothing_known_is_nothing_to_say_and_nobody_wanted_is_said():
    assert sink_wants({}, {USER: Wish(80, None, None)}) is None
    nobody = sink_wants({USER: announced()}, {})
    assert (nobody.any, nobody.wants) == (0, {10: 0, 20: 0})
