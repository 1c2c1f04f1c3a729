"""End-to-end encryption of media frames, fail closed (DAVE protocol, "Frame encryption").

FrameCipher is shared by three threads: the DAVE actor (MLS, gate), the playback actor (seal) and the role's UDP
thread (open). Its lock orders MLS calls and frame calls of one davey session, which has no order of its own.
"""

import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from clankvox.errors import MlsError, OpenFailed, WireError
from clankvox.ids import UserId
from clankvox.media.mls_engine import MlsEngine
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.video_codec import VideoCodec

T = TypeVar("T")

SILENCE_FRAME: Final = b"\xf8\xff\xfe"
"""The Opus silence frame: the only one that may pass in clear, both ways."""
FORMER_S: Final = 2.0
"""How long after a new beginning frames of the group before it still open: as long as packets are held."""


class Gate(StrEnum):
    """What may leave. A projection of the DAVE machine's state."""

    CLOSED = "closed"
    CLEAR = "clear"
    ENCRYPT = "encrypt"


class RejectReason(StrEnum):
    """Why a received frame was not opened."""

    NO_GROUP = "no_group"
    NO_KEY = "no_key"
    UNENCRYPTED = "unencrypted"


class FrameRejected(WireError):
    """A received frame that may not be played; `may_open_later` when a key can still arrive."""

    code = "dave_rejected"

    def __init__(self, reason: RejectReason) -> None:
        super().__init__(reason.value)
        self.reason = reason

    @property
    def may_open_later(self) -> bool:
        """Encrypted frames can outrun the commit or welcome that brings their key."""
        return self.reason is not RejectReason.UNENCRYPTED


class OpenedFrame(NamedTuple):
    """A frame that may be played; only an authenticated one proves who sent it."""

    payload: bytes
    authenticated: bool


def nobody_waits() -> None:
    """Do nothing: no thread waits for a change."""


class FrameCipher:
    """Encrypts and decrypts the frames of one role. Thread-safe."""

    def __init__(self, wake: Callable[[], None] = nobody_waits) -> None:
        """`wake` is called after every change, outside the lock: frames that wait for a key may open now."""
        self._wake = wake
        self._open_waiting: Callable[[], None] = nobody_waits
        self._lock = threading.RLock()
        self._engine: MlsEngine | None = None
        self._former: MlsEngine | None = None
        self._former_until = 0.0
        self._gate = Gate.CLOSED
        self._version_zero = False
        self._clear_until = 0.0
        self.generation = 0
        """Grows with every change of gate, group or key: what was sealed before is stale, what failed may open now."""
        self.sealed_frames = 0
        self.seal_failures = 0

    def opens_first(self, open_waiting: Callable[[], None]) -> None:
        """Call `open_waiting` before every MLS message, outside the lock: what it changes may take keys away."""
        self._open_waiting = open_waiting

    @property
    def gate(self) -> Gate:
        """What may leave now. Any thread."""
        return self._gate

    @property
    def group_ready(self) -> bool:
        """Whether a group exists. Any thread."""
        with self._lock:
            return self._engine is not None and self._engine.ready

    def install(self, engine: MlsEngine | None, now: float = -math.inf) -> None:
        """Replace the group; closes the gate. What the group before may open is said with `succeed`. DAVE actor.

        Where version 0 was in force it stays so for others' frames until `accept_clear_until` says how long yet: a
        session that is made for an upgrade takes its time, and they go on speaking in clear meanwhile.
        """
        with self._lock:
            self._retire(now)
            self._engine = engine
            self._gate = Gate.CLOSED
            self._version_zero = self._version_zero and engine is not None
            self._clear_until = 0.0
            self.generation += 1
        self._wake()

    def succeed(self, engine: MlsEngine, now: float) -> None:
        """Begin anew with a session that has no group yet; gate and windows stay. DAVE actor.

        What others sent before they heard of it has the keys of the group before, which goes on opening it for
        FORMER_S of arrivals: a leaving that makes us the last one resets the group right behind the leaver's words.
        """
        with self._lock:
            self._retire(now)
            self._engine = engine
            self.generation += 1
        self._wake()

    def set_gate(self, gate: Gate) -> None:
        """Say what may leave from now on. DAVE actor."""
        with self._lock:
            if gate is self._gate:
                return
            self._gate = gate
            self._version_zero = gate is Gate.CLEAR
            self.generation += 1
        self._wake()

    def unchanged(self) -> AbstractContextManager[object]:
        """Hold off every change while frames are opened in their order: a few milliseconds at most. UDP thread.

        The group library refuses what was sent before the first frame that it opens with a key. So of frames that
        wait for one key the first has to be tried before any other, and no key may come in the midst of it.
        """
        return self._lock

    def accept_clear_until(self, deadline: float) -> None:
        """Accept clear frames up to `deadline`: others change between clear and encrypted now. DAVE actor."""
        with self._lock:
            self._clear_until = deadline
            self._version_zero = self._gate is Gate.CLEAR
            self.generation += 1
        self._wake()

    def mls(self, call: Callable[[MlsEngine], T]) -> T:
        """Run `call` on the group with no frame in between. DAVE actor. Raises MlsError, also without a group."""
        self._open_waiting()
        try:
            with self._lock:
                if self._engine is None:
                    raise MlsError("no DAVE session")
                try:
                    return call(self._engine)
                finally:
                    self.generation += 1
        finally:
            self._wake()

    def seal_opus(self, frame: bytes) -> bytes | None:
        """Return what may leave for `frame`, or None while nothing may. Playback actor. Raises MlsError."""
        return self._seal(frame, lambda engine: engine.encrypt_opus(frame))

    def seal_video(self, frame: bytes, codec: VideoCodec) -> bytes | None:
        """Return what may leave for a whole access unit, or None while nothing may. Any thread. Raises MlsError.

        H264 comes back as a byte stream with 4-byte start codes, to be split at them. Add and drop no NAL unit after
        this: receivers authenticate all of them.
        """
        return self._seal(frame, lambda engine: engine.encrypt_video(codec, frame))

    def open_audio(self, user_id: UserId, frame: bytes, now: float) -> OpenedFrame:
        """Open a frame that `user_id` is thought to have sent. UDP thread. Raises FrameRejected."""
        if frame == SILENCE_FRAME:
            return OpenedFrame(frame, authenticated=False)
        if not is_dave_frame(frame):
            return self._open_clear(frame, now)
        return self._open(now, lambda engine: engine.decrypt_audio(user_id, frame))

    def open_video(self, user_id: UserId, frame: bytes, now: float) -> OpenedFrame:
        """Open a whole access unit that `user_id` is thought to have sent. UDP thread. Raises FrameRejected."""
        if not is_dave_frame(frame):
            return self._open_clear(frame, now)
        return self._open(now, lambda engine: engine.decrypt_video(user_id, frame))

    def members(self) -> frozenset[UserId]:
        """Users whose frames could be decrypted. Any thread."""
        with self._lock:
            return self._engine.members if self._engine is not None else frozenset()

    def group(self) -> dict[str, object]:
        """Describe the group: its epoch, its members and the privacy code that all of them see. Any thread."""
        with self._lock:
            engine = self._engine
            known = engine is not None and engine.ready
            return {
                "gate": str(self._gate),
                "epoch": engine.epoch if engine is not None and known else None,
                "members": sorted(engine.members) if engine is not None and known else [],
                "privacy_code": engine.privacy_code if engine is not None and known else None,
            }

    def _seal(self, frame: bytes, encrypt: Callable[[MlsEngine], bytes]) -> bytes | None:
        with self._lock:
            if self._gate is Gate.CLOSED:
                return None
            if self._gate is Gate.CLEAR:
                return frame
            if self._engine is None or not self._engine.ready:
                return None
            try:
                sealed = encrypt(self._engine)
            except MlsError:
                self.seal_failures += 1
                raise
            self.sealed_frames += 1
            return sealed

    def _open(self, arrival: float, decrypt: Callable[[MlsEngine], bytes]) -> OpenedFrame:
        """Open with the group, or with the one before it that what came at `arrival` may be of."""
        with self._lock:
            # asked for with each frame, so that the keys go in time and not with the first frame that needs them
            former = self._former_of(arrival) if self._former is not None else None
            reason = RejectReason.NO_GROUP
            if self._engine is not None and self._engine.ready:
                try:
                    return OpenedFrame(decrypt(self._engine), authenticated=True)
                except OpenFailed:
                    reason = RejectReason.NO_KEY
            if former is not None:
                with suppress(OpenFailed):
                    return OpenedFrame(decrypt(former), authenticated=True)
            raise FrameRejected(reason)

    def _open_clear(self, frame: bytes, now: float) -> OpenedFrame:
        if self._version_zero or now < self._clear_until:
            return OpenedFrame(frame, authenticated=False)
        raise FrameRejected(RejectReason.UNENCRYPTED)

    def _retire(self, now: float) -> None:
        """Keep the group that is left, if it is one, for what arrives within FORMER_S of `now`; the lock is held."""
        if self._engine is not None and self._engine.ready:
            self._former, self._former_until = self._engine, now + FORMER_S
        elif now == -math.inf:
            self._former = None

    def _former_of(self, arrival: float) -> MlsEngine | None:
        """Return the group before this one if it may open what came at `arrival`; the lock is held."""
        if self._former is not None and arrival >= self._former_until:
            self._former = None
        return self._former
