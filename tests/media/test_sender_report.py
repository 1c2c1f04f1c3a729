"""A report says which instant of the wall clock a timestamp is, alike for sound and picture."""

from clankvox.ids import Ssrc
from clankvox.media.sender_report import ReportClock, SentTally
from clankvox.wire.seq import timestamp_delta

UNIX_MS = 1_700_000_000_500


def test_ntp_time_is_seconds_since_1900_in_fixed_point():
    ntp = ReportClock(UNIX_MS, now=50.0).ntp(50.25)
    assert ntp >> 32 == 1_700_000_000 + 2_208_988_800
    assert abs((ntp & 0xFFFFFFFF) / 2**32 - 0.75) < 1e-3


def test_nothing_is_reported_before_anything_has_left():
    assert SentTally(Ssrc(7), 90_000).report(ReportClock(UNIX_MS, 0.0), 1.0) is None


def test_a_report_counts_what_left_and_carries_the_timestamp_of_now():
    tally = SentTally(Ssrc(7), 90_000)
    tally.note(1_000, 4_294_967_000, 10.0)
    tally.note(200, 4_294_967_000, 10.0)
    report = tally.report(ReportClock(UNIX_MS, 0.0), 10.5)
    assert (report.ssrc, report.packets, report.octets) == (7, 2, 1_200)
    assert timestamp_delta(report.rtp_timestamp, 4_294_967_000) == 45_000


def test_sound_and_picture_of_one_instant_are_said_to_be_of_one_instant():
    clock = ReportClock(UNIX_MS, 0.0)
    picture, sound = SentTally(Ssrc(1), 90_000), SentTally(Ssrc(2), 48_000)
    picture.note(1, 1_000_000, 20.0)
    sound.note(1, 77, 20.0)
    of_picture, of_sound = picture.report(clock, 21.0), sound.report(clock, 21.0)
    assert of_picture.ntp == of_sound.ntp
    assert (of_picture.rtp_timestamp - 1_000_000) / 90_000 == (of_sound.rtp_timestamp - 77) / 48_000
