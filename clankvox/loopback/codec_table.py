"""Payload types: clients choose their own in op 1, and the media server rewrites each packet for its receiver."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from clankvox.wire.gateway_ops import Codec

PROBE_PAYLOAD_TYPE: Final = 96
"""Reserved for bandwidth probes."""
DEFAULT_VIDEO_CODEC: Final = "H264"
"""What is assumed of a client that lists no codecs."""
_RTCP_CONFLICT: Final = range(64, 96)
"""With the marker bit these would read as RTCP (RFC 5761 section 4)."""


class Format(NamedTuple):
    """What a payload type stands for; `repair` is a retransmission (RFC 4588) of that codec."""

    codec: str
    repair: bool


class CodecTable:
    """The codecs of one client. Without any, payload types are passed on as they are."""

    def __init__(self, codecs: Iterable[Codec] = ()) -> None:
        """Read the list of op 1 or op 14; entries that cannot stand on a port shared with RTCP are left out."""
        self._codecs = sorted(codecs, key=lambda codec: codec.priority)
        self._by_type: dict[int, Format] = {}
        self._to_receive: dict[Format, int] = {}
        self._to_send: dict[Format, int] = {}
        for codec in self._codecs:
            for number, repair in ((codec.payload_type, False), (codec.rtx_payload_type, True)):
                if number is None or not _usable(number):
                    continue
                form = Format(codec.name, repair)
                self._by_type.setdefault(number, form)
                self._to_send.setdefault(form, number)
                if codec.decode is not False:
                    self._to_receive.setdefault(form, number)

    @property
    def empty(self) -> bool:
        """Whether the client listed nothing."""
        return not self._codecs

    def format(self, payload_type: int) -> Format | None:
        """Return what this client means by `payload_type`; None if it never said."""
        return self._by_type.get(payload_type)

    def payload_type(self, form: Format) -> int | None:
        """Return the payload type under which this client takes `form`; None if it cannot decode that."""
        return self._to_receive.get(form)

    def sent_as(self, form: Format, default: int) -> int:
        """Return the payload type under which this client sends `form`; `default` if it never said."""
        return self._to_send.get(form, default)

    def preferred_video(self) -> str:
        """Return the video codec that this client should send: the first that it can encode."""
        for codec in self._codecs:
            if codec.type == "video" and codec.encode is not False:
                return codec.name
        return DEFAULT_VIDEO_CODEC


def _usable(payload_type: int) -> bool:
    return payload_type <= 0x7F and payload_type not in _RTCP_CONFLICT and payload_type != PROBE_PAYLOAD_TYPE
