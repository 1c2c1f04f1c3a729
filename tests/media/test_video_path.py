"""A prepared packet leaves under the cipher that it was sealed with, or not at all."""

import pytest

from clankvox.media.frame_cipher import Gate
from clankvox.media.video_path import VideoPacket
from clankvox.ports import SendOutcome
from tests.support.published import VideoWire


def packet_on(wire, fates):
    return VideoPacket(
        b"datagram", 9, wire.cipher.generation, 100, wire.path, lambda _packet, outcome: fates.append(outcome)
    )


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        (lambda wire: None, SendOutcome.SENT),
        (lambda wire: wire.cipher.set_gate(Gate.CLOSED), SendOutcome.STALE),
        (lambda wire: wire.cipher.accept_clear_until(5.0), SendOutcome.STALE),
        (lambda wire: setattr(wire, "broken", True), SendOutcome.FAILED),
    ],
)
def test_its_fate_is_told_and_only_what_was_sent_is_on_the_wire(spoil, outcome):
    wire, fates = VideoWire(), []
    packet = packet_on(wire, fates)
    spoil(wire)
    assert packet.send() is outcome
    assert fates == [outcome]
    assert wire.datagrams == ([b"datagram"] if outcome is SendOutcome.SENT else [])


def test_a_packet_shows_nothing_of_its_contents():
    assert "datagram" not in repr(packet_on(VideoWire(), []))
