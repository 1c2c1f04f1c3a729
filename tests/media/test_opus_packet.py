import ctypes

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clankvox.media.libopus import LIBOPUS
from clankvox.media.opus_packet import duration_ticks, frame_ticks, has_fec, is_quiet
from tests.support.hearing import opus_packets, opuslib

HAS_LBRR = hasattr(LIBOPUS, "opus_packet_has_lbrr")


def libopus_ticks(packet):
    ticks = LIBOPUS.opus_packet_get_nb_samples(packet, len(packet), 48_000)
    return ticks if ticks > 0 else 960


@given(st.binary(min_size=1, max_size=60))
@example(b"\x03")
@example(b"\x03\x3f")
@example(b"\x1b\x83\x00")
def test_durations_are_those_of_libopus(packet):
    assert duration_ticks(packet) == libopus_ticks(packet)


def test_no_packet_has_the_usual_duration():
    assert duration_ticks(b"") == 960


@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60])
def test_real_packets_of_every_length(frame_ms):
    packet = opus_packets(0.2, frame_ms)[0]
    assert duration_ticks(packet) == frame_ms * 48
    assert duration_ticks(packet) % frame_ticks(packet) == 0


def test_silence_and_empty_frames_are_quiet():
    assert is_quiet(b"\xf8\xff\xfe")
    assert is_quiet(b"\xf8")
    assert is_quiet(b"\x08\x00")
    assert not any(map(is_quiet, opus_packets(0.1)))


@pytest.mark.skipif(not HAS_LBRR, reason="this libopus cannot be asked")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
@pytest.mark.parametrize("fec_percent", [0, 20])
def test_fec_is_found_where_libopus_finds_it(channels, frame_ms, fec_percent):
    packets = opus_packets(1.5, frame_ms, channels=channels, fec_percent=fec_percent)
    found = [has_fec(packet) for packet in packets]
    assert found == [LIBOPUS.opus_packet_has_lbrr(packet, len(packet)) == 1 for packet in packets]
    assert any(found) == (fec_percent > 0)


@pytest.mark.skipif(not HAS_LBRR, reason="this libopus cannot be asked")
@given(st.integers(0, 15), st.booleans(), st.integers(0, 3), st.binary(max_size=12))
def test_fec_flags_of_any_framing_are_read_as_libopus_reads_them(config, stereo, code, body):
    packet = bytes((config << 3 | stereo << 2 | code,)) + body
    theirs = LIBOPUS.opus_packet_has_lbrr(packet, len(packet))
    if theirs >= 0 and parsed_first_frame_bytes(packet):
        assert has_fec(packet) == (theirs == 1)
    else:
        has_fec(packet)


def parsed_first_frame_bytes(packet):
    sizes = (ctypes.c_int16 * 48)()
    count = LIBOPUS.opus_packet_parse(packet, len(packet), None, None, sizes, None)
    return sizes[0] if count > 0 else 0


def test_celt_never_has_fec():
    made = opuslib.Encoder(48_000, 2, "restricted_lowdelay")
    packet = made.encode(np.random.default_rng(1).integers(-9000, 9000, 1920).astype(np.int16).tobytes(), 960)
    assert packet[0] >> 3 >= 16
    assert not has_fec(packet)
