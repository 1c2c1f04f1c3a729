import pytest

from clankvox.loopback import h264_payload
from clankvox.loopback.packet_dress import audio_header
from clankvox.loopback.stap_repacker import Arrival, StapRepacker

SPS, PPS, SLICE = b"\x67sps", b"\x68pps", b"\x65" + bytes(600)


def arrival(sequence, payload, timestamp=9000, marker=False):
    header = audio_header(sequence, timestamp, 1)._replace(marker=marker)
    return Arrival(b"", header, b"", payload)


def repacked(*arrivals):
    out = []
    repacker = StapRepacker(lambda one, _: out.append(one))
    for one in arrivals:
        repacker.take(one, 0.0)
    repacker.overdue(1.0)
    assert not repacker.holding
    assert [one.header for one in out] == [one.header for one in arrivals]
    return [one.payload for one in out]


def test_parameter_sets_travel_together_and_every_number_stays():
    together = h264_payload.aggregate([SPS, PPS])
    assert repacked(arrival(1, SPS), arrival(2, PPS), arrival(3, SLICE)) == [together, b"", SLICE]


@pytest.mark.parametrize(
    "second",
    [
        arrival(3, PPS),
        arrival(2, PPS, timestamp=12_000),
        arrival(2, PPS, marker=True),
        arrival(2, SLICE),
        arrival(2, b""),
        arrival(2, b"\x7c\x85fragment"),
    ],
)
def test_what_does_not_belong_together_stays_as_it_is(second):
    assert repacked(arrival(1, SPS), second) == [SPS, second.payload]


def test_a_packet_that_waits_in_vain_goes_on():
    assert repacked(arrival(1, SPS)) == [SPS]
