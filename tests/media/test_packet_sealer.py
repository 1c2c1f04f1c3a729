"""A transport key and its counter are one."""

import copy
import json
import pickle
import threading
from pathlib import Path

import pytest

from clankvox.errors import OpenFailed, TransportLost
from clankvox.media.packet_sealer import PacketSealer
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES, parse_compound
from clankvox.wire.transport_crypto import TransportMode, available_modes, open_sealed

KEY = bytes(range(32))
CLEAR = bytes(12)


@pytest.mark.parametrize("mode", available_modes())
def test_what_is_sealed_opens_and_carries_its_clear_prefix(mode):
    sealer = PacketSealer(mode, KEY)
    datagram = sealer.seal(b"twelve bytes", b"payload")
    assert datagram.startswith(b"twelve bytes")
    assert b"payload" not in datagram
    assert sealer.open(datagram, 12) == b"payload"
    assert open_sealed(mode, KEY, datagram, 12) == b"payload"


@pytest.mark.parametrize("position", [0, 12, -1])
def test_a_changed_byte_anywhere_does_not_open(position):
    sealer = PacketSealer(TransportMode.XCHACHA20, KEY)
    datagram = bytearray(sealer.seal(CLEAR, b"payload"))
    datagram[position] ^= 1
    with pytest.raises(OpenFailed):
        sealer.open(bytes(datagram), 12)


def test_no_nonce_is_used_twice_by_threads_that_seal_at_once():
    sealer = PacketSealer(TransportMode.XCHACHA20, KEY)
    nonces = []
    start = threading.Barrier(4)

    def work():
        start.wait()
        nonces.extend([sealer.seal(CLEAR, b"")[-4:] for _ in range(2000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(nonces)) == len(nonces) == sealer.sealed_packets == 8000


def test_the_counter_is_only_touched_under_its_lock():
    sealer = PacketSealer(TransportMode.XCHACHA20, KEY)
    thread = threading.Thread(target=sealer.seal, args=(CLEAR, b""))
    with sealer._lock:
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        assert sealer.sealed_packets == 0
    thread.join()
    assert sealer.sealed_packets == 1


def test_the_counter_ends_and_does_not_wrap():
    sealer = PacketSealer(TransportMode.XCHACHA20, KEY)
    sealer._next_nonce = 2**32 - 1
    assert sealer.seal(CLEAR, b"")[-4:] == b"\xff\xff\xff\xff"
    for _ in range(2):
        with pytest.raises(TransportLost):
            sealer.seal(CLEAR, b"")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_sealer_cannot_be_copied(duplicate):
    with pytest.raises(TypeError):
        duplicate(PacketSealer(TransportMode.XCHACHA20, KEY))


def test_the_key_is_in_no_repr():
    key = b"do-not-print-this-key-0123456789"
    text = repr(PacketSealer(TransportMode.XCHACHA20, key)) + str(PacketSealer(TransportMode.XCHACHA20, key))
    assert "print" not in text
    assert key.hex() not in text


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32"):
        PacketSealer(TransportMode.XCHACHA20, bytes(16))


@pytest.mark.skipif(TransportMode.AES256_GCM not in available_modes(), reason="libsodium has no AES-GCM on this CPU")
def test_rtcp_authenticates_its_first_eight_bytes_as_desktop_clients_do():
    """A captured packet: it opens with 8 bytes of additional data, not with 4 or 12, and we seal the same way."""
    vector = json.loads((Path(__file__).parent.parent / "vectors" / "transport_crypto.json").read_text())[2]
    sealer = PacketSealer(TransportMode(vector["mode"]), bytes.fromhex(vector["key"]))
    datagram = bytes.fromhex(vector["datagram"])
    assert datagram[:4] == bytes.fromhex("80c80006")
    opened = sealer.open(datagram, RTCP_CLEAR_BYTES)
    assert opened == bytes.fromhex(vector["plain"])
    for wrong in (4, 12):
        with pytest.raises(OpenFailed):
            sealer.open(datagram, wrong)
    report, _ = parse_compound(datagram[:RTCP_CLEAR_BYTES] + opened)
    assert (report.packets, report.octets) == (23438, 1992219)
    ours = sealer.seal_rtcp(datagram[:RTCP_CLEAR_BYTES] + opened)
    assert ours[:RTCP_CLEAR_BYTES] == datagram[:RTCP_CLEAR_BYTES]
    assert sealer.open(ours, RTCP_CLEAR_BYTES) == opened


def test_a_stream_under_a_key_has_one_sender_whoever_asks_for_it():
    sealer, made = PacketSealer(TransportMode.XCHACHA20, bytes(32)), []

    def make():
        made.append(object())
        return made[-1]

    assert sealer.sender_of(1, make) is sealer.sender_of(1, make)
    assert sealer.sender_of(2, make) is made[1]
    assert len(made) == 2
