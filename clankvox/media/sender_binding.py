"""Who sends on an SSRC: op 5 is a hint, an authenticated DAVE frame is the proof."""

import math
from collections.abc import Callable, Collection
from typing import Final

from clankvox.ids import UserId
from clankvox.media.frame_cipher import FrameCipher, FrameRejected, OpenedFrame, RejectReason
from clankvox.wire.rtp import SILENCE_FRAME

_NOBODY: Final = UserId(0)
_SWEEP_INTERVAL_S: Final = 0.25
_ALL_SWEEPS_INTERVAL_S: Final = 0.05
_TRY_BYTES: Final = 512
"""Trying a key takes as long as so many bytes of a frame, and as the frame has: 23 us a KiB."""
_SWEEP_BYTES: Final = 192 * 1024
"""What one sweep may try of frames that wait, with all members: some 4 ms, or one frame."""
_LEAST_SWEEP_BYTES: Final = 4 * 1024
"""Of the frames themselves, however many members there are: some packets of speech."""
_MOST_SWEEP_BYTES: Final = 2 * 1024 * 1024
"""A picture that would take longer with all members, 50 ms, is not tried: nobody is heard meanwhile."""


class SweepBudget:
    """Bounds what garbage can cost: a role tries all members at most 20 times a second."""

    __slots__ = ("next_at",)

    def __init__(self) -> None:
        self.next_at = 0.0
        """When the next sweep may be made."""

    def take(self, now: float) -> bool:
        """Whether one more sweep may be made now; if so it is counted."""
        if now < self.next_at:
            return False
        self.next_at = now + _ALL_SWEEPS_INTERVAL_S
        return True


class SenderBinding:
    """Finds the user behind one SSRC while opening its frames. Not thread-safe."""

    __slots__ = (
        "_budget",
        "_bytes_left",
        "_cipher",
        "_next_sweep_at",
        "_open_frame",
        "_starved",
        "_swept_at",
        "hinted",
        "proven",
        "swept",
    )

    def __init__(
        self,
        cipher: FrameCipher,
        budget: SweepBudget,
        open_frame: Callable[[UserId, bytes, float], OpenedFrame] | None = None,
    ) -> None:
        """`open_frame` is the cipher's method for the kind of frame, audio if it is not given."""
        self._cipher = cipher
        self._open_frame = open_frame or cipher.open_audio
        self._budget = budget
        self._next_sweep_at = 0.0
        self._swept_at = -math.inf
        self._bytes_left = 0
        self._starved = False
        self.swept = False
        """Whether every member was tried for the last frame that did not open."""
        self.hinted: UserId | None = None
        """The user that op 5 names."""
        self.proven: UserId | None = None
        """The user whose key opened the last authenticated frame."""

    @property
    def known(self) -> bool:
        """Whether there is any idea who sends."""
        return self.proven is not None or self.hinted is not None

    def begin_round(self) -> None:
        """Say that all frames that wait are tried again now, one behind the other: `sweep_at` is to be of these."""
        self._starved = False

    def open(
        self, payload: bytes, arrival: float, now: float, absent: Collection[UserId], *, sweep: bool = True
    ) -> tuple[UserId | None, OpenedFrame]:
        """Open a frame and say whose it is (None: accepted in clear, but nobody is known). Raises FrameRejected.

        Tried are the proven user, the hinted one, and then, 4 times a second at most, every other member
        who is not in `absent`; `sweep` says that it is of use. Small frames of one `now` share a sweep, because the
        first of them has to be opened first: whoever opens it refuses those before it. Who sends a picture that is too
        large for it is found by the smaller ones behind it.
        """
        user_id = self.proven
        self.swept = False
        try:
            if user_id is not None and user_id == self.hinted:
                return user_id, self._open_frame(user_id, payload, arrival)  # nearly always: nothing to learn from it
            return self._open_by_known(payload, arrival)
        except FrameRejected as rejected:
            if rejected.reason is not RejectReason.NO_KEY:
                self._starved = False  # trying others helps only where keys are
                raise
            if not sweep or not self._may_sweep(len(payload) + _TRY_BYTES, now):
                raise
            return self._sweep(payload, arrival, absent, rejected)

    @property
    def sweep_at(self) -> float | None:
        """When to try again a frame that not all members were tried for; None if there is none."""
        return max(self._next_sweep_at, self._budget.next_at) if self._starved else None

    def forget(self, user_id: UserId) -> None:
        """Take a user who left out of consideration."""
        if self.hinted == user_id:
            self.hinted = None
        if self.proven == user_id:
            self.proven = None

    def _open_by_known(self, payload: bytes, arrival: float) -> tuple[UserId | None, OpenedFrame]:
        first, second = self.proven, self.hinted
        if first is None:
            first, second = second, None
        try:
            opened = self._open_frame(first if first is not None else _NOBODY, payload, arrival)
        except FrameRejected as rejected:
            if second is None or second == first or rejected.reason is not RejectReason.NO_KEY:
                raise
            first = second
            opened = self._open_frame(second, payload, arrival)
        if opened.authenticated:
            return first, self._prove(first, opened)
        return self._owner_in_clear(payload), opened

    def _owner_in_clear(self, payload: bytes) -> UserId | None:
        """Without encryption op 5 is all there is; silence, which anybody may inject, changes no owner."""
        if payload == SILENCE_FRAME and self.proven is not None:
            return self.proven
        return self.hinted if self.hinted is not None else self.proven

    def _may_sweep(self, cost_bytes: int, now: float) -> bool:
        if now == self._swept_at and self._bytes_left >= cost_bytes:
            self._bytes_left -= cost_bytes
            return True
        if now < self._next_sweep_at:
            self._starved = True
            return False
        members = max(len(self._cipher.members()), 1)
        if cost_bytes * members > _MOST_SWEEP_BYTES:
            return False
        self._starved = not self._budget.take(now)
        if not self._starved:
            self._next_sweep_at, self._swept_at = now + _SWEEP_INTERVAL_S, now
            self._bytes_left = max(_LEAST_SWEEP_BYTES, _SWEEP_BYTES // members) - cost_bytes
        return not self._starved

    def _sweep(
        self, payload: bytes, arrival: float, absent: Collection[UserId], rejected: FrameRejected
    ) -> tuple[UserId | None, OpenedFrame]:
        for user in self._cipher.members():
            if user in absent or user in {self.proven, self.hinted}:
                continue
            try:
                opened = self._open_frame(user, payload, arrival)
            except FrameRejected:
                continue
            return user, self._prove(user, opened)
        self.swept = True
        raise rejected

    def _prove(self, user_id: UserId | None, opened: OpenedFrame) -> OpenedFrame:
        self.proven = user_id
        self.hinted = user_id  # a hint that says otherwise is refuted
        return opened
