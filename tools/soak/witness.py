"""What the offline Discord and its members saw of us: read twice a second, for a session's counters go with it."""

import threading
from typing import Any, Final, NamedTuple

from clankvox.demo.offline import OfflineDiscord
from clankvox.loopback.refused import Refusal
from tools.soak.people import GUILD, MEMBERS, OURSELVES, VIEWER

_EVERY_S: Final = 0.5
OUR_FAULT: Final = (Refusal.CLEAR, Refusal.RETIRED, Refusal.EARLY, Refusal.UNEXPLAINED)
"""Why no frame of ours may be refused; of the other causes we cannot know."""


class Heard(NamedTuple):
    """Our frames at one of the members who stay, since it came."""

    opened: int
    refused: int
    """That it could not open by our fault."""
    excused: int
    """That it could not open, by no fault of ours."""


class Link(NamedTuple):
    """Our session on one server."""

    ssrc: int
    resumes: int
    online: bool


class Look(NamedTuple):
    """Counters at one instant."""

    links: dict[str, Link]
    """By server."""
    said: int
    """Frames of ours that the media server took, over all sessions."""
    heard: dict[str, Heard]
    spoken: dict[str, int]
    """Frames that each member has sent."""
    settled: bool
    watched: int
    """Pictures of ours that the viewer opened."""


class Witness:
    """A thread of its own looks; any thread may look as well."""

    def __init__(self, discord: OfflineDiscord) -> None:
        self._discord = discord
        self._sessions: dict[tuple[str, int], dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-witness", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def look(self) -> Look:
        """Read all counters now."""
        stats = self._discord.stats()
        clients = {(client["userId"], client["serverId"]): client for client in stats["clients"]}
        with self._lock:
            for client in stats["clients"]:
                if client["userId"] == OURSELVES:
                    self._sessions[client["serverId"], client["ssrc"]] = client
            said = sum(each["packets"] for (server, _), each in self._sessions.items() if server == GUILD)
        present = [(member.user_id, clients.get((member.user_id, GUILD))) for member in MEMBERS]
        viewer: dict[str, Any] = next((client for (user, _), client in clients.items() if user == VIEWER), {})
        return Look(
            {server: _link(client) for (user, server), client in clients.items() if user == OURSELVES},
            said,
            {user_id: _heard(client) for user_id, client in present if client is not None},
            {user_id: client["framesSent"] for user_id, client in present if client is not None},
            all(room["settled"] for room in stats["rooms"]),
            sum(stream["decrypted"] for stream in viewer.get("watched", {}).values()),
        )

    def sum_of(self, counter: str) -> int:
        """Return a counter of our sound, over all sessions on all servers."""
        with self._lock:
            return sum(int(session.get(counter, 0)) for session in self._sessions.values())

    def sum_of_video(self, counter: str) -> int:
        """Return a counter of our pictures, over all sessions on all servers."""
        with self._lock:
            videos = [video for session in self._sessions.values() for video in session["video"].values()]
        return sum(int(video[counter]) for video in videos)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self.look()


def _link(client: dict[str, Any]) -> Link:
    return Link(client["ssrc"], client["gateway"].get("resumes", 0), client["online"])


def _heard(client: dict[str, Any]) -> Heard:
    refused = sum(client["refused"].get(OURSELVES, {}).get(why, 0) for why in OUR_FAULT)
    excused = client["undecryptable"].get(OURSELVES, 0) - refused
    return Heard(client["decrypted"].get(OURSELVES, 0), refused, excused)
