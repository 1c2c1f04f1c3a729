import av
import numpy as np
import pytest

from clankvox.media.track_resampler import TrackResampler


def frame(samples, rate_hz, layout, sample_format="s16"):
    """Float samples of shape (n, channels), full scale 1."""
    scaled = np.round(samples * 32_767).astype(np.int16) if sample_format.startswith("s16") else samples
    arranged = scaled.T if sample_format.endswith("p") else scaled.reshape(1, -1)
    kind = np.int16 if sample_format.startswith("s16") else np.float32
    made = av.AudioFrame.from_ndarray(np.ascontiguousarray(arranged, kind), format=sample_format, layout=layout)
    made.sample_rate = rate_hz
    return made


def tone(rate_hz, hz=1_000.0, seconds=1.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)


def convert(*frames, unwanted=0):
    resampler = TrackResampler()
    parts = [resampler.convert(each, unwanted if number == 0 else 0) for number, each in enumerate(frames)]
    return np.concatenate([*parts, resampler.finish()])


def test_mono_sounds_on_both_channels_at_its_own_level():
    pcm = convert(frame(tone(48_000)[:, None], 48_000, "mono"))
    assert np.array_equal(pcm[:, 0], pcm[:, 1])
    assert np.abs(pcm).max() == pytest.approx(16_384, abs=2)


@pytest.mark.parametrize("sample_format", ["s16", "s16p", "flt", "fltp"])
def test_stereo_at_48_khz_passes_with_its_channels_apart(sample_format):
    samples = np.stack([tone(48_000), tone(48_000, 440.0)], axis=1)
    pcm = convert(frame(samples, 48_000, "stereo", sample_format))
    assert np.abs(pcm - samples * 32_768).max() <= 1.5


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 96_000])
def test_other_rates_are_converted_with_little_noise(rate_hz):
    pcm = convert(frame(np.repeat(tone(rate_hz)[:, None], 2, axis=1), rate_hz, "stereo"))
    assert len(pcm) == pytest.approx(48_000, abs=2)
    inner = slice(4_800, -4_800)
    error = pcm[inner, 0] - tone(48_000)[: len(pcm)][inner] * 32_767
    assert 20 * np.log10(np.std(error) / (16_384 / np.sqrt(2))) < -80


def test_chunk_borders_leave_no_trace():
    whole = np.repeat(tone(44_100)[:, None], 2, axis=1)
    cuts = [whole[begin : begin + 1_000] for begin in range(0, len(whole), 1_000)]
    pieces = convert(*(frame(each, 44_100, "stereo") for each in cuts))
    assert np.array_equal(pieces, convert(frame(whole, 44_100, "stereo")))


@pytest.mark.parametrize("sample_format", ["s16", "fltp"])
def test_what_is_not_wanted_is_cut_off_to_the_sample(sample_format):
    samples = np.stack([tone(48_000), tone(48_000, 440.0)], axis=1)
    whole = convert(frame(samples, 48_000, "stereo", sample_format))
    part = convert(frame(samples, 48_000, "stereo", sample_format), unwanted=1_234)
    assert np.array_equal(part, whole[1_234:])


def test_a_source_that_changes_its_format_plays_on():
    pcm = convert(
        frame(np.repeat(tone(44_100)[:, None], 2, axis=1), 44_100, "stereo"),
        frame(tone(32_000)[:, None], 32_000, "mono", "fltp"),
        frame(np.repeat(tone(48_000)[:, None], 6, axis=1), 48_000, "5.1", "fltp"),
    )
    assert len(pcm) == pytest.approx(3 * 48_000, abs=4)


def test_nothing_gives_nothing():
    assert TrackResampler().finish().shape == (0, 2)
