"""One track in the mix."""

import numpy as np
import pytest

from clankvox.media.fade import Curve, Fade, steady
from clankvox.media.track_buffer import TrackBuffer
from clankvox.media.track_voice import CUSHION_SAMPLES, RAMP_SAMPLES, TrackVoice, VoiceState
from tests.support.music import SLOPE_1_KHZ, filled, steepest, stereo_tone

SLOPE = 8_000 * SLOPE_1_KHZ * 1.05


def begun(buffer, fade=None):
    voice = TrackVoice(1, buffer, 0.0)
    voice.begin(0.0, fade or steady(1.0))
    return voice


def draw(voice, first, slots):
    """Samples of `slots` frames from slot `first` on, silence where there was none."""
    out = np.zeros((slots * 960, 2), np.float32)
    for slot in range(slots):
        drawn = voice.draw((first + slot) * 0.02)
        if drawn is not None:
            out[slot * 960 : slot * 960 + len(drawn.samples)] = drawn.samples
    return out


def test_it_can_begin_when_there_is_a_cushion_or_all_of_it():
    buffer = TrackBuffer()
    voice = TrackVoice(1, buffer, 0.0)
    assert not voice.can_begin
    assert not voice.fills
    buffer.put_now(stereo_tone(CUSHION_SAMPLES - 1))
    assert not voice.can_begin
    assert voice.fills
    buffer.put_now(stereo_tone(1))
    assert voice.can_begin
    assert TrackVoice(2, filled(stereo_tone(5)), 0.0).can_begin


def test_at_unity_every_sample_comes_out_as_it_was():
    pcm = stereo_tone(9_700)
    out = draw(begun(filled(pcm)), 0, 11)
    assert np.array_equal(out[: len(pcm)], pcm)
    assert not out[len(pcm) :].any()


def test_a_voice_that_starves_fades_out_keeps_its_place_and_fades_back_in_with_a_cushion():
    pcm = stereo_tone(96_000)
    buffer = TrackBuffer()
    buffer.put_now(pcm[:10_000])
    voice = begun(buffer)
    out = [draw(voice, 0, 14)]
    assert voice.underruns == 1
    buffer.put_now(pcm[10_000 : 10_000 + 4_000])
    assert not draw(voice, 14, 2).any()
    buffer.put_now(pcm[14_000:80_000])
    out.append(draw(voice, 16, 20))
    assert steepest(np.concatenate(out)) < SLOPE
    assert np.array_equal(out[1][9_600:], pcm[10_000 + 9_600 : 10_000 + 19_200])


def test_however_little_is_there_when_it_starves_there_is_no_click():
    for there in (*range(0, 2_400, 37), 960, 1_199, 1_200, 1_201, 2_159, 2_160):
        voice = begun(filled(stereo_tone(CUSHION_SAMPLES + there), finish=False))
        assert steepest(draw(voice, 0, 9)) < SLOPE, there


def test_a_held_voice_is_silent_after_one_frame_and_goes_on_where_it_was():
    pcm = stereo_tone(48_000)
    buffer = filled(pcm)
    voice = begun(buffer)
    out = [draw(voice, 0, 5)]
    voice.hold()
    out.append(draw(voice, 5, 10))
    assert voice.state is VoiceState.HELD
    assert buffer.buffered_samples == 48_000 - 6 * 960
    voice.release()
    out.append(draw(voice, 30_000, 5))
    assert steepest(np.concatenate(out)) < SLOPE
    assert not out[1][960:].any()
    assert np.array_equal(out[2][960:], pcm[7 * 960 : 11 * 960])


def test_what_is_held_before_it_began_waits_on():
    voice = TrackVoice(1, filled(stereo_tone(9_600)), 0.0)
    voice.hold()
    assert not voice.can_begin
    assert voice.draw(0.0) is None
    voice.release()
    assert voice.can_begin


def test_a_voice_that_leaves_is_silent_when_its_fade_is_over_and_can_be_called_back():
    voice = begun(filled(stereo_tone(96_000)))
    out = [draw(voice, 0, 5)]
    voice.leave(0.1, 0.3, Curve.LINEAR)
    out.append(draw(voice, 5, 10))
    assert voice.silent_at() == pytest.approx(0.44)
    voice.stay(0.3, 0.1)
    assert voice.silent_at() is None
    out.append(draw(voice, 15, 10))
    assert np.abs(out[-1][-960:]).max() == pytest.approx(8_000, abs=1), "as loud as before"
    assert steepest(np.concatenate(out)) < SLOPE
    voice.leave(0.5, 0.3, Curve.LINEAR)
    out = draw(voice, 25, 20)
    assert not out[15 * 960 :].any()
    assert voice.silent_at() == pytest.approx(0.8)
    assert steepest(out) < SLOPE


def test_what_leaves_without_having_begun_never_sounds_and_may_still_begin():
    voice = TrackVoice(1, filled(stereo_tone(9_600)), 0.0)
    voice.leave(0.0, 0.3, Curve.LINEAR)
    assert voice.draw(0.0) is None
    voice.stay(0.1, 0.1)
    assert voice.can_begin


def test_a_cut_gives_five_milliseconds_down_to_silence_from_where_the_gain_was():
    voice = begun(filled(stereo_tone(96_000)), Fade(0.0, 1.0, 0.0, 0.2))
    out = draw(voice, 0, 5)
    rest = voice.cut()
    assert rest.taken == RAMP_SAMPLES
    assert steepest(np.concatenate((out, rest.samples, np.zeros((1, 2))))) < SLOPE
    assert voice.cut().taken == 0


def test_the_end_of_the_fade_in_is_known_once():
    voice = begun(filled(stereo_tone(960)), Fade(0.0, 1.0, 0.0, 1.5))
    assert voice.fade_in_ends() == 1.5
    voice.fade_in_told()
    assert voice.fade_in_ends() is None
