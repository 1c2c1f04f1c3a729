"""Who is in the call and on the two stream servers, and the orders that bring them there."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import clankvox.demo

GUILD: Final = "7000"
CHANNEL: Final = "7001"
OURSELVES: Final = "900"
CONNECTION: Final = "soak"
STREAMER: Final = "201"
VIEWER: Final = "301"
FIRST_GUEST: Final = 10_000
MOST_GUESTS: Final = 5
MOST_LIBDAVE: Final = 5
"""To a room, those who stay included: in larger ones libdave can abort."""

SPEECH: Final = Path(clankvox.demo.__file__).parent / "speech"


class Member(NamedTuple):
    """One who stays, speaks, and hears all others."""

    user_id: str
    library: str
    says: dict[str, Any]

    @property
    def order(self) -> dict[str, Any]:
        """What the offline Discord is told."""
        who = {"type": "add_speaker", "userId": self.user_id, "serverId": GUILD, "channelId": CHANNEL}
        return {**who, "library": self.library, "receive": True, "startMs": 500, **self.says}


MEMBERS: Final = (
    Member("101", "davey", {"tone": 300}),
    Member("102", "davey", {"tone": 440}),
    Member("103", "libdave", {"file": str(SPEECH / "tt-weasels.g722"), "loop": True, "pauseMs": 900}),
)


def guest_order(number: int, library: str) -> dict[str, Any]:
    """Return what lets one more member come, who speaks and hears."""
    user_id = str(FIRST_GUEST + number)
    who = {"type": "add_speaker", "userId": user_id, "serverId": GUILD, "channelId": CHANNEL, "receive": True}
    return {**who, "library": library, "tone": 500 + 10 * (number % 40), "startMs": 200}
