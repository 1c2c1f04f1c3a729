"""What connects the router with the shells and the composition root; calls never block."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from clankvox.actors.registry import Spawn
from clankvox.ids import Role
from clankvox.ipc.events import TransportStats
from clankvox.media.stream_register import StreamReport
from clankvox.outbox import Outbox


class PacingClock(Protocol):
    """The pacer's life; its slots are the playback actor's business (ports.PacerPort)."""

    def start(self) -> None:
        """Start the thread."""
        ...

    def stop(self) -> None:
        """Stop the thread."""
        ...


def no_streams(_role: Role) -> list[StreamReport]:
    """Report nothing: there is no receive pipeline."""
    return []


def no_mirror(_wanted: bool) -> None:
    """Mirror no log records to the parent."""


def no_queues() -> dict[str, int]:
    """Count nothing: there are no queues."""
    return {}


def nowhere(_text: bytes) -> None:
    """Show a description to nobody."""


class Boundary(NamedTuple):
    """Functions of the shells, as the router calls them."""

    outbox: Outbox
    pacer: PacingClock
    spawn: Spawn
    collect: Callable[[], TransportStats]
    release: Callable[[], None]
    """Gives one line's credit back."""
    stopped: Callable[[int], None]
    """Called once, with the exit code."""
    streams: Callable[[Role], list[StreamReport]] = no_streams
    mirror_logs: Callable[[bool], None] = no_mirror
    queues: Callable[[], dict[str, int]] = no_queues
    """Counts what waits in the queues between threads."""
    show: Callable[[bytes], None] = nowhere
    """Writes a description of all actors to stderr."""
