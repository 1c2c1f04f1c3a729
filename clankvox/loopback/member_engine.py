"""What a DAVE member needs of an MLS and frame encryption library."""

from collections.abc import Set as AbstractSet
from typing import Literal, Protocol

VideoCodec = Literal["H264", "VP8"]
"""Video codecs that members of our own speak, by their names in op 1."""


class Engine(Protocol):
    """One member's MLS session and media keys. Failures of group messages are MlsError, of frames OpenFailed."""

    @property
    def ready(self) -> bool:
        """Whether there is a key to encrypt with."""
        ...

    def restart(self) -> None:
        """Leave whatever group there is and begin a private one; the external sender stays known."""
        ...

    def key_package(self) -> bytes:
        """Make a new key package (op 26)."""
        ...

    def set_external_sender(self, payload: bytes) -> None:
        """Take op 25."""
        ...

    def propose(self, payload: bytes, recognized: AbstractSet[int]) -> bytes | None:
        """Take op 27 and return op 28, or None if there is nothing to commit."""
        ...

    def follow_commit(self, commit: bytes) -> bool:
        """Take the commit of op 29; False if it is none of this member's business."""
        ...

    def join(self, welcome: bytes, recognized: AbstractSet[int]) -> None:
        """Take the Welcome of op 30."""
        ...

    def switch(self) -> None:
        """Execute a transition: from now on send with the newest key, or none if there is no group."""
        ...

    def encrypt_opus(self, frame: bytes) -> bytes:
        """Encrypt one Opus frame; MlsError without a key."""
        ...

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        """Encrypt one whole picture (H264 in Annex B); MlsError without a key."""
        ...

    def decrypt(self, user_id: int, frame: bytes) -> bytes:
        """Decrypt a DAVE frame of `user_id`; OpenFailed if it does not authenticate."""
        ...

    def decrypt_video(self, user_id: int, frame: bytes) -> bytes:
        """Decrypt a picture of `user_id`; OpenFailed if it does not authenticate."""
        ...

    def decrypt_retired(self, user_id: int, frame: bytes) -> bytes:
        """Decrypt with the keys of groups that are left behind, to find out what a frame was; OpenFailed as above."""
        ...
