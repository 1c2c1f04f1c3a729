"""What the encoder makes, seen by plain libopus."""

import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.opus_encoder import LOOKAHEAD_SAMPLES, MUSIC, SPEECH, EncoderProfile, OpusEncoder, Signal
from clankvox.media.opus_packet import has_fec
from tests.support.spoken import decode_stereo, error_db, plain_opuslib, plain_packets, stereo_frames, tone, voice


def encode(frames, profile=SPEECH):
    encoder = OpusEncoder(profile)
    return [encoder.encode(frame) for frame in frames]


def noise_db(signal, hz):
    """What is left of `signal` without its best fitting tone of `hz`, in dB to that tone."""
    angle = 2 * np.pi * hz * np.arange(len(signal)) / 48_000
    basis = np.stack((np.sin(angle), np.cos(angle)), axis=1)
    fitted = basis @ np.linalg.lstsq(basis, signal.astype(np.float64), rcond=None)[0]
    return error_db(signal, fitted)


@pytest.mark.parametrize("profile", [SPEECH, MUSIC])
def test_packets_are_byte_for_byte_those_of_plain_libopus(profile):
    frames = stereo_frames(voice(1.0))
    assert encode(frames, profile) == plain_packets(frames, profile)


def test_every_packet_is_20_ms_of_stereo_that_decodes_close_to_what_went_in():
    sound = tone(1.0)
    decoded = decode_stereo(encode(stereo_frames(sound)))
    assert decoded.shape == (48_000, 2)
    assert noise_db(decoded[4800:40_000, 0], 440.0) < -40
    assert noise_db(decoded[4800:40_000, 1], 440.0) < -40


def test_music_keeps_its_channels_apart():
    left, right = tone(1.0, 440.0), tone(1.0, 1500.0)
    both = np.stack((left, right), axis=1)
    decoded = decode_stereo(encode([both[i : i + 960] for i in range(0, 48_000, 960)], MUSIC))
    late = decoded[LOOKAHEAD_SAMPLES:][4800:40_000]
    assert error_db(late[:, 0], left[4800:40_000]) < -30
    assert error_db(late[:, 1], right[4800:40_000]) < -30


def share_with_fec(packets):
    return sum(map(has_fec, packets)) / len(packets)


@pytest.mark.parametrize("bitrate_bps", [32_000, 48_000, 64_000, 96_000, 128_000, 192_000])
def test_speech_at_five_percent_carries_its_words_twice(bitrate_bps):
    packets = encode(stereo_frames(voice(3.0)), EncoderProfile(bitrate_bps, Signal.VOICE, 5))
    assert share_with_fec(packets) > 0.85


def test_the_profile_of_speech_has_a_bit_rate_at_which_fec_is_there():
    assert SPEECH.expected_loss_percent == 5
    assert share_with_fec(encode(stereo_frames(voice(3.0)))) > 0.85


def test_without_declared_loss_there_is_no_fec():
    frames = stereo_frames(voice(2.0))
    assert share_with_fec(encode(frames, SPEECH._replace(expected_loss_percent=0))) == 0
    assert share_with_fec(encode(frames, MUSIC)) == 0


def test_speech_behind_music_carries_copies_again():
    frames = stereo_frames(voice(2.0))
    encoder = OpusEncoder(MUSIC)
    before = [encoder.encode(frame) for frame in frames[:50]]
    encoder.use(SPEECH)
    after = [encoder.encode(frame) for frame in frames[50:]]
    assert share_with_fec(before) == 0
    assert share_with_fec(after) > 0.8


def test_no_more_packets_carry_a_copy_where_more_loss_is_declared():
    frames = stereo_frames(voice(2.0))
    shares = {share_with_fec(encode(frames, SPEECH._replace(expected_loss_percent=loss))) for loss in (5, 10, 20)}
    assert max(shares) - min(shares) < 0.02


def test_a_lost_word_comes_back_out_of_the_next_packet():
    frames = stereo_frames(voice(4.0))
    lost = range(12, len(frames) - 1, 10)

    def damage(packets):
        whole, torn = decode_stereo(packets), decode_stereo(packets, lost)
        gaps = np.concatenate([np.arange(960) + 960 * index for index in lost])
        return error_db(torn[gaps], whole[gaps])

    with_fec = damage(encode(frames))
    without = damage(encode(frames, SPEECH._replace(expected_loss_percent=0)))
    assert with_fec < without - 3


def test_a_change_of_profile_within_a_stream_makes_no_click():
    sound = tone(2.0)
    encoder = OpusEncoder(SPEECH)
    packets = []
    for index, frame in enumerate(stereo_frames(sound)):
        if index % 20 == 0:
            encoder.use(MUSIC if index % 40 else SPEECH)
        packets.append(encoder.encode(frame))
    decoded = decode_stereo(packets)[LOOKAHEAD_SAMPLES:][4800:80_000, 0].astype(np.float64)
    steepest = np.abs(np.diff(tone(1.0).astype(np.float64))).max()
    assert np.abs(np.diff(decoded)).max() < 1.5 * steepest


def test_reset_makes_it_as_new():
    frames = stereo_frames(voice(0.5))
    encoder = OpusEncoder()
    first = [encoder.encode(frame) for frame in frames]
    encoder.reset()
    assert [encoder.encode(frame) for frame in frames] == first


def test_a_frame_that_is_not_contiguous_encodes_the_same():
    frame = stereo_frames(voice(0.1))[2]
    assert OpusEncoder().encode(np.asfortranarray(frame)) == OpusEncoder().encode(frame)


def test_the_lookahead_is_the_one_that_libopus_names():
    opuslib = plain_opuslib()
    encoder = opuslib.Encoder(48_000, 2, opuslib.APPLICATION_AUDIO)
    assert encoder.lookahead == LOOKAHEAD_SAMPLES


@pytest.mark.parametrize(
    "pcm", [np.zeros((959, 2), np.int16), np.zeros(1920, np.int16), np.zeros((960, 2), np.float32)]
)
def test_a_frame_of_another_shape_is_refused(pcm):
    with pytest.raises(ValueError, match="960"):
        OpusEncoder().encode(pcm)


def test_what_libopus_refuses_is_an_error_with_a_code():
    with pytest.raises(CodecError):
        OpusEncoder(SPEECH._replace(expected_loss_percent=101))
