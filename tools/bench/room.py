"""A room full of people who speak, each of whom is captured."""

from typing import Final

import psutil

from clankvox.clock import SLOT_S, SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import SERVER

RATE_HZ: Final = 16_000
"""What most recognisers want."""
_FIRST_USER: Final = 1_001
_TONES_HZ: Final = (200, 300, 400, 500)
"""Each is encoded once."""
_HEARD_S: Final = 60.0
_BEGUN_S: Final = 0.5
_MOST_FRAMES: Final = 100_000
_SETTLE_S: Final = 3.0
"""Until what was held for us while the group changed has been replayed."""


class Room:
    """Members of the offline Discord who all speak tones; they receive nothing."""

    def __init__(self, discord: OfflineDiscord, vox: VoxParent, server_id: str = SERVER) -> None:
        self._discord, self._vox, self._server_id = discord, vox, server_id
        self.users: list[str] = []

    def fill(self, speakers: int) -> None:
        """Let members come until so many speak, capture all of them, and wait until everybody is heard."""
        since = self._vox.mark()
        new = [str(_FIRST_USER + number) for number in range(len(self.users), speakers)]
        for user_id in new:
            tone = _TONES_HZ[int(user_id) % len(_TONES_HZ)]
            self._vox.send({"type": "subscribe_user", "userId": user_id, "sampleRate": RATE_HZ})
            order = {"type": "add_speaker", "userId": user_id, "serverId": self._server_id, "tone": tone}
            self._discord.order({**order, "loop": True})
        for user_id in new:
            self._vox.wait_for_audio(user_id, since=since, timeout_s=_HEARD_S)
        self.users += new
        SystemClock().sleep(_SETTLE_S)

    def rehearse(self, seconds: float) -> None:
        """Let all who speak make their next `seconds` ahead; blocks until they have begun with them.

        What that would take too long for is made while it is said, as ever.
        """
        if not self.users:
            return
        seconds = min(seconds, _MOST_FRAMES * SLOT_S / len(self.users))
        answer = self._discord.order({"type": "rehearse", "serverId": self._server_id, "seconds": seconds})
        clock = SystemClock()
        clock.sleep(max(0.0, float(answer["beginMs"]) / 1000 + _BEGUN_S - clock.now()))

    def listener(self, user_id: str = "998") -> None:
        """Let somebody come who is silent for a day, so that there is a group to encrypt for."""
        order = {"type": "add_speaker", "userId": user_id, "serverId": self._server_id, "tone": 200}
        self._discord.order({**order, "startMs": 86_400_000})


def media_port(pid: int) -> int:
    """Return the local port of the process's one UDP socket."""
    return int(psutil.Process(pid).net_connections("udp")[0].laddr.port)
