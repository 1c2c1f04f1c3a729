"""Make forwarded packets look like those of Discord's native clients: header extensions and RTP padding.

Receivers that skip either fail on real calls: padding stays in the frame, and its end-to-end decryption fails.
"""

import random
from typing import Final

from clankvox.ids import Ssrc
from clankvox.wire.rtp import FIXED_HEADER_BYTES, OPUS_PAYLOAD_TYPE, SILENCE_FRAME, RtpHeader, build_extensions, pad

_PADDING_BIT: Final = 0x20
_EXTENSION_BIT: Final = 0x10
_CSRC_MASK: Final = 0x0F
_PREAMBLE_BYTES: Final = 4
_PREAMBLE: Final = b"\xbe\xde"

_AUDIO_LEVEL_ID: Final = 1
_TIME_OFFSET_ID: Final = 2
_ABS_SEND_TIME_ID: Final = 3
_ORIENTATION_ID: Final = 4
_TRANSPORT_SEQUENCE_ID: Final = 5
_PLAYOUT_DELAY_ID: Final = 6
_CONTENT_TYPE_ID: Final = 7
_TIMING_ID: Final = 8
_SPEAKER_ID: Final = 9
_MID_ID: Final = 10
_RID_ID: Final = 11
_REPAIRED_RID_ID: Final = 12
_SCREEN: Final = b"\x01"
_MID: Final = b"video"
_RID: Final = b"100"
_VOICE: Final = b"\x02"
_LEVEL: Final = b"\xa0"
"""Voice activity at -32 dBov (RFC 6464)."""
_NO_PLAYOUT_DELAY: Final = bytes(3)

_PADDED_SHARE: Final = 0.08
_PADDED_SHARE_OF_SILENCE: Final = 0.3
"""Native clients pad 3 to 15 % of their packets, most where they fall silent."""
_BARE_SHARE_OF_SILENCE: Final = 0.5
_MAX_PADDING_BYTES: Final = 64
_ROOMY_SHARE: Final = 0.1
_SPARE_BYTES: Final = 16
"""Pad bytes that some video packets have behind their extensions: their length is no constant."""


class PacketDress:
    """Adds what a sender's native client would have sent. One for each sender, seeded."""

    def __init__(self, seed: str) -> None:
        """Draw all choices from `seed`."""
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._transport_sequence = 0

    def dress(
        self, datagram: bytes, header: RtpHeader, extension: bytes, payload: bytes, now: float, *, repair: bool = False
    ) -> list[bytes]:
        """Return [clear part, part to be encrypted] of the packet to forward.

        Header fields and CSRCs stay as in `datagram`, and so does its `extension` body, if it has one. A `repair`
        packet names its layer under another id.
        """
        csrcs_end = FIXED_HEADER_BYTES + 4 * (datagram[0] & _CSRC_MASK)
        silent = payload == SILENCE_FRAME
        if not header.extension_bytes and not (silent and self._random.random() < _BARE_SHARE_OF_SILENCE):
            extension = self._native_extension(header, now, repair=repair)
        first = datagram[0] & ~(_PADDING_BIT | _EXTENSION_BIT)
        if self._random.random() < (_PADDED_SHARE_OF_SILENCE if silent else _PADDED_SHARE) or not payload:
            first |= _PADDING_BIT
            payload = pad(payload, self._random.randint(1, _MAX_PADDING_BYTES))
        if not extension:
            return [bytes((first,)) + datagram[1:csrcs_end], payload]
        preamble = _PREAMBLE + (len(extension) // 4).to_bytes(2, "big")
        if header.extension_bytes:
            preamble = datagram[header.clear_bytes - _PREAMBLE_BYTES : header.clear_bytes]
        return [bytes((first | _EXTENSION_BIT,)) + datagram[1:csrcs_end] + preamble, extension + payload]

    def _native_extension(self, header: RtpHeader, now: float, *, repair: bool) -> bytes:
        send_time = (int(now * (1 << 18)) & 0xFF_FFFF).to_bytes(3, "big")  # seconds as 6.18 fixed point
        if header.payload_type == OPUS_PAYLOAD_TYPE:
            return build_extensions({_AUDIO_LEVEL_ID: _LEVEL, _ABS_SEND_TIME_ID: send_time, _SPEAKER_ID: _VOICE})
        self._transport_sequence = (self._transport_sequence + 1) & 0xFFFF
        body = _video_extension(send_time, self._transport_sequence.to_bytes(2, "big"), repair=repair)
        return body + bytes(_SPARE_BYTES if self._random.random() < _ROOMY_SHARE else 0)


def _video_extension(send_time: bytes, transport_sequence: bytes, *, repair: bool) -> bytes:
    return build_extensions(
        {
            _TIME_OFFSET_ID: bytes(3),
            _ABS_SEND_TIME_ID: send_time,
            _ORIENTATION_ID: bytes(1),
            _TRANSPORT_SEQUENCE_ID: transport_sequence,
            _PLAYOUT_DELAY_ID: _NO_PLAYOUT_DELAY,
            _CONTENT_TYPE_ID: _SCREEN,
            _TIMING_ID: bytes(13),
            _MID_ID: _MID,
            _REPAIRED_RID_ID if repair else _RID_ID: _RID,
        }
    )


def audio_header(sequence: int, timestamp: int, ssrc: int) -> RtpHeader:
    """Return the header of an Opus packet that one of our own members sends."""
    return RtpHeader(OPUS_PAYLOAD_TYPE, False, sequence, timestamp, Ssrc(ssrc), False, FIXED_HEADER_BYTES, 0)
