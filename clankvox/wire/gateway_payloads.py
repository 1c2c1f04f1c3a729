"""Payloads (`d`) of the voice gateway's JSON messages, versions 8 and 9.

A Struct has the field names of the wire and serves both directions; a field that one direction lacks is None
and left out. Unknown fields are ignored, null means absent. Snowflakes are decimal strings, see `snowflake`.
Credentials never show in a repr.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

import msgspec

from clankvox.errors import WireError

_U8 = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
_U16 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
_U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
_I64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Quality = Annotated[int, msgspec.Meta(ge=0, le=100)]
_IntervalMs = Annotated[float, msgspec.Meta(ge=1, le=86_400_000)]
_Key = Annotated[tuple[_U8, ...], msgspec.Meta(min_length=32, max_length=32)]

_MAX_SNOWFLAKE: Final = 2**64 - 1
_MAX_SNOWFLAKE_DIGITS: Final = 20


def snowflake(text: str) -> int:
    """Return the id that `text` writes in decimal, 0..2**64 - 1; WireError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_SNOWFLAKE_DIGITS):
        raise WireError("not a snowflake")
    number = int(text)
    if number > _MAX_SNOWFLAKE:
        raise WireError("snowflake out of range")
    return number


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every `d`."""

    secret_fields: ClassVar[frozenset[str]] = frozenset()
    strict: ClassVar[bool] = True
    """False where the wire also writes numbers as strings."""
    parts: ClassVar[Mapping[str, "type[Payload]"]] = {}
    """Fields that are lists of other payloads."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [
            (name, "<secret>" if name in self.secret_fields else getattr(self, name)) for name in self.__struct_fields__
        ]

    def to_wire(self) -> object:
        """Return what stands in `d`, ready for the encoder."""
        return self

    @classmethod
    def fields_of(cls, data: Any) -> Any:
        """Return `d` as a map of this payload's fields; null is an empty map."""
        return {} if data is None else data


class Hello(Payload, frozen=True, kw_only=True, omit_defaults=False):
    """Op 8. `heartbeat_interval` is in ms; clients assume the default where a server leaves it out."""

    v: _U8 | msgspec.UnsetType = msgspec.UNSET
    heartbeat_interval: _IntervalMs = 13_750.0


class Resolution(Payload, frozen=True, kw_only=True):
    """Size of a video stream in pixels; `type` is "fixed", or "source" with zeros."""

    type: str
    width: int | float
    height: int | float


class StreamDescription(Payload, frozen=True, kw_only=True):
    """A video layer as ops 0, 2 and 12 name it. `max_bitrate` is in bit/s, `quality` 0..100."""

    type: str | None = None
    rid: str | None = None
    ssrc: _U32 | None = None
    rtx_ssrc: _U32 | None = None
    active: bool | None = None
    quality: _Quality | None = None
    max_bitrate: int | float | None = None
    max_framerate: int | float | None = None
    max_resolution: Resolution | None = None


class Identify(Payload, frozen=True, kw_only=True):
    """Op 0. Version 9 adds `channel_id`; no `max_dave_protocol_version` means no end-to-end encryption."""

    secret_fields = frozenset({"session_id", "token"})

    server_id: str
    channel_id: str | None = None
    user_id: str
    session_id: str
    token: str
    video: bool | None = None
    streams: tuple[StreamDescription, ...] | None = None
    max_dave_protocol_version: _U16 | None = None


class Ready(Payload, frozen=True, kw_only=True):
    """Op 2: our audio SSRC, where to send media, and the transport encryption modes to choose from."""

    parts = {"streams": StreamDescription}

    ssrc: _U32
    ip: str
    port: _U16
    modes: tuple[str, ...]
    experiments: tuple[str, ...] | None = None
    streams: tuple[StreamDescription, ...] | None = None


class SelectProtocolData(Payload, frozen=True, kw_only=True):
    """Our public UDP address and the chosen transport encryption mode."""

    address: str
    port: _U16
    mode: str


class Codec(Payload, frozen=True, kw_only=True):
    """A codec with payload types private to this connection; a lower `priority` wins."""

    name: str
    type: str
    priority: int
    payload_type: _U8
    rtx_payload_type: _U8 | None = None
    encode: bool | None = None
    decode: bool | None = None


class SelectProtocol(Payload, frozen=True, kw_only=True):
    """Op 1, for `protocol` "udp"."""

    protocol: str
    data: SelectProtocolData
    codecs: tuple[Codec, ...] | None = None
    rtc_connection_id: str | None = None
    experiments: tuple[str, ...] | None = None


class SessionDescription(Payload, frozen=True, kw_only=True):
    """Op 4: the transport key (32 bytes as integers) and the DAVE version, 0 for none."""

    secret_fields = frozenset({"secret_key"})

    mode: str
    secret_key: _Key
    dave_protocol_version: _U16 | None = None
    audio_codec: str | None = None
    video_codec: str | None = None
    media_session_id: str | None = None
    keyframe_interval: int | float | None = None

    @property
    def key(self) -> bytes:
        """The transport key."""
        return bytes(self.secret_key)


class Heartbeat(Payload, frozen=True, kw_only=True):
    """Op 3 from version 8 on; `seq_ack` is the last numbered message seen (-1 or absent before any)."""

    t: _I64
    seq_ack: _I64 | None = None


class HeartbeatAck(Payload, frozen=True, kw_only=True):
    """Op 6: `t` of the heartbeat, exactly."""

    t: _I64


class Speaking(Payload, frozen=True, kw_only=True):
    """Op 5: `speaking` is a set of `SpeakingFlag`. We send `delay` 0; the server adds `user_id`."""

    speaking: _U32
    ssrc: _U32
    delay: int | float | None = None
    user_id: str | None = None


class Resume(Payload, frozen=True, kw_only=True):
    """Op 7. One known client writes `seq` for `seq_ack`; read `last_seen`."""

    secret_fields = frozenset({"session_id", "token"})

    server_id: str
    channel_id: str | None = None
    session_id: str
    token: str
    seq_ack: _I64 | None = None
    seq: _I64 | None = None

    @property
    def last_seen(self) -> int:
        """Number of the last message that the client has, -1 for none."""
        if self.seq_ack is not None:
            return self.seq_ack
        return -1 if self.seq is None else self.seq


class Resumed(Payload, frozen=True, kw_only=True):
    """Op 9; its `d` is null."""

    def to_wire(self) -> object:
        """Return null."""
        return None


class ClientsConnect(Payload, frozen=True, kw_only=True):
    """Op 11: everybody who is there to a joiner, the joiner to everybody else."""

    user_ids: tuple[str, ...]


class ClientDisconnect(Payload, frozen=True, kw_only=True):
    """Op 13."""

    user_id: str


class Video(Payload, frozen=True, kw_only=True):
    """Op 12. Zeros and no streams mean video off; absent `streams` means unchanged. The server adds `user_id`."""

    parts = {"streams": StreamDescription}

    audio_ssrc: _U32
    video_ssrc: _U32
    rtx_ssrc: _U32 | None = None
    streams: tuple[StreamDescription, ...] | None = None
    user_id: str | None = None


class MediaSinkWants(Payload, frozen=True, kw_only=True):
    """Op 15: wanted quality 0..100 per primary video SSRC, 0 for none, `any` for those not named.

    `pixel_counts` says how many pixels will be shown. On the wire the SSRCs are keys of `d` itself.
    """

    any: _Quality | None = None
    wants: dict[_U32, _Quality] = msgspec.field(default_factory=dict)
    pixel_counts: dict[_U32, int | float] = msgspec.field(default_factory=dict)

    def to_wire(self) -> object:
        """Return the flat map of the wire."""
        flat: dict[str, object] = {str(ssrc): quality for ssrc, quality in self.wants.items()}
        if self.any is not None:
            flat["any"] = self.any
        if self.pixel_counts:
            flat["pixelCounts"] = {str(ssrc): count for ssrc, count in self.pixel_counts.items()}
        return flat

    @classmethod
    def fields_of(cls, data: Any) -> Any:
        """Gather the SSRC keys of `d`, which some clients nest under `streams`."""
        if not isinstance(data, Mapping):
            return data
        nested = data.get("streams")
        by_ssrc = nested if isinstance(nested, Mapping) else data
        wants = {ssrc: quality for ssrc, quality in by_ssrc.items() if ssrc.isdigit()}
        return {"any": data.get("any"), "wants": wants, "pixel_counts": data.get("pixelCounts") or {}}


class SessionUpdate(Payload, frozen=True, kw_only=True):
    """Op 14: the client sends `codecs`, the server what is to be sent from now on."""

    codecs: tuple[Codec, ...] | None = None
    audio_codec: str | None = None
    video_codec: str | None = None
    media_session_id: str | None = None
    keyframe_interval: int | float | None = None


class BackendVersion(Payload, frozen=True, kw_only=True):
    """Op 16: an empty question, and the answer."""

    voice: str | None = None
    rtc_worker: str | None = None


class Flags(Payload, frozen=True, kw_only=True, omit_defaults=False):
    """Op 18: who may record clips."""

    user_id: str
    flags: _Count | None = None


class Platform(Payload, frozen=True, kw_only=True, omit_defaults=False):
    """Op 20: 0 desktop, 1 mobile, 2 and 3 consoles."""

    user_id: str
    platform: _Count | None = None


class PrepareTransition(Payload, frozen=True, kw_only=True):
    """Op 21; id 0 executes at once."""

    transition_id: _U16
    protocol_version: _U16


class ExecuteTransition(Payload, frozen=True, kw_only=True):
    """Op 22."""

    transition_id: _U16


class TransitionReady(Payload, frozen=True, kw_only=True):
    """Op 23."""

    transition_id: _U16


class PrepareEpoch(Payload, frozen=True, kw_only=True):
    """Op 24; epoch 1 asks for a new group. Numbers may come as strings."""

    strict = False

    epoch: _Count
    protocol_version: _U16
    transition_id: _U16 | None = None


class InvalidCommitWelcome(Payload, frozen=True, kw_only=True):
    """Op 31."""

    transition_id: _U16
