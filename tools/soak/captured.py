"""What the process told its parent, counted while it comes: hours of PCM and pictures are not kept."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from clankvox.demo.journal import Journal
from clankvox.demo.offline import Line
from clankvox.demo.parent import Entry, Event, UserAudio

RATE_HZ: Final = 16_000
FRAME_SAMPLES: Final = RATE_HZ // 50
_BY_THEIR_PACKETS: Final = (0, 1)
"""Origins of PCM: received, and recovered from the next packet's copy."""
_NOT_KEPT: Final = frozenset(
    {"buffer_depth", "transport_stats", "stream_stats", "playback_position", "decoded_video_frame", "inspect"}
)

Listener = Callable[[Event], None]
"""Called on the thread that reads the pipe, for every event."""


class Captured:
    """Counts by user. One thread writes, any reads."""

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()
        """Captured frames of 20 ms that a packet stands for."""
        self.made_up: Counter[str] = Counter()
        """Captured frames that conceal a loss."""
        self.pictures: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        """Utterances that ended."""

    def note_audio(self, piece: UserAudio) -> None:
        """Count a piece of PCM."""
        heard = piece.timing is None or piece.timing.origin in _BY_THEIR_PACKETS
        counter = self.frames if heard else self.made_up
        counter[str(piece.user_id)] += round(piece.samples / FRAME_SAMPLES)

    def note_event(self, event: Event) -> None:
        """Count a picture or the end of an utterance."""
        if event.type == "decoded_video_frame":
            self.pictures[event.body["userId"]] += 1
        elif event.type == "user_audio_end":
            self.ends[event.body["userId"]] += 1


class SoakJournal(Journal[Entry]):
    """Keeps the events that say what happened, hands every event on, and lets the rest go."""

    def __init__(self, captured: Captured) -> None:
        super().__init__()
        self.listeners: list[Listener] = [captured.note_event]
        self._captured = captured

    def append(self, entry: Entry) -> None:
        """Count it, and keep it if it is worth it."""
        if isinstance(entry, UserAudio):
            self._captured.note_audio(entry)
            return
        for listener in self.listeners:
            listener(entry)
        if entry.type not in _NOT_KEPT:
            super().append(entry)


class SoakHappenings(Journal[Line]):
    """Keeps what happened at the media servers but who began to speak and who ended."""

    def append(self, entry: Line) -> None:
        """Keep it if it is worth it."""
        if entry["type"] != "speaking":
            super().append(entry)
