"""The frozen datagrams are those of the test vectors, and a wrong one is found."""

import json
from pathlib import Path

import pytest

from clankvox.doctor import known_answers
from clankvox.doctor.finding import Doubtful, Wrong
from clankvox.errors import OpenFailed
from clankvox.wire.transport_crypto import TransportMode

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "transport_crypto.json").read_text())


def test_the_doctor_knows_the_answers_that_the_tests_know():
    assert [known._asdict() for known in known_answers.DATAGRAMS] == VECTORS


def test_all_is_well_here():
    assert "3 known datagrams" in known_answers.transport_encryption()


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
    monkeypatch.setattr(known_answers, "open_sealed", lambda *_: plain)
    with pytest.raises(Wrong, match="although"):
        known_answers.transport_encryption()


def test_a_cpu_without_aes_is_a_warning(monkeypatch):
    monkeypatch.setattr(known_answers, "available_modes", lambda: (TransportMode.XCHACHA20,))
    with pytest.raises(Doubtful, match="xchacha20 only"):
        known_answers.transport_encryption()
