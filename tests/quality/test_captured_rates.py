"""Captured PCM at every kind of rate and packet length, beside plain libopus and one resampler for the whole."""

import numpy as np
import pytest

from tests.support.bad_network import Listening
from tests.support.hearing import ALICE, ME, Talker, opus_packets, opuslib, room_of
from tests.support.spoken import error_db
from tools.bench.two_ways import resample

NATIVE_HZ = {8_000, 12_000, 16_000, 24_000, 48_000}


def plain(packets, rate_hz):
    decoder = opuslib.Decoder(rate_hz if rate_hz in NATIVE_HZ else 48_000, 1)
    decoded = [np.frombuffer(decoder.decode(packet, 5_760), np.int16) for packet in packets]
    return np.concatenate(decoded) if rate_hz in NATIVE_HZ else resample(np.concatenate(decoded), 48_000, rate_hz)


@pytest.fixture(scope="module")
def room():
    return room_of(ME, ALICE)


@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_captured_pcm_is_that_of_plain_libopus_borders_included(room, rate_hz, frame_ms):
    packets = opus_packets(1.2, frame_ms)
    ears = Listening([ALICE], room, rate_hz=rate_hz)
    talker = Talker(7, room.members[ALICE])
    ears.hear((talker.packet(packet, int(48 * frame_ms)) for packet in packets), frame_ms / 1_000)
    ears.wait(1.0)
    captured = np.concatenate([piece.pcm for piece in ears.heard.noted])
    wanted = plain(packets, rate_hz)
    assert len(captured) == len(wanted)
    assert error_db(captured, wanted) < -80
