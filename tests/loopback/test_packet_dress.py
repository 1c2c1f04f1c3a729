import pytest

from clankvox.loopback.packet_dress import PacketDress
from clankvox.wire import rtp

CSRC = b"\0\0\0\x09"


def dressed(datagram, payload, extension=b"", dress=None, now=1.5):
    clear, plaintext = (dress or PacketDress("seed")).dress(
        datagram, rtp.parse_header(datagram + extension), extension, payload, now
    )
    header = rtp.parse_header(clear + plaintext)
    assert header.clear_bytes == len(clear)
    return clear, header, rtp.parse_extensions(plaintext[: header.extension_bytes]), rtp.strip(header, plaintext)


def plain_header(**changes):
    return rtp.build_header(**{"payload_type": 120, "sequence": 3, "timestamp": 4, "ssrc": 5, **changes})


def test_a_bare_packet_gets_level_send_time_and_speaker():
    clear, header, extensions, payload = dressed(plain_header(), b"frame")
    assert clear[2:12] == plain_header()[2:]
    assert extensions == {1: b"\xa0", 3: (int(1.5 * (1 << 18))).to_bytes(3, "big"), 9: b"\x02"}
    assert payload == b"frame"
    assert (header.sequence, header.timestamp, header.ssrc, header.payload_type) == (3, 4, 5, 120)


def test_csrcs_and_marker_stay():
    bare = plain_header(marker=True, payload_type=103)
    datagram = bytes((bare[0] | 1,)) + bare[1:] + CSRC
    clear, header, extensions, _ = dressed(datagram, b"picture")
    assert clear[12:16] == CSRC
    assert header.marker
    assert extensions.keys() == {2, 3, 4, 5, 6, 7, 8, 10, 11}


def test_padding_of_the_sender_is_replaced_by_ours():
    dress = PacketDress("x")
    for _ in range(200):
        assert dressed(plain_header(padding=True), b"frame", dress=dress)[3] == b"frame"


def test_a_packet_without_payload_is_padding_only():
    _, header, _, payload = dressed(plain_header(), b"")
    assert header.has_padding
    assert payload == b""


@pytest.mark.parametrize(("payload", "low", "high"), [(b"frame", 0.03, 0.15), (rtp.SILENCE_FRAME, 0.2, 0.4)])
def test_the_share_of_padded_packets_is_that_of_native_clients(payload, low, high):
    dress = PacketDress("share")
    padded = sum(dressed(plain_header(), payload, dress=dress)[1].has_padding for _ in range(2000))
    assert low < padded / 2000 < high


def test_silence_often_comes_without_extensions():
    dress = PacketDress("share")
    bare = sum(not dressed(plain_header(), rtp.SILENCE_FRAME, dress=dress)[2] for _ in range(1000))
    assert 400 < bare < 600


def test_a_retransmission_names_its_layer_under_another_id():
    dress = PacketDress("repair")
    datagram = plain_header(payload_type=104)
    for repair, rid in ((False, 11), (True, 12)):
        clear, plaintext = dress.dress(datagram, rtp.parse_header(datagram), b"", b"\0\1x", 1.5, repair=repair)
        header = rtp.parse_header(clear + plaintext)
        extensions = rtp.parse_extensions(plaintext[: header.extension_bytes])
        assert extensions.keys() & {11, 12} == {rid}
        assert extensions[rid] == b"100"
        assert extensions[5] == (1 + repair).to_bytes(2, "big")
