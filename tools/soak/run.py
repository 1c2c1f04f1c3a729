"""One run: brings everybody together, lets things go wrong, and takes everything apart again."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

import orjson

from clankvox.clock import SystemClock
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord, OrderRefused
from clankvox.demo.parent import VoxParent
from tools.soak.accounts import Accounts
from tools.soak.agent import Agent
from tools.soak.captured import RATE_HZ, Captured, SoakHappenings, SoakJournal
from tools.soak.census import Census
from tools.soak.faults import Faults
from tools.soak.ledgers import Streams, Totals
from tools.soak.media_host import MediaHost
from tools.soak.outcome import Happened, Outcome
from tools.soak.people import GUILD, MEMBERS, STREAMER, VIEWER
from tools.soak.schedule import LOSES_LINKS, SPACING_S, Cause, Fault, faults
from tools.soak.vitals import Vitals, alive, children_of, growth
from tools.soak.witness import Witness

READY_S: Final = 30.0
_LONGEST_GAP_S: Final = 4.0
_SHORT_GAP_S: Final = 1.0
_SHORT_RUN_S: Final = 120.0
_WARM_UP_S: Final = 600.0
_STREAMER: Final = {"width": 320, "height": 192, "fps": 10, "clock": False, "tone": 660}


class Plan(NamedTuple):
    """What is asked of a run."""

    seconds: float
    seed: int
    folder: Path

    @property
    def warm_up_s(self) -> float:
        """What memory does before is not looked at."""
        return min(_WARM_UP_S, self.seconds / 3)


class Run:
    """A context: everybody is there on entry, nobody on exit."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._clock = SystemClock()
        self._captured, self._streams, self._totals = Captured(), Streams(), Totals()
        self._census = Census()
        self._happened: list[Happened] = []
        self._began = self._clock.now()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            media = stack.enter_context(MediaHost(self._plan.folder))
            seed = str(self._plan.seed)
            self._discord = stack.enter_context(OfflineDiscord(["--seed", seed], SoakHappenings()))
            journal = SoakJournal(self._captured)
            journal.listeners += [self._streams.note, self._totals.note, self._census.note]
            env = {"SSL_CERT_FILE": str(self._discord.ca_file)}
            arguments = ("--allow-private-hosts", "--log-level", "info")
            self._vox = stack.enter_context(VoxParent(env=env, args=arguments, journal=journal))
            self._census.begin(self._vox)
            self._agent = Agent(self._vox, self._discord, media)
            journal.listeners.append(self._agent.take)
            self._agent.start()
            stack.callback(self._agent.end)
            self._vitals = Vitals(self._vox.pid)
            stack.callback(self._vitals.end)
            self._witness = Witness(self._discord)
            stack.callback(self._witness.end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def hold(self) -> Outcome:
        """Hold the call for as long as planned; return what was found."""
        self._gather()
        self._faults = Faults(self._vox, self._discord, self._agent, self._witness, self._captured)
        self._accounts = Accounts(self._witness, self._captured, self._clock.now())
        self._agent.begin()
        begun = self._clock.now()
        whole = self._faults.wait_whole()
        self._accounts.book(Cause.START, self._clock.now(), whole - begun)
        self._began = self._clock.now()
        for fault in self._due():
            self._live_through(fault)
            if self._agent.call_is_over.is_set():
                break
        lasted_s = self._clock.now() - self._began
        children = children_of(self._vox.pid)
        exit_code = self._part()
        return self._found(lasted_s, exit_code, alive(children))

    def _gather(self) -> None:
        for member in MEMBERS:
            self._discord.order(member.order)
        since = self._vox.mark()
        self._agent.join()
        self._vox.wait_for("ready", since=since, timeout_s=READY_S)
        self._vox.wait_for("dave_state", since=since, role="voice", status="ready", timeout_s=READY_S)
        for member in MEMBERS:
            capture = {"userId": member.user_id, "sampleRate": RATE_HZ, "silenceDurationMs": 400, "timeline": True}
            self._vox.send({"type": "subscribe_user", **capture})
        self._vox.send({"type": "subscribe_user", "userId": STREAMER, "role": "stream_watch", "sampleRate": RATE_HZ})
        for role in ("stream_watch", "stream_publish"):
            self._agent.connect(role)
            self._vox.wait_for("transport_state", since=since, role=role, status="ready", timeout_s=READY_S)
        servers = self._agent.servers
        self._discord.order(
            {"type": "add_publisher", "userId": STREAMER, "serverId": servers["stream_watch"], **_STREAMER}
        )
        viewer = {"type": "add_watcher", "userId": VIEWER, "serverId": servers["stream_publish"], "decode": False}
        self._discord.order(viewer)

    def _due(self) -> Iterator[Fault]:
        """Yield faults until the time is over; before one that loses the link it is quiet for as long as it must."""
        longest_gap_s = _SHORT_GAP_S if self._plan.seconds <= _SHORT_RUN_S else _LONGEST_GAP_S
        lost_at_s = self._began - SPACING_S
        for fault in faults(self._plan.seed, longest_gap_s):
            now, gap_s = self._clock.now(), fault.gap_s
            if fault.cause in LOSES_LINKS:
                gap_s = max(gap_s, lost_at_s + SPACING_S - now)
                lost_at_s = now + gap_s
            if now + gap_s - self._began >= self._plan.seconds:
                return
            yield fault._replace(gap_s=gap_s)

    def _live_through(self, fault: Fault) -> None:
        self._census.ask(self._vox)
        self._clock.sleep(fault.gap_s)
        self._accounts.book(Cause.QUIET, self._clock.now())
        begun = self._clock.now()
        recovered_s, problem = None, None
        try:
            self._faults.bring_about(fault)
            recovered_s = self._faults.wait_whole() - begun
        except (NotSeen, OrderRefused) as failure:
            problem = str(failure)
        self._accounts.book(fault.cause, self._clock.now(), recovered_s)
        self._happened.append(Happened(fault.number, fault.cause, begun - self._began, recovered_s, problem))

    def keep(self) -> None:
        """Write what was said and what happened into the folder of the run: to find out what went wrong, and when."""
        folder = self._plan.folder
        told = ({"at_s": round(event.at_s - self._began, 3), **event.body} for event in self._vox.events)
        (folder / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, told)))
        (folder / "log.jsonl").write_text("\n".join(self._vox.stderr_lines))
        vitals = (sample._replace(at_s=round(sample.at_s - self._began, 3)) for sample in self._vitals.samples)
        (folder / "vitals.jsonl").write_bytes(b"\n".join(orjson.dumps(sample._asdict()) for sample in vitals))
        (folder / "discord.jsonl").write_bytes(b"\n".join(map(orjson.dumps, self._discord.happenings)))

    def _part(self) -> int:
        """Let everybody go, the process last, so that all ledgers are closed; return its exit code."""
        self._clock.sleep(_SHORT_GAP_S)
        self._accounts.book(Cause.QUIET, self._clock.now())
        self._agent.end()
        if not self._agent.call_is_over.is_set():
            self._end_call()
        self._witness.end()
        self._vox.send({"type": "destroy"})
        return self._vox.wait_exit()

    def _end_call(self) -> None:
        since = self._vox.mark()
        for member in MEMBERS:
            self._discord.order({"type": "remove_member", "userId": member.user_id, "serverId": GUILD})
            self._vox.wait_for("client_disconnect", since=since, userId=member.user_id)
        for role in ("stream_watch", "stream_publish"):
            self._vox.send({"type": f"{role}_disconnect"})
            self._vox.wait_for("transport_state", since=since, role=role, status="disconnected")
        self._vox.send({"type": "leave"})
        self._vox.wait_for("transport_state", since=since, role="voice", status="disconnected")

    def _found(self, lasted_s: float, exit_code: int, left: set[int]) -> Outcome:
        ledgers = {member.user_id: self._streams.of("voice", member.user_id) for member in MEMBERS}
        samples = self._vitals.samples
        last, errors = self._totals.last, [line for line in self._vox.stderr_lines if _is_error(line)]
        return Outcome(
            seed=self._plan.seed,
            lasted_s=lasted_s,
            happened=self._happened,
            entries=dict(self._accounts.entries),
            ledgers=ledgers,
            captured=self._captured.frames,
            strangers=self._streams.all("stream_watch"),
            imbalances=len(self._streams.imbalances) + len(self._totals.imbalances),
            plaintext_frames=self._witness.sum_of("plaintextFrames"),
            plaintext_pictures=self._witness.sum_of_video("plaintextPictures"),
            outbound=last.get("outbound", {}),
            inbound_video=last.get("inboundVideo", {}),
            wanted_speech_ms=self._agent.wanted_ms,
            said_speech_ms=self._agent.said_ms,
            told=dict(self._agent.told),
            wrong=self._agent.wrong,
            pictures_seen=self._captured.pictures[STREAMER],
            growth=growth(samples, self._plan.warm_up_s) if samples else None,
            peak_rss_mib=max((sample.rss_mib for sample in samples), default=0.0),
            actors=self._census.actors[-1] if self._census.actors else None,
            more_actors=self._census.growth(),
            restarts=self._census.restarts,
            children_left=len(left),
            exit_code=exit_code,
            log_errors=errors[-20:],
        )


def _is_error(line: str) -> bool:
    return '"level": "error"' in line or '"level": "critical"' in line or "Traceback" in line
