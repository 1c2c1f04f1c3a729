"""How each fault is brought about, and how one knows that the call is whole again."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

from clankvox.clock import SystemClock
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.soak.agent import Agent
from tools.soak.captured import Captured
from tools.soak.people import GUILD, MEMBERS, MOST_GUESTS, MOST_LIBDAVE, OURSELVES, STREAMER, guest_order
from tools.soak.schedule import CLOSES, RESUMED, Cause, Fault
from tools.soak.witness import Link, Witness

WHOLE_S: Final = 30.0
_POLL_S: Final = 0.05
_ENOUGH_FRAMES: Final = 5
_SHORTEST_S: Final = 0.5
_STAY_LIBDAVE: Final = sum(member.library == "libdave" for member in MEMBERS)


class Faults:
    """The soak's own thread runs it."""

    def __init__(
        self, vox: VoxParent, discord: OfflineDiscord, agent: Agent, witness: Witness, captured: Captured
    ) -> None:
        self.guests: dict[str, str] = {}
        """Library by user id of those who come and go."""
        self._vox, self._discord, self._agent, self._witness, self._captured = vox, discord, agent, witness, captured
        self._clock = SystemClock()
        self._numbers = itertools.count(1)
        self._acts: Mapping[Cause, Callable[[Fault], None]] = {
            **dict.fromkeys(CLOSES, self._close),
            Cause.MIGRATE: self._migrate,
            Cause.STALL: self._stall,
            Cause.NETWORK: self._network,
            Cause.REORDER: self._network,
            Cause.DOWNGRADE: self._downgrade,
            Cause.UPGRADE: self._upgrade,
            Cause.JOIN: self._join,
            Cause.LEAVE: self._leave,
            Cause.BAD_COMMIT_US: self._bad_commit,
            Cause.BAD_COMMIT_OTHER: self._bad_commit,
            Cause.WATCH_CLOSE: self._close_stream,
            Cause.PUBLISH_CLOSE: self._close_stream,
        }

    def bring_about(self, fault: Fault) -> None:
        """Do it; what takes its time (a bad network) is over with the return. NotSeen if nothing came of it."""
        self._acts[fault.cause](fault)

    def wait_whole(self) -> float:
        """Return the instant at which everybody hears everybody again and sees; NotSeen after WHOLE_S."""
        deadline = self._clock.now() + WHOLE_S
        before, pictures = self._witness.look(), self._captured.pictures[STREAMER]
        frames = dict(self._captured.frames)
        missing = ""
        while self._clock.now() < deadline:
            look = self._witness.look()
            waits = [f"we hear {user}" for user in look.spoken if not self._hears(user, frames)]
            for user, heard in look.heard.items():
                if heard.opened < before.heard[user].opened + _ENOUGH_FRAMES:
                    waits.append(f"{user} hears us")
            if self._captured.pictures[STREAMER] == pictures:
                waits.append("we see the streamer")
            if look.watched <= before.watched:
                waits.append("the viewer sees us")
            if not look.settled:
                waits.append("the groups are settled")
            if not waits:
                return self._clock.now()
            missing = ", ".join(waits)
            self._clock.sleep(_POLL_S)
        raise NotSeen(f"not whole again within {WHOLE_S:g} s: {missing}")

    def _hears(self, user: str, frames: dict[str, int]) -> bool:
        return self._captured.frames[user] >= frames.get(user, 0) + _ENOUGH_FRAMES

    # --- the connection ---

    def _close(self, fault: Fault) -> None:
        before = self._link(GUILD)
        since = self._vox.mark()
        self._order("close", userId=OURSELVES, serverId=GUILD, code=CLOSES[fault.cause])
        if fault.cause is Cause.MOVE_4014:
            self._vox.wait_for("transport_state", since=since, role="voice", status="reconnecting", timeout_s=WHOLE_S)
            self._agent.give_server()
        self._wait_back(GUILD, before)
        after = self._link(GUILD)
        if fault.cause in RESUMED and (before is None or after is None or after.ssrc != before.ssrc):
            raise NotSeen("the session was made anew instead of resumed")

    def _migrate(self, _fault: Fault) -> None:
        before = self._link(GUILD)
        self._agent.give_server()
        self._wait_back(GUILD, before)

    def _close_stream(self, fault: Fault) -> None:
        server = self._agent.servers["stream_watch" if fault.cause is Cause.WATCH_CLOSE else "stream_publish"]
        before = self._link(server)
        self._order("close", userId=OURSELVES, serverId=server, code=1006 if fault.draw < 0.5 else 4006)
        self._wait_back(server, before)

    def _link(self, server: str) -> Link | None:
        return self._witness.look().links.get(server)

    def _wait_back(self, server: str, before: Link | None) -> None:
        """Return when our session has been resumed, or there is another one."""

        def is_back() -> bool:
            link = self._link(server)
            return link is not None and link.online and link != before

        self._wait(is_back, "we are back on the server")

    # --- the network ---

    def _stall(self, fault: Fault) -> None:
        lasts_s = _SHORTEST_S + 3.0 * fault.draw
        self._order("stall", userId=OURSELVES, ms=lasts_s * 1000)
        self._clock.sleep(lasts_s)

    def _network(self, fault: Fault) -> None:
        bad = {"loss": 0.1 * fault.draw, "jitterMs": 40 * fault.draw, "duplicate": 0.02}
        faults = bad if fault.cause is Cause.NETWORK else {"reorder": 0.1 * fault.draw}
        self._order("impair", userId=OURSELVES, seed=fault.number, **faults)
        self._clock.sleep(_SHORTEST_S + 4.0 * fault.draw)
        self._order("impair", userId=OURSELVES)

    # --- the group ---

    def _downgrade(self, fault: Fault) -> None:
        since = self._vox.mark()
        self._order("downgrade", serverId=GUILD)
        self._vox.wait_for("dave_state", since=since, role="voice", status="disabled", timeout_s=WHOLE_S)
        self._clock.sleep(_SHORTEST_S + fault.draw)

    def _upgrade(self, _fault: Fault) -> None:
        since = self._vox.mark()
        self._order("upgrade", serverId=GUILD)
        self._vox.wait_for("dave_state", since=since, role="voice", status="ready", timeout_s=WHOLE_S)

    def _join(self, fault: Fault) -> None:
        if len(self.guests) >= MOST_GUESTS:
            self._leave(fault)
            return
        with_libdave = _STAY_LIBDAVE + sum(library == "libdave" for library in self.guests.values())
        library = "libdave" if fault.draw < 0.4 and with_libdave < MOST_LIBDAVE else "davey"
        order = guest_order(next(self._numbers), library)
        self._discord.order(order)
        self.guests[order["userId"]] = library
        self._wait_settled()

    def _leave(self, fault: Fault) -> None:
        if not self.guests:
            self._join(fault)
            return
        user_id = sorted(self.guests)[int(fault.draw * len(self.guests))]
        del self.guests[user_id]
        self._order("remove_member", userId=user_id, serverId=GUILD)
        self._wait_settled()

    def _bad_commit(self, fault: Fault) -> None:
        """Let the next change of the group be unreadable for one, and change the group."""
        others = [member.user_id for member in MEMBERS]
        victim = OURSELVES if fault.cause is Cause.BAD_COMMIT_US else others[int(fault.draw * len(others))]
        self._order("bad_commit", userId=victim, serverId=GUILD)
        self._join(fault) if len(self.guests) < MOST_GUESTS else self._leave(fault)

    def _wait_settled(self) -> None:
        self._wait(lambda: self._witness.look().settled, "the groups are settled")

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = self._clock.now() + WHOLE_S
        while not is_so():
            if self._clock.now() > deadline:
                raise NotSeen(f"not within {WHOLE_S:g} s: {what}")
            self._clock.sleep(_POLL_S)

    def _order(self, kind: str, **fields: Any) -> None:
        self._discord.order({"type": kind, **fields})
