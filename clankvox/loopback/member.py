"""A full DAVE member of the offline Discord: what a client does with ops 4 and 21 to 31, and its frames.

Written from the protocol, apart from the client's own DAVE code, so that a misunderstanding shows on one side.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from clankvox.errors import MlsError, OpenFailed
from clankvox.ids import UserId
from clankvox.loopback.member_engine import Engine, VideoCodec
from clankvox.loopback.refused import RefusedFrames
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    InvalidCommitWelcome,
    Op,
    Payload,
    PrepareEpoch,
    PrepareTransition,
    TransitionReady,
)

Library = Literal["davey", "libdave"]

SILENCE_FRAME: Final = b"\xf8\xff\xfe"
"""The one Opus frame that may come in clear at any time."""
_DAVE_VERSION: Final = 1
_NEW_GROUP_EPOCH: Final = 1
_IMMEDIATE: Final = 0


class Answer(NamedTuple):
    """A message to the gateway: bytes after the opcode for ops 26 and 28, else the JSON payload (23, 31)."""

    op: Op
    payload: bytes | Payload


class DaveMember:
    """One user in one channel. Not thread-safe. Feed it every message in the order of its socket."""

    def __init__(self, user_id: int, channel_id: int, library: Library = "davey") -> None:
        """Make the member; `libdave` needs the development dependency dave.py."""
        self.user_id = UserId(user_id)
        self.version = 0
        """The executed protocol version; 0 is plain."""
        self.dropped: Counter[str] = Counter()
        """Messages that had no effect, by cause."""
        self._engine = _make_engine(library, user_id, channel_id)
        self.refused = RefusedFrames(self._engine)
        """Opus frames that did not open, and why."""
        self._recognized = {user_id}
        self._pending: dict[int, int] = {}

    @property
    def ready(self) -> bool:
        """Whether `encrypt_opus` works: the room is plain, or the group's key is there."""
        return self.version == 0 or self._engine.ready

    def users_connected(self, user_ids: Iterable[int]) -> None:
        """Op 11: only users named there may be added to the group."""
        self._recognized.update(user_ids)

    def user_left(self, user_id: int) -> None:
        """Op 13."""
        self._recognized.discard(user_id)

    def start(self, version: int) -> list[Answer]:
        """Op 4 with `dave_protocol_version`."""
        self.version = version
        return [self._key_package()] if version else []

    def receive(self, op: Op, payload: bytes | Payload) -> list[Answer]:
        """Take one message of ops 21, 22, 24, 25, 27, 29 or 30 and return the answers, in order."""
        match payload:
            case PrepareTransition(transition_id=transition_id, protocol_version=version):
                return self._prepare(transition_id, version)
            case ExecuteTransition(transition_id=transition_id):
                self._execute(transition_id)
                return []
            case PrepareEpoch(epoch=epoch):
                return self._restart(gave_up=False) if epoch == _NEW_GROUP_EPOCH else []
            case bytes():
                return self._receive_binary(op, payload)
        self.dropped["unexpected"] += 1
        return []

    def encrypt_opus(self, frame: bytes) -> bytes:
        """Return `frame` as it goes into RTP, in clear only while version 0 is executed.

        MlsError (not a WireError) while a group is due but not there: look at `ready` first.
        """
        if self.version == 0:
            return frame
        return self._engine.encrypt_opus(frame)

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        """Return a whole picture as it is packetised, in clear only while version 0 is executed; MlsError as above."""
        if self.version == 0:
            return frame
        return self._engine.encrypt_video(codec, frame)

    def decrypt_video(self, user_id: int, frame: bytes) -> bytes:
        """Return the picture of `user_id`; OpenFailed for what does not authenticate, or is clear but should not be."""
        if is_dave_frame(frame):
            return self._engine.decrypt_video(user_id, frame)
        if self.version:
            raise OpenFailed("a clear picture while encryption is on")
        return frame

    def decrypt(self, user_id: int, frame: bytes, *, told: bool = True) -> bytes:
        """Return the Opus frame of `user_id`; OpenFailed (a WireError) for what does not authenticate.

        A clear frame counts only while version 0 is executed or prepared (others may execute it sooner), but silence
        always does. `told` says whether the sender had answered all that the server told it.
        """
        if is_dave_frame(frame):
            return self._decrypt(user_id, frame, told=told)
        if self.version and frame != SILENCE_FRAME and 0 not in self._pending.values():
            self.refused.clear(user_id, told=told)
            raise OpenFailed("a clear frame while encryption is on")
        return frame

    def _decrypt(self, user_id: int, frame: bytes, *, told: bool) -> bytes:
        try:
            opened = self._engine.decrypt(user_id, frame)
        except OpenFailed:
            self.refused.note(user_id, frame, told=told)
            raise
        self.refused.opened(user_id)
        return opened

    def _receive_binary(self, op: Op, payload: bytes) -> list[Answer]:
        match op:
            case Op.MLS_EXTERNAL_SENDER:
                return self._take_external_sender(payload)
            case Op.MLS_PROPOSALS:
                return self._commit(payload)
            case Op.MLS_ANNOUNCE_COMMIT | Op.MLS_WELCOME if len(payload) >= 2:
                return self._enter_epoch(op, int.from_bytes(payload[:2], "big"), payload[2:])
        self.dropped["unexpected"] += 1
        return []

    def _take_external_sender(self, payload: bytes) -> list[Answer]:
        try:
            self._engine.set_external_sender(payload)
        except MlsError:
            self.dropped["external_sender"] += 1
        return []

    def _commit(self, payload: bytes) -> list[Answer]:
        try:
            commit = self._engine.propose(payload, self._recognized)
        except MlsError:
            commit = None
        if commit is None:
            self.dropped["proposals"] += 1
            return []
        return [Answer(Op.MLS_COMMIT_WELCOME, commit)]

    def _enter_epoch(self, op: Op, transition_id: int, message: bytes) -> list[Answer]:
        """Follow a commit or a Welcome; one that cannot be followed is flagged, and a new start offered."""
        try:
            if op is Op.MLS_WELCOME:
                self._engine.join(message, self._recognized)
            elif not self._engine.follow_commit(message):
                self.dropped["commit_ignored"] += 1
                return []
        except MlsError:
            self.dropped["commit_failed"] += 1
            return [
                Answer(Op.INVALID_COMMIT_WELCOME, InvalidCommitWelcome(transition_id=transition_id)),
                *self._restart(gave_up=True),
            ]
        self.refused.try_again(at_once=transition_id == _IMMEDIATE)
        return self._prepare(transition_id, _DAVE_VERSION)

    def _restart(self, *, gave_up: bool) -> list[Answer]:
        self._pending.clear()
        self._engine.restart()
        self.refused.begun_anew(gave_up=gave_up)
        return [self._key_package()]

    def _key_package(self) -> Answer:
        return Answer(Op.MLS_KEY_PACKAGE, self._engine.key_package())

    def _prepare(self, transition_id: int, version: int) -> list[Answer]:
        self._pending[transition_id] = version
        if transition_id == _IMMEDIATE:
            self._execute(transition_id)
            return []
        return [Answer(Op.TRANSITION_READY, TransitionReady(transition_id=transition_id))]

    def _execute(self, transition_id: int) -> None:
        version = self._pending.pop(transition_id, None)
        if version is None:
            self.dropped["unknown_transition"] += 1
            return
        self.version = version
        self._engine.switch()
        self.refused.in_force()


def _make_engine(library: Library, user_id: int, channel_id: int) -> Engine:
    """Load only the library that is asked for: libdave is not installed with the product."""
    if library == "libdave":
        from clankvox.loopback.member_libdave import LibdaveEngine  # noqa: PLC0415

        return LibdaveEngine(user_id, channel_id)
    from clankvox.loopback.member_davey import DaveyEngine  # noqa: PLC0415

    return DaveyEngine(user_id, channel_id)
