"""What has to be true of the Go Live act."""

from collections.abc import Iterator
from typing import Final

from clankvox.demo.checks import Check
from clankvox.demo.film import FPS
from clankvox.demo.sights import Sight, Sights

# Bars of a demonstration on any machine; the bench has the narrow ones.
_SEEN_SHARE: Final = 0.95
_LEAST_FPS: Final = 0.8 * FPS
_LATENCY_MS: Final = 500.0
_FIRST_PICTURE_MS: Final = 3_000.0
_RECOVERY_MS: Final = 2_000


def check_golive(sights: Sights) -> Iterator[Check]:
    """Judge both directions."""
    yield from _direction("watched", sights.watched)
    first = sights.first_picture_ms
    bar = f"within {_FIRST_PICTURE_MS:.0f} ms"
    measured = "never" if first is None else f"{first:.0f} ms"
    yield Check("watched: first picture", measured, bar, first is not None and first <= _FIRST_PICTURE_MS, timing=True)
    yield from _direction("published", sights.published)
    recoveries = sights.recoveries_ms
    measured = "none" if not recoveries else f"{recoveries[0]} ms"
    recovered = bool(recoveries) and recoveries[0] <= _RECOVERY_MS
    name = "published: recovery by a key frame"
    yield Check(name, measured, f"within {_RECOVERY_MS} ms", recovered, timing=bool(recoveries))
    clear = sights.clear_pictures
    yield Check("published: nothing left unencrypted", f"{clear} pictures", "0 pictures", clear == 0)


def _direction(name: str, sight: Sight) -> Iterator[Check]:
    """Judge how many of the pictures were seen through the loss, how evenly, and how soon."""
    share = sight.pictures / sight.expected if sight.expected else 0.0
    measured = f"{sight.pictures} of {sight.expected}, {sight.lost_packets} packets lost"
    yield Check(f"{name}: pictures", measured, f"at least {_SEEN_SHARE:.0%}", share >= _SEEN_SHARE, timing=True)
    fast = sight.fps >= _LEAST_FPS
    yield Check(f"{name}: pictures per second", f"{sight.fps:.1f}", f"at least {_LEAST_FPS:.0f}", fast, timing=True)
    age = sight.latency_ms
    measured = "unknown" if age is None else f"{age:.0f} ms"
    soon = age is not None and age <= _LATENCY_MS
    yield Check(f"{name}: picture latency", measured, f"at most {_LATENCY_MS:.0f} ms", soon, timing=age is not None)
