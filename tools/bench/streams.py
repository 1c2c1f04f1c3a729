"""Both stream connections of a bench's call: one is watched, one is published, each on a server of its own."""

from collections.abc import Callable
from typing import Any, Final

from clankvox.clock import SystemClock
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import OURSELVES
from tools.bench.stream import connect

WAIT_S: Final = 20.0
_ROLES: Final = ("stream_watch", "stream_publish")
_POLL_S: Final = 0.005

Counters = dict[str, Any]


class Streams:
    """What the bench's parent and the members on both servers do. The parent is in its call already."""

    def __init__(self, discord: OfflineDiscord, vox: VoxParent) -> None:
        """Connect both, and return when they are encrypted."""
        self.discord, self.vox = discord, vox
        self.clock = SystemClock()
        since = vox.mark()
        self.watched, self.published = (connect(discord, vox, role) for role in _ROLES)
        for role in _ROLES:
            vox.wait_for("dave_state", timeout_s=WAIT_S, since=since, role=role, status="ready")

    def publisher(self, user_id: str, **order: Any) -> None:
        """Add a member whose stream we can watch: 720p30 unless `order` says otherwise."""
        fields = {"width": 1_280, "height": 720, "fps": 30, **order}
        self.discord.order({"type": "add_publisher", "userId": user_id, "serverId": self.watched, **fields})

    def watcher(self, user_id: str, **order: Any) -> None:
        """Add a member who watches ours."""
        self.discord.order({"type": "add_watcher", "userId": user_id, "serverId": self.published, **order})

    def impair(self, user_id: str, server_id: str, loss: float) -> None:
        """Lose so much of a user's packets, each way."""
        self.discord.order({"type": "impair", "userId": user_id, "serverId": server_id, "loss": loss})

    def client(self, user_id: str, server_id: str) -> Counters:
        """Return what the offline Discord counted of a user; {} if it is not there."""
        clients = self.discord.stats()["clients"]
        return next((each for each in clients if (each["userId"], each["serverId"]) == (user_id, server_id)), {})

    def seen_by(self, watcher_id: str) -> Counters:
        """Return what a watcher saw of us so far."""
        return dict(self.client(watcher_id, self.published).get("watched", {}).get(OURSELVES, {}))

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """Return what `look` returns once it is true; NotSeen if it does not become so."""
        deadline = self.clock.now() + WAIT_S
        while not (found := look()):
            if self.clock.now() > deadline:
                raise NotSeen(what)
            self.clock.sleep(_POLL_S)
        return found
