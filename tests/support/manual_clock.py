"""Time that moves only when a test says so."""


class ManualClock:
    """clankvox.clock.Clock for tests."""

    def __init__(self, now: float = 1_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def unix_ms(self) -> int:
        return int(self._now * 1000)

    def advance(self, seconds: float) -> None:
        assert seconds >= 0
        self._now += seconds

    def move_to(self, instant: float) -> None:
        self._now = max(self._now, instant)
