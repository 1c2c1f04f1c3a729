"""A DAVE member in a process of its own: `python -m clankvox.loopback.member_process USER CHANNEL`.

It is driven over its pipes. A message is a length (u32) and an array in MessagePack; every request has one reply,
in order.
"""

import sys
from collections.abc import Callable
from typing import BinaryIO, Final, Literal

import msgspec

from clankvox.errors import MlsError, OpenFailed
from clankvox.loopback.member import Answer, DaveMember
from clankvox.loopback.member_engine import VideoCodec
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    GatewayMessage,
    InvalidCommitWelcome,
    Op,
    Payload,
    PrepareEpoch,
    PrepareTransition,
    TransitionReady,
    payload_of,
)

LENGTH_BYTES: Final = 4

Call = Literal[
    "connected",
    "left",
    "start",
    "receive",
    "encrypt",
    "decrypt",
    "decrypt_in_flight",
    "encrypt_h264",
    "encrypt_vp8",
    "decrypt_video",
]
ENCRYPT: Final[dict[VideoCodec, Call]] = {"H264": "encrypt_h264", "VP8": "encrypt_vp8"}
"""Calls that encrypt a picture."""

_JSON_PAYLOADS: Final[dict[Op, type[Payload]]] = {
    Op.PREPARE_TRANSITION: PrepareTransition,
    Op.EXECUTE_TRANSITION: ExecuteTransition,
    Op.PREPARE_EPOCH: PrepareEpoch,
    Op.TRANSITION_READY: TransitionReady,
    Op.INVALID_COMMIT_WELCOME: InvalidCommitWelcome,
}


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A call: `number` is a user id, a version or an opcode, `data` a frame or a payload."""

    call: Call
    number: int = 0
    data: bytes = b""


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What became of a call: answers to the gateway as (opcode, payload), or a frame, and how the member is now."""

    version: int
    ready: bool
    answers: list[tuple[int, bytes]]
    frame: bytes | None
    dropped: dict[str, int]
    refused: dict[int, dict[str, int]]


def pack_payload(payload: bytes | Payload) -> bytes:
    """Write the payload of a DAVE message for the pipe."""
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload.to_wire())


def unpack_payload(op: Op, data: bytes) -> bytes | Payload:
    """Read the payload of a DAVE message from the pipe."""
    kind = _JSON_PAYLOADS.get(op)
    return data if kind is None else payload_of(GatewayMessage(op, msgspec.json.decode(data), None), kind)


def pack(message: Request | Reply) -> bytes:
    """Write a message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def main() -> int:
    """Serve the parent until it closes the pipe."""
    try:
        member = DaveMember(int(sys.argv[1]), int(sys.argv[2]), "libdave")
    except ImportError:
        return 1
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    replies.write(pack(_reply(member, [], None)))
    replies.flush()
    while (request := _next_request(requests)) is not None:
        replies.write(pack(_carry_out(member, request)))
        replies.flush()
    return 0


def _next_request(stream: BinaryIO) -> Request | None:
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    return msgspec.msgpack.decode(stream.read(int.from_bytes(length, "big")), type=Request)


def _carry_out(member: DaveMember, request: Request) -> Reply:
    answers: list[Answer] = []
    frame: bytes | None = None
    match request:
        case Request("connected", user_id):
            member.users_connected((user_id,))
        case Request("left", user_id):
            member.user_left(user_id)
        case Request("start", version):
            answers = member.start(version)
        case Request("receive", op, data):
            answers = member.receive(Op(op), unpack_payload(Op(op), data))
        case Request("encrypt", _, data):
            frame = _unless_refused(lambda: member.encrypt_opus(data))
        case Request("decrypt", user_id, data):
            frame = _unless_refused(lambda: member.decrypt(user_id, data))
        case Request("decrypt_in_flight", user_id, data):
            frame = _unless_refused(lambda: member.decrypt(user_id, data, told=False))
        case Request("encrypt_h264", _, data):
            frame = _unless_refused(lambda: member.encrypt_video("H264", data))
        case Request("encrypt_vp8", _, data):
            frame = _unless_refused(lambda: member.encrypt_video("VP8", data))
        case Request("decrypt_video", user_id, data):
            frame = _unless_refused(lambda: member.decrypt_video(user_id, data))
    return _reply(member, answers, frame)


def _unless_refused(call: Callable[[], bytes]) -> bytes | None:
    try:
        return call()
    except (MlsError, OpenFailed):
        return None


def _reply(member: DaveMember, answers: list[Answer], frame: bytes | None) -> Reply:
    packed = [(int(answer.op), pack_payload(answer.payload)) for answer in answers]
    refused = {user_id: dict(counts) for user_id, counts in member.refused.counts.items()}
    return Reply(member.version, member.ready, packed, frame, dict(member.dropped), refused)


if __name__ == "__main__":
    sys.exit(main())
