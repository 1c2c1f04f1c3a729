"""The bounds of the lane, and what waits in it for news; that writers and producers meet there shows test_outbox."""

from clankvox import audio_lane
from clankvox.audio_lane import AudioLane, News


def drain(lane):
    return [bytes(lane.take()) for _ in range(len(lane.items))]


def test_a_stream_has_room_again_when_its_pcm_was_taken():
    lane = AudioLane()
    while lane.put_pcm("a", bytearray(b"x"), 2_500, None):
        pass
    assert lane.depth == 4_000
    lane.take()
    assert lane.put_pcm("a", bytearray(b"x"), 2_500, None)
    assert not lane.put_pcm("a", bytearray(b"x"), 2_500, None)


def test_drained_streams_are_forgotten():
    lane = AudioLane()
    for stream in range(100):
        lane.put_pcm(stream, bytearray(b"x"), 100, None)
    drain(lane)
    assert lane._stream_us == {}


def test_markers_have_a_bound_too():
    lane = AudioLane()
    marker = bytes(audio_lane.MARKER_BYTES // 4)
    assert [lane.put_marker(marker, None) for _ in range(5)] == [True] * 4 + [False]
    assert lane.dropped_markers == 1
    lane.take()
    assert lane.put_marker(marker, None)


def test_what_is_kept_back_counts_as_waiting_and_says_until_when():
    lane = AudioLane()
    assert lane.held_until is None
    lane.hold("bob", News.SPEECH_BEGAN, 7.0)
    lane.hold("alice", News.SPEECH_BEGAN, 5.0)
    lane.put_pcm("a", bytearray(b"a"), 20_000, "alice")
    lane.put_pcm("b", bytearray(b"b"), 20_000, "bob")
    lane.put_pcm("c", bytearray(b"c"), 20_000, "carol")
    assert (lane.depth, lane.held_until) == (3, 5.0)
    assert drain(lane) == [b"c"]
    lane.release_overdue(5.0)
    assert drain(lane) == [b"a"]
    assert lane.held_until == 7.0
    lane.release("bob", News.SPEECH_BEGAN)
    assert drain(lane) == [b"b"]
    assert (lane.depth, lane.held_until) == (0, None)
