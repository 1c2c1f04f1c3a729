"""Events for whoever looks after the process: counters, streams, actors, log records."""

from typing import Any, ClassVar

from clankvox.ids import Role, UserId
from clankvox.ipc.event import BaseEvent
from clankvox.ipc.message import Part
from clankvox.ipc.stats import (
    InboundAudioStats,
    InboundVideoStats,
    LaneStats,
    LinkStats,
    MailboxStats,
    OutboundStats,
    RestartStats,
    StreamFates,
    TickStats,
)
from clankvox.ipc.statuses import LogLevel


class TransportStats(BaseEvent, frozen=True, kw_only=True):
    """Counters since the process started, over all roles; every 5 s while a connection is ready.

    Sub-objects hold plain numbers only.
    """

    is_telemetry: ClassVar[bool] = True

    uptime_ms: int
    tick: TickStats
    ipc_lanes: LaneStats
    inbound_audio: InboundAudioStats
    inbound_video: InboundVideoStats
    outbound: OutboundStats
    restarts: RestartStats
    audio_fates: StreamFates
    """An addition: every heard packet of all streams, by what became of it."""
    links: LinkStats
    mailboxes: MailboxStats


class StreamStats(BaseEvent, frozen=True, kw_only=True):
    """What became of the packets of one SSRC, since it was first heard on this connection. An addition.

    Every 5 s for an SSRC that packets came from, and once more when it is over (`ended`). It sums up:
    `arrived` + `missing` = all of `fates` + `pending`; `expected` counts what came too late only once.
    """

    is_telemetry: ClassVar[bool] = True

    role: Role
    user_id: UserId | None = None
    ssrc: int
    ended: bool
    expected: int
    arrived: int
    missing: int
    pending: int
    gaps: int
    restarts: int
    fates: StreamFates


class TimerView(Part, frozen=True, kw_only=True, rename="camel"):
    """What an actor will hear from itself, by the name that it has in the source.

    One that belongs to something that is over, such as an earlier attempt to connect, runs out without effect.
    """

    name: str
    due_ms: int


class ActorView(Part, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One actor, as it describes itself: numbers, names and states, and nothing that is secret.

    `details` by kind, for people, so that more may come: router `waiting` (commands), `unsettled`; connection
    `attempt`; dave `gate` (closed, clear, encrypt), `epoch`, `members` (user ids), `privacyCode`, `ignored`
    (messages by cause); capture `speaking`; playback `ttsSamples`, `flow`, `pendingFrames`; music `leaving` (pieces
    that fade); video `senders`, `wanted`; publish `source`, `connection` (their generations), `flow`,
    `pendingFrames`.
    """

    kind: str
    role: str
    user_id: str | None = None
    state: str
    """Of its machine."""
    mailbox: int
    """Messages that wait for it."""
    mailbox_deepest: int
    timers: tuple[TimerView, ...]
    """The first one first."""
    failures: dict[str, int]
    """How often the actors in this place have failed, by the name of the error."""
    details: dict[str, Any]


class Inspect(BaseEvent, frozen=True, kw_only=True):
    """The answer to the command of the same name. An addition.

    `actors` begins with the router, which supervises all others; they follow role by role. `silent` names those that
    did not answer within 100 ms, `queues` counts what waits between threads, `restarts` are those of `counters`.
    """

    actors: tuple[ActorView, ...]
    silent: tuple[str, ...]
    queues: dict[str, int]
    restarts: RestartStats
    counters: TransportStats


class Log(BaseEvent, frozen=True, kw_only=True):
    """A log record for a legacy parent; `message` names the event, values stand in `fields`."""

    is_telemetry: ClassVar[bool] = True

    level: LogLevel
    target: str
    message: str
    fields: dict[str, str | int | float | bool]
