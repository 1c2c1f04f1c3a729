"""Frames that reach a client and that no key of its opens: as if its group and the others' were no longer the same."""

from typing import Literal

from clankvox.ids import UserId
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, SILENCE_FRAME, RtpHeader

GarbledMedia = Literal["audio", "video"]


class Garbling:
    """What of that which others send to one participant is spoilt. Transport and header stay as they are."""

    def __init__(self, media: GarbledMedia, of: UserId | None, *, until_new_group: bool) -> None:
        """Spoil frames of everybody, or `of` one sender; `until_new_group`: no more once the client asks for one."""
        self._audio = media == "audio"
        self._of = of
        self.until_new_group = until_new_group

    def spoil(self, sender: UserId, header: RtpHeader, frame: bytes, plaintext: bytes) -> bytes:
        """Return `plaintext` with the first byte of the `frame` in it changed, if it is one of those to be spoilt.

        Silence needs no key and stays: a client that hears nothing else is deaf all the same.
        """
        if (header.payload_type == OPUS_PAYLOAD_TYPE) is not self._audio or self._of not in (None, sender):
            return plaintext
        at = plaintext.find(frame) if frame and frame != SILENCE_FRAME else -1
        return plaintext if at < 0 else plaintext[:at] + bytes((plaintext[at] ^ 0xFF,)) + plaintext[at + 1 :]
