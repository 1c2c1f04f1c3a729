"""The frozen datagrams are those of the test vectors, and a wrong one is found."""

import json
from pathlib import Path

import pytest

from clankvox.doctor import known_answers
from clankvox.doctor.finding import Doubtful, Wrong
from clankvox.errors import OpenFailed
from clankvox.media import packet_sealer
from clankvox.media.packet_sealer import PacketSealer
from clankvox.wire import transport_crypto
from clankvox.wire.transport_crypto import TransportMode

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "transport_crypto.json").read_text())


def test_the_doctor_knows_the_answers_that_the_tests_know():
    assert [known._asdict() for known in known_answers.DATAGRAMS] == VECTORS


def test_all_is_well_here():
    found = known_answers.transport_encryption()
    assert "3 known datagrams" in found
    assert "aes256_gcm by OpenSSL" in found
    assert "xchacha20 by libsodium" in found


@pytest.mark.parametrize("name", ["opener", "sealer"])
def test_it_examines_what_the_packets_of_a_call_go_through(monkeypatch, name):
    taken, path = [], getattr(transport_crypto, name)
    monkeypatch.setattr(packet_sealer, name, lambda mode, key: taken.append(mode) or path(mode, key))
    PacketSealer(TransportMode.AES256_GCM, bytes(32))
    assert taken == [TransportMode.AES256_GCM], "a call goes through this"
    assert getattr(known_answers, name) is path


@pytest.mark.parametrize("field", ["plain", "datagram"])
def test_another_answer_is_wrong(monkeypatch, field):
    known = known_answers.DATAGRAMS[0]
    other = "00" + getattr(known, field)[2:]
    monkeypatch.setattr(known_answers, "DATAGRAMS", (known._replace(**{field: other}),))
    with pytest.raises((Wrong, OpenFailed)):
        known_answers.transport_encryption()


def test_a_library_that_authenticates_nothing_is_wrong(monkeypatch):
    plain = bytes.fromhex(known_answers.DATAGRAMS[0].plain)
    monkeypatch.setattr(known_answers, "DATAGRAMS", known_answers.DATAGRAMS[:1])
    monkeypatch.setattr(known_answers, "opener", lambda *_: lambda *_: plain)
    with pytest.raises(Wrong, match="although"):
        known_answers.transport_encryption()


def test_a_cpu_without_aes_is_a_warning(monkeypatch):
    monkeypatch.setattr(known_answers, "available_modes", lambda: (TransportMode.XCHACHA20,))
    with pytest.raises(Doubtful, match="xchacha20 only"):
        known_answers.transport_encryption()
