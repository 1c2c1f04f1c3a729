"""Messages of the voice gateway: opcodes, close codes, JSON text frames and binary DAVE frames.

The payloads stand in `gateway_payloads` and are offered here too, so that one import serves.
"""

from enum import IntEnum, IntFlag
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

from clankvox.conversion import convert
from clankvox.errors import WireError
from clankvox.wire.gateway_payloads import (
    BackendVersion,
    ClientDisconnect,
    ClientsConnect,
    Codec,
    ExecuteTransition,
    Flags,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Identify,
    InvalidCommitWelcome,
    MediaSinkWants,
    Payload,
    Platform,
    PrepareEpoch,
    PrepareTransition,
    Ready,
    Resolution,
    Resume,
    Resumed,
    SelectProtocol,
    SelectProtocolData,
    SessionDescription,
    SessionUpdate,
    Speaking,
    StreamDescription,
    TransitionReady,
    Video,
    snowflake,
)

__all__ = [
    "BackendVersion",
    "BinaryMessage",
    "ClientDisconnect",
    "ClientsConnect",
    "CloseCode",
    "Codec",
    "ExecuteTransition",
    "Flags",
    "GatewayMessage",
    "Heartbeat",
    "HeartbeatAck",
    "Hello",
    "Identify",
    "InvalidCommitWelcome",
    "MediaSinkWants",
    "Op",
    "Payload",
    "Platform",
    "PrepareEpoch",
    "PrepareTransition",
    "Ready",
    "Resolution",
    "Resume",
    "Resumed",
    "SelectProtocol",
    "SelectProtocolData",
    "SessionDescription",
    "SessionUpdate",
    "Speaking",
    "SpeakingFlag",
    "StreamDescription",
    "TransitionReady",
    "Video",
    "decode_client_binary",
    "decode_json",
    "decode_server_binary",
    "encode_client_binary",
    "encode_json",
    "encode_server_binary",
    "payload_of",
    "payload_of_server",
    "snowflake",
]

_T = TypeVar("_T", bound=Payload)
_SEQUENCE_LIMIT: Final = 1 << 16
_SERVER_PREFIX_BYTES: Final = 3


class Op(IntEnum):
    """Opcodes of the voice gateway; 25 to 30 travel as binary frames."""

    IDENTIFY = 0
    SELECT_PROTOCOL = 1
    READY = 2
    HEARTBEAT = 3
    SESSION_DESCRIPTION = 4
    SPEAKING = 5
    HEARTBEAT_ACK = 6
    RESUME = 7
    HELLO = 8
    RESUMED = 9
    SIGNAL = 10
    CLIENTS_CONNECT = 11
    VIDEO = 12
    CLIENT_DISCONNECT = 13
    SESSION_UPDATE = 14
    MEDIA_SINK_WANTS = 15
    BACKEND_VERSION = 16
    CHANNEL_OPTIONS = 17
    FLAGS = 18
    SPEED_TEST = 19
    PLATFORM = 20
    PREPARE_TRANSITION = 21
    EXECUTE_TRANSITION = 22
    TRANSITION_READY = 23
    PREPARE_EPOCH = 24
    MLS_EXTERNAL_SENDER = 25
    MLS_KEY_PACKAGE = 26
    MLS_PROPOSALS = 27
    MLS_COMMIT_WELCOME = 28
    MLS_ANNOUNCE_COMMIT = 29
    MLS_WELCOME = 30
    INVALID_COMMIT_WELCOME = 31
    NO_ROUTE = 32


class CloseCode(IntEnum):
    """WebSocket close codes of the voice gateway."""

    UNKNOWN_OPCODE = 4001
    FAILED_TO_DECODE = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    SESSION_NO_LONGER_VALID = 4006
    SESSION_TIMEOUT = 4009
    SERVER_NOT_FOUND = 4011
    UNKNOWN_PROTOCOL = 4012
    WORKER_CRASHED = 4013
    DISCONNECTED = 4014
    SERVER_CRASHED = 4015
    UNKNOWN_ENCRYPTION_MODE = 4016
    DAVE_REQUIRED = 4017
    BAD_REQUEST = 4020
    RATE_LIMITED = 4021
    CALL_TERMINATED = 4022


class SpeakingFlag(IntFlag):
    """Bits of op 5's `speaking`; none of them announces an SSRC without sound."""

    NONE = 0
    MICROPHONE = 1
    SOUNDSHARE = 2
    PRIORITY = 4


class GatewayMessage(NamedTuple):
    """A JSON message: its opcode (of `Op` or unknown), its raw `d`, and its number if it has one."""

    op: int
    data: Any
    seq: int | None

    def __repr__(self) -> str:
        return f"GatewayMessage(op={self.op}, data=<{type(self.data).__name__}>, seq={self.seq})"


class BinaryMessage(NamedTuple):
    """A binary DAVE message of the server; its number is of the same sequence as the JSON messages'."""

    seq: int
    op: int
    payload: bytes

    def __repr__(self) -> str:
        return f"BinaryMessage(seq={self.seq}, op={self.op}, payload=<{len(self.payload)} bytes>)"


class _Outgoing(msgspec.Struct, frozen=True, omit_defaults=True):
    op: int
    d: Any  # without a default, so that null is written: clients read it of every message
    seq: int | None = None


class _Incoming(msgspec.Struct, frozen=True):
    op: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    d: Any = None
    seq: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)] | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Incoming)


def encode_json(op: int, payload: Payload | None, seq: int | None = None) -> str:
    """Write a text frame; `seq` is for the server's numbered messages."""
    d = payload.to_wire() if isinstance(payload, Payload) else payload
    return _ENCODER.encode(_Outgoing(op, d, seq)).decode()


def decode_json(text: str | bytes) -> GatewayMessage:
    """Read a text frame of either side; WireError if it is no JSON object with an opcode, or nested too deep."""
    try:
        message = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireError("gateway message that is not JSON of the right shape") from error
    return GatewayMessage(message.op, message.d, message.seq)


def payload_of(message: GatewayMessage, wanted: type[_T]) -> _T:
    """Read `d` of `message` as a `wanted` payload; WireError says where it does not fit, and no value."""
    try:
        fields = wanted.fields_of(message.data)
        return convert(fields, wanted, strict=wanted.strict, str_keys=True)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WireError(f"op {message.op} is no {wanted.__name__}: {error}") from error


def payload_of_server(message: GatewayMessage, wanted: type[_T]) -> _T:
    """Read like `payload_of`, but leave out what may be absent and does not read, in lists of payloads too.

    What `experiments` holds is nowhere said, and a server may come to write any field in another form: a call that can
    do without it shall not end for it.
    """
    try:
        return payload_of(message, wanted)
    except WireError:
        return payload_of(message._replace(data=_readable(wanted, message.data)), wanted)


def _readable(wanted: type[Payload], data: Any) -> Any:
    """Return `d` without the optional fields that are none of a `wanted` payload."""
    if not isinstance(data, dict):
        return data
    readable = dict(data)
    for field in msgspec.structs.fields(wanted):
        value = readable.get(field.name)
        part = wanted.parts.get(field.name)
        if part is not None and isinstance(value, list):
            value = readable[field.name] = [_readable(part, each) for each in value if isinstance(each, dict)]
        if not field.required and not _reads_as(field.type, value):
            readable[field.name] = None
    return readable


def _reads_as(kind: Any, value: Any) -> bool:
    try:
        convert(value, kind, str_keys=True)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def encode_client_binary(op: int, payload: bytes) -> bytes:
    """Write a binary frame of a client."""
    return bytes((op,)) + payload


def decode_client_binary(data: bytes) -> tuple[int, bytes]:
    """Return (op, payload) of a client's binary frame."""
    if not data:
        raise WireError("empty binary frame")
    return data[0], data[1:]


def encode_server_binary(seq: int, op: int, payload: bytes) -> bytes:
    """Write a binary frame of the server; `seq` wraps at 65536."""
    return (seq % _SEQUENCE_LIMIT).to_bytes(2, "big") + bytes((op,)) + payload


def decode_server_binary(data: bytes) -> BinaryMessage:
    """Read a binary frame of the server."""
    if len(data) < _SERVER_PREFIX_BYTES:
        raise WireError("binary frame shorter than its number and opcode")
    return BinaryMessage(int.from_bytes(data[:2], "big"), data[2], data[3:])
