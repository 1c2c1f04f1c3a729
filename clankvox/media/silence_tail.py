"""The five frames of Opus silence that end a talkspurt, so that no receiver stretches the last sound."""

from typing import Final

from clankvox.wire.rtp import SILENCE_FRAME

TAIL_FRAMES: Final = 5


class SilenceTail:
    """Counts the silence frames that are still owed. Not thread-safe: the playback actor owns it."""

    __slots__ = ("_owed",)

    def __init__(self) -> None:
        self._owed = 0

    @property
    def owed(self) -> int:
        """How many silence frames must still follow."""
        return self._owed

    def audio_went(self) -> None:
        """Say that a frame of audio was given to its slot: five frames of silence must follow the last one."""
        self._owed = TAIL_FRAMES

    def give_back(self) -> None:
        """Say that a frame of silence that was taken did not leave."""
        self._owed = min(self._owed + 1, TAIL_FRAMES)

    def forget(self) -> None:
        """Owe nothing: nobody is left to hear it."""
        self._owed = 0

    def next_frame(self) -> bytes | None:
        """Return the silence frame for a slot without audio; None once five have followed."""
        if not self._owed:
            return None
        self._owed -= 1
        return SILENCE_FRAME
