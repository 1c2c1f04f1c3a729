"""Keys and frames from the protocol's words, held to frozen answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.doctor import dave_group as known
from clankvox.doctor.own_frames import open_frame, seal_frame, sender_key
from clankvox.errors import OpenFailed
from clankvox.wire.dave_frame import is_dave_frame


def test_known_keys_of_the_first_generations():
    found = [sender_key(known.KNOWN_BASE, generation).hex() for generation in range(3)]
    assert found == list(known.KNOWN_KEYS)


def test_a_known_frame_seals_and_opens():
    frame = seal_frame(sender_key(known.KNOWN_BASE, 0), known.KNOWN_NONCE, known.KNOWN_PLAIN)
    assert frame.hex() == known.KNOWN_FRAME
    assert open_frame(known.KNOWN_BASE, frame) == known.KNOWN_PLAIN


@given(st.binary(min_size=1, max_size=300), st.integers(1, (3 << 24) + 5))
def test_whatever_is_sealed_is_a_dave_frame_and_opens(plain, nonce):
    frame = seal_frame(sender_key(known.KNOWN_BASE, nonce >> 24), nonce, plain)
    assert is_dave_frame(frame)
    assert open_frame(known.KNOWN_BASE, frame) == plain


@pytest.mark.parametrize("place", [0, 6, 13])
def test_a_changed_byte_does_not_authenticate(place):
    frame = bytearray.fromhex(known.KNOWN_FRAME)
    frame[place] ^= 1
    with pytest.raises(OpenFailed):
        open_frame(known.KNOWN_BASE, bytes(frame))
