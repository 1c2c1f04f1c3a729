"""Users who left a call (op 13) and are heard to the end of what they sent before it.

Op 13 comes by TCP and overtakes datagrams. So a leaver keeps his stream until his last words were heard, and what may
take his key away is told to the DAVE actor only when the socket was read out.
"""

from collections.abc import Callable
from typing import Final

from clankvox.clock import Clock
from clankvox.ids import Attempt, UserId
from clankvox.media.receive import ReceivePipeline
from clankvox.messages.connection import FarewellDue, ReadOutDue
from clankvox.messages.dave import GroupNews

FAREWELL_S: Final = 0.1
"""How long a user is heard on behind op 13."""
FAREWELL_LIMIT_S: Final = 1.5
"""What came before op 13 may wait for op 22 to bring its key (SWITCH_LIMIT_S), within the 2 s of all packets."""
_MOST_LOOKS: Final = round(FAREWELL_LIMIT_S / FAREWELL_S)
"""Counted and not timed: a stall in which nobody in the process got time is one look late."""
READ_OUT_S: Final = 0.005
"""How soon the UDP thread, once woken, is expected to have read out its socket."""
READ_OUT_LIMIT_S: Final = 0.5
"""Longer than this nothing waits for it."""
_FEWEST_LOOKS: Final = 20
"""As many looks at the socket are made however late it is, for the same reason."""
MOST_NEWS: Final = 256

FarewellTimer = FarewellDue | ReadOutDue


class Farewells:
    """Those of one session. The thread of the connection's actor."""

    def __init__(
        self,
        clock: Clock,
        pipeline: ReceivePipeline,
        *,
        wake_udp: Callable[[], None],
        later: Callable[[float, FarewellTimer], None],
        tell_dave: Callable[[GroupNews], None],
        forget: Callable[[UserId], None],
    ) -> None:
        """`later` has a timer come back to `farewell_due` or `read_out_due` after so many seconds.

        `forget` is called with each user who is heard no more.
        """
        self._clock = clock
        self._pipeline = pipeline
        self._wake_udp = wake_udp
        self._later = later
        self._tell_dave = tell_dave
        self._forget = forget
        self._leaving: dict[UserId, float] = {}
        """Who left, and when (s)."""
        self._news: list[GroupNews] = []
        """What the DAVE actor is not told yet."""
        self._looks = 0
        """How often it was looked since the last leaving whether the socket was read out."""

    def bid(self, attempt: Attempt, user: UserId) -> None:
        """Hear out a user who left, and then forget him; at once if he has never been announced as a speaker.

        Dropped is what comes FAREWELL_S behind op 13 or what no key has opened by FAREWELL_LIMIT_S; and a user who
        comes back meanwhile begins anew at once.
        """
        if user in self._leaving:
            return
        if not self._pipeline.expects(user):
            self._forget(user)
            return
        left_at = self._leaving[user] = self._clock.now()
        self._looks = 0
        self._wake_udp()
        self._later(FAREWELL_S, FarewellDue(attempt=attempt, user_id=user, left_at=left_at))

    def end(self, user: UserId) -> None:
        """Hear nothing more of `user`, if he is leaving."""
        if self._leaving.pop(user, None) is not None:
            self._forget(user)

    def end_all(self) -> None:
        """Hear nothing more of anybody who leaves, and drop what the DAVE actor was not told: the session is over."""
        for user in [*self._leaving]:
            self.end(user)
        self._news.clear()

    def pass_on(self, attempt: Attempt, news: GroupNews) -> None:
        """Tell the DAVE actor, in order. What may take a leaver's key away waits until his last words were read.

        That takes the UDP thread a millisecond; after READ_OUT_LIMIT_S, or with MOST_NEWS, it is waited for no longer.
        """
        if not self._news and not self._has_unread_words():
            self._tell_dave(news)
            return
        if not self._news:
            self._later(READ_OUT_S, ReadOutDue(attempt=attempt))
        self._news.append(news)
        if len(self._news) >= MOST_NEWS:
            self._tell_news()

    def farewell_due(self, due: FarewellDue) -> None:
        """Look again whether all that a user said before he left is heard."""
        if self._leaving.get(due.user_id) != due.left_at:
            return
        if due.look < _MOST_LOOKS and self._pipeline.has_last_words(due.user_id, due.left_at):
            self._wake_udp()
            again = FarewellDue(attempt=due.attempt, user_id=due.user_id, left_at=due.left_at, look=due.look + 1)
            self._later(FAREWELL_S, again)
        else:
            self.end(due.user_id)

    def read_out_due(self, due: ReadOutDue) -> None:
        """Look again whether the socket was read out."""
        self._looks += 1
        if self._news and self._has_unread_words():
            self._wake_udp()
            self._later(READ_OUT_S, due)
        else:
            self._tell_news()

    def _tell_news(self) -> None:
        waiting, self._news = self._news, []
        for news in waiting:
            self._tell_dave(news)

    def _has_unread_words(self) -> bool:
        """Whether the socket may still hold what somebody said who left this moment."""
        early, few = self._clock.now() - READ_OUT_LIMIT_S, self._looks < _FEWEST_LOOKS
        return any(
            (few or early < left_at) and not self._pipeline.was_read_out(left_at) for left_at in self._leaving.values()
        )
