"""How much of one playback has been heard: a plain object of the playback actor, on its thread."""

from typing import Final, NamedTuple

from clankvox.media.frame_ledger import FrameFate
from clankvox.media.pcm import RATE_HZ
from clankvox.media.rtp_sender import OpusFrame, Part
from clankvox.media.silence_tail import TAIL_FRAMES

_SAMPLES_PER_MS: Final = RATE_HZ // 1000


class SpeechName(NamedTuple):
    """One playback's sound, as frames name it: one that was stopped may still be in its slot."""

    number: int


class Speech:
    """The account of one playback; each has its own number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = SpeechName(number)
        self.heard = False
        """Whether a sample that is not zero crossed the wire."""
        self._played_samples = 0
        self._seconds_told = 0
        self._frames_on_the_way = 0
        self._slots_since = 0

    @property
    def played_ms(self) -> int:
        """Milliseconds that crossed the wire."""
        return self._played_samples // _SAMPLES_PER_MS

    @property
    def has_passed(self) -> bool:
        """Whether five slots have followed the last one with speech in it."""
        return not self._frames_on_the_way and self._slots_since >= TAIL_FRAMES

    def made(self, frame: OpusFrame) -> None:
        """Take note that `frame` is on its way."""
        self._frames_on_the_way += self._part(frame) is not None

    def over(self, frame: OpusFrame, fate: FrameFate) -> bool:
        """Count the slot of `frame`, and what of it crossed the wire; True if it is the first that is heard."""
        part = self._part(frame)
        if part is None:
            self._slots_since += 1
            return False
        self._frames_on_the_way -= 1
        self._slots_since = 0
        if fate is not FrameFate.SENT:
            return False
        self._played_samples += part.samples
        begins = part.audible and not self.heard
        self.heard = self.heard or begins
        return begins

    def new_position_ms(self) -> int | None:
        """Return the position once for every second that was heard."""
        seconds = self._played_samples // RATE_HZ
        if seconds == self._seconds_told:
            return None
        self._seconds_told = seconds
        return self.played_ms

    def _part(self, frame: OpusFrame) -> Part | None:
        for part in frame.parts:
            if part.sound == self.name:
                return part
        return None
