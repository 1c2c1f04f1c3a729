import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.loopback.mls_codec import Reader, u16, u32, u64, vector


@pytest.mark.parametrize(
    ("size", "prefix"), [(0, "00"), (63, "3f"), (64, "4040"), (16383, "7fff"), (16384, "80004000")]
)
def test_a_vector_has_the_shortest_length_prefix(size, prefix):
    encoded = vector(b"x" * size)
    assert encoded[: len(prefix) // 2].hex() == prefix
    assert Reader(encoded).vector() == b"x" * size


@pytest.mark.parametrize("bad", ["", "c000000000000000", "01", "4001ff", "8000003f", "40", "80000000"])
def test_a_vector_that_is_short_or_not_minimal_is_refused(bad):
    with pytest.raises(WireError):
        Reader(bytes.fromhex(bad)).vector()


def test_a_reader_refuses_what_is_left_over():
    reader = Reader(b"\x01ab")
    assert reader.vector() == b"a"
    with pytest.raises(WireError):
        reader.finish()


@given(st.lists(st.integers(0, 0xFFFF)), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_what_is_written_is_read(numbers, word, long):
    reader = Reader(vector(b"".join(map(u16, numbers))) + u32(word) + u64(long))
    assert reader.uint16_list() == tuple(numbers)
    assert (reader.uint(4), reader.uint(8)) == (word, long)
    reader.finish()


def test_an_expected_number_that_differs_is_refused():
    with pytest.raises(WireError):
        Reader(u16(2)).expect(2, 1, "version")
