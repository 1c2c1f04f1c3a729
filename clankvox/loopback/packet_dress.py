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
_ABS_SEND_TIME_ID: Final = 3
_PLAYOUT_DELAY_ID: Final = 6
_SPEAKER_ID: Final = 9
_VOICE: Final = b"\x02"
_LEVEL: Final = b"\xa0"
"""Voice activity at -32 dBov (RFC 6464)."""
_NO_PLAYOUT_DELAY: Final = bytes(3)

_PADDED_SHARE: Final = 0.08
_PADDED_SHARE_OF_SILENCE: Final = 0.3
"""Native clients pad 3 to 15 % of their packets, most where they fall silent."""
_BARE_SHARE_OF_SILENCE: Final = 0.5
_MAX_PADDING_BYTES: Final = 64


class PacketDress:
    """Adds what a sender's native client would have sent. One for each sender, seeded."""

    def __init__(self, seed: str) -> None:
        """Draw all choices from `seed`."""
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def dress(self, datagram: bytes, header: RtpHeader, extension: bytes, payload: bytes, now: float) -> list[bytes]:
        """Return [clear part, part to be encrypted] of the packet to forward.

        Header fields and CSRCs stay as in `datagram`, and so does its `extension` body, if it has one.
        """
        csrcs_end = FIXED_HEADER_BYTES + 4 * (datagram[0] & _CSRC_MASK)
        silent = payload == SILENCE_FRAME
        if not header.extension_bytes and not (silent and self._random.random() < _BARE_SHARE_OF_SILENCE):
            extension = _native_extension(header, now)
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


def _native_extension(header: RtpHeader, now: float) -> bytes:
    send_time = (int(now * (1 << 18)) & 0xFF_FFFF).to_bytes(3, "big")  # seconds as 6.18 fixed point
    if header.payload_type == OPUS_PAYLOAD_TYPE:
        return build_extensions({_AUDIO_LEVEL_ID: _LEVEL, _ABS_SEND_TIME_ID: send_time, _SPEAKER_ID: _VOICE})
    return build_extensions({_ABS_SEND_TIME_ID: send_time, _PLAYOUT_DELAY_ID: _NO_PLAYOUT_DELAY})


def audio_header(sequence: int, timestamp: int, ssrc: int) -> RtpHeader:
    """Return the header of an Opus packet that one of our own members sends."""
    return RtpHeader(OPUS_PAYLOAD_TYPE, False, sequence, timestamp, Ssrc(ssrc), False, FIXED_HEADER_BYTES, 0)
