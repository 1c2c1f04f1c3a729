"""Simulated talk: the clock against the instants at which the sound was really made."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.media_clock import MediaClock

TICKS = 960
MS = 48
LATENCY_S = 0.05


class Sender:
    """Talks in spurts on a clock that runs slow by `ppm`; arrivals are late by up to `jitter_s`."""

    def __init__(self, seed, ppm=0.0, jitter_s=0.0, over_pauses="still", at=1_000.0):
        self.random, self.clock = random.Random(seed), MediaClock()
        self.slow, self.jitter_s, self.over_pauses = 1 + ppm * 1e-6, jitter_s, over_pauses
        self.now, self.timestamp = at, 0xFFFF_0000
        self.errors, self.stamps = [], []
        """How far the clock is off, in ticks, and what it said; per frame."""

    def talk(self, frames):
        for left in range(frames, 0, -1):
            made = self.now
            self.now += 0.02 * self.slow
            arrival = self.now + LATENCY_S + self.random.random() * self.jitter_s
            quiet = left <= 5
            stamp = self.clock.stamp(self.timestamp & 0xFFFF_FFFF, arrival, TICKS, quiet=quiet, begins=False)
            self.errors.append(stamp - (made + LATENCY_S) * 48_000)
            self.stamps.append(stamp)
            self.timestamp += TICKS

    def pause(self, seconds):
        self.now += seconds
        if self.over_pauses == "real":
            self.timestamp += round(seconds * 50) * TICKS
        elif self.over_pauses == "anywhere":
            self.timestamp += self.random.randrange(1 << 32)

    def converse(self, hours):
        end = self.now + hours * 3_600
        while self.now < end:
            self.talk(self.random.randrange(15, 400))
            self.pause(self.random.uniform(0.3, 20.0))


@pytest.mark.parametrize("over_pauses", ["still", "real", "anywhere"])
def test_after_two_hours_of_talk_two_speakers_whose_clocks_differ_by_200_ppm_are_aligned(over_pauses):
    slow, fast = Sender(1, 100, over_pauses=over_pauses), Sender(2, -100, over_pauses=over_pauses)
    for sender in (slow, fast):
        sender.converse(hours=2)
        assert max(map(abs, sender.errors)) < MS
    assert slow.clock.skew == pytest.approx(100e-6, abs=5e-6)
    assert fast.clock.skew == pytest.approx(-100e-6, abs=5e-6)


@pytest.mark.parametrize("ppm", [100, -100, 500])
def test_two_hours_without_a_pause_do_not_drift(ppm):
    sender = Sender(3, ppm, jitter_s=0.03)
    sender.talk(2 * 3_600 * 50)
    assert max(map(abs, sender.errors[500:])) < 10 * MS
    last = sender.errors[-3_000:]
    assert abs(sum(last) / len(last)) < 2 * MS


def test_a_late_first_packet_is_made_up_for_within_half_a_second():
    sender = Sender(4, 100, jitter_s=0.03)
    for _ in range(200):
        sender.talk(150)
        sender.pause(2.0)
    spurts = [sender.errors[start : start + 150] for start in range(0, len(sender.errors), 150)][10:]
    assert max(abs(spurt[0]) for spurt in spurts) < 20 * MS
    assert max(abs(error) for spurt in spurts for error in spurt[45:]) < 10 * MS
    mean = [sum(spurt[45:]) / len(spurt[45:]) for spurt in spurts]
    assert max(map(abs, mean)) < 6 * MS


def test_a_frame_stands_where_it_began_whatever_its_length():
    short, long = MediaClock(), MediaClock()
    assert short.stamp(0, 10.02, 960, quiet=False, begins=True) == 480_000
    assert long.stamp(0, 10.06, 2_880, quiet=False, begins=True) == 480_000


def test_lost_packets_leave_their_time():
    clock = MediaClock()
    first = clock.stamp(0, 10.0, TICKS, quiet=False, begins=True)
    assert clock.stamp(6 * TICKS, 10.12, TICKS, quiet=False, begins=False) - first == 6 * TICKS


def test_a_link_that_stood_still_is_no_pause_of_the_speaker():
    clock = MediaClock()
    first = clock.stamp(0, 10.0, TICKS, quiet=False, begins=True)
    late = [clock.stamp(n * TICKS, 10.22, TICKS, quiet=False, begins=False) for n in range(1, 11)]
    assert late == [first + n * TICKS for n in range(1, 11)]


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1) | st.just(-1), st.floats(0, 5), st.sampled_from([120, 960, 5_760]),
                  st.booleans(), st.booleans()),
        max_size=60,
    )
)  # fmt: skip
def test_time_never_runs_back_whatever_a_sender_does(frames):
    clock, now, timestamp, stamps = MediaClock(), 50.0, 0, []
    for stated, wait, ticks, quiet, begins in frames:
        now += wait
        timestamp = timestamp + ticks if stated < 0 else stated
        stamps.append(clock.stamp(timestamp & 0xFFFF_FFFF, now, ticks, quiet=quiet, begins=begins))
    assert stamps == sorted(stamps)
    assert abs(clock.skew) <= 1e-3
