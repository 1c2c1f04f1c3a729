import pytest

from clankvox.media.segment import SILENT_DBFS, Segment, SegmentMeter, level_dbfs
from clankvox.media.signal_meter import Signal
from clankvox.media.voice_activity import Activity


def test_an_utterance_is_the_sum_of_its_pieces():
    meter = SegmentMeter()
    meter.add(48_000, 960, Signal(900, 10, 480), Activity(480, 480 * 1_000.0**2))
    meter.add(48_960, 960, Signal(500, 10, 480), Activity(960, 480 * 3_000.0**2))
    segment = meter.finish()
    level = level_dbfs(5_000_000.0, 1)
    assert segment == Segment(48_000, 49_920, 30, 900, pytest.approx(level))
    assert level == pytest.approx(-23.3, abs=0.05)


def test_nothing_is_no_segment():
    assert SegmentMeter().finish() is None


@pytest.mark.parametrize(
    ("square_sum", "samples", "dbfs"),
    [(0.0, 10, SILENT_DBFS), (0.0, 0, SILENT_DBFS), (4 * 32_768.0**2, 4, 0.0), (1e-9, 480, SILENT_DBFS)],
)
def test_levels_are_full_scale_at_most_and_never_minus_infinity(square_sum, samples, dbfs):
    assert level_dbfs(square_sum, samples) == dbfs
