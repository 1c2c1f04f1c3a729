"""Holds PCM back until there is speech in it: what begins an utterance, and how much of what was before."""

from collections import deque
from typing import Final, NamedTuple

from clankvox.ledger import Fate, StreamLedger
from clankvox.media.opus_packet import TICKS_PER_MS
from clankvox.media.receive_ports import Timing
from clankvox.media.signal_meter import Signal
from clankvox.media.voice_activity import Activity

_FORGET_TICKS: Final = 1_000 * TICKS_PER_MS
"""Speech that nothing follows for so long was a cough; what comes later begins anew."""
_SLACK_TICKS: Final = 2_000 * TICKS_PER_MS


class HeldSound(NamedTuple):
    """A copy of some PCM with all that is to be told of it."""

    pcm: bytearray
    """int16 samples; whoever drops or delivers it wipes it."""
    signal: Signal
    timing: Timing
    activity: Activity
    ledger: StreamLedger
    fate: Fate | None
    """Of the packet that it came with; None if it stands in for one that did not come."""

    def drop(self, fate: Fate) -> None:
        """Wipe it, and enter what became of its packet."""
        self.pcm[:] = bytes(len(self.pcm))
        if self.fate is not None:
            self.ledger.settle(fate)


class SpeechGate:
    """One utterance's gate; made anew for each. Not thread-safe.

    It opens once `min_speech_ms` of speech came with no pause of a second in it, and then gives out all from
    `pre_roll_ms` before the first of that speech. It never holds more than the pre-roll, twice the minimum and 2 s:
    what is older is dropped, and entered as UNSPOKEN.
    """

    def __init__(self, pre_roll_ms: int, min_speech_ms: int) -> None:
        self._pre_roll_ticks = pre_roll_ms * TICKS_PER_MS
        self._needed_ticks = max(min_speech_ms * TICKS_PER_MS, 1)
        self._before: deque[HeldSound] = deque()
        self._since: deque[HeldSound] = deque()
        self._before_ticks = 0
        self._since_ticks = 0
        self._speech_ticks = 0
        self._paused_ticks = 0

    def hold(self, sound: HeldSound) -> list[HeldSound]:
        """Take the next PCM; returns all that was held once the gate opens, else nothing."""
        speech_ticks = sound.activity.speech_ticks
        self._paused_ticks = 0 if speech_ticks else self._paused_ticks + sound.timing.duration_ticks
        if self._since or speech_ticks:
            self._since.append(sound)
            self._since_ticks += sound.timing.duration_ticks
            self._speech_ticks += speech_ticks
        else:
            self._put_before(sound)
        if self._speech_ticks >= self._needed_ticks:
            opened = [*self._before, *self._since]
            self._forget()
            return opened
        if self._since and self._paused_ticks > _FORGET_TICKS:
            self._begin_anew()
        self._trim()
        return []

    def pending(self, ledger: StreamLedger) -> int:
        """Packets of one SSRC that are held without a fate."""
        held = (*self._before, *self._since)
        return sum(sound.ledger is ledger and sound.fate is not None for sound in held)

    def discard(self, fate: Fate) -> None:
        """Drop all that is held."""
        for sound in (*self._before, *self._since):
            sound.drop(fate)
        self._forget()

    def _put_before(self, sound: HeldSound) -> None:
        self._before.append(sound)
        self._before_ticks += sound.timing.duration_ticks

    def _begin_anew(self) -> None:
        for sound in self._since:
            self._put_before(sound)
        self._since.clear()
        self._since_ticks = self._speech_ticks = 0

    def _trim(self) -> None:
        while self._before and self._before_ticks - self._before[0].timing.duration_ticks >= self._pre_roll_ticks:
            oldest = self._before.popleft()
            self._before_ticks -= oldest.timing.duration_ticks
            oldest.drop(Fate.UNSPOKEN)
        while self._since_ticks > 2 * self._needed_ticks + _SLACK_TICKS:
            first = self._since.popleft()
            self._since_ticks -= first.timing.duration_ticks
            self._speech_ticks -= first.activity.speech_ticks
            self._put_before(first)

    def _forget(self) -> None:
        self._before.clear()
        self._since.clear()
        self._before_ticks = self._since_ticks = self._speech_ticks = self._paused_ticks = 0
