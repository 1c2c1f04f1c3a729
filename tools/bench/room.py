"""A room full of people who speak, each of whom is captured."""

from types import TracebackType
from typing import Final, Self

import psutil

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import SERVER

RATE_HZ: Final = 16_000
"""What most recognisers want."""
_FIRST_USER: Final = 1_001
_HEARD_S: Final = 30.0
_SETTLE_S: Final = 3.0
"""Until what was held for us while the group changed has been replayed."""


class Room:
    """Members of the offline Discord who all speak tones; they receive nothing."""

    def __init__(self, discord: OfflineDiscord, vox: VoxParent, server_id: str = SERVER) -> None:
        self._discord, self._vox, self._server_id = discord, vox, server_id
        self.users: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for user_id in self.users:
            self._discord.order({"type": "remove_speaker", "userId": user_id, "serverId": self._server_id})

    def fill(self, speakers: int) -> None:
        """Let members come until so many speak, capture all of them, and wait until everybody is heard."""
        since = self._vox.mark()
        new = [str(_FIRST_USER + number) for number in range(len(self.users), speakers)]
        for user_id in new:
            tone = 200 + 10 * (int(user_id) - _FIRST_USER)
            self._vox.send({"type": "subscribe_user", "userId": user_id, "sampleRate": RATE_HZ})
            order = {"type": "add_speaker", "userId": user_id, "serverId": self._server_id, "tone": tone}
            self._discord.order({**order, "loop": True})
        for user_id in new:
            self._vox.wait_for_audio(user_id, since=since, timeout_s=_HEARD_S)
        self.users += new
        SystemClock().sleep(_SETTLE_S)

    def listener(self, user_id: str = "998") -> None:
        """Let somebody come who is silent for a day, so that there is a group to encrypt for."""
        order = {"type": "add_speaker", "userId": user_id, "serverId": self._server_id, "tone": 200}
        self._discord.order({**order, "startMs": 86_400_000})


def media_port(pid: int) -> int:
    """Return the local port of the process's one UDP socket."""
    return int(psutil.Process(pid).net_connections("udp")[0].laddr.port)
