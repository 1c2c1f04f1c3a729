import pytest

from clankvox.media.sample_timeline import SampleTimeline


def filled(rate_hz=48_000, first=648, frame=960, frames=10, coarse=True):
    timeline = SampleTimeline(rate_hz)
    timeline.place(0.0, first, coarse)
    for _ in range(frames):
        timeline.place(None, frame, coarse)
    return timeline


def test_within_one_opening_samples_are_counted_and_time_stamps_ignored():
    timeline = SampleTimeline(48_000)
    assert [timeline.place(time_s, 960, coarse=False) for time_s in (0.0, 5.0, None)] == [0, 0, 0]
    assert timeline.position == 2_880


def test_after_a_jump_what_was_delivered_is_not_wanted_again():
    timeline = filled(frames=10, coarse=False)
    timeline.jump()
    begin = 648 + 960 * 8
    assert timeline.place(begin / 48_000, 960, coarse=False) == 960
    assert timeline.place(None, 960, coarse=False) == 960
    assert timeline.place(None, 960, coarse=False) == 0
    assert timeline.position == 648 + 960 * 11


def test_a_frame_across_the_position_loses_its_front():
    timeline = SampleTimeline(44_100, position=1_000)
    assert timeline.place(0.0, 1_024, coarse=False) == 1_000
    assert timeline.position == 1_024


@pytest.mark.parametrize("error_s", [-0.0015, -0.0005, 0.0, 0.0009, 0.0015])
def test_a_coarse_time_stamp_is_put_onto_the_grid_of_frames(error_s):
    timeline = filled(frames=10)
    timeline.jump()
    begin = 648 + 960 * 5
    assert timeline.place(begin / 48_000 + error_s, 960, coarse=True) == 960
    timeline.place(None, 960 * 4, coarse=True)
    assert timeline.position == 648 + 960 * 10


def test_frames_end_on_the_grid_also_if_they_lost_their_beginning():
    timeline = filled(frames=10)
    timeline.jump()
    end = 648 + 960 * 6
    assert timeline.place((end - 648) / 48_000 + 0.001, 648, coarse=True) == 648
    timeline.place(None, 960, coarse=True)
    timeline.jump()
    assert timeline.missing(end / 48_000, 960, coarse=True) == 0


def test_frames_of_many_sizes_have_no_grid():
    timeline = SampleTimeline(44_100)
    for samples in (128, 1_024, 128, 1_024):
        timeline.place(None, samples, coarse=True)
    timeline.jump()
    assert timeline.position == 2_304
    assert timeline.place(0.030, 1_024, coarse=True) == 2_304 - 1_323  # the time stamp as it is


def test_a_landing_behind_the_position_says_how_much_is_missing():
    timeline = filled(frames=0, coarse=False)
    timeline.jump()
    assert timeline.missing((648 + 100) / 48_000, 960, coarse=False) == 100
    assert timeline.missing(0.0, 960, coarse=False) == 0
    assert timeline.missing(None, 960, coarse=False) == 0


def test_a_live_source_goes_on_with_whatever_comes():
    timeline = filled()
    position = timeline.position
    timeline.go_on()
    assert timeline.place(0.0, 960, coarse=False) == 0
    assert timeline.position == position + 960


def test_what_lies_before_the_position_can_be_skipped_until_something_was_placed():
    timeline = SampleTimeline(48_000, position=480_000)
    assert timeline.before(9.9)
    assert not timeline.before(10.0)
    timeline.place(9.0, 960, coarse=False)
    assert not timeline.before(9.9)


def test_another_rate_goes_on_at_the_same_instant():
    assert SampleTimeline(44_100, 44_100).continued(48_000).position == 48_000
