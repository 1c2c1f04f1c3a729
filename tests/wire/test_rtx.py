import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire.rtx import Retransmission, unwrap, wrap


def test_the_original_number_stands_before_the_payload_in_network_order():
    assert wrap(0x1234, b"abc") == b"\x12\x34abc"


@given(st.integers(0, 0xFFFF), st.binary(max_size=20))
def test_what_is_wrapped_unwraps(sequence, payload):
    assert unwrap(wrap(sequence, payload)) == Retransmission(sequence, payload)


@pytest.mark.parametrize("probe", [b"", b"\x00"])
def test_a_payload_without_a_number_is_refused(probe):
    with pytest.raises(WireError):
        unwrap(probe)
