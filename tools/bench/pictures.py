"""How soon pictures come: after subscribing, after a loss that nobody repairs, and from a page to a viewer."""

import base64
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo.film import Pages, make_film
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import OURSELVES, join
from tools.bench.response import spread
from tools.bench.result import Result
from tools.bench.stream import CREDENTIALS
from tools.bench.streams import WAIT_S, Streams

FIRST_BAR_MS: Final = 1_000.0
RECOVERY_BAR_MS: Final = 600.0
GOP: Final = 60
FPS: Final = 30
_LONG_GOP: Final = 3_000
GOP_MS: Final = 1_000 * GOP / FPS
_HONOURING, _IGNORING, _CARELESS, _PAGE_VIEWER = "201", "202", "203", "204"
_FIRST_STREAMER: Final = 301
_TRIAL_S: Final = 4.0
_BURST_LOSS: Final = 0.5
_PAGE_S: Final = 1 / 15
_PAGES_S: Final = 4.0
_PAUSE_S: Final = 0.5
"""So long after a recovery a key frame may be asked for again."""
_NOTICED_S: Final = 0.15
"""So long a viewer waits for what is missing."""


def run(seconds: float) -> Result:
    """Measure for about `seconds`, in trials."""
    trials = max(3, round(seconds / _TRIAL_S))
    with (
        tempfile.TemporaryDirectory() as folder,
        OfflineDiscord(["--no-tls"]) as discord,
        VoxParent(args=["--allow-files"]) as vox,
    ):
        film = make_film(Path(folder) / "film.mp4", trials * _TRIAL_S)
        join(vox, discord.endpoint)
        joined_ms = [_joined(discord, vox, str(_FIRST_STREAMER + number)) for number in range(trials)]
        streams = Streams(discord, vox)
        streams.publisher(_HONOURING, gop=_LONG_GOP)
        streams.publisher(_IGNORING, gop=GOP, honoursPli=False)
        streams.watcher(_CARELESS, nack=False)
        honoured_ms = [_first(streams, _HONOURING) for _ in range(trials)]
        ignored_ms = [_first(streams, _IGNORING) for _ in range(trials)]
        vox.send({"type": "stream_publish_play", "url": film.url, "resolvedDirectUrl": True})
        recoveries_ms = [_recovery(streams) for _ in range(trials)]
        ages_ms = _ages(streams, _PageTurner(streams))
    return judge(joined_ms, honoured_ms, ignored_ms, recoveries_ms, ages_ms)


def _joined(discord: OfflineDiscord, vox: VoxParent, streamer: str) -> float:
    """Join a stream of its own; return ms from the command to the first JPEG at the parent."""
    clock, answer = SystemClock(), discord.order({"type": "add_stream", "userId": OURSELVES})
    order = {"type": "add_publisher", "userId": streamer, "serverId": answer["serverId"]}
    discord.order({**order, "width": 1_280, "height": 720, "fps": FPS})
    clock.sleep(_PAUSE_S)
    since = vox.mark()
    joined_s = vox.send({"type": "stream_watch_connect", **{name: answer[name] for name in CREDENTIALS}})
    vox.send({"type": "subscribe_user_video", "userId": streamer, "maxFramesPerSecond": 2})
    shown = vox.wait_for("decoded_video_frame", since=since, userId=streamer, timeout_s=WAIT_S)
    vox.send({"type": "unsubscribe_user_video", "userId": streamer})
    vox.send({"type": "stream_watch_disconnect"})
    discord.order({"type": "remove_member", "userId": streamer})
    clock.sleep(_PAUSE_S)
    return (shown.at_s - joined_s) * 1000


def _first(streams: Streams, user_id: str) -> float:
    """Subscribe to a stream that runs; return ms to its first JPEG at the parent."""
    vox, clock = streams.vox, streams.clock
    clock.sleep(0.2)
    since = vox.mark()
    asked_s = vox.send({"type": "subscribe_user_video", "userId": user_id, "maxFramesPerSecond": 2})
    shown = vox.wait_for("decoded_video_frame", since=since, userId=user_id, timeout_s=WAIT_S)
    vox.send({"type": "unsubscribe_user_video", "userId": user_id})
    clock.sleep(0.2)  # what was on its way
    return (shown.at_s - asked_s) * 1000


class _PageTurner:
    """A page with a running clock that the parent captures."""

    def __init__(self, streams: Streams) -> None:
        self._vox, self._clock, self._pages = streams.vox, streams.clock, Pages()
        self._next_s = 0.0
        streams.vox.send({"type": "stream_publish_browser_start", "mimeType": "image/png"})

    def turn(self) -> None:
        """Wait until the next page is due, and send it."""
        now_s = self._clock.now()
        self._clock.sleep(max(0.0, self._next_s - now_s))
        now_s = self._clock.now()
        self._next_s = max(self._next_s + _PAGE_S, now_s)
        picture = base64.b64encode(self._pages.draw(now_s * 1000)).decode()
        page = {"mimeType": "image/png", "frameBase64": picture, "capturedAtMs": round(now_s * 1000)}
        self._vox.send({"type": "stream_publish_browser_frame", **page})


def _recovery(streams: Streams) -> float:
    """Take a picture from a viewer who does not ask for it again; return ms until it has a key frame."""

    def seen(name: str) -> object:
        return streams.seen_by(_CARELESS).get(name)

    streams.until("a picture", lambda: seen("waitsForKey") is False)
    streams.clock.sleep(_PAUSE_S)
    before = len(streams.seen_by(_CARELESS)["recoveriesMs"])
    while not seen("waitsForKey"):
        streams.impair(_CARELESS, streams.published, _BURST_LOSS)
        streams.clock.sleep(1 / FPS)
        streams.impair(_CARELESS, streams.published, 0.0)
        streams.clock.sleep(_NOTICED_S)
        if len(streams.seen_by(_CARELESS)["recoveriesMs"]) > before:
            break
    return float(streams.until("a recovery", lambda: streams.seen_by(_CARELESS)["recoveriesMs"][before:])[-1])


def _ages(streams: Streams, pages: _PageTurner) -> tuple[float, float]:
    """Return the median age of pages when a viewer has decoded them, and the greatest one, in ms."""
    streams.watcher(_PAGE_VIEWER)
    end_s = streams.clock.now() + _PAGES_S
    while streams.clock.now() < end_s:
        pages.turn()
    seen = streams.seen_by(_PAGE_VIEWER)
    if seen.get("latencyMs") is None:
        raise NotSeen("a page")
    return float(seen["latencyMs"]), float(seen["latencyMaxMs"])


def judge(
    joined_ms: list[float],
    honoured_ms: list[float],
    ignored_ms: list[float],
    recoveries_ms: list[float],
    ages_ms: tuple[float, float],
) -> Result:
    """Hold the medians against the bars."""
    rows: dict[str, tuple[float | None, ...]] = {
        "stream joined, first picture": spread(tuple(joined_ms)),
        "first picture, PLI honoured": spread(tuple(honoured_ms)),
        "first picture, PLI ignored": spread(tuple(ignored_ms)),
        "recovery by a key frame": spread(tuple(recoveries_ms)),
        "page, from drawing to a viewer's eyes": (ages_ms[0], None, ages_ms[1]),
    }
    checks = {
        "first picture within 1 s of subscribing": float(np.median(honoured_ms)) <= FIRST_BAR_MS,
        "within one GOP where the sender ignores PLI": max(ignored_ms) <= GOP_MS + FIRST_BAR_MS / 2,
        "recovery within 600 ms where nothing is repaired": float(np.median(recoveries_ms)) <= RECOVERY_BAR_MS,
    }
    return Result(f"pictures in ms, {len(honoured_ms)} trials each", ("median", "p90", "max"), rows, checks)
