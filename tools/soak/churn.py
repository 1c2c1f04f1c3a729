"""Members of both libraries come and go, alone or all at once, and all speak: nothing may be lost, nobody deaf."""

import itertools
import random
import sys
from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from clankvox.clock import SystemClock
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from clankvox.ledger import Fate
from tools.soak.agent import Agent
from tools.soak.bars import Bar
from tools.soak.captured import RATE_HZ, Captured, SoakJournal
from tools.soak.ledgers import Streams
from tools.soak.media_host import MediaHost
from tools.soak.people import FIRST_GUEST, GUILD, MOST_LIBDAVE, OURSELVES, guest_order
from tools.soak.witness import OUR_FAULT

_MOST: Final = 8
_REFILL: Final = (2, 3, 4)
_WHOLE_S: Final = 20.0
_POLL_S: Final = 0.05
_ENOUGH_FRAMES: Final = 3
_HURRY_S: Final = 0.3
_IN_PEACE: Final = 0.4
"""Share of events after which the group comes to rest; else the next one comes in its midst."""
_HEARD: Final = ("decoded", "quiet", "empty")
_SHUT: Final = (Fate.NO_KEY, Fate.NO_GROUP, Fate.UNKNOWN_SSRC, Fate.DISCARDED)
"""What becomes of packets that nobody here has the key for; if their sender leaves meanwhile, the last one."""
_MADE_UP: Final = ("recovered", "concealed", "silenced", "lost")
"""What stands in for packets that never arrived: no packet has such a fate."""
_REPORT_EVERY: Final = 100


class Event(StrEnum):
    """What may happen to the group."""

    JOIN = "join"
    LEAVE = "leave"
    EMPTY = "empty"
    REFILL = "refill"
    REKEY = "rekey"
    RETURN = "return"


_WEIGHTS: Final = {
    Event.JOIN: 6,
    Event.LEAVE: 5,
    Event.EMPTY: 1,
    Event.REFILL: 1,
    Event.REKEY: 1,
    Event.RETURN: 2,
}


class ChurnOutcome(NamedTuple):
    """Of one run."""

    events: Counter[Event]
    checks: int
    """Times that everybody was found to hear everybody."""
    problems: list[str]
    remarks: list[str]
    """Who refused frames of ours by our fault, and who was not heard to the end."""
    heard: Counter[str]
    """All streams of all members, by fate."""
    sent: int
    """Packets of all members that the media server put on our wire, padding included: it never loses one."""
    unheard: Counter[str]
    """Of these, what we did not get to hear though we might have, by fate; and what never arrived."""
    without_us: int
    """Of these, what was sealed for a group that we were not in yet, or not in any more: nobody else could open it."""
    opened: int
    """Frames of ours, by all members."""
    refused: Counter[str]
    """Frames of ours that one could not open, by Refusal."""
    gave_up: int
    """Members whose library could not follow a commit, and that asked to be added anew."""
    plaintext: int
    imbalances: int
    wrong: list[dict[str, Any]]
    exit_code: int


class Churn:
    """A context: the process is in the call on entry, and gone on exit.

    Of a member's stay all is heard, its last word too: the media server says with each leaving how many packets of
    that SSRC it has put on our wire, and the process what became of each of them.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._draws = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._seed, self._folder = seed, folder
        self._clock = SystemClock()
        self._captured, self._streams = Captured(), Streams()
        self._numbers = itertools.count(1)
        self._members: dict[str, str] = {}
        self._gave_up = 0
        self._opened = self._checks = 0
        self._refused: Counter[str] = Counter()
        self._plaintext: dict[int, int] = {}
        self._events: Counter[Event] = Counter()
        self._problems: list[str] = []
        self._remarks: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            media = stack.enter_context(MediaHost(self._folder))
            self._discord = stack.enter_context(OfflineDiscord(["--seed", str(self._seed)]))
            journal = SoakJournal(self._captured)
            journal.listeners.append(self._streams.note)
            env = {"SSL_CERT_FILE": str(self._discord.ca_file)}
            self._vox = stack.enter_context(VoxParent(env=env, args=("--allow-private-hosts",), journal=journal))
            self._agent = Agent(self._vox, self._discord, media)
            journal.listeners.append(self._agent.take)
            self._agent.start()
            stack.callback(self._agent.end)
            since = self._vox.mark()
            self._agent.join()
            self._vox.wait_for("dave_state", since=since, role="voice", status="ready", timeout_s=_WHOLE_S)
            self._agent.talk()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def hold(self, events: int) -> ChurnOutcome:
        """Let so many events happen; return what was found."""
        while self._events.total() < events:
            event = self._drawn()
            self._events[event] += 1
            self._happen(event)
            if self._events.total() % _REPORT_EVERY == 0:
                print(f"{self._events.total()} of {events} changes", file=sys.stderr, flush=True)
            if self._draws.random() < _IN_PEACE:
                self._check(f"event {self._events.total()} ({event})")
            else:
                self._clock.sleep(self._draws.uniform(0.0, _HURRY_S))
        self._check("the end")
        return self._part()

    # --- what happens ---

    def _drawn(self) -> Event:
        if not self._members:
            return Event.REFILL
        event = self._draws.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0]
        return Event.LEAVE if event in (Event.JOIN, Event.REFILL) and len(self._members) >= _MOST else event

    def _happen(self, event: Event) -> None:
        match event:
            case Event.JOIN:
                self._join()
            case Event.LEAVE:
                self._leave(self._anybody())
            case Event.EMPTY:
                for user_id in list(self._members):
                    self._leave(user_id)
            case Event.REFILL:
                for _ in range(min(self._draws.choice(_REFILL), _MOST - len(self._members))):
                    self._join()
            case Event.REKEY:
                self._discord.order({"type": "downgrade", "serverId": GUILD})
                self._clock.sleep(self._draws.uniform(0.0, _HURRY_S))
                self._discord.order({"type": "upgrade", "serverId": GUILD})
            case Event.RETURN:
                user_id = self._anybody()
                library = self._members[user_id]
                self._leave(user_id)
                self._enter(int(user_id) - FIRST_GUEST, library)

    def _anybody(self) -> str:
        return self._draws.choice(sorted(self._members))

    def _join(self) -> None:
        with_libdave = sum(library == "libdave" for library in self._members.values())
        library = "libdave" if self._draws.random() < 0.5 and with_libdave < MOST_LIBDAVE else "davey"
        self._enter(next(self._numbers), library)

    def _enter(self, number: int, library: str) -> None:
        order = guest_order(number, library)
        user_id = order["userId"]
        self._vox.send({"type": "subscribe_user", "userId": user_id, "sampleRate": RATE_HZ, "timeline": True})
        self._discord.order(order)
        self._members[user_id] = library

    def _leave(self, user_id: str) -> None:
        self._look()
        since = self._vox.mark()
        client = self._clients.get(user_id)
        if client is None:
            self._problems.append(f"{user_id} ({self._members[user_id]}) was thrown out")
        else:
            self._gave_up += client["memberDropped"].get("commit_failed", 0)
            self._opened += client["decrypted"].get(OURSELVES, 0)
            self._note_refusals(user_id, client)
            self._discord.order({"type": "remove_member", "userId": user_id, "serverId": GUILD})
            self._vox.wait_for("client_disconnect", since=since, userId=user_id)
        del self._members[user_id]

    def _note_refusals(self, user_id: str, client: dict[str, Any]) -> None:
        refused = Counter(client["refused"].get(OURSELVES, {}))
        self._refused += refused
        if any(refused[why] for why in OUR_FAULT):
            who = f"{user_id} ({client['library']}, it dropped {client['memberDropped']})"
            self._remarks.append(f"change {self._events.total()}: {who} refused {dict(refused)} until it left")

    # --- what is seen ---

    def _look(self) -> bool:
        """Read all counters; return whether the group is at rest."""
        stats = self._discord.stats()
        self._clients = {each["userId"]: each for each in stats["clients"] if each["serverId"] == GUILD}
        if OURSELVES in self._clients:
            self._plaintext[self._clients[OURSELVES]["ssrc"]] = self._clients[OURSELVES]["plaintextFrames"]
        return all(room["settled"] for room in stats["rooms"])

    def _check(self, when: str) -> None:
        """Wait until everybody hears everybody; who stays deaf is a problem."""
        self._look()
        opened = {
            user: client["decrypted"].get(OURSELVES, 0)
            for user, client in self._clients.items()
            if "decrypted" in client
        }
        captured = dict(self._captured.frames)
        deadline = self._clock.now() + _WHOLE_S
        deaf = ["?"]
        while deaf and self._clock.now() < deadline:
            settled = self._look()
            deaf = [] if settled else ["the group does not settle"]
            for user_id in self._members:
                heard = self._clients[user_id]["decrypted"].get(OURSELVES, 0) if user_id in self._clients else 0
                if heard < opened.get(user_id, 0) + _ENOUGH_FRAMES:
                    deaf.append(f"{user_id} does not hear us")
                if self._captured.frames[user_id] < captured.get(user_id, 0) + _ENOUGH_FRAMES:
                    deaf.append(f"we do not hear {user_id}")
            if deaf:
                self._clock.sleep(_POLL_S)
        self._checks += 1
        self._problems += [f"{when}: {each}" for each in deaf]

    def _part(self) -> ChurnOutcome:
        self._agent.end()
        for user_id in list(self._members):
            self._leave(user_id)
        since = self._vox.mark()
        self._vox.send({"type": "leave"})
        try:
            self._vox.wait_for("transport_state", since=since, role="voice", status="disconnected")
        except NotSeen as missing:
            self._problems.append(str(missing))
        self._vox.send({"type": "destroy"})
        exit_code = self._vox.wait_exit()
        sent, unheard, without_us = self._accounts()
        return ChurnOutcome(
            self._events,
            self._checks,
            self._problems,
            self._remarks,
            self._streams.all("voice"),
            sent,
            unheard,
            without_us,
            self._opened,
            self._refused,
            self._gave_up,
            sum(self._plaintext.values()),
            len(self._streams.imbalances),
            self._agent.wrong,
            exit_code,
        )

    def _accounts(self) -> tuple[int, Counter[str], int]:
        """Return how many packets all members sent, what became of those not heard, and how many had no key for us."""
        sent, unheard, without_us = 0, Counter[str](), 0
        for left in self._discord.happenings:
            if left["type"] != "left" or left["serverId"] != GUILD or left["userId"] == OURSELVES:
                continue
            ssrc, packets = left["counters"]["ssrc"], left["counters"]["packets"]
            without = left["counters"]["sealedWithout"].get(OURSELVES, 0)
            missed = unheard_of(packets, self._streams.of_ssrc("voice", ssrc), without)
            without_us += without
            if missed:
                self._remarks.append(f"{left['userId']} (SSRC {ssrc}): of {packets} packets {dict(missed)}")
            sent, unheard = sent + packets, unheard + missed
        return sent, unheard, without_us


def unheard_of(sent: int, ledger: Counter[str], without: int = 0) -> Counter[str]:
    """Return what became of those of `sent` packets of one SSRC that were not heard, by fate.

    `without` were sealed without us: that so many have no key is right, that more have none or that they do is not.
    """
    missed = Counter({fate.value: ledger[fate.value] for fate in Fate if fate.value not in (*_HEARD, *_MADE_UP)})
    missed["without a fate"] = ledger["pending"]
    missed["never arrived"] = max(0, sent - ledger["arrived"])
    for fate in _SHUT:
        excused = min(missed[fate], without)
        missed[fate] -= excused
        without -= excused
    missed["opened though sealed without us"] = without
    return +missed


def judge(outcome: ChurnOutcome) -> list[Bar]:
    """Return the bars of a run; the network is clean, so nothing at all may be missing."""
    return [
        Bar("somebody is deaf, or gone", len(outcome.problems), 0),
        Bar("packets of members that we did not get to hear", outcome.unheard.total(), 0),
        *(Bar(f"frames of ours refused: {why}", outcome.refused[why], 0) for why in OUR_FAULT),
        Bar("frames of ours in clear", outcome.plaintext, 0),
        Bar("ledgers that do not sum up", outcome.imbalances, 0),
        Bar("events that say that something ended or failed", len(outcome.wrong), 0),
        Bar("exit code", outcome.exit_code, 0),
    ]
