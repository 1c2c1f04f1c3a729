import wave

import av
import numpy as np
import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback import speech


def decode(frames):
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "stereo"
    blocks = [block.to_ndarray() for frame in frames for block in decoder.decode(av.Packet(frame))]
    return np.concatenate(blocks, axis=1).reshape(-1, 2)


def snr_db(reference, heard):
    error = heard.astype(float) - reference
    return 10 * np.log10(np.sum(reference.astype(float) ** 2) / np.sum(error**2))


def align(reference, heard):
    """Cut off what the codec's look-ahead puts before the signal."""
    lag = min(range(1000), key=lambda shift: np.sum(np.abs(heard[shift : shift + 4000] - reference[:4000].astype(int))))
    size = min(len(reference), len(heard) - lag)
    return reference[:size], heard[lag : lag + size]


def write_wav(path, pcm, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def sweep(seconds, rate, channels=1):
    time = np.arange(int(seconds * rate)) / rate
    return np.repeat((9000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)[:, None], channels, axis=1)


def test_a_tone_is_pure_and_loops_without_a_seam():
    tone = speech.tone(440)
    loop = tone.frames[tone.loop_from :]
    assert len(loop) == 50
    heard = decode(tone.frames + loop * 2)[48_000:, 0]
    spectrum = np.abs(np.fft.rfft(heard[: 2 * 48_000] * np.hanning(2 * 48_000))) ** 2
    signal = spectrum[2 * 440 - 4 : 2 * 440 + 5].sum()
    assert 10 * np.log10(signal / (spectrum.sum() - signal)) > 30


def test_a_file_is_encoded_as_frames_of_20_ms(tmp_path):
    write_wav(tmp_path / "a.wav", pcm := sweep(1.01, 48_000, 2), 48_000)
    said = speech.load(tmp_path / "a.wav")
    assert len(said.frames) in (51, 52)  # the encoder's look-ahead may need one more
    assert snr_db(*align(pcm, decode(said.frames))) > 15


def test_any_rate_and_layout_is_read(tmp_path):
    write_wav(tmp_path / "a.wav", sweep(1.0, 8000), 8000)
    pcm = speech.read_pcm(tmp_path / "a.wav")
    assert pcm.shape[1] == 2
    assert abs(len(pcm) - 48_000) < 100
    assert np.array_equal(pcm[:, 0], pcm[:, 1])


def test_what_is_no_sound_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"nothing to hear")
    with pytest.raises(InvalidRequest):
        speech.load(tmp_path / "a.wav")
    with pytest.raises(InvalidRequest):
        speech.load(tmp_path / "missing.wav")
    with pytest.raises(InvalidRequest):
        speech.load(tmp_path)
