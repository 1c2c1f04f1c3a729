"""The composition root: the only module that knows actors and shells alike. Starts everything, stops it in reverse."""

import gc
import logging
import os
import sys
import threading
from functools import partial
from itertools import count
from random import SystemRandom
from typing import Final

import pykka

from clankvox.actors.base import Mailbox, Surroundings, Tell, teller
from clankvox.actors.capture import CaptureActor
from clankvox.actors.connection import ConnectionActor
from clankvox.actors.dave import DaveActor
from clankvox.actors.facts import FactMail
from clankvox.actors.link import Shells
from clankvox.actors.music import MusicActor
from clankvox.actors.output import Output
from clankvox.actors.playback import PlaybackActor
from clankvox.actors.router import Boundary, RouterActor
from clankvox.actors.stream_publish import StreamPublishActor
from clankvox.actors.stream_watch import StreamWatchActor
from clankvox.actors.video import VideoActor
from clankvox.actors.voice import VoiceActor
from clankvox.clock import SystemClock
from clankvox.fsm.base import Transition, unobserved
from clankvox.ids import MUSIC, ROUTER, ActorKind, Address, Attempt, CaptureId, Role, UserId, connection_address
from clankvox.ipc.decoding import decode_command
from clankvox.ipc.events import TransportStats
from clankvox.ipc.framing import FrameTooLarge, TimingBlock, frame_user_audio
from clankvox.ipc.stats import InboundAudioStats, InboundVideoStats, LaneStats, OutboundStats, TickStats
from clankvox.ledger import Fate
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.frame_ledger import FrameFate, FrameLedger
from clankvox.media.mls_engine import DaveyEngine
from clankvox.media.receive import ReceivePipeline
from clankvox.media.receive_ports import Timing
from clankvox.media.signal_meter import Signal
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.media.watch_list import WatchList
from clankvox.messages.common import ActorFailed
from clankvox.messages.music import SourceFailed
from clankvox.messages.router import CommandReceived, LineRejected, StopRequested
from clankvox.outbox import Outbox
from clankvox.shells.pacer import Pacer
from clankvox.shells.signals import StopSignals, dump_stacks_on_sigusr1
from clankvox.shells.stdio import StdinReader, StdoutWriter
from clankvox.shells.udp import UdpSocket
from clankvox.shells.websocket import VoiceWebSocket
from clankvox.wire.transport_crypto import available_modes

_log = logging.getLogger("clankvox.app")

SWITCH_INTERVAL_S: Final = 0.0005
"""A thread that holds the GIL gives it up after half a millisecond: a tenth of Python's default."""
FLUSH_S: Final = 0.08
SOCKETS_CLOSED_S: Final = 0.06
EXIT_STDOUT_BROKEN: Final = 0
"""A parent that is gone is the normal end of a subprocess."""
EXIT_INTERNAL: Final = 70
"""The router failed, whom nobody replaces."""
CONNECTION_ACTORS: Final[dict[Role, type[ConnectionActor]]] = {
    Role.VOICE: VoiceActor,
    Role.STREAM_WATCH: StreamWatchActor,
    Role.STREAM_PUBLISH: StreamPublishActor,
}


class PcmOutlet:
    """media's PcmSink: captured PCM into the audio lane, in the header form that the capture asked for. UDP thread."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def user_audio(
        self,
        user_id: UserId,
        capture_id: CaptureId | None,
        pcm: memoryview,
        signal: Signal,
        duration_ms: float,
        timing: Timing | None,
    ) -> bool:
        """Queue one piece of PCM; False if it was dropped at the boundary."""
        try:
            frame = frame_user_audio(user_id, capture_id, pcm, *signal, timing and _block(timing))
        except FrameTooLarge:
            return False
        return self._outbox.put_audio((user_id, capture_id), frame, duration_ms, user_id)


def _block(timing: Timing) -> TimingBlock:
    return TimingBlock(timing.origin, timing.media_time, timing.arrival, timing.duration_ticks)


class RoleParts:
    """What the actors of one role share: its sockets, its cipher, its pipeline."""

    def __init__(self, role: Role, clock: SystemClock, outbox: Outbox, tell_router: Tell, connection: Tell) -> None:
        self.udp = UdpSocket(clock, connection)
        self.cipher = FrameCipher(self.udp.wake)
        self.board = CaptureBoard(self.udp.wake)
        facts = FactMail(role, tell_router, lambda: self.pipeline.attempt, outbox)
        self.pipeline = ReceivePipeline(self.cipher, self.board, PcmOutlet(outbox), facts)
        self.web_socket = VoiceWebSocket(connection)
        self.desk = BlindDesk()


class NoSources:
    """Fail at once, until the shell that reads sources is there."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def open(self, attempt: Attempt, request: SourceRequest, buffer: TrackBuffer) -> None:  # noqa: ARG002
        """Fail."""
        self._tell(SourceFailed(attempt=attempt, code="spawn_failed", message="no sources", position_ms=0))

    def close(self, attempt: Attempt) -> None:
        """Close nothing."""

    def close_all(self) -> None:
        """Close nothing."""


class BlindDesk:
    """Look at nothing, until the receive path can."""

    def watch(self, streams: WatchList) -> None:
        """Take note of nothing."""


class App:
    """One process serving one parent. `run` blocks the main thread until the end."""

    def __init__(self, stdin_fd: int, stdout_fd: int) -> None:
        self._clock = SystemClock()
        self._rng = SystemRandom()
        self._started_at = self._clock.now()
        self._outbox = Outbox(self._clock.now)
        self._pacer = Pacer(self._clock)
        self._frames = FrameLedger()
        self._stopped = threading.Event()
        self._exit_code = 0
        self._mailboxes: dict[Address, Mailbox] = {}
        self._sources = NoSources(partial(self._tell_actor, MUSIC))
        self._tracks = count(1)
        self._router: Tell = unborn
        self._roles = {
            role: RoleParts(role, self._clock, self._outbox, self._tell_router, partial(self._tell_connection, role))
            for role in Role
        }
        self._voice = self._roles[Role.VOICE]
        self._reader = StdinReader(
            stdin_fd,
            decode_command,
            lambda command: self._router(CommandReceived(command=command)),
            lambda error: self._router(LineRejected(error=error)),
            lambda: self._router(StopRequested(exit_code=0, reason="destroy")),
        )
        self._writer = StdoutWriter(stdout_fd, self._outbox, self._on_stdout_broken)
        self._signals = StopSignals(self._on_signal)

    def run(self) -> int:
        """Start, wait for the end, stop; returns the exit code. Main thread."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        dump_stacks_on_sigusr1()
        boundary = Boundary(
            outbox=self._outbox,
            pacer=self._pacer,
            spawn=self._spawn,
            collect=self._collect,
            release=self._reader.release,
            stopped=self._on_stopped,
            streams=lambda role: self._roles[role].pipeline.take_news(),
        )
        router = RouterActor.start(self._surroundings(ROUTER, self._tell_router), boundary)
        self._router = teller(router)
        self._signals.start()
        self._writer.start()
        self._reader.start()
        gc.collect()
        gc.freeze()
        self._stopped.wait()
        self._shut_down()
        return self._exit_code

    def _shut_down(self) -> None:
        """Stop in reverse order, within the 250 ms that a parent allows; what hangs is a daemon and dies with us."""
        self._reader.stop()
        for parts in self._roles.values():
            parts.udp.close()
        self._pacer.stop()
        deadline = self._clock.now() + SOCKETS_CLOSED_S
        for parts in self._roles.values():
            parts.web_socket.wait_closed(max(0.0, deadline - self._clock.now()))
        self._writer.flush_and_stop(FLUSH_S)
        pykka.ActorRegistry.stop_all(block=False)
        self._signals.stop()

    def _tell_router(self, message: object) -> None:
        """Tell the router, or end if it is the one that died: without it not even `destroy` would be heard."""
        if isinstance(message, ActorFailed) and message.address == ROUTER:
            self._on_stopped(EXIT_INTERNAL)
        self._router(message)  # type: ignore[arg-type]  # every caller sends a message

    def _tell_connection(self, role: Role, message: object) -> None:
        self._tell_actor(connection_address(role), message)

    def _tell_actor(self, address: Address, message: object) -> None:
        mailbox = self._mailboxes.get(address)
        if mailbox is not None:
            teller(mailbox)(message)  # type: ignore[arg-type]

    def _surroundings(self, address: Address, router: Tell) -> Surroundings:
        return Surroundings(address, self._clock, router, observe)

    def _spawn(self, address: Address, router: Tell) -> Mailbox:
        """Start the actor of `address`. Router's thread."""
        surroundings = self._surroundings(address, router)
        parts, voice = self._roles[address.role], self._voice
        mailbox: Mailbox
        match address.kind:
            case ActorKind.CONNECTION:
                shells = Shells(parts.web_socket, parts.udp, parts.pipeline)
                actor = CONNECTION_ACTORS[address.role]
                mailbox = actor.start(surroundings, shells, available_modes(), self._rng)
            case ActorKind.DAVE:
                mailbox = DaveActor.start(surroundings, parts.cipher, DaveyEngine)
            case ActorKind.PLAYBACK:
                output = Output(voice.cipher, self._pacer, voice.udp.send, self._frames, self._rng)
                mailbox = PlaybackActor.start(surroundings, output)
            case ActorKind.MUSIC:
                mailbox = MusicActor.start(surroundings, self._sources, self._tracks)
            case ActorKind.CAPTURE:
                mailbox = CaptureActor.start(surroundings, parts.board)
            case ActorKind.VIDEO:
                mailbox = VideoActor.start(surroundings, parts.desk)
            case _:
                raise ValueError(f"nobody lives at {address.kind}")
        self._mailboxes[address] = mailbox
        return mailbox

    def _collect(self) -> TransportStats:
        """Gather the counters of the contract. Router's thread."""
        pacing = self._pacer.statistics()
        lanes = self._outbox.counters()
        heard = self._voice.pipeline.totals
        fates = self._voice.pipeline.all_streams().fates
        return TransportStats(
            uptime_ms=int((self._clock.now() - self._started_at) * 1000),
            tick=TickStats(
                total=pacing.slots,
                skipped=pacing.missed_slots,
                slip_events=pacing.slip_events,
                max_gap_ms=pacing.max_gap_ms,
            ),
            ipc_lanes=LaneStats(
                control_dropped=lanes.control_dropped,
                audio_dropped=lanes.audio_dropped,
                video_dropped=lanes.video_dropped,
            ),
            inbound_audio=InboundAudioStats(
                packets=heard.packets,
                transport_decrypt_fail=heard.transport_decrypt_fail,
                dave_decrypt_fail=heard.dave_decrypt_fail,
                forward_loss_gaps=heard.forward_loss_gaps,
                concealed_frames=heard.concealed_frames,
                recovered=fates[Fate.RECOVERED],
                lost=fates[Fate.LOST],
                late=fates[Fate.LATE],
                duplicates=fates[Fate.DUPLICATE],
                uncaptured=fates[Fate.UNCAPTURED],
                boundary_dropped=fates[Fate.BOUNDARY_DROPPED],
                unrecognized=heard.unrecognized,
            ),
            inbound_video=InboundVideoStats(
                frames_emitted=0, decode_dropped=0, dave_decrypt_ok=0, dave_decrypt_fail=0, dave_passthrough=0
            ),
            outbound=outbound_stats(self._frames, self._voice.cipher.seal_failures),
        )

    def _on_stopped(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._stopped.set()

    def _on_signal(self, _number: object) -> None:
        self._router(StopRequested(exit_code=0, reason="destroy", at_once=True))

    def _on_stdout_broken(self) -> None:
        self._router(StopRequested(exit_code=EXIT_STDOUT_BROKEN, reason="destroy", at_once=True))


def outbound_stats(frames: FrameLedger, encrypt_failures: int) -> OutboundStats:
    """Show a ledger of outgoing frames as the contract does."""
    fates, pending = dict(frames.fates), frames.pending
    return OutboundStats(
        rtp_audio_sent=fates[FrameFate.SENT],
        dave_encrypt_fail=encrypt_failures,
        frames_made=sum(fates.values()) + pending,
        frames_refused=fates[FrameFate.REFUSED],
        frames_unsealed=fates[FrameFate.UNSEALED],
        frames_dropped=fates[FrameFate.DROPPED],
        frames_pending=pending,
        frames_resealed=frames.resealed,
        frames_limited=frames.limited,
        tts_underruns=frames.speech_underruns,
        music_underruns=frames.music_underruns,
    )


def unborn(_message: object) -> None:
    """Stand in for the router before it lives: nothing can happen yet."""


def observe(taken: Transition) -> None:
    """Log nothing more than the machines do themselves."""
    unobserved(taken)


def serve(stdin_fd: int, stdout_fd: int) -> int:
    """Serve the parent on these descriptors; ends the process without waiting for stuck daemon threads."""
    code = App(stdin_fd, stdout_fd).run()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
