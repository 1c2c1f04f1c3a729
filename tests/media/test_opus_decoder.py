import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.opus_decoder import NATIVE_RATES_HZ, OpusDecoder
from tests.support.hearing import opus_packets, opuslib, plain_decode

PACKETS = opus_packets(0.3)


@pytest.mark.parametrize("rate_hz", sorted(NATIVE_RATES_HZ))
def test_it_gives_what_libopus_gives(rate_hz):
    decoder = OpusDecoder(rate_hz)
    got = np.concatenate([decoder.decode(packet).copy() for packet in PACKETS])
    assert np.array_equal(got, plain_decode(PACKETS, rate_hz))


@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60])
def test_packets_of_every_length(frame_ms):
    assert len(OpusDecoder(24_000).decode(opus_packets(0.2, frame_ms)[0])) == frame_ms * 24


def test_a_packet_of_120_ms():
    one = opus_packets(0.2, 20)[0]
    packet = bytes((one[0] & 0xFC | 3, 6)) + one[1:] * 6
    assert len(OpusDecoder(48_000).decode(packet)) == 5_760


@pytest.mark.parametrize("rubbish", [b"", b"\x03", b"\xff\xff\x00", b"\x0f\xff"])
def test_what_is_no_opus_is_a_codec_error_and_the_next_packet_works(rubbish):
    decoder = OpusDecoder(24_000)
    with pytest.raises(CodecError):
        decoder.decode(rubbish)
    assert np.array_equal(decoder.decode(PACKETS[0]), plain_decode(PACKETS[:1]))


def test_a_rate_that_libopus_cannot_is_a_codec_error():
    with pytest.raises(CodecError):
        OpusDecoder(44_100)


def test_concealment_and_recovery_are_those_of_libopus():
    packets = opus_packets(0.5, fec_percent=20)
    ours, theirs = OpusDecoder(24_000), opuslib.Decoder(24_000, 1)
    for packet in packets[:10]:
        ours.decode(packet)
        theirs.decode(packet, 480)
    assert np.array_equal(ours.conceal(480), np.frombuffer(theirs.decode(b"", 480), np.int16))
    assert np.array_equal(
        ours.recover(packets[12], 480), np.frombuffer(theirs.decode(packets[12], 480, decode_fec=True), np.int16)
    )


def test_reset_forgets_the_past():
    decoder = OpusDecoder(24_000)
    first = decoder.decode(PACKETS[3]).copy()
    decoder.decode(PACKETS[9])
    decoder.reset()
    assert np.array_equal(decoder.decode(PACKETS[3]), first)


def test_wipe_leaves_no_pcm():
    decoder = OpusDecoder(24_000)
    view = [decoder.decode(packet) for packet in PACKETS][-1]
    assert view.any()
    decoder.wipe()
    assert not decoder._pcm.any()


def test_silence_is_zeros_in_the_same_memory():
    decoder = OpusDecoder(24_000)
    view = decoder.decode(PACKETS[-1])
    silence = decoder.silence(240)
    assert np.shares_memory(view, silence)
    assert not silence.any()
