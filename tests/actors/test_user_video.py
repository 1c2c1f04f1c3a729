from clankvox.actors.user_video import UserVideoBook
from clankvox.ids import Role
from clankvox.messages.router import VideoGone, VideoReported
from clankvox.wire.gateway_ops import Resolution, StreamDescription

CAMERA = StreamDescription(ssrc=10, rtx_ssrc=11, type="video", active=True, max_bitrate=1e6, max_framerate=30)
SCREEN = StreamDescription(
    ssrc=20, type="video", max_resolution=Resolution(type="fixed", width=1280.0, height=720.0), rid="100", quality=100
)


def report(role, stream):
    return VideoReported(role=role, user_id=42, audio_ssrc=5, video_ssrc=stream.ssrc, streams=(stream,))


def test_a_state_shows_every_field_that_was_announced():
    (state,) = UserVideoBook().events_of(report(Role.VOICE, CAMERA))
    assert (state.user_id, state.audio_ssrc, state.video_ssrc) == (42, 5, 10)
    (stream,) = state.streams
    assert (stream.ssrc, stream.rtx_ssrc, stream.stream_type, stream.active) == (10, 11, "video", True)
    assert (stream.max_bitrate, stream.max_framerate, stream.max_resolution) == (1_000_000, 30.0, None)


def test_what_comes_on_the_stream_connection_is_a_screen_although_servers_call_it_video():
    (state,) = UserVideoBook().events_of(report(Role.STREAM_WATCH, SCREEN))
    (stream,) = state.streams
    assert stream.stream_type == "screen"
    assert (stream.max_resolution.width, stream.max_resolution.height) == (1280, 720)


def test_the_roles_of_a_user_are_merged_until_the_last_one_ends():
    book = UserVideoBook()
    book.events_of(report(Role.VOICE, CAMERA))
    (both,) = book.events_of(report(Role.STREAM_WATCH, SCREEN))
    assert [stream.ssrc for stream in both.streams] == [10, 20]
    assert both.video_ssrc == 20
    (left,) = book.events_of(VideoGone(role=Role.STREAM_WATCH, user_id=42, ssrc=20))
    assert [stream.ssrc for stream in left.streams] == [10]
    (end,) = book.events_of(VideoGone(role=Role.VOICE, user_id=42, ssrc=10))
    assert (end.user_id, end.ssrc) == (42, 10)
