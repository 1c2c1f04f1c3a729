"""Heartbeats of one voice gateway socket: when to beat, which answer belongs to which beat, when the server is lost."""

from typing import Final

MIN_INTERVAL_S: Final = 1.0
MAX_INTERVAL_S: Final = 120.0
MISSED_LIMIT: Final = 3
"""So many regular beats without any answer mean that the connection is dead."""
DOUBT_S: Final = 5.0
"""A server in doubt answers within this or is lost; one that is reached takes a round trip."""
_REMEMBERED: Final = 16
"""Beats whose answer can still be told; more are outstanding only if a server demands them in a burst."""


class Heartbeat:
    """Begins with the server's hello. Nonces are the instants of the beats in ms, each one different.

    Call `poll` at `next_poll`; after `lost` has turned True nothing more is due.
    """

    __slots__ = ("_doubted_until", "_due", "_interval_s", "_last_nonce", "_missed", "_rtt_s", "_sent_at")

    def __init__(self, interval_ms: float, now: float, first_fraction: float = 1.0) -> None:
        """Beat every `interval_ms` (held within 1 to 120 s), first after `first_fraction` of it (0..1)."""
        self._interval_s = min(max(interval_ms / 1000.0, MIN_INTERVAL_S), MAX_INTERVAL_S)
        self._due: float | None = now + self._interval_s * first_fraction
        self._doubted_until: float | None = None
        self._last_nonce = 0
        self._missed = 0
        self._sent_at: dict[int, float] = {}
        self._rtt_s: float | None = None

    @property
    def lost(self) -> bool:
        """Whether MISSED_LIMIT regular beats in a row stayed without an answer for a whole interval, or a doubt did."""
        return self._due is None

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time of the last beat that was answered."""
        return self._rtt_s

    def next_poll(self) -> float | None:
        """Instant of the next regular beat, or of the verdict; None once lost."""
        if self._due is None or self._doubted_until is None:
            return self._due
        return min(self._due, self._doubted_until)

    def poll(self, now: float) -> int | None:
        """Return the nonce of the beat to send now, None if there is none. A late poll beats once, never in a burst."""
        if self._doubted_until is not None and now >= self._doubted_until:
            self._due = None
        if self._due is None or now < self._due:
            return None
        if self._missed >= MISSED_LIMIT:
            self._due = None
            return None
        self._missed += 1
        self._due = now + self._interval_s
        return self.demanded(now)

    def demanded(self, now: float) -> int:
        """Return the nonce of an extra beat that the server asked for; the regular ones stay when they are."""
        self._last_nonce = max(int(now * 1000.0), self._last_nonce + 1)
        self._sent_at[self._last_nonce] = now
        if len(self._sent_at) > _REMEMBERED:
            del self._sent_at[next(iter(self._sent_at))]
        return self._last_nonce

    def doubted(self, now: float) -> int:
        """Return the nonce of an extra beat: unless the server answers any within DOUBT_S, it is lost."""
        if self._doubted_until is None:
            self._doubted_until = now + DOUBT_S
        return self.demanded(now)

    def acknowledged(self, nonce: int, now: float) -> bool:
        """Take an answer; False if it answers no beat that is open. Beats before the answered one count as answered."""
        sent_at = self._sent_at.get(nonce)
        if sent_at is None:
            return False
        self._rtt_s = now - sent_at
        self._missed = 0
        self._doubted_until = None
        self._sent_at = {later: at for later, at in self._sent_at.items() if later > nonce}
        return True
