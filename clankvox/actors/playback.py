"""Playback: the speech of one TTS playback at a time, encoded one slot ahead and handed to the pacing clock.

The actor prepares a packet when the pacer reports the last one (thread: this actor's own); the pacer sends it. What
was prepared and did not leave (a stop, a change of key, a lost link) gives back its place in the stream, and speech in
it is sealed anew.
"""

import logging
from collections import deque
from typing import Final, assert_never

import numpy as np

from clankvox.actors.base import BaseActor, Surroundings, teller
from clankvox.actors.output import OpusFrame, Output, Path
from clankvox.clock import SLOT_S
from clankvox.errors import CodecError, MlsError, TransportLost
from clankvox.fsm.playback import PlaybackMachine, PlaybackState
from clankvox.ids import PlaybackId, Role, connection_address
from clankvox.media.frame_cipher import Gate
from clankvox.media.opus_encoder import OpusEncoder
from clankvox.media.rtp_sender import RtpSender, SealedPacket
from clankvox.media.silence_tail import SilenceTail
from clankvox.media.tts_buffer import FlowState, OverflowRule, TtsBuffer
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import SendSpeaking
from clankvox.messages.playback import (
    BufferPoll,
    DepthDue,
    FinishTts,
    GateChanged,
    MixMessage,
    PathOpened,
    PathSuspended,
    PlaybackMessage,
    PlayTts,
    SlotServed,
    StopPlayback,
    StopTts,
)
from clankvox.messages.router import (
    BufferDepthReported,
    PlaybackStopped,
    RuntimeFailed,
    TtsChunkRefused,
    TtsOverflowed,
    TtsReported,
)
from clankvox.ports import SendOutcome, SlotReport
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, SILENCE_FRAME

_log = logging.getLogger("clankvox.playback")

TOMBSTONES: Final = 64
DEPTH_S: Final = 0.5
FAILURE_LIMIT: Final = 25
"""Half a second of frames in a row that could not be encrypted or sent: no hiccup any more."""
_FINISHING: Final = frozenset({PlaybackState.FINISHING, PlaybackState.FINISHING_UNHEARD})
_UNHEARD: Final = frozenset({PlaybackState.BUFFERED, PlaybackState.FINISHING_UNHEARD})


class _NotSealed(Exception):
    """A frame was taken from its source and could not be sealed."""


class PlaybackActor(BaseActor[PlaybackMessage | Inspect]):
    """One per process: what is said in the voice call."""

    def __init__(self, surroundings: Surroundings, output: Output) -> None:
        super().__init__(surroundings)
        self._output = output
        self._cipher = output.cipher
        self._machine = PlaybackMachine(self._observe)
        self._buffer = TtsBuffer()
        self._encoder = OpusEncoder()
        self._tail = SilenceTail()
        self._unsent: deque[OpusFrame] = deque(maxlen=2)
        self._path: Path | None = None
        self._paths = 0
        self._playback_id: PlaybackId | None = None
        self._failed_ids: deque[PlaybackId] = deque(maxlen=TOMBSTONES)
        self._failures_in_a_row = 0
        self._depth_due = 0.0
        self._polling_at = 0.0

    def handle(self, message: PlaybackMessage | Inspect) -> object:
        """See BaseActor."""
        if isinstance(message, MixMessage):
            return None
        match message:
            case SlotServed(path=number, report=report):
                self._on_slot(number, report)
            case PlayTts():
                self._on_audio(message)
            case FinishTts(playback_id=playback_id):
                self._on_finish(playback_id)
            case StopTts(playback_id=playback_id):
                self._on_stop_tts(playback_id)
            case StopPlayback():
                self._end_speech("stop_playback")
                self.report(PlaybackStopped(transport_ready=self._path is not None and not self._path.suspended))
            case PathOpened():
                self._on_path_opened(message)
            case PathSuspended():
                self._on_path_suspended()
            case GateChanged() | BufferPoll():
                self._begin_if_possible()
            case DepthDue():
                self._on_depth_due()
            case ResetBaton():
                self._on_reset(message)
            case Inspect():
                return {"state": str(self._state), "buffered_samples": self._buffer.buffered_samples}
            case _:
                assert_never(message)
        return None

    def let_go(self) -> None:
        """Leave nothing in the pacer, and no speech in memory."""
        self._halt()
        self._buffer.clear()

    @property
    def _state(self) -> PlaybackState:
        return PlaybackState(self._machine.current_state_value)

    # --- commands ---

    def _on_audio(self, chunk: PlayTts) -> None:
        try:
            reason = self._refusal(chunk)
            if reason is not None:
                self._refuse(chunk.playback_id, reason)
            elif chunk.pcm is not None and not self._is_late(chunk):
                self._accept(chunk, chunk.pcm)
        finally:
            if chunk.pcm is not None:
                chunk.pcm[:] = bytes(len(chunk.pcm))

    def _refusal(self, chunk: PlayTts) -> str | None:
        """Return why a chunk is not taken, in the contract's order of checks."""
        playback_id, active = chunk.playback_id, self._state is not PlaybackState.IDLE
        if playback_id in self._failed_ids:
            return "playback_already_failed"
        if active and playback_id != self._playback_id:
            return "stale_playback_id"
        if chunk.refusal == "empty_pcm" and active:
            return None  # an empty chunk says nothing and does no harm to a healthy playback
        if chunk.refusal is not None:
            return chunk.refusal
        if playback_id is not None and self._path is None:
            return "voice_transport_not_ready"
        return None

    def _is_late(self, chunk: PlayTts) -> bool:
        """Tell whether the parent has already said that no more PCM comes: the chunk is dropped, the rest is played."""
        return self._state in _FINISHING and chunk.playback_id == self._playback_id

    def _accept(self, chunk: PlayTts, pcm: bytearray) -> None:
        rule = OverflowRule.TRUNCATE if chunk.playback_id is None else OverflowRule.REFUSE
        pushed = self._buffer.push(pcm, chunk.sample_rate_hz, self._clock.now(), rule)
        if pushed.dropped_samples:
            overflow = TtsOverflowed(
                playback_id=chunk.playback_id,
                dropped_samples=pushed.dropped_samples,
                buffer_samples=pushed.would_be_samples,
            )
            self.report(overflow)
            if rule is OverflowRule.REFUSE:
                self._bury(chunk.playback_id)
                return
        if chunk.playback_id is not None:
            self._report_depth()
        if self._state is PlaybackState.IDLE:
            self._playback_id = chunk.playback_id
            self._machine.audio_accepted()
            self.report(TtsReported(playback_id=self._playback_id, status="buffered"))
        self._watch_depth()
        self._begin_if_possible()

    def _refuse(self, playback_id: PlaybackId | None, reason: str) -> None:
        self.report(TtsChunkRefused(playback_id=playback_id, reason=reason))
        if playback_id is not None and reason != "playback_already_failed":
            self._bury(playback_id)

    def _bury(self, playback_id: PlaybackId | None) -> None:
        """Remember a failed id; if it is the current playback, its speech goes with it."""
        if playback_id is not None and playback_id not in self._failed_ids:
            self._failed_ids.append(playback_id)
        if self._state is not PlaybackState.IDLE and playback_id == self._playback_id:
            self._machine.failed()
            self._silence()

    def _on_finish(self, playback_id: PlaybackId | None) -> None:
        if self._state is PlaybackState.IDLE or playback_id != self._playback_id:
            if playback_id is not None:
                self.report(TtsReported(playback_id=playback_id, status="failed", reason="stale_playback_id"))
            return
        if self._state in _FINISHING:
            return
        self._machine.finish_requested()
        self._buffer.finish()
        self._begin_if_possible()
        self._settle_if_quiet()

    def _on_stop_tts(self, playback_id: PlaybackId | None) -> None:
        if self._state is not PlaybackState.IDLE and playback_id in (None, self._playback_id):
            self._end_speech("stop_tts_playback")
        elif playback_id is not None:
            self.report(TtsReported(playback_id=playback_id, status="failed", reason="stale_playback_id"))

    def _end_speech(self, reason: str) -> None:
        if self._state is PlaybackState.IDLE:
            return
        self._machine.stopped()
        stopped, self._playback_id = self._playback_id, None
        self.report(TtsReported(playback_id=stopped, status="stopped", reason=reason))
        self._silence()

    def _silence(self) -> None:
        """Forget all speech at once; five silence frames still follow what was heard."""
        had_samples = self._buffer.buffered_samples > 0
        self._playback_id = None
        self._buffer.clear()
        self._unsent.clear()
        self._encoder.reset()
        if had_samples:
            self._report_depth()
        path = self._path
        if path is not None and path.ticking:
            packet = self._output.pacer.disarm(path.ssrc)
            self._take_back(path, packet)
            if isinstance(packet, SealedPacket) and packet.opus_frame == SILENCE_FRAME:
                self._unsent.append(OpusFrame(SILENCE_FRAME, audible=False))
            self._prepare_next(path)

    # --- the path ---

    def _on_path_opened(self, opened: PathOpened) -> None:
        self._halt()
        self._paths += 1
        sender = RtpSender(
            opened.ssrc,
            OPUS_PAYLOAD_TYPE,
            opened.sealer,
            self._output.rng,
            cipher=self._cipher,
            transmit=self._output.transmit,
        )
        self._path = Path(self._paths, opened.ssrc, sender)
        self._failures_in_a_row = 0
        self._begin_if_possible()

    def _on_path_suspended(self) -> None:
        self._halt()
        if self._path is not None:
            self._path.suspended = True

    def _on_reset(self, baton: ResetBaton) -> None:
        self._halt()
        self._path = None
        while self._tail.next_frame() is not None:
            pass  # nobody is left to hear the end of it
        self._end_speech(baton.reason)
        self.report(baton)

    def _halt(self) -> None:
        """Stop ticking; speech that was prepared and has not left is kept."""
        path = self._path
        if path is None or not path.ticking:
            return
        path.ticking = False
        packet = self._output.pacer.unsubscribe(path.ssrc)
        self._take_back(path, packet)
        if isinstance(packet, SealedPacket) and packet.opus_frame != SILENCE_FRAME:
            self._unsent.appendleft(OpusFrame(packet.opus_frame, packet.audible))
        self.send(connection_address(Role.VOICE), SendSpeaking(ssrc=path.ssrc, flags=0))

    def _take_back(self, path: Path, packet: object) -> None:
        path.armed = None
        if isinstance(packet, SealedPacket):
            path.sender.give_back(packet)

    # --- slots ---

    def _begin_if_possible(self) -> None:
        """Send the first packet of a talkspurt at once, or look again in a slot's time."""
        path = self._path
        if path is None or path.ticking or path.suspended or self._cipher.gate is Gate.CLOSED:
            return
        try:
            packet = self._prepare(path, self._output.pacer.next_deadline())
        except _NotSealed:
            packet = None
        if packet is None:
            self._poll_later()
            return
        path.ticking = True
        path.armed = packet
        self.send(connection_address(Role.VOICE), SendSpeaking(ssrc=path.ssrc, flags=1))
        tell = teller(self.actor_ref)
        number = path.number

        def on_slot(report: SlotReport) -> None:
            tell(SlotServed(path=number, report=report))

        self._output.pacer.subscribe(path.ssrc, on_slot, packet)

    def _poll_later(self) -> None:
        now = self._clock.now()
        waiting = self._buffer.state is not FlowState.EMPTY or bool(self._unsent)
        if waiting and self._polling_at <= now:
            self._polling_at = now + SLOT_S
            self.later(SLOT_S, BufferPoll())

    def _on_slot(self, number: int, report: SlotReport) -> None:
        path = self._path
        if path is None or path.number != number or not path.ticking:
            return
        if report.packet is not None and report.packet is path.armed:
            path.armed = None
            self._account(path, path_packet=report.packet, outcome=report.outcome)
        self._go_on(path)

    def _go_on(self, path: Path) -> None:
        """Fill the next slot, unless that was done already or what came before has ended the ticking."""
        if path.ticking and path.armed is None:
            self._prepare_next(path)

    def _account(self, path: Path, path_packet: object, outcome: SendOutcome) -> None:
        if not isinstance(path_packet, SealedPacket):
            return
        match outcome:
            case SendOutcome.SENT:
                self._failures_in_a_row = 0
                self._output.counters.sent_packets += 1
                if path_packet.audible and self._state in _UNHEARD:
                    self._machine.became_audible()
                    self.report(TtsReported(playback_id=self._playback_id, status="started"))
            case SendOutcome.STALE:
                path.sender.give_back(path_packet)
                self._unsent.appendleft(OpusFrame(path_packet.opus_frame, path_packet.audible))
            case SendOutcome.FAILED | SendOutcome.EMPTY:
                path.sender.give_back(path_packet)
                self._output.counters.send_failures += 1
                self._count_failure("the packets could not be sent")

    def _prepare_next(self, path: Path) -> None:
        try:
            packet = self._prepare(path, self._output.pacer.next_deadline())
        except _NotSealed:
            return  # the slot stays empty, and the next one is tried
        if packet is None:
            self._halt()
            self._settle_if_quiet()
            self._poll_later()
            return
        path.armed = packet
        replaced = self._output.pacer.arm(path.ssrc, packet)
        if isinstance(replaced, SealedPacket):
            path.sender.give_back(replaced)

    def _prepare(self, path: Path, deadline_s: float) -> SealedPacket | None:
        """Seal what the slot at `deadline_s` shall carry; None if nothing is to be sent, or nothing may leave.

        Raises _NotSealed when a frame was lost because it could not be sealed; there may be more.
        """
        if self._cipher.gate is Gate.CLOSED:
            return None
        frame = self._next_opus(deadline_s)
        if frame is None:
            return None
        generation = self._cipher.generation
        try:
            payload = self._cipher.seal_opus(frame.payload)
            if payload is None:
                self._unsent.appendleft(frame)
                return None
            return path.sender.prepare(payload, deadline_s, generation, opus_frame=frame.payload, audible=frame.audible)
        except (MlsError, TransportLost):
            self._count_failure("the frames could not be encrypted")
            raise _NotSealed from None

    def _next_opus(self, deadline_s: float) -> OpusFrame | None:
        if self._unsent:
            return self._unsent.popleft()
        frame = self._buffer.next_frame(deadline_s)
        if frame is not None:
            self._tail.audio_went()
            try:
                return OpusFrame(
                    self._encoder.encode(np.repeat(frame.samples[:, np.newaxis], 2, axis=1)), frame.audible
                )
            except CodecError:
                _log.warning("frame could not be encoded")
            finally:
                frame.samples.fill(0)
        silence = self._tail.next_frame()
        return None if silence is None else OpusFrame(silence, audible=False)

    def _count_failure(self, what: str) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row < FAILURE_LIMIT:
            return
        self._failures_in_a_row = 0
        self.report(RuntimeFailed(role=Role.VOICE, connection_id=None, message=f"Voice is not heard: {what}."))
        if self._state is not PlaybackState.IDLE:
            failed = self._playback_id
            self.report(TtsReported(playback_id=failed, status="failed", reason="transport_send_failed"))
            self._bury(failed)

    def _settle_if_quiet(self) -> None:
        """End the playback once all of it and five silence frames have left; one with an id waits for its finish."""
        if self._state is PlaybackState.IDLE or (self._path is not None and self._path.ticking):
            return
        if self._unsent or self._tail.owed or self._buffer.state is not FlowState.EMPTY:
            return
        if self._playback_id is not None and self._state not in _FINISHING:
            return
        self._machine.drained()
        drained, self._playback_id = self._playback_id, None
        self._buffer.clear()
        self._encoder.reset()
        self.report(TtsReported(playback_id=drained, status="drained"))

    # --- telemetry ---

    def _watch_depth(self) -> None:
        now = self._clock.now()
        if self._depth_due <= now:
            self._depth_due = now + DEPTH_S
            self.at(self._depth_due, DepthDue())

    def _on_depth_due(self) -> None:
        self._report_depth()
        if self._buffer.buffered_samples:
            self._watch_depth()

    def _report_depth(self) -> None:
        self.report(BufferDepthReported(tts_samples=self._buffer.buffered_samples, music_samples=0))
