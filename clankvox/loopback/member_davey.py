"""DAVE member engine on davey (OpenMLS), which switches its encryptor with the commit and not with op 22."""

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import Final

import davey

from clankvox.errors import ClankvoxError, MlsError, OpenFailed
from clankvox.loopback.member_engine import VideoCodec

_VERSION = davey.DAVE_PROTOCOL_VERSION
_MOST_RETIRED: Final = 2
_CODECS = {"H264": davey.Codec.h264, "VP8": davey.Codec.vp8}


@contextmanager
def _contained(failure: type[ClankvoxError]) -> Iterator[None]:
    """Turn what davey raises into `failure`; its PanicException is a BaseException that no importable class names."""
    try:
        yield
    except ValueError as error:
        raise failure(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise failure("davey panicked") from error


class DaveyEngine:
    """Engine on one DaveSession."""

    def __init__(self, user_id: int, channel_id: int) -> None:
        """Begin with a private group for `user_id` in the group of `channel_id`."""
        self._user_id = user_id
        self._channel_id = channel_id
        self._session = davey.DaveSession(_VERSION, user_id, channel_id, None)
        self._external_sender: bytes | None = None
        self._retired: deque[davey.DaveSession] = deque(maxlen=_MOST_RETIRED)

    @property
    def ready(self) -> bool:
        """Whether there is a key to encrypt with."""
        return bool(self._session.ready)

    def restart(self) -> None:
        """See Engine."""
        if self._session.ready:
            self._retired.append(self._session)
        with _contained(MlsError):
            self._session = davey.DaveSession(_VERSION, self._user_id, self._channel_id, None)
            if self._external_sender is not None:
                self._session.set_external_sender(self._external_sender)

    def key_package(self) -> bytes:
        """See Engine."""
        with _contained(MlsError):
            return bytes(self._session.get_serialized_key_package())

    def set_external_sender(self, payload: bytes) -> None:
        """See Engine."""
        with _contained(MlsError):
            self._session.set_external_sender(payload)
        self._external_sender = payload

    def propose(self, payload: bytes, recognized: AbstractSet[int]) -> bytes | None:
        """See Engine. davey wants the operation byte apart."""
        operation = (
            davey.ProposalsOperationType.revoke if payload[:1] == b"\x01" else davey.ProposalsOperationType.append
        )
        with _contained(MlsError):
            answer = self._session.process_proposals(operation, payload[1:], sorted(recognized))
        return None if answer is None else bytes(answer.commit) + bytes(answer.welcome or b"")

    def follow_commit(self, commit: bytes) -> bool:
        """See Engine."""
        with _contained(MlsError):
            self._session.process_commit(commit)
        return True

    def join(self, welcome: bytes, recognized: AbstractSet[int]) -> None:  # noqa: ARG002 - davey does not check it
        """See Engine."""
        with _contained(MlsError):
            self._session.process_welcome(welcome)

    def switch(self) -> None:
        """Nothing to do: davey switched when it took the commit or Welcome."""

    def encrypt_opus(self, frame: bytes) -> bytes:
        """See Engine. The silence frame F8 FF FE stays as it is."""
        with _contained(MlsError):
            return bytes(self._session.encrypt_opus(frame))

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        """See Engine."""
        with _contained(MlsError):
            return bytes(self._session.encrypt(davey.MediaType.video, _CODECS[codec], frame))

    def decrypt(self, user_id: int, frame: bytes) -> bytes:
        """See Engine."""
        with _contained(OpenFailed):
            return bytes(self._session.decrypt(user_id, davey.MediaType.audio, frame))

    def decrypt_video(self, user_id: int, frame: bytes) -> bytes:
        """See Engine."""
        with _contained(OpenFailed):
            return bytes(self._session.decrypt(user_id, davey.MediaType.video, frame))

    def decrypt_retired(self, user_id: int, frame: bytes) -> bytes:
        """See Engine."""
        for session in self._retired:
            with suppress(OpenFailed), _contained(OpenFailed):
                return bytes(session.decrypt(user_id, davey.MediaType.audio, frame))
        raise OpenFailed("no group that was left opens it")
