"""Playback: the speech of one TTS playback at a time, encoded one slot ahead (transmission.py sends it)."""

import logging
from collections import deque
from typing import Final, NamedTuple, assert_never

import numpy as np

from clankvox.actors.base import BaseActor, Surroundings, teller
from clankvox.actors.output import Output
from clankvox.actors.transmission import Flow, Transmission
from clankvox.clock import SLOT_S
from clankvox.errors import CodecError
from clankvox.fsm.playback import PlaybackMachine, PlaybackState
from clankvox.ids import MUSIC, PlaybackId, Role, Ssrc, connection_address
from clankvox.media.frame_ledger import FrameFate
from clankvox.media.opus_encoder import OpusEncoder
from clankvox.media.rtp_sender import OpusFrame, Part
from clankvox.media.tts_buffer import FlowState, OverflowRule, TtsBuffer
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import SendSpeaking
from clankvox.messages.music import StopAllMusic
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
    RuntimeFailed,
    TtsChunkRefused,
    TtsOverflowed,
    TtsReported,
)
from clankvox.ports import SlotReport

_log = logging.getLogger("clankvox.playback")

TOMBSTONES: Final = 64
DEPTH_S: Final = 0.5
_FINISHING: Final = frozenset({PlaybackState.FINISHING, PlaybackState.FINISHING_UNHEARD})
_UNHEARD: Final = frozenset({PlaybackState.BUFFERED, PlaybackState.FINISHING_UNHEARD})


_READY: Final = frozenset({Flow.RESTING, Flow.TICKING})


class Speech(NamedTuple):
    """One playback's sound, as frames name it."""

    number: int


class PlaybackActor(BaseActor[PlaybackMessage | Inspect]):
    """One per process: what is said in the voice call."""

    def __init__(self, surroundings: Surroundings, output: Output) -> None:
        super().__init__(surroundings)
        self._transmission = Transmission(output, self)
        self._machine = PlaybackMachine(self._observe)
        self._buffer = TtsBuffer()
        self._encoder = OpusEncoder()
        self._speech = Speech(0)
        self._playback_id: PlaybackId | None = None
        self._failed_ids: deque[PlaybackId] = deque(maxlen=TOMBSTONES)
        self._depth_due = 0.0
        self._polling_at = 0.0

    def handle(self, message: PlaybackMessage | Inspect) -> object:
        """See BaseActor."""
        if isinstance(message, MixMessage):
            return None
        match message:
            case SlotServed(path=number, report=report):
                self._transmission.on_slot(number, report)
            case PlayTts():
                self._on_audio(message)
            case FinishTts(playback_id=playback_id):
                self._on_finish(playback_id)
            case StopTts(playback_id=playback_id):
                self._on_stop_tts(playback_id)
            case StopPlayback():
                self._end_speech("stop_playback")
                self.send(MUSIC, StopAllMusic())
            case PathOpened(ssrc=ssrc, sealer=sealer):
                self._transmission.open(ssrc, sealer)
            case PathSuspended():
                self._transmission.suspend()
            case GateChanged() | BufferPoll():
                self._transmission.begin()
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
        self._transmission.close()
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
        if playback_id is not None and self._transmission.flow is Flow.CLOSED:
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
            self._speech = Speech(self._speech.number + 1)
            self._machine.audio_accepted()
            self.report(TtsReported(playback_id=self._playback_id, status="buffered"))
        self._watch_depth()
        self._transmission.begin()

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
        self._transmission.begin()
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
        self._encoder.reset()
        if had_samples:
            self._report_depth()
        self._transmission.retract(armed=True)

    # --- the way out (transmission.FrameMaker) ---

    def next_frame(self, deadline_s: float) -> OpusFrame | None:
        """Encode what the slot that is due at `deadline_s` shall carry."""
        frame = self._buffer.next_frame(deadline_s)
        if frame is None:
            return None
        try:
            opus = self._encoder.encode(np.repeat(frame.samples[:, np.newaxis], 2, axis=1))
            return OpusFrame(opus, frame.audible, (Part(self._speech, frame.pcm_samples),))
        except CodecError:
            _log.warning("frame could not be encoded")
            return None
        finally:
            frame.samples.fill(0)

    def frame_over(self, frame: OpusFrame, fate: FrameFate) -> None:
        """Tell that the playback is heard, once the first audible packet has left."""
        if fate is FrameFate.SENT and frame.audible and self._state in _UNHEARD and self._carries_speech(frame):
            self._machine.became_audible()
            self.report(TtsReported(playback_id=self._playback_id, status="started"))

    def _carries_speech(self, frame: OpusFrame) -> bool:
        """Whether speech of the current playback is in it; one that was stopped may still be in its slot."""
        return any(part.sound == self._speech for part in frame.parts)

    def speaking_changed(self, ssrc: Ssrc, *, speaking: bool) -> None:
        """Announce it to the voice server (op 5)."""
        self.send(connection_address(Role.VOICE), SendSpeaking(ssrc=ssrc, flags=int(speaking)))

    def nothing_to_send(self) -> None:
        """See whether that was all; if not, look again in a slot's time."""
        self._settle_if_quiet()
        now = self._clock.now()
        waiting = self._buffer.state is not FlowState.EMPTY or self._transmission.has_unsent
        if waiting and self._polling_at <= now:
            self._polling_at = now + SLOT_S
            self.later(SLOT_S, BufferPoll())

    def way_broken(self, what: str) -> None:
        """Tell the parent, and end the playback."""
        self.report(RuntimeFailed(role=Role.VOICE, connection_id=None, message=f"Voice is not heard: {what}."))
        if self._state is not PlaybackState.IDLE:
            failed = self._playback_id
            self.report(TtsReported(playback_id=failed, status="failed", reason="transport_send_failed"))
            self._bury(failed)

    def slot_served(self, path: int, report: SlotReport) -> None:
        """Tell this actor, directly: a slot is too short for the way round by the router. Pacer thread."""
        teller(self.actor_ref)(SlotServed(path=path, report=report))

    def _on_reset(self, baton: ResetBaton) -> None:
        self._transmission.close()
        self._end_speech(baton.reason)
        self.report(baton)

    def _settle_if_quiet(self) -> None:
        """End the playback once all of it and five silence frames have left; one with an id waits for its finish."""
        if self._state is PlaybackState.IDLE or self._transmission.flow is Flow.TICKING:
            return
        if self._transmission.owes or self._buffer.state is not FlowState.EMPTY:
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
