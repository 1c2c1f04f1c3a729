from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import InvalidRequest
from clankvox.loopback.commands import ORDERS, AddSpeaker, Close, Impair, command_from, decode_command, user


def test_orders_are_read_by_their_wire_names():
    assert decode_command(b'{"type":"impair","userId":"1","jitterMs":5,"direction":"up"}') == Impair(
        user_id="1", jitter_ms=5, direction="up"
    )
    assert command_from({"type": "add_speaker", "userId": "1", "tone": 440, "startMs": 20}) == AddSpeaker(
        user_id="1", tone=440, start_ms=20
    )
    assert command_from({"type": "close", "userId": "1", "code": 4015, "id": 3}) == Close(user_id="1", code=4015, id=3)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"type":"nope"}',
        b'{"type":"close","userId":"1"}',
        b'{"type":"close","userId":"1","code":99}',
        b'{"type":"close","userId":"abc","code":4015}',
        b'{"type":"impair","loss":2}',
        b'{"type":"impair","jitter":2}',
        b'{"type":"add_speaker","userId":"1","tone":"high"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_order_is_refused(line):
    with pytest.raises(InvalidRequest):
        decode_command(line)


@given(st.binary(max_size=60))
def test_no_line_raises_anything_else(line):
    with pytest.raises(InvalidRequest):
        decode_command(line)


def test_user_ids_are_snowflakes():
    assert user("18446744073709551615") == 2**64 - 1
    with pytest.raises(InvalidRequest):
        user("18446744073709551616")


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"add_publisher","userId":"1","height":97}',
        '{"type":"add_publisher","userId":"1","fps":0}',
        '{"type":"add_publisher","userId":"1","codec":"H265"}',
        '{"type":"add_watcher","userId":"1","recordEvery":0}',
        '{"type":"resize","userId":"1","width":99999,"height":100}',
        '{"type":"add_stream","userId":"1","sessionId":""}',
        '{"type":"sfu","pli":1}',
    ],
)
def test_orders_about_video_have_their_limits(line):
    with pytest.raises(InvalidRequest):
        decode_command(line)


def test_every_order_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "loopback.md").read_text()
    assert [order for order in ORDERS if f"`{order}`" not in text] == []
