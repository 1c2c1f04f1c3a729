"""Music and speech as they are heard: decoded by plain libopus, and measured."""

import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.mixer import Mixer
from clankvox.media.opus_encoder import LOOKAHEAD_SAMPLES, MUSIC, OpusEncoder
from clankvox.media.opus_packet import has_fec
from clankvox.media.programme import Programme
from clankvox.media.rtp_sender import Part
from clankvox.media.track_buffer import TrackBuffer
from clankvox.media.tts_buffer import Frame
from tests.support.music import SLOPE_1_KHZ, filled, steepest, stereo_tone
from tests.support.spoken import decode_stereo, error_db, plain_packets, voice


class Radio:
    """A programme whose frames are collected."""

    def __init__(self):
        self.mixer = Mixer()
        self.programme = Programme(self.mixer)
        self.frames = []

    def run(self, slots, speech=None):
        for _ in range(slots):
            samples = None if speech is None else Frame(speech[:960].copy(), bool(speech[:960].any()), 960)
            self.frames.append(self.programme.next_frame(len(self.frames) * 0.02, samples, "speech"))
            speech = None if speech is None else speech[960:]
        return self.frames[-slots:]

    def heard(self):
        return decode_stereo([frame.payload for frame in self.frames if frame is not None])


def level_db(samples, hz):
    """Level of the tone of `hz` in dB to full scale."""
    at = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / 48_000)
    return 20 * np.log10(2 * abs(np.mean(samples * at)) / 32_767)


def test_music_at_unity_is_to_the_byte_what_plain_libopus_makes_of_it():
    pcm = stereo_tone(960 * 100, amplitude=20_000)
    radio = Radio()
    source = TrackBuffer()
    source.put_now(pcm[:5_000])
    radio.mixer.offer(1, source, 0.0)
    for position in range(5_000, len(pcm), 1_000):  # chunks that no frame begins or ends with
        source.put_now(pcm[position : position + 1_000])
        radio.run(1)
    source.finish()
    radio.run(100 - len(radio.frames))
    plain = plain_packets([pcm[n : n + 960] for n in range(0, len(pcm), 960)], MUSIC)
    assert [frame.payload for frame in radio.frames] == plain
    assert error_db(radio.heard(), decode_stereo(plain)) < -80


def test_a_tone_keeps_its_level_within_half_a_decibel_and_the_channels_stay_apart():
    radio = Radio()
    radio.mixer.offer(1, filled(stereo_tone(96_000, amplitude=10_000, left_hz=1_000, right_hz=3_000)), 0.0)
    radio.run(100)
    heard = radio.heard().astype(float)[24_000:72_000]
    wanted = 20 * np.log10(10_000 / 32_767)
    assert level_db(heard[:, 0], 1_000) == pytest.approx(wanted, abs=0.5)
    assert level_db(heard[:, 1], 3_000) == pytest.approx(wanted, abs=0.5)
    assert level_db(heard[:, 0], 3_000) < wanted - 35
    assert level_db(heard[:, 1], 1_000) < wanted - 35


def test_no_way_from_one_sound_to_another_clicks_after_the_codec_either():
    radio = Radio()
    radio.mixer.offer(1, filled(stereo_tone(96_000, right_hz=1_000)), 0.0)
    radio.run(20)
    radio.mixer.hold(1)
    radio.run(3)
    radio.mixer.release(1)
    radio.run(10)
    radio.mixer.offer(2, filled(stereo_tone(96_000, left_hz=600, right_hz=600)), 0.0)
    radio.run(20)
    radio.mixer.set_gain(0.3, 0.0, 2, len(radio.frames) * 0.02)
    radio.run(10)
    radio.mixer.drop(2)
    radio.run(5)
    heard = radio.heard()
    first = LOOKAHEAD_SAMPLES + 480  # the test's own first sample is a step from nothing
    assert steepest(heard[first:]) < 8_000 * SLOPE_1_KHZ * 1.6


def test_what_the_encoder_still_holds_of_the_last_sound_comes_with_one_more_frame():
    pcm = stereo_tone(9_600, amplitude=12_000)
    radio = Radio()
    radio.mixer.offer(1, filled(pcm), 0.0)
    frames = radio.run(15)
    assert [frame is not None for frame in frames] == [True] * 11 + [False] * 4
    assert frames[10].parts == ()
    heard = radio.heard()
    end = heard[9_600 : 9_600 + LOOKAHEAD_SAMPLES - 120]
    assert np.abs(end).max() > 6_000


def test_speech_alone_is_sent_with_forward_error_correction_and_music_without():
    spoken = voice(2.0)
    radio = Radio()
    alone = radio.run(100, spoken)
    assert sum(has_fec(frame.payload) for frame in alone) > 60
    radio.mixer.offer(1, filled(stereo_tone(96_000)), 0.0)
    both = radio.run(100, spoken)
    assert not any(has_fec(frame.payload) for frame in both[5:])
    assert both[50].parts == (Part("speech", 960, audible=True), Part(1, 960, audible=True))
    again = radio.run(100, spoken)
    assert sum(has_fec(frame.payload) for frame in again) > 60


def test_the_change_between_the_profiles_is_heard_by_nobody():
    """A low tone as speech, over the border of a piece of music that is all but silent."""
    hum = np.rint(6_000 * np.sin(2 * np.pi * 300 * np.arange(96_000) / 48_000)).astype(np.int16)
    radio = Radio()
    radio.run(30, hum)
    radio.mixer.offer(1, filled(np.ones((9_600, 2), np.int16)), 0.0)
    radio.run(10, hum[28_800:])
    radio.run(30, hum[38_400:])
    heard = radio.heard().astype(float)[:, 0]
    assert steepest(heard[2_000:64_000, np.newaxis]) < 6_000 * 2 * np.pi * 300 / 48_000 * 1.5


def test_a_frame_that_cannot_be_encoded_is_left_out_and_its_samples_are_wiped(monkeypatch):
    def refuse(_encoder, _pcm):
        raise CodecError("no")

    monkeypatch.setattr(OpusEncoder, "encode", refuse)
    samples = np.ones(960, np.int16)
    assert Programme(Mixer()).next_frame(0.0, Frame(samples, audible=True, pcm_samples=960), "speech") is None
    assert not samples.any()


def test_after_it_forgot_what_sounded_the_next_sound_is_as_from_a_new_encoder():
    first, again = Radio(), Radio()
    again.run(20, voice(1.0))
    again.programme.forget()
    spoken = voice(1.0, seed=2)
    wanted = [frame.payload for frame in first.run(20, spoken)]
    assert [frame.payload for frame in again.run(20, spoken)] == wanted
