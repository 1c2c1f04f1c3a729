import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import UnavailableError

from clankvox.errors import OpenFailed
from clankvox.wire import rtp, transport_crypto
from clankvox.wire.transport_crypto import (
    TransportMode,
    UnsupportedMode,
    available_modes,
    choose_mode,
    open_sealed,
    seal,
    sealer,
)

VECTORS = Path(__file__).parent.parent / "vectors"
VALID = json.loads((VECTORS / "transport_crypto.json").read_text())
INVALID = json.loads((VECTORS / "transport_crypto_invalid.json").read_text())
KEY = bytes(range(32))
MODES = st.sampled_from(available_modes())

pytestmark = pytest.mark.skipif(
    TransportMode.AES256_GCM not in available_modes(), reason="libsodium has no AES-GCM on this CPU"
)


def name(vector):
    return vector["name"]


def raw(vector, *fields):
    return [bytes.fromhex(vector[field]) for field in fields]


@pytest.mark.parametrize("vector", VALID, ids=name)
def test_known_answers_open_and_seal(vector):
    key, clear, plain, nonce, datagram = raw(vector, "key", "clear", "plain", "nonce", "datagram")
    mode = TransportMode(vector["mode"])
    assert open_sealed(mode, key, datagram, len(clear)) == plain
    assert seal(mode, key, clear, plain, nonce) == datagram


@pytest.mark.parametrize("vector", INVALID, ids=name)
def test_invalid_twins_do_not_open(vector):
    key, datagram = raw(vector, "key", "datagram")
    with pytest.raises(OpenFailed):
        open_sealed(TransportMode(vector["mode"]), key, datagram, vector["clear_bytes"])


def test_the_header_of_the_known_answers_leads_to_their_payload():
    for vector in VALID[:2]:
        key, datagram = raw(vector, "key", "datagram")
        header = rtp.parse_header(datagram)
        plain = open_sealed(TransportMode(vector["mode"]), key, datagram, header.clear_bytes)
        assert rtp.strip(header, plain) == rtp.SILENCE_FRAME


@given(MODES, st.binary(min_size=8, max_size=76), st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_what_was_sealed_opens(mode, clear, plain, nonce):
    datagram = seal(mode, KEY, clear, plain, nonce)
    assert datagram.startswith(clear)
    assert datagram.endswith(nonce)
    assert len(datagram) == len(clear) + len(plain) + 20
    assert open_sealed(mode, KEY, datagram, len(clear)) == plain


@given(MODES, st.binary(min_size=1, max_size=60), st.data())
def test_one_flipped_bit_anywhere_is_refused(mode, plain, data):
    datagram = bytearray(seal(mode, KEY, bytes(12), plain, b"\x00\x00\x00\x01"))
    bit = data.draw(st.integers(0, 8 * len(datagram) - 1))
    datagram[bit // 8] ^= 1 << bit % 8
    with pytest.raises(OpenFailed):
        open_sealed(mode, KEY, bytes(datagram), 12)


@given(MODES, st.binary(max_size=120), st.integers(0, 76))
def test_random_bytes_raise_nothing_but_open_failed(mode, datagram, clear_bytes):
    with pytest.raises(OpenFailed):
        open_sealed(mode, KEY, datagram, clear_bytes)


def test_gcm_is_preferred_whatever_the_order_of_the_offer():
    assert choose_mode(["aead_xchacha20_poly1305_rtpsize", "aead_aes256_gcm_rtpsize"]) is TransportMode.AES256_GCM
    assert choose_mode(["xsalsa20_poly1305", "aead_xchacha20_poly1305_rtpsize"]) is TransportMode.XCHACHA20


@pytest.mark.parametrize("offered", [[], ["xsalsa20_poly1305_lite", "aead_aes256_gcm"]])
def test_an_offer_of_unknown_modes_is_unsupported(offered):
    with pytest.raises(UnsupportedMode):
        choose_mode(offered)


def test_gcm_is_left_out_where_the_cpu_lacks_it(monkeypatch):
    def unavailable(*_):
        raise UnavailableError

    monkeypatch.setitem(transport_crypto._ENCRYPT, TransportMode.AES256_GCM, unavailable)
    available_modes.cache_clear()
    try:
        assert available_modes() == (TransportMode.XCHACHA20,)
        assert choose_mode(list(TransportMode)) is TransportMode.XCHACHA20
    finally:
        available_modes.cache_clear()


@pytest.mark.parametrize("mode", TransportMode)
def test_who_seals_many_under_one_key_makes_the_same_datagrams(mode):
    sealed = sealer(mode, KEY)
    for number in range(4):
        nonce = number.to_bytes(4, "big")
        assert sealed(b"header", bytes(100 * number), nonce) == seal(mode, KEY, b"header", bytes(100 * number), nonce)
