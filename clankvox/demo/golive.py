"""The Go Live act: a film is published while another member's stream is watched, both through loss."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from clankvox.clock import SystemClock
from clankvox.demo.film import FPS, HEIGHT, WIDTH, Pages
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from clankvox.demo.plan import VOX_ID, Plan

STREAMER_ID: Final = "540000000000000041"
"""Whose stream we watch."""
VIEWER_ID: Final = "550000000000000055"
"""Who watches ours and asks again for what is lost."""
CARELESS_ID: Final = "550000000000000066"
"""Who watches ours and asks for key frames only."""
PAGE_VIEWER_ID: Final = "550000000000000077"
"""Who watches pages that the parent sends, which tell how old they are."""
LOSS: Final = 0.03
"""Of our datagrams each way while the film is shown, if the call has no loss of its own."""
_SHOWN_S: Final = 6.0
_STEP_S: Final = 15.0
_BURST_LOSS: Final = 0.5
_PAGE_S: Final = 1 / 15
_PAGES_SEEN: Final = 30
_POLL_S: Final = 0.02
_CREDENTIALS: Final = (
    "endpoint",
    "token",
    "serverId",
    "sessionId",
    "userId",
    "daveChannelId",
    "rtcChannelId",
)

Counters = dict[str, Any]


@dataclass
class Shown:
    """What was counted. Instants are seconds on this process's monotonic clock."""

    subscribed_s: float = 0.0
    begin_s: float = 0.0
    """Loss begins, and with it what is measured."""
    end_s: float = 0.0
    loss: float = 0.0
    offset_ms: float = 0.0
    """To add to the offline Discord's instants."""
    ours: Counters = field(default_factory=dict)
    """Our side of our own stream at its end."""
    watching: Counters = field(default_factory=dict)
    """Our side of the watched stream at its end."""
    viewed: tuple[Counters, Counters] = field(default_factory=lambda: ({}, {}))
    """What the viewer had seen at begin and end."""
    recoveries_ms: tuple[int, ...] = ()
    """How long the careless viewer waited for a key frame."""
    page: Counters = field(default_factory=dict)
    """What the page viewer saw."""


class GoLive:
    """Runs once, on the thread of the call."""

    def __init__(self, plan: Plan, vox: VoxParent, discord: OfflineDiscord, shown: Shown) -> None:
        self._plan = plan
        self._vox = vox
        self._discord = discord
        self._clock = SystemClock()
        self._shown = shown
        self._since = vox.mark()

    def run(self) -> None:
        """Raise NotSeen, ProcessGone or OrderRefused where it does not go on."""
        watch, publish = (self._order("add_stream", VOX_ID) for _ in range(2))
        self._watched, self._published = str(watch["serverId"]), str(publish["serverId"])
        self._cast()
        self._shown.subscribed_s = self._vox.send(
            {"type": "subscribe_user_video", "userId": STREAMER_ID, "maxFramesPerSecond": FPS, "jpegQuality": 80}
        )
        self._connect("stream_watch", watch)
        self._connect("stream_publish", publish)
        self._show_film()
        self._lose_and_recover()
        self._show_pages()
        self._end()

    def _cast(self) -> None:
        size = {"width": WIDTH, "height": HEIGHT, "fps": FPS}
        self._order("add_publisher", STREAMER_ID, self._watched, **size)
        folder = str(self._plan.viewer_pictures.absolute())
        self._order("add_watcher", VIEWER_ID, self._published, record=folder, recordEvery=FPS)
        self._order("add_watcher", CARELESS_ID, self._published, nack=False)

    def _connect(self, role: str, answer: Counters) -> None:
        self._vox.send({"type": f"{role}_connect", **{name: answer[name] for name in _CREDENTIALS}})
        for kind in ("transport_state", "dave_state"):
            self._vox.wait_for(kind, timeout_s=_STEP_S, since=self._since, role=role, status="ready")

    def _show_film(self) -> None:
        """Publish and watch, through loss once both are seen."""
        film, shown, vox = self._plan.film, self._shown, self._vox
        if film is None:
            raise NotSeen("there is no film to show")
        vox.send({"type": "stream_publish_play", "url": film.url, "resolvedDirectUrl": True})
        vox.wait_for("stream_publish_media_started", timeout_s=_STEP_S, since=self._since)
        vox.wait_for("decoded_video_frame", timeout_s=_STEP_S, since=self._since, userId=STREAMER_ID)
        begin = self._until("pictures of ours", lambda: self._viewed(VIEWER_ID, "decoded"))
        shown.loss = self._plan.loss or LOSS
        self._impair(VOX_ID, shown.loss)
        shown.begin_s = self._clock.now()
        self._clock.sleep(_SHOWN_S)
        shown.end_s = self._clock.now()
        self._impair(VOX_ID, self._plan.loss)
        stats = self._discord.stats()
        shown.offset_ms = stats["offsetMs"]
        shown.ours = self._client(VOX_ID, self._published)
        shown.watching = self._client(VOX_ID, self._watched)
        shown.viewed = begin, self._viewed(VIEWER_ID) or {}

    def _lose_and_recover(self) -> None:
        """Take so much from the careless viewer that it needs a key frame, and then nothing more.

        Whatever the call loses, this viewer would hardly ever get a whole key frame through.
        """
        for user_id in (VOX_ID, CARELESS_ID):
            self._impair(user_id, 0.0)
        self._until("a picture for who repairs nothing", lambda: self._viewed(CARELESS_ID, "decoded"))
        self._until("a whole picture for who repairs nothing", lambda: not self._needs_key())
        before = len((self._viewed(CARELESS_ID) or {})["recoveriesMs"])
        self._impair(CARELESS_ID, _BURST_LOSS)
        self._until("a loss", self._needs_key)
        self._impair(CARELESS_ID, 0.0)

        def recovered() -> list[int]:
            return list((self._viewed(CARELESS_ID) or {})["recoveriesMs"][before:])

        self._shown.recoveries_ms = tuple(self._until("a recovery", recovered))
        self._impair(VOX_ID, self._plan.loss)

    def _needs_key(self) -> bool:
        return bool((self._viewed(CARELESS_ID) or {}).get("waitsForKey"))

    def _show_pages(self) -> None:
        """Send pages that say when they were drawn, to a viewer who sees nothing else."""
        vox, pages, since = self._vox, Pages(), self._vox.mark()
        vox.send({"type": "stream_publish_browser_start", "mimeType": "image/png"})
        self._send_page(pages)
        vox.wait_for("stream_publish_media_started", timeout_s=_STEP_S, since=since)
        self._order("add_watcher", PAGE_VIEWER_ID, self._published)
        next_at = self._clock.now()
        deadline = next_at + _STEP_S
        while not (self._viewed(PAGE_VIEWER_ID) or {}).get("distinct", 0) >= _PAGES_SEEN:
            if next_at > deadline:
                raise NotSeen("the pages")
            self._send_page(pages)
            next_at = max(next_at + _PAGE_S, self._clock.now())
            self._clock.sleep(max(0.0, next_at - self._clock.now()))
        self._shown.page = self._viewed(PAGE_VIEWER_ID) or {}

    def _send_page(self, pages: Pages) -> None:
        now_ms = self._clock.now() * 1000 - self._shown.offset_ms
        picture = base64.b64encode(pages.draw(now_ms)).decode()
        self._vox.send(
            {
                "type": "stream_publish_browser_frame",
                "mimeType": "image/png",
                "frameBase64": picture,
                "capturedAtMs": round(now_ms),
            }
        )

    def _end(self) -> None:
        since = self._vox.mark()
        for role in ("stream_publish", "stream_watch"):
            self._vox.send({"type": f"{role}_disconnect"})
            self._vox.wait_for("transport_state", timeout_s=_STEP_S, since=since, role=role, status="disconnected")
        for user_id in (STREAMER_ID, VIEWER_ID, CARELESS_ID, PAGE_VIEWER_ID):
            self._discord.order({"type": "remove_member", "userId": user_id})

    # --- the offline Discord ---

    def _order(self, kind: str, user_id: str, server_id: str | None = None, **fields: Any) -> Counters:
        where = {} if server_id is None else {"serverId": server_id}
        return self._discord.order({"type": kind, "userId": user_id, **where, **fields})

    def _impair(self, user_id: str, loss: float) -> None:
        for server_id in (self._watched, self._published) if user_id == VOX_ID else (self._published,):
            self._order("impair", user_id, server_id, loss=loss)

    def _client(self, user_id: str, server_id: str) -> Counters:
        clients = self._discord.stats()["clients"]
        found = (each for each in clients if (each["userId"], each["serverId"]) == (user_id, server_id))
        return next(found, {})

    def _viewed(self, viewer_id: str, wanted: str | None = None) -> Counters | None:
        """Return what a viewer saw of us; None as long as that is nothing, or nothing of what is wanted."""
        seen: Counters | None = self._client(viewer_id, self._published).get("watched", {}).get(VOX_ID)
        return seen if seen is not None and (wanted is None or seen[wanted]) else None

    def _until(self, what: str, look: Callable[[], Any]) -> Any:
        deadline = self._clock.now() + _STEP_S
        while not (found := look()):
            if self._clock.now() > deadline:
                raise NotSeen(f"{what}: not within {_STEP_S:g} s")
            self._clock.sleep(_POLL_S)
        return found
