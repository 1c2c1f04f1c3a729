"""How soon speech begins after its first PCM, and how soon it ends after a stop; from the line on stdin to the wire."""

import random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import OURSELVES, SERVER, join, say
from tools.bench.result import Result
from tools.bench.wire_tap import TURN_S, Datagram, WireTap, to_wall_s

RATE_HZ: Final = 24_000
CHUNKS_MS: Final = (20, 40, 100, 250)
FIRST_PACKET_BAR_MS: Final = 60.0
STOP_BAR_MS: Final = 40.0
WHOLE_BAR_MS: Final = 5.0
LONG_GAP_S: Final = 0.035
LONGEST_SILENCE_BYTES: Final = 60
"""A silence frame with all that is around it; speech has several times as much."""
_TONE_S: Final = 0.5
_IDLE_S: Final = 0.3
"""After the silence frames, so that the grid of the last speech does not matter any more."""
_TRIAL_S: Final = 1.1
_LISTENER: Final = "101"


def run(seconds: float) -> Result:
    """Measure starts and stops for about `seconds`, at instants that have nothing to do with the pacer's slots."""
    trials = max(1, round(seconds / _TRIAL_S / (len(CHUNKS_MS) + 2)))
    with OfflineDiscord(["--no-tls"]) as discord, VoxParent() as vox:
        join(vox, discord.endpoint)
        listener = {"type": "add_speaker", "userId": _LISTENER, "serverId": SERVER, "tone": 200, "startMs": 86_400_000}
        discord.order(listener)
        SystemClock().sleep(1)
        client = next(each for each in discord.stats()["clients"] if each["userId"] == OURSELVES)
        with WireTap({"clankvox": int(discord.listening["udpPort"])}) as tap:
            wire = tap.sent[f"clankvox:{int(client['ssrc']):08x}"]
            bench = _Bench(vox, wire)
            starts = {chunk_ms: [bench.start(chunk_ms) for _ in range(trials)] for chunk_ms in CHUNKS_MS}
            whole_ms = [bench.whole() for _ in range(trials)]
            stops = [bench.stop() for _ in range(trials)]
    return judge(starts, whole_ms, stops)


class _Bench:
    def __init__(self, vox: VoxParent, wire: list[Datagram]) -> None:
        self._vox, self._wire = vox, wire
        self._clock = SystemClock()
        self._ahead_s = to_wall_s()
        self._random = random.Random(1)  # noqa: S311 - reproducible, not secret
        self._playbacks = 0

    def start(self, chunk_ms: int) -> tuple[float, int]:
        """Say a tone in real time; return ms from its first chunk to its first packet, and the gaps in it."""
        playback_id = self._next()
        started = say(self._vox, playback_id, tone(_TONE_S), RATE_HZ, chunk_ms=chunk_ms, ahead_s=0.0)
        self._vox.wait_for("tts_playback_state", playbackId=playback_id, status="drained")
        sent = self._since(started)
        return (sent[0] - started) * 1000, int((np.diff(sent) > LONG_GAP_S).sum())

    def whole(self) -> float:
        """Say a tone that is there as a whole; return ms from its end on stdin to its first packet."""
        playback_id = self._next()
        self._clock.sleep(_IDLE_S)
        pcm = tone(_TONE_S)
        say(self._vox, playback_id, pcm, RATE_HZ, chunk_ms=round(_TONE_S * 1000), ahead_s=60.0)
        written = self._clock.now()
        self._vox.wait_for("tts_playback_state", playbackId=playback_id, status="drained")
        sent = self._since(written - _TONE_S)
        return (sent[0] - written) * 1000

    def stop(self) -> tuple[float, float]:
        """Stop a tone in its midst; return ms from the command to the last audible packet and to the first silence.

        0 if no audible packet came after it.
        """
        playback_id = self._next()
        say(self._vox, playback_id, tone(6 * _TONE_S), RATE_HZ, ahead_s=60.0)
        self._vox.wait_for("tts_playback_state", playbackId=playback_id, status="started")
        self._clock.sleep(self._random.uniform(0.1, 0.3))
        stopped = self._clock.now()
        self._vox.send({"type": "stop_tts_playback", "playbackId": playback_id})
        self._clock.sleep(0.3)
        audible = self._since(stopped)
        silent = self._since(stopped, audible=False)
        return max([0.0, *((sent - stopped) * 1000 for sent in audible)]), (silent[0] - stopped) * 1000

    def _next(self) -> str:
        self._playbacks += 1
        self._clock.sleep(self._random.uniform(0.1, 0.2))
        return f"playback {self._playbacks}"

    def _since(self, since_s: float, *, audible: bool = True) -> list[float]:
        """Return when packets were sent after `since_s`, on the monotonic clock."""
        self._clock.sleep(2 * TURN_S)  # what is on its way to us
        wanted = (each for each in list(self._wire) if (each.size > LONGEST_SILENCE_BYTES) is audible)
        return [at_s for at_s in (each.at_s - self._ahead_s for each in wanted) if at_s > since_s]


def judge(
    starts: dict[int, list[tuple[float, int]]], whole_ms: list[float], stops: list[tuple[float, float]]
) -> Result:
    """Hold the medians against the bars: a gap that is ours comes in every trial, one of the machine's now and then."""
    rows: dict[str, tuple[float | None, ...]] = {}
    checks = {}
    for chunk_ms, trials in starts.items():
        waits_ms, gaps = zip(*trials, strict=True)
        rows[f"first packet, chunks of {chunk_ms} ms"] = (*spread(waits_ms), float(sum(gaps)))
        in_time = float(np.median(waits_ms)) <= FIRST_PACKET_BAR_MS
        checks[f"chunks of {chunk_ms} ms in real time: first packet within 60 ms, then no gap"] = (
            in_time and not np.median(gaps)
        )
    rows["first packet, a whole sentence"] = (*spread(tuple(whole_ms)), None)
    checks["a whole sentence: first packet within 5 ms"] = float(np.median(whole_ms)) <= WHOLE_BAR_MS
    last_audible_ms, first_silence_ms = zip(*stops, strict=True)
    rows["last audible packet after a stop"] = (*spread(last_audible_ms), None)
    rows["first silence frame after a stop"] = (*spread(first_silence_ms), None)
    checks["silence on the wire within 40 ms of a stop"] = float(np.median(last_audible_ms)) <= STOP_BAR_MS
    return Result(f"response in ms, {len(stops)} trials each", ("median", "p90", "max", "gaps"), rows, checks)


def spread(waits_ms: tuple[float, ...]) -> tuple[float, float, float]:
    """Return median, 90th percentile and maximum."""
    return float(np.median(waits_ms)), float(np.percentile(waits_ms, 90)), float(max(waits_ms))


def tone(seconds: float) -> NDArray[np.int16]:
    """Return 220 Hz, int16 mono, that is loud from its first sample on."""
    return (np.cos(2 * np.pi * 220 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ) * 8_000).astype(np.int16)
