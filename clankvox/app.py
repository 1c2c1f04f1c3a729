"""The composition root: the only module that knows actors and shells alike. Starts everything, stops it in reverse."""

import gc
import logging
import os
import sys
import threading
from collections import Counter
from functools import partial
from itertools import count
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

import pykka

from clankvox import log
from clankvox.actors.base import Mailbox, Surroundings, Tell, teller
from clankvox.actors.boundary import Boundary
from clankvox.actors.capture import CaptureActor
from clankvox.actors.connection import ConnectionActor
from clankvox.actors.dave import DaveActor
from clankvox.actors.link import Shells
from clankvox.actors.music import MusicActor
from clankvox.actors.output import Output
from clankvox.actors.playback import PlaybackActor
from clankvox.actors.publish import PublishActor
from clankvox.actors.router import RouterActor
from clankvox.actors.stream_publish import StreamPublishActor
from clankvox.actors.stream_watch import StreamWatchActor
from clankvox.actors.video import VideoActor
from clankvox.actors.voice import VoiceActor
from clankvox.clock import SystemClock
from clankvox.config import Config
from clankvox.errors import ExitCode
from clankvox.ids import MUSIC, PUBLISH, ROUTER, ActorKind, Address, Role, connection_address
from clankvox.ipc.decoding import decode_command
from clankvox.log_mirror import LogMirror
from clankvox.media.frame_ledger import FrameLedger
from clankvox.media.mls_engine import DaveyEngine
from clankvox.media.video_target import HD_720
from clankvox.messages.common import ActorFailed, Message
from clankvox.messages.router import CommandReceived, InspectionRequested, LineRejected, StopRequested
from clankvox.outbox import Outbox
from clankvox.publishing import Publishing
from clankvox.role_parts import RoleParts
from clankvox.shells.log_writer import LogWriter
from clankvox.shells.music_source import MusicSources
from clankvox.shells.pacer import Pacer
from clankvox.shells.parent import ParentWatch
from clankvox.shells.publish_sources import PublishSources
from clankvox.shells.role_pacer import RolePacer
from clankvox.shells.signals import StopSignals, stacks
from clankvox.shells.stdio import StdinReader, StdoutWriter
from clankvox.telemetry import Telemetry
from clankvox.wire.transport_crypto import available_modes

if TYPE_CHECKING:
    from clankvox.shells.metrics import MetricsServer

_log = logging.getLogger("clankvox.app")

SWITCH_INTERVAL_S: Final = 0.0005
"""A thread that holds the GIL gives it up after half a millisecond: a tenth of Python's default."""
COLLECTED_AFTER: Final = (700, 10, 2)
"""Python's own thresholds, but everything is looked at after three looks at what is younger, and not after eleven.

Machines and sockets refer to themselves, so a connection that ended waits for such a look: in a soak eight minutes of
them, 10,000 objects, and memory grew to hold them. The look takes 0.6 ms, and is due only once a quarter is new.
"""
FLUSH_S: Final = 0.08
SOCKETS_CLOSED_S: Final = 0.06
LOGS_WRITTEN_S: Final = 0.03
STDERR_FD: Final = 2
CONNECTION_ACTORS: Final[dict[Role, type[ConnectionActor]]] = {
    Role.VOICE: VoiceActor,
    Role.STREAM_WATCH: StreamWatchActor,
    Role.STREAM_PUBLISH: StreamPublishActor,
}


class App:
    """One process serving one parent. `run` blocks the main thread until the end."""

    def __init__(self, stdin_fd: int, stdout_fd: int, config: Config, stderr: log.Stream | None = None) -> None:
        self._stderr = stderr or sys.stderr
        self._clock = SystemClock()
        self._rng = SystemRandom()
        self._outbox = Outbox(self._clock.now)
        self._writer = StdoutWriter(stdout_fd, self._outbox, self._on_stdout_broken)
        self._pacer = Pacer(self._clock)
        self._frames = FrameLedger()
        self._stopped = threading.Event()
        self._exit_code = 0
        self._mailboxes: dict[Address, pykka.ActorRef[Any]] = {}
        self._sources = MusicSources(
            partial(self._tell_actor, MUSIC),
            allow_files=config.allow_files,
            allow_private_hosts=config.allow_private_hosts,
        )
        self._tracks = count(1)
        self._router: Tell = unborn
        self._roles = {role: self._parts_of(role) for role in Role}
        self._voice = self._roles[Role.VOICE]
        self._publishing = self._published(config)
        self._telemetry = self._counted()
        self._mirror = LogMirror(self._outbox)
        self._metrics = self._metrics_server(config)
        self._reader = StdinReader(
            stdin_fd,
            decode_command,
            lambda command: self._router(CommandReceived(command=command)),
            lambda error: self._router(LineRejected(error=error)),
            lambda: self._router(StopRequested(exit_code=0, reason="destroy")),
        )
        self._signals = StopSignals(lambda _number: self.end(), self._on_inspect)

    def _parts_of(self, role: Role) -> RoleParts:
        connection = partial(self._tell_connection, role)
        write = self._writer.write_at_hand
        return RoleParts(role, self._clock, self._outbox, self._tell_router, connection, write)

    def _published(self, config: Config) -> Publishing:
        return Publishing(
            self._clock,
            self._pacer,
            self._roles[Role.STREAM_PUBLISH],
            self._rng,
            partial(self._tell_actor, PUBLISH),
            PublishSources(self._clock, allow_files=config.allow_files, allow_private_hosts=config.allow_private_hosts),
        )

    def _counted(self) -> Telemetry:
        return Telemetry(
            self._clock,
            self._pacer,
            self._outbox,
            self._roles.values(),
            self._frames,
            self._publishing.counters,
            self._publishing.sound,
            self._mailbox_depths,
        )

    def run(self, parent_fd: int | None = None) -> int:
        """Start, wait for the end, stop; returns the exit code. `parent_fd` is of shells/parent.py. Main thread."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        boundary = Boundary(
            outbox=self._outbox,
            pacer=self._pacer,
            spawn=self._spawn,
            collect=self._telemetry.collect,
            release=self._reader.release,
            stopped=self._on_stopped,
            streams=lambda role: self._roles[role].pipeline.take_news(),
            mirror_logs=self._mirror.show,
            queues=self._telemetry.queues,
            show=self._show_inspection,
        )
        router = RouterActor.start(self._surroundings(ROUTER, self._tell_router), boundary)
        self._router = teller(router)
        self._mailboxes[ROUTER] = router
        self._signals.start()
        self._writer.start()
        self._reader.start()
        if parent_fd is not None:
            ParentWatch(parent_fd, self.end).start()
        logging.getLogger().addHandler(self._mirror)
        if self._metrics is not None:
            self._metrics.start()
        gc.freeze()  # what was imported stays: no collection ever looks at it
        gc.set_threshold(*COLLECTED_AFTER)
        gc.enable()
        self._stopped.wait()
        self._shut_down()
        return self._exit_code

    def end(self) -> None:
        """End in order and at once: a signal asks for it, or the parent is gone. Any thread."""
        self._router(StopRequested(exit_code=0, reason="destroy", at_once=True))

    def _shut_down(self) -> None:
        """Stop in reverse order, within the 250 ms that a parent allows; what hangs is a daemon and dies with us."""
        self._reader.stop()
        if self._metrics is not None:
            self._metrics.stop()
        self._sources.close_all()
        self._publishing.close()
        for parts in self._roles.values():
            parts.close()
        self._pacer.stop()
        deadline = self._clock.now() + SOCKETS_CLOSED_S
        for parts in self._roles.values():
            parts.web_socket.wait_closed(max(0.0, deadline - self._clock.now()))
        self._writer.flush_and_stop(FLUSH_S)
        pykka.ActorRegistry.stop_all(block=False)
        self._signals.stop()
        logging.getLogger().removeHandler(self._mirror)

    def _metrics_server(self, config: Config) -> "MetricsServer | None":
        if config.metrics_address is None:
            return None
        # their libraries are not for those who do not ask: 20 ms of every start
        from clankvox.metrics import Metrics  # noqa: PLC0415
        from clankvox.shells.metrics import MetricsServer  # noqa: PLC0415

        return MetricsServer(config.metrics_address, Metrics(self._telemetry).render)

    def _mailbox_depths(self) -> dict[str, int]:
        """Return how many messages wait, by kind of actor. Any thread."""
        depths: Counter[str] = Counter()
        for address, mailbox in list(self._mailboxes.items()):
            depths[address.kind] += len(getattr(mailbox, "actor_inbox", ()))
        return dict(depths)

    def _tell_router(self, message: object) -> None:
        """Tell the router, or end if it is the one that died: without it not even `destroy` would be heard."""
        if isinstance(message, ActorFailed) and message.address == ROUTER:
            self._on_stopped(ExitCode.INTERNAL)
        self._router(message)  # type: ignore[arg-type]  # every caller sends a message

    def _tell_connection(self, role: Role, message: object) -> None:
        self._tell_actor(connection_address(role), message)

    def _tell_actor(self, address: Address, message: object) -> None:
        mailbox = self._mailboxes.get(address)
        if mailbox is not None:
            teller(mailbox)(message)  # type: ignore[arg-type]

    def _surroundings(self, address: Address, router: Tell, life: int = 0) -> Surroundings:
        return Surroundings(address, self._clock, router, partial(self._telemetry.tally.observe, address), life)

    def _noting_deaths(self, router: Tell) -> Tell:
        """Return a `router` that counts the actors whose deaths it is told of. Any actor's thread."""

        def tell(message: Message) -> None:
            if isinstance(message, ActorFailed):
                self._telemetry.actor_failed(message.address)
            router(message)

        return tell

    def _spawn(self, address: Address, router: Tell, life: int) -> Mailbox:
        """Start the actor of `address`. Router's thread."""
        surroundings = self._surroundings(address, self._noting_deaths(router), life)
        parts, voice, pacer = self._roles[address.role], self._voice, RolePacer(self._pacer, address.role)
        mailbox: pykka.ActorRef[Any]
        match address.kind:
            case ActorKind.CONNECTION:
                shells = Shells(parts.web_socket, parts.udp, parts.pipeline)
                actor = CONNECTION_ACTORS[address.role]
                mailbox = actor.start(surroundings, shells, available_modes(), self._rng)
            case ActorKind.DAVE:
                mailbox = DaveActor.start(surroundings, parts.cipher, DaveyEngine)
            case ActorKind.PLAYBACK:
                output = Output(voice.cipher, pacer, voice.udp.send, self._frames, self._rng)
                mailbox = PlaybackActor.start(surroundings, output)
            case ActorKind.MUSIC:
                mailbox = MusicActor.start(surroundings, self._sources, self._tracks)
            case ActorKind.CAPTURE:
                mailbox = CaptureActor.start(surroundings, parts.board)
            case ActorKind.VIDEO:
                mailbox = VideoActor.start(surroundings, parts)
            case ActorKind.PUBLISH:
                publishing = self._publishing
                sound = Output(parts.cipher, pacer, parts.udp.send, publishing.sound, self._rng)
                mailbox = PublishActor.start(surroundings, publishing.worker, publishing.way, sound, HD_720)
            case _:
                raise ValueError(f"nobody lives at {address.kind}")
        self._forget_the_retired()
        self._mailboxes[address] = mailbox
        self._telemetry.actor_born(address)
        return mailbox

    def _forget_the_retired(self) -> None:
        """Keep no inbox of those who have stopped: users come and go for as long as the process lives."""
        for address in [address for address, ref in list(self._mailboxes.items()) if not ref.is_alive()]:
            del self._mailboxes[address]

    def _on_stopped(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._stopped.set()

    def _on_inspect(self) -> None:
        """Show what all threads are doing and what was counted so far, and ask the actors. Signals' thread."""
        self._stderr.write(stacks())
        _log.info("counters", extra={"fields": self._telemetry.summary()})
        for role, parts in self._roles.items():
            if counted := parts.counters():
                _log.info("counters of a role", extra={"fields": {"role": str(role), **counted}})
        _log.info("mailboxes", extra={"fields": self._mailbox_depths()})
        self._router(InspectionRequested())

    def _show_inspection(self, description: bytes) -> None:
        """Write the description of all actors to stderr, one line of JSON, past the levels of the log."""
        self._stderr.write(description.decode() + "\n")
        self._stderr.flush()

    def _on_stdout_broken(self) -> None:
        self._router(StopRequested(exit_code=ExitCode.STDOUT, reason="destroy", at_once=True))


def unborn(_message: object) -> None:
    """Stand in for the router before it lives: nothing can happen yet."""


def serve(stdin_fd: int, stdout_fd: int, config: Config, parent_fd: int | None = None) -> int:
    """Serve the parent on these descriptors; ends the process without waiting for stuck daemon threads."""
    logs = LogWriter(STDERR_FD)
    logs.start()
    log.set_up(config.log_level, config.log_format, logs)
    for variable in config.unknown:
        _log.warning("there is no such setting", extra={"fields": {"variable": variable}})
    try:
        code = App(stdin_fd, stdout_fd, config, logs).run(parent_fd)
    except Exception:  # noqa: BLE001 - logged; an exit code of its own says that it is no end that was asked for
        _log.exception("the process failed")
        code = ExitCode.INTERNAL
    log.tell_rest()
    logs.drain(LOGS_WRITTEN_S)
    sys.stderr.flush()
    os._exit(code)
