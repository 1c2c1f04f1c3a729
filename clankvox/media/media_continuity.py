"""Media times that only grow, whatever a container says."""

from typing import Final

_LONGEST_JUMP_S: Final = 10.0
_LONGEST_STEP_BACK_S: Final = 0.5


class ContinuousTime:
    """Maps one track's timestamps to media times: small disorder is clamped, a new time base is joined on.

    Transport streams wrap, playlists restart their clock at a discontinuity, and broken files repeat a time.
    """

    def __init__(self, shortest_step_s: float) -> None:
        """`shortest_step_s` is what a time that does not advance counts as."""
        self._shortest_step_s = shortest_step_s
        self._offset_s = 0.0
        self._last_s: float | None = None

    def at(self, time_s: float | None) -> float:
        """Media time of what the container says is due at `time_s`; None if it does not say."""
        last_s = self._last_s
        if last_s is None:
            media_s = time_s if time_s is not None else 0.0
        elif time_s is None:
            media_s = last_s + self._shortest_step_s
        else:
            media_s = time_s + self._offset_s
            if not -_LONGEST_STEP_BACK_S <= media_s - last_s <= _LONGEST_JUMP_S:
                media_s = last_s + self._shortest_step_s
                self._offset_s = media_s - time_s
            media_s = max(media_s, last_s + self._shortest_step_s)
        self._last_s = media_s
        return media_s
