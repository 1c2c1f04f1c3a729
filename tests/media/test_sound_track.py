"""Sound of any shape becomes 48 kHz stereo whose samples know their time."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.media.sound_track import SoundTrack


def tone(rate_hz, channels, samples, start):
    at = (start + np.arange(samples)) / rate_hz
    wave = (np.sin(2 * np.pi * 440 * at) * 10_000).astype(np.int16)
    layout = "stereo" if channels == 2 else "mono"
    frame = av.AudioFrame.from_ndarray(wave.repeat(channels).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate_hz
    return frame


def timed(track, frames):
    return [sound for frame in frames for sound in track.timed(frame)]


@pytest.mark.parametrize(("rate_hz", "channels"), [(48_000, 2), (44_100, 2), (22_050, 1)])
def test_samples_follow_each_other_without_gap_from_the_first_time(rate_hz, channels):
    track, frames = SoundTrack(None), []
    for number in range(50):
        frame = tone(rate_hz, channels, 1_024, number * 1_024)
        frame.pts, frame.time_base = 3 * rate_hz + number * 1_024, Fraction(1, rate_hz)
        frames.append(frame)
    sounds = timed(track, frames)
    assert sounds[0].media_time_s == pytest.approx(3.0)
    for earlier, later in itertools.pairwise(sounds):
        assert later.media_time_s == pytest.approx(earlier.media_time_s + len(earlier.pcm) / 48_000)
    total_s = sum(len(sound.pcm) for sound in sounds) / 48_000
    assert total_s == pytest.approx(50 * 1_024 / rate_hz, abs=0.005)
    assert all(sound.pcm.dtype == np.int16 and sound.pcm.shape[1] == 2 for sound in sounds)


def test_a_gap_in_the_container_is_a_gap_in_time_and_jitter_is_not():
    track, frames = SoundTrack(None), []
    for pts in (0, 960 + 300, 1_920 - 200, 96_000):
        frame = tone(48_000, 2, 960, pts)
        frame.pts, frame.time_base = pts, Fraction(1, 48_000)
        frames.append(frame)
    assert [sound.media_time_s for sound in timed(track, frames)] == pytest.approx([0.0, 0.02, 0.04, 2.0])


def test_a_track_that_changes_its_shape_midway_goes_on():
    track = SoundTrack(None)
    for rate_hz, channels in ((48_000, 2), (44_100, 1), (48_000, 2)):
        frame = tone(rate_hz, channels, 4_410, 0)
        frame.pts, frame.time_base = None, Fraction(1, rate_hz)
        (sound, *_) = track.timed(frame)
        assert sound.pcm.shape[1] == 2


@pytest.mark.parametrize("rate_hz", [44_100, 22_050, 11_025])
def test_no_sample_is_lost_at_the_end_nor_where_the_shape_changes(rate_hz):
    track, sounds = SoundTrack(None), []
    for channels in (2, 1):
        frame = tone(rate_hz, channels, rate_hz, 0)
        frame.time_base = Fraction(1, rate_hz)
        sounds += track.timed(frame)
    sounds += track.end()
    assert sum(len(sound.pcm) for sound in sounds) == 2 * 48_000
    assert not list(track.end())


def test_mono_is_as_loud_on_both_channels_as_it_is():
    (sound,) = SoundTrack(None).timed(tone(48_000, 1, 4_800, 0))
    assert np.abs(sound.pcm).max(axis=0).tolist() == pytest.approx([10_000, 10_000], rel=0.01)
