import wave

import numpy as np
import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback import speech
from clankvox.loopback.packet_dress import audio_header
from clankvox.loopback.recording import Recording


def samples(path):
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48_000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def test_each_sender_has_a_file_on_its_own_timeline(tmp_path):
    frames = speech.tone(440).frames
    recording = Recording(tmp_path / "heard")
    for index in range(10):
        recording.add(1, audio_header(index, 0xFFFFFF00 + index * 960 & 0xFFFFFFFF, 7), frames[index])
    recording.add(2, audio_header(0, 5000, 8), frames[0])
    recording.add(2, audio_header(1, 5000 + 50 * 960, 8), frames[1])
    recording.close()
    assert len(samples(tmp_path / "heard" / "1.wav")) == 9600
    paused = samples(tmp_path / "heard" / "2.wav")
    assert len(paused) == 51 * 960
    assert not paused[960 : 50 * 960].any()


def test_late_frames_and_rubbish_are_counted_and_left_out(tmp_path):
    frames = speech.tone(440).frames
    recording = Recording(tmp_path)
    recording.add(1, audio_header(1, 960, 7), frames[1])
    recording.add(1, audio_header(0, 0, 7), frames[0])
    recording.add(1, audio_header(2, 1920, 7), b"\xff\xff\xff\xff")
    recording.close()
    assert recording.failures == {"late": 1, "decode": 1}
    assert len(samples(tmp_path / "1.wav")) == 960


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest):
        Recording(tmp_path / "file" / "below")
