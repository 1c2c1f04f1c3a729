"""The DAVE group library behind one interface, so that actors and tests do not depend on davey.

davey (OpenMLS) raises ValueError for every refusal and a PanicException, a BaseException, for its own bugs; both
become MlsError or OpenFailed here, so that neither can stop an actor. No method is thread-safe: FrameCipher's
lock orders the calls.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import davey

from clankvox.errors import ClankvoxError, MlsError, OpenFailed
from clankvox.ids import ChannelId, UserId
from clankvox.wire.video_codec import VideoCodec

T = TypeVar("T")

_AUDIO, _VIDEO = davey.MediaType.audio, davey.MediaType.video
_CODEC = {VideoCodec.H264: davey.Codec.h264, VideoCodec.VP8: davey.Codec.vp8}
"""Codec.unknown, which is not among them, makes davey panic."""

DAVE_VERSION: int = davey.DAVE_PROTOCOL_VERSION
"""The newest DAVE protocol version that we speak."""


class MlsEngine(Protocol):
    """One member's view of a DAVE group."""

    @property
    def ready(self) -> bool:
        """Whether a group exists, so that frames can be encrypted."""
        ...

    @property
    def epoch(self) -> int | None:
        """MLS epoch of the group, None without one."""
        ...

    @property
    def members(self) -> frozenset[UserId]:
        """Users in the group, ourselves included."""
        ...

    @property
    def privacy_code(self) -> str | None:
        """The 30 digits that members can compare, None without a group."""
        ...

    def set_external_sender(self, package: bytes) -> None:
        """Op 25. Raises MlsError."""
        ...

    def key_package(self) -> bytes:
        """Return a new key package (op 26 payload). Raises MlsError."""
        ...

    def process_proposals(self, payload: bytes, recognized: Iterable[UserId]) -> bytes | None:
        """Op 27 payload in, op 28 payload (commit, welcome) out. Raises MlsError."""
        ...

    def process_commit(self, commit: bytes) -> None:
        """Op 29 payload after the transition id. Raises MlsError."""
        ...

    def process_welcome(self, welcome: bytes) -> None:
        """Op 30 payload after the transition id. Raises MlsError."""
        ...

    def encrypt_opus(self, frame: bytes) -> bytes:
        """Encrypt one Opus frame; exact silence comes back unchanged. Raises MlsError."""
        ...

    def decrypt_audio(self, user_id: UserId, frame: bytes) -> bytes:
        """Decrypt and authenticate one frame of `user_id`. Raises OpenFailed."""
        ...

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        """Encrypt one whole access unit; H264 comes back with 4-byte start codes. Raises MlsError."""
        ...

    def decrypt_video(self, user_id: UserId, frame: bytes) -> bytes:
        """Decrypt and authenticate one whole access unit of `user_id`, of any codec. Raises OpenFailed."""
        ...


def _contained(call: Callable[..., T], error: type[ClankvoxError], *arguments: object) -> T:
    """Run a native call; every failure, also a native panic, becomes `error` (whose text stays ours)."""
    try:
        return call(*arguments)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except Exception as refusal:
        raise error(f"davey refused: {type(refusal).__name__}") from refusal
    except BaseException as panic:  # pyo3's PanicException derives from BaseException
        raise error("davey panicked") from panic


class DaveyEngine:
    """MlsEngine by davey."""

    def __init__(self, version: int, user_id: UserId, group_id: ChannelId) -> None:
        """Make a session without a group. Raises MlsError for a version that davey does not speak."""
        self._session = _contained(lambda: davey.DaveSession(version, user_id, group_id, None), MlsError)

    @property
    def ready(self) -> bool:
        """See MlsEngine."""
        return bool(self._session.ready)

    @property
    def epoch(self) -> int | None:
        """See MlsEngine."""
        return self._session.epoch if self.ready else None

    @property
    def members(self) -> frozenset[UserId]:
        """See MlsEngine."""
        return frozenset(UserId(int(user)) for user in self._session.get_user_ids()) if self.ready else frozenset()

    @property
    def privacy_code(self) -> str | None:
        """See MlsEngine."""
        return self._session.voice_privacy_code if self.ready else None

    def set_external_sender(self, package: bytes) -> None:
        """See MlsEngine."""
        _contained(lambda: self._session.set_external_sender(package), MlsError)

    def key_package(self) -> bytes:
        """See MlsEngine."""
        return bytes(_contained(self._session.get_serialized_key_package, MlsError))

    def process_proposals(self, payload: bytes, recognized: Iterable[UserId]) -> bytes | None:
        """See MlsEngine."""
        if not payload or payload[0] not in (0, 1):
            raise MlsError("proposals without an operation")
        operation = davey.ProposalsOperationType.append if payload[0] == 0 else davey.ProposalsOperationType.revoke
        users = [int(user) for user in recognized]
        result = _contained(lambda: self._session.process_proposals(operation, payload[1:], users), MlsError)
        if result is None:
            return None
        return bytes(result.commit) + bytes(result.welcome or b"")

    def process_commit(self, commit: bytes) -> None:
        """See MlsEngine."""
        _contained(lambda: self._session.process_commit(commit), MlsError)

    def process_welcome(self, welcome: bytes) -> None:
        """See MlsEngine."""
        _contained(lambda: self._session.process_welcome(welcome), MlsError)

    def encrypt_opus(self, frame: bytes) -> bytes:
        """See MlsEngine."""
        return bytes(_contained(lambda: self._session.encrypt_opus(frame), MlsError))

    def decrypt_audio(self, user_id: UserId, frame: bytes) -> bytes:
        """See MlsEngine."""
        return bytes(_contained(self._session.decrypt, OpenFailed, user_id, _AUDIO, frame))

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        """See MlsEngine."""
        native = _CODEC[codec]
        return bytes(_contained(lambda: self._session.encrypt(davey.MediaType.video, native, frame), MlsError))

    def decrypt_video(self, user_id: UserId, frame: bytes) -> bytes:
        """See MlsEngine."""
        return bytes(_contained(self._session.decrypt, OpenFailed, user_id, _VIDEO, frame))
