"""Capture of 1 to 99 speakers: from a packet's arrival to its frame on stdout, CPU beside a bare loop, memory, loss."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SLOT_S, SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import Event, UserAudio, VoxParent
from tools.bench.accounting import Meter
from tools.bench.bare_receiver import BareLoop
from tools.bench.call import counters, join
from tools.bench.result import Result
from tools.bench.room import Room, media_port
from tools.bench.wire_tap import Datagram, FarTap, to_wall_s

SPEAKERS: Final = (1, 10, 25, 50, 99)
COLUMNS: Final = ("p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPU s/min", "bare CPU s/min", "ratio", "RSS MiB", "lost")
"""CPU seconds are for a minute of one speaker."""
JUDGED: Final = 25
LATENCY_BAR_MS: Final = 5.0
CPU_BAR_S: Final = 0.35
RATIO_BAR: Final = 1.5
RSS_BAR_MIB: Final = 100.0
_PERCENTILES: Final = (50.0, 99.0, 99.9, 100.0)
_MARGIN_S: Final = 0.5
_CLOCK_ERROR_S: Final = 0.0005
_UNHARMED: Final = frozenset({"decoded", "quiet", "empty"})
_FIRST: Final = 25
"""Frames that tell which packet the first one was of; what was concealed later shifts those behind it."""


class Captured(NamedTuple):
    """What was measured with so many speakers."""

    latencies_ms: list[float]
    cpu_s_per_minute: float
    """Of one speaker."""
    rss_mib: float
    lost: float
    """Packets without their PCM on stdout, by the process's own books: each of them has exactly one fate."""
    packets: int


def run(seconds: float) -> Result:
    """Measure for `seconds` at each number of speakers, and the bare loop with as many in the same moment."""
    rows: dict[str, tuple[float | None, ...]] = {}
    samples = {}
    with OfflineDiscord(["--no-tls"]) as discord, VoxParent() as vox:
        join(vox, discord.endpoint)
        room = Room(discord, vox)
        for speakers in SPEAKERS:
            room.fill(speakers)
            with BareLoop(speakers, seconds + 2 * _MARGIN_S) as bare:
                found = measure(vox, room, seconds, bare.begin)
            name, ours_s, bare_s = f"{speakers} speakers", found.cpu_s_per_minute, bare.per_speaker_minute
            samples[name] = found.latencies_ms
            waits_ms = map(float, np.percentile(found.latencies_ms, _PERCENTILES))
            rows[name] = (*waits_ms, ours_s, bare_s, ours_s / bare_s, found.rss_mib, found.lost)
    return judge(rows, samples, seconds)


def judge(rows: dict[str, tuple[float | None, ...]], samples: dict[str, list[float]], seconds: float) -> Result:
    """Hold the figures against the bars."""
    result = Result(f"capture, {seconds:g} s each", COLUMNS, rows, {}, samples)
    name, first = f"{JUDGED} speakers", f"{SPEAKERS[0]} speakers"
    checks = {
        f"p99 <= 5 ms at {JUDGED} speakers": _figure(result, name, "p99 ms") <= LATENCY_BAR_MS,
        f"<= 0.35 CPU s a speaker-minute at {JUDGED}": _figure(result, name, "CPU s/min") <= CPU_BAR_S,
        f"<= 1.5 times the bare loop at {JUDGED}": _figure(result, name, "ratio") <= RATIO_BAR,
        "RSS <= 100 MiB with one speaker": _figure(result, first, "RSS MiB") <= RSS_BAR_MIB,
        "nothing lost": not any(_figure(result, row, "lost") for row in rows),
    }
    return result._replace(checks=checks)


def measure(vox: VoxParent, room: Room, seconds: float, beside: Callable[[], None] = lambda: None) -> Captured:
    """Watch a room in which everybody is heard for `seconds`; `beside` begins what is to run at the same time."""
    clock = SystemClock()
    meter = Meter(vox.pid)
    room.rehearse(seconds + 6 * _MARGIN_S)
    lost_before = lost_so_far(vox)
    since = vox.mark()
    with FarTap({"clankvox": media_port(vox.pid)}) as tap:
        beside()
        clock.sleep(_MARGIN_S)
        meter.restart()
        clock.sleep(seconds)
        used = meter.read()
        rss_mib = meter.rss_mib()
        clock.sleep(_MARGIN_S)
    lost = lost_so_far(vox) - lost_before
    ahead_s = to_wall_s()
    pieces = pieces_of(vox, since)
    ssrcs = ssrcs_of(vox)
    latencies_ms: list[float] = []
    packets = 0
    for user_id in room.users:
        wire = tap.sent[f"clankvox:{ssrcs[user_id]:08x}"]
        told_s = [piece.at_s for piece in pieces.get(user_id, [])]
        latencies_ms += latencies(wire, told_s, ahead_s)
        packets += len(wire)
    return Captured(latencies_ms, used.cpu_per_minute / len(room.users), rss_mib, lost, packets)


def lost_so_far(vox: VoxParent) -> float:
    """Return how many packets did not come to the parent as they were sent, since the process began."""
    counted = counters(vox)
    fates = {name: count for name, count in counted["audioFates"].items() if name not in _UNHARMED}
    return float(sum(fates.values()) + counted["ipcLanes"]["audioDropped"])


def ssrcs_of(vox: VoxParent) -> dict[str, int]:
    """Return the SSRC of each user that we know."""
    told = (event.body for event in vox.events_of("stream_stats"))
    return {str(each["userId"]): int(each["ssrc"]) for each in told if "userId" in each}


def pieces_of(vox: VoxParent, since: int) -> dict[str, list[UserAudio]]:
    """Return the pieces behind position `since`, by user."""
    found: dict[str, list[UserAudio]] = {}
    for entry in vox.entries[since:]:
        if not isinstance(entry, Event):
            found.setdefault(str(entry.user_id), []).append(entry)
    return found


def latencies(wire: Sequence[Datagram], told: Sequence[float], ahead_s: float) -> list[float]:
    """Return ms from each packet to its frame, told at `told` (monotonic s).

    The wall clock, by which `wire` is stamped, is `ahead_s` ahead of the monotonic one. Frames are in the order of
    their packets. The first frame's is the last packet before it, or an earlier one if that would make most come before
    their packets. Packets of padding only repeat a timestamp and have no frame.
    """
    arrivals: dict[int, float] = {}
    for each in wire:
        arrivals.setdefault(each.timestamp, each.at_s - ahead_s)
    arrived_s = np.array([*arrivals.values()])
    told_s = np.array(told)
    if not len(arrived_s):
        return []
    told_s = told_s[(told_s > arrived_s[0]) & (told_s < arrived_s[-1] + SLOT_S)]
    if not len(told_s):
        return []
    first = int(np.searchsorted(arrived_s, told_s[0])) - 1
    while len(waits_s := _waits_s(arrived_s[first:], told_s)) and np.median(waits_s[:_FIRST]) < -_CLOCK_ERROR_S:
        if first:
            first -= 1
        else:  # of a packet before the first one that we saw
            told_s = told_s[1:]
    return (waits_s * 1000).tolist()


def _waits_s(arrived_s: NDArray[np.float64], told_s: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs = min(len(arrived_s), len(told_s))
    return told_s[:pairs] - arrived_s[:pairs]


def _figure(result: Result, row: str, column: str) -> float:
    found = result.at(row, column)
    return float("nan") if found is None else found
