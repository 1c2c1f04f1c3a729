"""What may be asked of the encoder."""

import pytest

from clankvox.errors import InvalidRequest
from clankvox.media.video_target import HD_720, VideoTarget


def test_levels_are_the_lowest_that_admit_size_and_rate():
    assert HD_720.level == "3.1"
    assert VideoTarget(1_920, 1_080, 30, 5_000_000, 60).level == "4.0"
    assert HD_720._replace(fps=60).level == "4.0"
    assert VideoTarget(3_840, 2_160, 30, 20_000_000, 60).level == "5.1"


@pytest.mark.parametrize(
    "change",
    [
        {"width": 1_281},
        {"height": 14},
        {"width": 8_192},
        {"fps": 0},
        {"fps": 61},
        {"bitrate_bps": 0},
        {"gop_pictures": 0},
    ],
)
def test_what_no_encoder_takes_is_an_invalid_request(change):
    with pytest.raises(InvalidRequest):
        HD_720._replace(**change).checked()


def test_a_picture_beyond_every_level_is_an_invalid_request():
    with pytest.raises(InvalidRequest):
        VideoTarget(4_096, 4_096, 60, 1, 60).checked()


def test_the_keyframe_interval_is_the_gop_in_time():
    assert HD_720.checked().keyframe_interval_s == 2.0


def test_the_server_may_say_how_often_it_wants_a_key_frame():
    assert HD_720.with_keyframes_every(1_500.0).gop_pictures == 45
    assert HD_720.with_keyframes_every(0.0).gop_pictures == 1
    assert HD_720.with_keyframes_every(3_600_000).gop_pictures == 108_000


@pytest.mark.parametrize("interval_ms", [2**53, 1.7e308])
def test_a_key_frame_interval_without_end_is_an_hour(interval_ms):
    assert HD_720.with_keyframes_every(interval_ms).keyframe_interval_s == 3_600.0
