"""The mix: every way from one sound to another is without a step, and alone at unity nothing is changed."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from clankvox.media.mixer import CROSSFADE_S, SPEECH_PAUSE_S, Ducking, Exhausted, Mixer, Reached, Silenced
from clankvox.media.track_buffer import TrackBuffer
from tests.support.music import SLOPE_1_KHZ, filled, steepest, stereo_tone
from tests.support.spoken import tone

SLOT = 0.02
SLOPE = 8_000 * SLOPE_1_KHZ * 1.05
"""More than this from sample to sample is a click in a tone of amplitude 8,000."""


class Desk:
    """A mixer whose frames are put one behind the other, with silence where it gives none."""

    def __init__(self):
        self.mixer = Mixer()
        self.slot = 0
        self.out = []
        self.news = []
        self.tracks = []

    @property
    def now(self):
        return self.slot * SLOT

    def play(self, track=1, seconds=4.0, fade_in_s=0.0, **tone):
        pcm = stereo_tone(int(seconds * 48_000), **tone)
        pcm[-480:] = pcm[-480:] * np.linspace(1, 0, 480)[:, np.newaxis]  # its own end is no step either
        buffer = filled(pcm)
        self.mixer.offer(track, buffer, fade_in_s)
        return buffer

    def run(self, slots, speech=None):
        """Mix so many slots; `speech` is one frame's samples or None."""
        for _ in range(slots):
            mixed = self.mixer.next_frame(self.now, speech)
            self.out.append(np.zeros((960, 2), np.int16) if mixed is None else mixed.samples)
            self.tracks.append(() if mixed is None else mixed.tracks)
            self.slot += 1
            self.news += self.mixer.advance(self.now)
        return np.concatenate(self.out[-slots:])

    @property
    def all(self):
        return np.concatenate(self.out)


def test_music_alone_at_unity_comes_out_to_the_bit():
    desk = Desk()
    desk.play(seconds=1.0)
    assert np.array_equal(desk.run(50)[:-480], stereo_tone(48_000)[:-480])
    assert desk.news == [Reached(1, 1.0), Exhausted(1)]
    assert desk.tracks[0] == ((1, 960, True),)
    assert desk.mixer.next_frame(1.0, None) is None


def test_speech_alone_comes_out_to_the_bit_on_both_channels():
    frame = tone(0.02, amplitude=20_000)
    out = Desk().run(3, frame)
    assert np.array_equal(out[:, 0], np.tile(frame, 3))
    assert np.array_equal(out[:, 0], out[:, 1])


def test_from_silence_music_fades_in_and_the_end_of_that_is_told():
    desk = Desk()
    desk.play(fade_in_s=1.5, left_hz=1_013, right_hz=1_013)
    out = desk.run(75)
    levels = np.abs(out[:, 0].astype(float)).reshape(-1, 4_800).max(axis=1)
    assert np.allclose(levels, np.arange(1, 16) / 15 * 8_000, atol=60)
    assert desk.news == [Reached(1, 1.0)]


def test_another_track_crossfades_in_300_ms_with_constant_power():
    desk = Desk()
    desk.play(1, left_hz=1_013, right_hz=1_013)
    desk.run(25)
    desk.play(2, left_hz=443, right_hz=443, fade_in_s=1.5)
    out = desk.run(20).astype(float)[:, 0]
    assert set(desk.news[-2:]) == {Silenced(1), Reached(2, 1.0)}
    power = (out.reshape(-1, 960) ** 2).mean(axis=1) / (8_000**2 / 2)
    assert np.all(np.abs(10 * np.log10(power)) < 0.75)
    assert steepest(desk.all) < SLOPE * 1.5
    assert np.array_equal(out[15 * 960 :], stereo_tone(20 * 960, left_hz=443)[15 * 960 :, 0])


def test_the_old_track_sounds_until_the_new_one_has_pcm():
    desk = Desk()
    desk.play(1)
    desk.run(10)
    late = TrackBuffer()
    desk.mixer.offer(2, late, 1.5)
    assert np.array_equal(desk.run(10), stereo_tone(20 * 960)[10 * 960 :])
    late.put_now(stereo_tone(9_600, left_hz=443))
    late.finish()
    desk.run(16)
    assert Silenced(1) in desk.news


def test_a_track_that_never_began_is_over_when_the_next_one_is_offered():
    desk = Desk()
    desk.mixer.offer(1, TrackBuffer(), 1.5)
    desk.play(2)
    desk.run(1)
    assert desk.news[0] == Silenced(1)


def test_pause_and_resume_make_no_step_and_lose_no_sample():
    desk = Desk()
    desk.play()
    desk.run(10)
    desk.mixer.hold(1)
    desk.run(10)
    assert not desk.mixer.music_is_audible
    assert all(tracks == () for tracks in desk.tracks[-9:])
    desk.slot += 30_000  # ten minutes
    desk.mixer.release(1)
    desk.run(10)
    assert steepest(desk.all) < SLOPE
    assert np.array_equal(desk.out[-1], stereo_tone(21 * 960)[20 * 960 :])


@pytest.mark.parametrize("stop", ["fade", "drop"])
@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_a_stop_makes_no_step(stop, gain):
    desk = Desk()
    desk.play()
    desk.mixer.set_gain(gain, 0.0, 1, 0.0)
    desk.run(10)
    if stop == "fade":
        desk.mixer.fade_out(1, 0.3, desk.now)
    else:
        desk.mixer.drop(1)
    desk.run(20)
    assert desk.news[-1] == Silenced(1)
    assert steepest(desk.all) < SLOPE
    assert not desk.out[-1].any()


def test_a_ramp_begins_where_the_last_frame_that_was_mixed_ends_though_its_order_came_before():
    desk = Desk()
    desk.play()
    desk.run(10)
    desk.mixer.fade_out(1, 0.3, desk.now - 0.02)
    whole = stereo_tone(11 * 960)[-960:, 0].astype(float)
    faded = desk.run(1)[:, 0]
    for sample in np.flatnonzero(np.abs(whole) > 4_000):
        assert faded[sample] / whole[sample] == pytest.approx(1 - sample / 48_000 / 0.3, abs=0.01)


def test_underruns_are_counted_over_all_tracks_also_those_that_are_over():
    desk = Desk()
    for track in (1, 2):
        desk.mixer.offer(track, filled(stereo_tone(9_600), finish=False), 0.0)
        desk.run(15)
        desk.mixer.drop(track)
    desk.run(1)
    assert desk.mixer.music_underruns == 2


def test_a_stop_that_is_taken_back_brings_the_music_back_to_its_gain():
    desk = Desk()
    desk.play()
    desk.run(10)
    desk.mixer.fade_out(1, 0.3, desk.now)
    desk.run(8)
    desk.mixer.cancel_fade_out(1, desk.now)
    desk.run(20)
    assert steepest(desk.all) < SLOPE
    assert np.array_equal(desk.out[-1], stereo_tone(38 * 960)[37 * 960 :])
    assert Silenced(1) not in desk.news


def test_fades_are_over_in_their_time_though_no_frame_is_asked_for():
    desk = Desk()
    desk.play()
    desk.run(10)
    desk.mixer.set_gain(0.2, 0.15, 1, desk.now)
    desk.mixer.fade_out(1, 0.3, desk.now)
    assert desk.mixer.next_due() == pytest.approx(desk.now + 0.15)
    assert desk.mixer.advance(desk.now + 0.14) == []
    assert desk.mixer.advance(desk.now + 0.15) == [Reached(1, 0.2)]
    assert desk.mixer.advance(desk.mixer.next_due()) == [Silenced(1)]
    assert desk.mixer.next_due() is None


def test_a_stop_of_a_starved_track_is_over_in_its_time():
    desk = Desk()
    buffer = filled(stereo_tone(9_600), finish=False)
    desk.mixer.offer(1, buffer, 0.0)
    desk.run(20)
    desk.mixer.fade_out(1, 0.3, desk.now)
    desk.run(16)
    assert desk.news[-1] == Silenced(1)


@pytest.mark.parametrize("fade_ms", [0, 5, 150, 2_000])
def test_the_gain_moves_without_a_step_from_where_it_is_and_says_when_it_is_there(fade_ms):
    desk = Desk()
    desk.play()
    desk.run(10)
    desk.mixer.set_gain(0.2, fade_ms / 1000, 1, desk.now)
    desk.run(3)
    desk.mixer.set_gain(0.6, fade_ms / 1000, 1, desk.now)
    desk.run(110)
    assert steepest(desk.all) < SLOPE
    assert desk.news.count(Reached(1, 0.6)) == 1
    assert np.abs(desk.out[-1]).max() == pytest.approx(4_800, abs=2)


@pytest.mark.parametrize("nothing", [None, np.zeros(960, np.int16)], ids=["no speech", "silence in speech"])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_music_ducks_under_speech_and_comes_back_after_a_pause_of_it(gain, nothing):
    desk = Desk()
    desk.play(seconds=6.0)
    desk.mixer.set_gain(gain, 0.0, None, 0.0)
    desk.mixer.set_ducking(Ducking(0.25, 0.1, 0.4), 0.0)
    assert not desk.mixer.music_is_loud
    desk.run(10)
    quiet = np.zeros(960, np.int16)
    quiet[0] = 1  # speech that does not disturb the measure of the music
    ducked = desk.run(30, quiet)
    assert np.abs(ducked[10 * 960 :]).max() == pytest.approx(8_000 * gain * 0.25, abs=3)
    pause = int(SPEECH_PAUSE_S / SLOT) - 1
    assert np.abs(desk.run(pause, nothing)).max() == pytest.approx(8_000 * gain * 0.25, abs=3)
    desk.run(30, nothing)
    assert np.abs(desk.out[-1]).max() == pytest.approx(8_000 * gain, abs=3)
    assert steepest(desk.all) < SLOPE


def test_ducking_is_off_at_first_and_can_be_switched_off():
    desk = Desk()
    desk.play()
    desk.run(5)
    assert desk.mixer.music_is_loud
    frame = np.zeros(960, np.int16)
    frame[0] = 1
    desk.run(5, frame)
    assert np.abs(desk.out[-1]).max() == pytest.approx(8_000, abs=2)
    desk.mixer.set_ducking(Ducking(0.25, 0.02, 0.02), desk.now)
    desk.run(5, frame)
    desk.mixer.set_ducking(Ducking(1.0, 0.02, 0.02), desk.now)
    desk.run(5, frame)
    assert np.abs(desk.out[-1]).max() == pytest.approx(8_000, abs=2)
    assert steepest(desk.all) < SLOPE


def test_music_whose_gain_heads_below_unity_is_not_loud_at_once_nor_is_what_leaves_or_is_held():
    desk = Desk()
    assert not desk.mixer.music_is_loud
    desk.play(1)
    assert desk.mixer.music_is_loud, "the parent was told that it plays"
    desk.run(5)
    assert desk.mixer.music_is_loud
    desk.mixer.set_gain(0.9, 2.0, 1, desk.now)
    assert not desk.mixer.music_is_loud
    desk.mixer.set_gain(1.0, 2.0, 1, desk.now)
    assert desk.mixer.music_is_loud
    desk.mixer.hold(1)
    assert not desk.mixer.music_is_loud
    desk.mixer.release(1)
    desk.mixer.fade_out(1, 0.3, desk.now)
    assert not desk.mixer.music_is_loud


def test_speech_that_is_cut_under_music_ends_with_a_ramp():
    desk = Desk()
    desk.play(amplitude=1)
    speech = tone(0.1, amplitude=8_000)
    desk.run(5)
    for slot in range(2):
        desk.run(1, speech[slot * 960 : (slot + 1) * 960])
    desk.mixer.cut_speech(speech[1_920 : 1_920 + 240])
    desk.run(5)
    assert steepest(desk.all) < 8_000 * SLOPE_1_KHZ * 1.1


def test_the_end_of_a_cut_sound_is_not_kept_for_later():
    desk = Desk()
    desk.play()
    desk.run(5)
    desk.mixer.drop(1)
    desk.slot += 500
    assert desk.mixer.next_frame(desk.now, None) is None


def test_both_buses_at_full_scale_never_clip():
    desk = Desk()
    desk.play(amplitude=32_767)
    out = desk.run(50, tone(0.02, 250.0, amplitude=32_767)).astype(int)
    assert np.abs(out).max() <= 32_767
    assert desk.mixer.limited_frames == 50
    clipped = (np.abs(out) == 32_767).reshape(-1, 2)
    assert not (clipped[:-1] & clipped[1:]).any()


def test_a_closed_buffer_ends_its_track():
    desk = Desk()
    desk.play(1).close()
    desk.run(1)
    assert desk.news == [Silenced(1)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["play", "hold", "release", "stop", "cancel", "drop", "gain", "duck", "time"]),
            st.integers(1, 12),
            st.booleans(),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_whatever_is_ordered_nothing_steps_and_each_track_ends_at_most_once(steps):
    desk = Desk()
    current, frame = 0, np.zeros(960, np.int16)
    frame[0] = 1
    for name, slots, with_speech in steps:
        match name:
            case "play":
                current += 1
                # tracks are a little of one tone each, so that no sum of them gets near the limiter
                desk.play(current, seconds=0.9, amplitude=1_000, fade_in_s=0.3, left_hz=1_013, right_hz=1_013)
            case "hold":
                desk.mixer.hold(current)
            case "release":
                desk.mixer.release(current)
            case "stop":
                desk.mixer.fade_out(current, 0.3, desk.now)
            case "cancel":
                desk.mixer.cancel_fade_out(current, desk.now)
            case "drop":
                desk.mixer.drop(current)
            case "gain":
                desk.mixer.set_gain(slots / 12, slots * 0.03 * with_speech, current, desk.now)
            case "duck":
                desk.mixer.set_ducking(Ducking(slots / 12, 0.05, 0.1), desk.now)
            case "time":
                desk.slot += slots * 50 * (not desk.mixer.sounds)
        desk.run(slots, frame if with_speech else None)
    desk.run(60)
    together = max(len(tracks) for tracks in desk.tracks)
    assert steepest(desk.all) < 1_000 * SLOPE_1_KHZ * 1.1 * max(together, 1) + 3
    ends = [news.track for news in desk.news if isinstance(news, Silenced | Exhausted)]
    assert len(ends) == len(set(ends))


def test_the_crossfade_is_as_long_as_is_promised():
    assert CROSSFADE_S == 0.300
