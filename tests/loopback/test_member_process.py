import subprocess
import sys

import msgspec
import pytest

from clankvox.loopback.member_process import LENGTH_BYTES, Reply, Request, pack, pack_payload, unpack_payload
from clankvox.wire.gateway_ops import ExecuteTransition, Op, PrepareEpoch, PrepareTransition, TransitionReady


@pytest.mark.parametrize(
    ("op", "payload"),
    [
        (Op.PREPARE_TRANSITION, PrepareTransition(transition_id=5, protocol_version=1)),
        (Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=65_535)),
        (Op.PREPARE_EPOCH, PrepareEpoch(epoch=1, protocol_version=1)),
        (Op.TRANSITION_READY, TransitionReady(transition_id=0)),
        (Op.MLS_PROPOSALS, b"\x00\x01"),
    ],
)
def test_every_payload_survives_the_pipe(op, payload):
    assert unpack_payload(op, pack_payload(payload)) == payload


def test_each_request_has_its_reply_and_the_process_ends_with_its_stdin():
    requests = b"".join(pack(Request("start", version)) for version in (0, 1)) + pack(Request("encrypt", 0, b"\xfc"))
    done = subprocess.run(
        [sys.executable, "-m", "clankvox.loopback.member_process", "1", "2"],
        input=requests,
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    )
    replies, rest = [], done.stdout
    while rest:
        size = int.from_bytes(rest[:LENGTH_BYTES], "big")
        replies.append(msgspec.msgpack.decode(rest[LENGTH_BYTES : LENGTH_BYTES + size], type=Reply))
        rest = rest[LENGTH_BYTES + size :]
    assert [reply.version for reply in replies] == [0, 0, 1, 1]
    assert [op for op, _ in replies[2].answers] == [Op.MLS_KEY_PACKAGE]
    assert replies[3].frame is None  # a group is due, and not there
