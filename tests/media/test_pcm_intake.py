"""Bytes cut anywhere, of any rate, become one stream."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import InvalidRequest
from clankvox.media.pcm_intake import PcmIntake
from clankvox.media.resample import StreamResampler
from tests.support.spoken import error_db, tone, voice

ALL = 1 << 30
RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])


def stream(chunks, rate_hz):
    intake = PcmIntake()
    parts = [intake.push(chunk, rate_hz, ALL) for chunk in chunks]
    return np.concatenate([*parts, intake.finish_stretch()])


def cut(data, sizes):
    chunks, start = [], 0
    for size in sizes:
        chunks.append(data[start : start + size])
        start += size
    return [*chunks, data[start:]]


def one_shot(sound, rate_hz):
    resampler = StreamResampler(rate_hz, 48_000, 1)
    return np.concatenate((resampler.push(sound[:, np.newaxis]), resampler.finish()))[:, 0]


@settings(max_examples=40, deadline=None)
@given(RATES, st.lists(st.integers(1, 3000), max_size=30), st.integers(0, 1000))
def test_chunks_cut_anywhere_equal_one_chunk_to_the_bit(rate_hz, sizes, seed):
    data = voice(0.5, seed, rate_hz).tobytes()
    assert np.array_equal(stream(cut(data, sizes), rate_hz), stream([data], rate_hz))


def test_chunks_of_one_byte_equal_one_chunk_to_the_bit():
    data = voice(0.1, rate_hz=24_000).tobytes()
    assert np.array_equal(stream([data[i : i + 1] for i in range(len(data))], 24_000), stream([data], 24_000))


def test_a_chunk_of_five_megabytes_equals_its_halves_to_the_bit():
    data = np.tile(voice(1.0, rate_hz=24_000), 105).tobytes()
    assert len(data) > 5_000_000
    assert np.array_equal(stream([data[:2_000_001], data[2_000_001:]], 24_000), stream([data], 24_000))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_the_error_that_chunks_add_is_below_minus_80_db(rate_hz):
    sound = voice(1.0, rate_hz=rate_hz)
    data = sound.tobytes()
    got = stream([data[i : i + 961] for i in range(0, len(data), 961)], rate_hz)
    assert error_db(got, one_shot(sound, rate_hz)) < -80


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(RATES, st.integers(0, 4000)), max_size=12))
def test_what_is_owed_is_known_beforehand_and_given_to_the_sample(chunks):
    intake = PcmIntake()
    for rate_hz, size in chunks:
        owed = intake.pending_after(intake.whole_samples(bytes(size)), rate_hz)
        given_now = len(intake.push(bytes(size), rate_hz, ALL))
        assert given_now + intake.pending_samples == owed
    owed = intake.pending_samples
    assert len(intake.finish_stretch()) == owed
    assert intake.pending_samples == 0


@settings(max_examples=60, deadline=None)
@given(RATES, RATES, st.integers(0, 2000), st.integers(0, 20_000))
def test_fitting_is_the_most_that_fits(first_hz, second_hz, size, room):
    intake = PcmIntake()
    intake.push(bytes(2 * size), first_hz, ALL)
    count = intake.fitting(room, second_hz)
    if intake.pending_samples <= room:
        assert intake.pending_after(count, second_hz) <= room
        assert intake.pending_after(count + 2, second_hz) > room
    else:
        assert count == 0


def test_a_change_of_rate_makes_no_click_and_loses_no_sample():
    intake = PcmIntake()
    parts = []
    whole = {rate: tone(0.3, 302.5, rate_hz=rate) for rate in (24_000, 16_000, 48_000)}
    for third, (rate, sound) in enumerate(whole.items()):
        tenth = rate // 10
        parts.append(intake.push(sound[third * tenth : (third + 1) * tenth].tobytes(), rate, ALL))
    got = np.concatenate([*parts, intake.finish_stretch()])
    wanted = tone(0.3, 302.5)
    assert len(got) == len(wanted)
    off = np.abs(got.astype(np.float64) - wanted)
    assert off[100:-100].max() < 1_000  # of an amplitude of 12000, at the two seams
    assert np.abs(np.diff(got.astype(np.float64))).max() < 4 * np.abs(np.diff(wanted.astype(np.float64))).max()


def test_half_a_sample_waits_for_its_other_half_across_rates():
    intake = PcmIntake()
    assert list(intake.push(b"\x01\x00\x02", 48_000, ALL)) == [1]
    assert list(intake.push(b"\x00\x03", 48_000, ALL)) == [2]
    assert intake.whole_samples(b"\x00") == 1
    intake.clear()
    assert intake.whole_samples(b"\x00") == 0


def test_what_is_over_the_limit_is_dropped_and_the_next_chunk_is_still_whole():
    intake = PcmIntake()
    assert list(intake.push(b"\x01\x00\x02\x00\x03\x00\x04", 48_000, 1)) == [1]
    assert list(intake.push(b"\x00\x05\x00", 48_000, ALL)) == [4, 5]


@pytest.mark.parametrize("rate_hz", [0, -1, 7_999, 48_001])
def test_a_rate_out_of_range_is_refused_and_changes_nothing(rate_hz):
    intake = PcmIntake()
    with pytest.raises(InvalidRequest):
        intake.push(b"\x01\x00\x02", rate_hz, ALL)
    assert intake.whole_samples(b"\x00") == 0


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000])
@pytest.mark.parametrize("end", ["finish_stretch", "clear"])
def test_the_next_playback_sounds_as_if_none_had_been_before(rate_hz, end):
    loud, quiet = voice(0.2, 1, rate_hz), voice(0.2, 2, rate_hz)
    intake = PcmIntake()
    intake.push(loud.tobytes(), rate_hz, ALL)
    getattr(intake, end)()
    intake.clear()
    got = np.concatenate((intake.push(quiet.tobytes(), rate_hz, ALL), intake.finish_stretch()))
    assert np.array_equal(got, one_shot(quiet, rate_hz))


def test_one_converter_serves_all_playbacks_of_a_rate(monkeypatch):
    made = []
    monkeypatch.setattr("clankvox.media.pcm_intake.StreamResampler", lambda *given: made.append(given) or first(*given))
    first = StreamResampler
    intake = PcmIntake()
    for _ in range(3):
        intake.push(bytes(4_800), 24_000, ALL)
        intake.finish_stretch()
        intake.clear()
    assert made.count((24_000, 48_000, 1)) == 1
