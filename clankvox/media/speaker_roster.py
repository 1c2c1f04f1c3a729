"""All users who are heard on one role."""

from collections.abc import Collection, Iterator
from typing import Final

from clankvox.ids import UserId
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.segment import Segment
from clankvox.media.speaker import Speaker, SpeakerTools

_STRAGGLER_S: Final = 1.0
"""Packets may outrun the news that their sender has left; so long nobody is taken for them."""


class SpeakerRoster:
    """Makes, finds, configures and forgets speakers. Not thread-safe: see Speaker."""

    def __init__(self, board: CaptureBoard, tools: SpeakerTools) -> None:
        self._board = board
        self._tools = tools
        self._speakers: dict[UserId, Speaker] = {}
        self._gone_until: dict[UserId, float] = {}
        self._now = 0.0

    def __iter__(self) -> Iterator[Speaker]:
        return iter(self._speakers.values())

    @property
    def absent(self) -> Collection[UserId]:
        """Users who have just left."""
        return self._gone_until

    def speaker(self, user_id: UserId) -> Speaker:
        """Return the user's speaker, made when first heard."""
        speaker = self._speakers.get(user_id)
        if speaker is None:
            speaker = self._speakers[user_id] = Speaker(user_id, self._tools)
            speaker.configure(self._board.armed(user_id), self._now)
        return speaker

    def configure(self, now: float) -> None:
        """Read the board again."""
        for speaker in self._speakers.values():
            speaker.configure(self._board.armed(speaker.user_id), now)

    def poll(self, now: float) -> None:
        """Let time pass."""
        self._now = now
        for speaker in self._speakers.values():
            speaker.poll(now)
        if self._gone_until:
            for user_id in self._gone_until:
                self._drop_idle(user_id)
            self._gone_until = {user: until for user, until in self._gone_until.items() if now < until}

    def close(self, user_id: UserId, arming: int | None) -> Segment | None:
        """End the user's utterance; see Speaker.close."""
        speaker = self._speakers.get(user_id)
        return speaker.close(arming) if speaker is not None else None

    def awaits_capture(self, user_id: UserId) -> bool:
        """Whether something of the user is kept for the next arming of his capture."""
        speaker = self._speakers.get(user_id)
        return speaker is not None and speaker.awaits_capture

    def returned(self, user_id: UserId) -> None:
        """Expect packets of the user (again)."""
        self._gone_until.pop(user_id, None)

    def forget(self, user_id: UserId) -> None:
        """Drop a user who left; what the parent is told of it is the capture actor's."""
        self._gone_until[user_id] = self._now + _STRAGGLER_S
        speaker = self._speakers.get(user_id)
        if speaker is not None:
            speaker.leave()
            self._drop_idle(user_id)

    def suspend(self) -> None:
        """Drop all that belongs to the connection; only the captures under way are remembered."""
        self._gone_until.clear()
        for user_id, speaker in list(self._speakers.items()):
            speaker.stop_speaking()
            speaker.drop_lines()
            if speaker.idle:
                del self._speakers[user_id]

    def _drop_idle(self, user_id: UserId) -> None:
        speaker = self._speakers.get(user_id)
        if speaker is not None and speaker.idle:
            del self._speakers[user_id]
