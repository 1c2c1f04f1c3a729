import pytest

from clankvox.loopback.video_port import VideoPort, wanted_quality
from clankvox.wire.gateway_ops import MediaSinkWants


@pytest.mark.parametrize(
    ("wants", "quality"),
    [
        (None, 100),
        (MediaSinkWants(), 100),
        (MediaSinkWants(any=0), 0),
        (MediaSinkWants(any=0, wants={5: 40}), 40),
        (MediaSinkWants(any=100, wants={5: 0}), 0),
    ],
)
def test_who_says_nothing_of_a_stream_means_it_by_any_and_who_says_nothing_at_all_wants_all(wants, quality):
    assert wanted_quality(wants, 5) == quality
    port = VideoPort()
    port.wants = wants
    assert port.wants_video(5) == (quality > 0)


def test_retransmissions_to_a_participant_are_numbered_for_each_stream_and_past_the_wrap():
    port = VideoPort()
    first = port.next_repair_sequence(0x1_FFFF)
    assert (first, port.next_repair_sequence(0x1_FFFF), port.next_repair_sequence(9)) == (0xFFFF, 0, 9)


def test_statistics_of_a_stream_are_kept():
    port = VideoPort()
    port.video_stream(5).plis += 1
    assert port.video_stream(5).plis == 1
    assert list(port.video) == [5]
