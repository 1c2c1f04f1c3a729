import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire import gateway_payloads as payloads
from clankvox.wire.gateway_payloads import snowflake

SECRETS = [
    payloads.Identify(server_id="1", user_id="2", session_id="hush-session", token="hush-token"),
    payloads.Resume(server_id="1", session_id="hush-session", token="hush-token"),
    payloads.SessionDescription(mode="m", secret_key=(177,) * 32),
]


@given(st.integers(0, 2**64 - 1))
def test_a_snowflake_is_the_number_that_it_writes(number):
    assert snowflake(str(number)) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", " 1", "1\n", "1.0", "0x1", "x", "²", "\u0661", str(2**64), "9" * 5000]
)
def test_anything_but_decimal_u64_is_no_snowflake(text):
    with pytest.raises(WireError):
        snowflake(text)


@pytest.mark.parametrize("payload", SECRETS, ids=lambda payload: type(payload).__name__)
def test_credentials_are_in_no_representation(payload):
    shown = f"{payload!r} {payload} {list(payload.__rich_repr__())}"
    assert "<secret>" in shown
    assert "hush" not in shown
    assert "177" not in shown


def test_what_is_not_secret_is_shown():
    assert repr(payloads.Speaking(speaking=1, ssrc=7)) == "Speaking(speaking=1, ssrc=7, delay=None, user_id=None)"


def test_the_key_is_the_bytes_of_the_list():
    assert payloads.SessionDescription(mode="m", secret_key=tuple(range(32))).key == bytes(range(32))


def test_resume_reads_its_position_from_either_name():
    def resume(**position):
        return payloads.Resume(server_id="1", session_id="s", token="t", **position).last_seen

    assert (resume(seq_ack=9), resume(seq=8), resume(), resume(seq_ack=0, seq=5)) == (9, 8, -1, 0)
