"""A DAVE group library that does as the test says: `bad` payloads are refused, all others succeed at once."""

from collections.abc import Iterable

from clankvox.errors import MlsError, OpenFailed
from clankvox.ids import ChannelId, UserId
from clankvox.wire.rtp import SILENCE_FRAME
from clankvox.wire.video_codec import VideoCodec

BAD = b"bad"
NO_ANSWER = b"\x00nothing"
_TRAILER = bytes(8) + b"\x00" + b"\x0c\xfa\xfa"


class FakeEngine:
    """clankvox.media.mls_engine.MlsEngine without cryptography; what it seals still looks like a DAVE frame."""

    refuse_encrypt = False

    def __init__(self, version: int, user_id: UserId, group_id: ChannelId) -> None:
        if version != 1:
            raise MlsError("no such version")
        self.user_id, self.group_id = user_id, group_id
        self.ready = False
        self.epoch: int | None = None
        self.packages = 0
        self.recognized: frozenset[int] = frozenset()
        self.privacy_code = None

    @property
    def members(self) -> frozenset[UserId]:
        return frozenset({self.user_id}) if self.ready else frozenset()

    def set_external_sender(self, package: bytes) -> None:
        self._refuse(package)

    def key_package(self) -> bytes:
        self.packages += 1
        return b"package%d" % self.packages

    def process_proposals(self, payload: bytes, recognized: Iterable[UserId]) -> bytes | None:
        self._refuse(payload)
        self.recognized = frozenset(recognized)
        return None if payload == NO_ANSWER else b"commit"

    def process_commit(self, commit: bytes) -> None:
        self._refuse(commit)
        self._advance()

    def process_welcome(self, welcome: bytes) -> None:
        self._refuse(welcome)
        self._advance()

    def encrypt_opus(self, frame: bytes) -> bytes:
        if self.refuse_encrypt or not self.ready:
            raise MlsError("refused")
        if frame == SILENCE_FRAME:
            return frame
        return bytes(byte ^ 0x5A for byte in frame) + _TRAILER

    def decrypt_audio(self, user_id: UserId, frame: bytes) -> bytes:
        if not frame.endswith(_TRAILER):
            raise OpenFailed("refused")
        return bytes(byte ^ 0x5A for byte in frame[: -len(_TRAILER)])

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        if self.refuse_encrypt or not self.ready:
            raise MlsError("refused")
        return bytes(byte ^ 0x5A for byte in frame) + _TRAILER

    def decrypt_video(self, user_id: UserId, frame: bytes) -> bytes:
        return self.decrypt_audio(user_id, frame)

    def _advance(self) -> None:
        self.ready = True
        self.epoch = (self.epoch or 0) + 1

    @staticmethod
    def _refuse(payload: bytes) -> None:
        if payload.endswith(BAD):
            raise MlsError("refused")
