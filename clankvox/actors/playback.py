"""Playback: what is heard of us in the voice call. One TTS playback at a time, and music underneath it.

Frames are mixed and encoded ahead of their slots (media/programme.py) and sent by a Transmission: what has music in it
one slot ahead, speech alone several.
"""

from collections import deque
from typing import Final, assert_never

from clankvox.actors.base import BaseActor, Surroundings, teller
from clankvox.actors.output import Output
from clankvox.actors.speech import Speech
from clankvox.actors.tracks import Tracks
from clankvox.actors.transmission import NOT_ENCRYPTED, Transmission
from clankvox.clock import SLOT_S
from clankvox.fsm.playback import PlaybackMachine, PlaybackState
from clankvox.ids import MUSIC, PlaybackId, Role, Ssrc, Track, connection_address
from clankvox.media.frame_ledger import Faults, FrameFate
from clankvox.media.mixer import Ducking, Mixer
from clankvox.media.programme import Programme
from clankvox.media.rtp_sender import OpusFrame
from clankvox.media.track_voice import RAMP_SAMPLES
from clankvox.media.tts_buffer import FlowState, OverflowRule, TtsBuffer
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import SendSpeaking
from clankvox.messages.music import QuietReached, StopAllMusic
from clankvox.messages.playback import (
    AwaitQuiet,
    BufferPoll,
    DepthDue,
    FinishTts,
    GateChanged,
    MixDue,
    MixMessage,
    PathOpened,
    PathSuspended,
    PlaybackMessage,
    PlayTts,
    SetDucking,
    SetGain,
    SlotServed,
    SpeechLost,
    StopPlayback,
    StopTts,
    TrackFilled,
)
from clankvox.messages.router import (
    BufferDepthReported,
    RuntimeFailed,
    TtsChunkRefused,
    TtsOverflowed,
    TtsPositionReported,
    TtsReported,
)
from clankvox.ports import SlotReport

TOMBSTONES: Final = 64
DEPTH_S: Final = 0.5
LOST: Final = "internal_error"
_FINISHING: Final = frozenset({PlaybackState.FINISHING, PlaybackState.FINISHING_UNHEARD})
_UNHEARD: Final = frozenset({PlaybackState.BUFFERED, PlaybackState.FINISHING_UNHEARD})


class PlaybackActor(BaseActor[PlaybackMessage | Inspect]):
    """One per process: what is said in the voice call."""

    def __init__(self, surroundings: Surroundings, output: Output) -> None:
        super().__init__(surroundings)
        self._transmission = Transmission(output, self, self._observe)
        self._machine = PlaybackMachine(self._observe)
        self._buffer = TtsBuffer()
        self._mixer = Mixer()
        self._programme = Programme(self._mixer)
        self._tracks = Tracks(self._mixer, lambda message: self.send(MUSIC, message))
        self._ledger = output.ledger
        self._faults = Faults()
        self._speech = Speech(0)
        self._quiet_for: Track | None = None
        self._mix_due = 0.0
        self._playback_id: PlaybackId | None = None
        self._failed_ids: deque[PlaybackId] = deque(maxlen=TOMBSTONES)
        self._depth_due = 0.0
        self._polling_at = 0.0

    def handle(self, message: PlaybackMessage | Inspect) -> object:
        """See BaseActor."""
        self._transmission.settle()  # what has left by now was heard, whether it was told yet or not
        match message:
            case SlotServed():  # the most frequent one, so first
                self._transmission.on_slot(message.path)
            case _ if isinstance(message, MixMessage):
                self._on_mix(message)
            case PlayTts():
                self._on_audio(message)
            case FinishTts(playback_id=playback_id):
                self._on_finish(playback_id)
            case StopTts(playback_id=playback_id):
                self._on_stop_tts(playback_id)
            case StopPlayback():
                self._quiet_for = None  # music ends as well, and must not begin in between
                self._end_speech("stop_playback")
                self.send(MUSIC, StopAllMusic())
            case PathOpened(ssrc=ssrc, sealer=sealer):
                self._transmission.open(ssrc, sealer)
            case PathSuspended():
                self._transmission.suspend()
            case GateChanged() | BufferPoll():
                self._transmission.renew()
                self._transmission.begin()
            case DepthDue():
                self._report_depth()
                self._watch_depth()
            case SpeechLost():
                self._on_speech_lost(message)
            case ResetBaton():
                self._on_reset(message)
            case Inspect():
                return {"state": self._state, "tts_samples": self._buffer.buffered_samples} | self._transmission.view
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
        if playback_id is not None and self._mixer.music_is_loud and not self._is_late(chunk):
            return "music_not_ducked"
        if chunk.refusal is not None:
            return chunk.refusal
        if playback_id is not None and self._transmission.is_closed:
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
                played_ms=self._played_ms(chunk.playback_id),
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
            self._tell_tts("buffered")
        self._watch_depth()
        self._transmission.begin()

    def _refuse(self, playback_id: PlaybackId | None, reason: str) -> None:
        played_ms = self._played_ms(playback_id)
        self.report(TtsChunkRefused(playback_id=playback_id, reason=reason, played_ms=played_ms))
        if playback_id is not None and reason != "playback_already_failed":
            self._bury(playback_id)

    def _played_ms(self, playback_id: PlaybackId | None) -> int | None:
        """How much of a playback with an id was heard; None if it is not under way."""
        under_way = self._state is not PlaybackState.IDLE and playback_id == self._playback_id
        return self._speech.played_ms if under_way and playback_id is not None else None

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
        elif self._state not in _FINISHING:
            self._finish()

    def _finish(self) -> None:
        self._buffer.finish()
        self._transmission.begin()  # the packet first: a transition takes as long as to make it
        if self._state is not PlaybackState.IDLE:  # the first packet may have ended the speech already
            self._machine.finish_requested()
            self._settle()

    def _on_stop_tts(self, playback_id: PlaybackId | None) -> None:
        if self._state is not PlaybackState.IDLE and playback_id in (None, self._playback_id):
            self._end_speech("stop_tts_playback")
        elif playback_id is not None:
            self.report(TtsReported(playback_id=playback_id, status="failed", reason="stale_playback_id"))

    def _end_speech(self, reason: str) -> None:
        if self._state is PlaybackState.IDLE:
            return
        self._machine.stopped()
        self._tell_tts("stopped", reason)
        self._silence()

    def _silence(self) -> None:
        """Forget all speech at once; five silence frames still follow what was heard.

        What is in its slot already leaves if music is in it as well: taking that back would be heard as a click.
        """
        had_samples = self._buffer.buffered_samples > 0
        self._playback_id = None
        under_music = self._mixer.sounds
        if under_music:
            self._mixer.cut_speech(self._buffer.cut(RAMP_SAMPLES))
        self._buffer.clear()
        self._forget_sound()
        if had_samples:
            self._report_depth()
        self._transmission.retract(armed=not under_music)
        self._answer_quiet()

    # --- the way out (transmission.FrameMaker) ---

    def next_frame(self, deadline_s: float) -> OpusFrame | None:
        """Mix and encode what the slot that is due at `deadline_s` shall carry."""
        frame = self._programme.next_frame(deadline_s, self._buffer.next_frame(deadline_s), self._speech.name)
        if frame is not None:
            self._speech.made(frame)
            self._tracks.made(frame)
        if self._mixer.has_music:
            self._tell_mix()
        faults = Faults(self._buffer.underruns, self._mixer.music_underruns, self._mixer.limited_frames)
        self._faults = self._ledger.enter(faults, self._faults)
        return frame

    def frame_ahead(self, deadline_s: float) -> OpusFrame | None:
        """Encode whole frames of speech ahead; music may be stopped, ducked or faded before a later slot."""
        if self._mixer.has_music or not self._buffer.has_whole_frame:
            return None
        return self.next_frame(deadline_s)

    def frame_over(self, frame: OpusFrame, fate: FrameFate) -> None:
        """Count what was heard; tell that the playback is heard, and that it is over."""
        begins = self._speech.over(frame, fate)
        self._tracks.over(frame, fate)
        if begins and self._state in _UNHEARD:
            self._machine.became_audible()
            self._tell_tts("started")
        position_ms = self._speech.new_position_ms()
        if position_ms is not None and self._playback_id is not None:
            self.report(TtsPositionReported(playback_id=self._playback_id, played_ms=position_ms))
        self._settle()

    def speaking_changed(self, ssrc: Ssrc, *, speaking: bool) -> None:
        """Announce it to the voice server (op 5)."""
        self.send(connection_address(Role.VOICE), SendSpeaking(ssrc=ssrc, flags=int(speaking)))

    def nothing_to_send(self) -> None:
        """See whether that was all; if not, look again in a slot's time."""
        self._settle()
        now = self._clock.now()
        waiting = self._buffer.state is not FlowState.EMPTY or self._mixer.fills or self._transmission.has_unsent
        if waiting and self._polling_at <= now:
            self._polling_at = now + SLOT_S
            self.later(SLOT_S, BufferPoll())

    def way_broken(self, what: str, *, again: bool) -> None:
        """End the playback. A socket is mended by the connection: parents who are told of an error hang up."""
        if what == NOT_ENCRYPTED and not again:
            self.report(RuntimeFailed(role=Role.VOICE, connection_id=None, message=f"Voice is not heard: {what}."))
        if self._state is not PlaybackState.IDLE:
            self._tell_tts("failed", "transport_send_failed")
            self._bury(self._playback_id)

    def slot_served(self, path: int, report: SlotReport) -> None:
        """Tell this actor, directly: a slot is too short for the way round by the router. Pacer thread."""
        teller(self.actor_ref)(SlotServed(path=path, report=report))

    def _on_speech_lost(self, loss: SpeechLost) -> None:
        """Tell the end of what the predecessor took with it."""
        self._failed_ids.extend(loss.failed_ids)
        for number, playback_id in enumerate(loss.lost):
            if playback_id in self._failed_ids:
                continue
            played_ms = loss.played_ms if number == 0 else None
            self.report(TtsReported(playback_id=playback_id, status="failed", reason=LOST, played_ms=played_ms))
            self._bury(playback_id)

    def _on_reset(self, baton: ResetBaton) -> None:
        self._quiet_for = None
        self._end_speech(baton.reason)
        self._transmission.close()
        self.report(baton)

    def _settle(self) -> None:
        """End the playback once all of it and five slots have passed; one with an id waits for its finish.

        It does not matter what is in those slots: silence, or music, which may go on, end or be stopped meanwhile.
        """
        if self._buffer.state is not FlowState.EMPTY or self._state is PlaybackState.IDLE:
            return
        if self._playback_id is not None and self._state not in _FINISHING:
            return
        if (self._transmission.is_ticking or self._transmission.owes) and not self._speech.has_passed:
            return
        self._machine.drained()
        self._tell_tts("drained")
        self._playback_id = None
        self._buffer.clear()
        self._forget_sound()
        self._answer_quiet()

    def _forget_sound(self) -> None:
        """Let the next sound begin with a fresh encoder, unless music goes on in this one."""
        if not self._mixer.sounds:
            self._programme.forget()

    def _tell_tts(self, status: str, reason: str | None = None) -> None:
        ended = status not in ("buffered", "started")
        played_ms = self._speech.played_ms if ended and self._playback_id is not None else None
        self.report(TtsReported(playback_id=self._playback_id, status=status, reason=reason, played_ms=played_ms))

    # --- music ---

    def _on_mix(self, message: MixMessage) -> None:
        now = self._clock.now()
        match message:
            case SetGain(target=target, fade_ms=fade_ms, track=track):
                self._mixer.set_gain(target, fade_ms / 1000.0, track, now)
            case SetDucking(target=target, attack_ms=attack_ms, release_ms=release_ms):
                self._mixer.set_ducking(Ducking(target, attack_ms / 1000.0, release_ms / 1000.0), now)
            case AwaitQuiet(track=track):
                self._quiet_for = track
                self._answer_quiet()
            case TrackFilled() | MixDue():
                pass
            case _:
                self._tracks.obey(message, now)
        self._tell_mix()
        self._watch_depth()
        self._transmission.begin()

    def _tell_mix(self) -> None:
        """Pass on what happened in the mix, and look again when time alone makes something happen."""
        now = self._clock.now()
        self._tracks.tell(self._mixer.advance(now), reachable=not self._transmission.is_closed)
        due = self._mixer.next_due()
        if due is not None and not now < self._mix_due <= due:
            self._mix_due = due
            self.at(due, MixDue())

    def _answer_quiet(self) -> None:
        """Tell a track without an id that waits for the end of an announcement that it may begin."""
        speaking = self._state is not PlaybackState.IDLE and self._playback_id is None
        if self._quiet_for is not None and not speaking:
            track, self._quiet_for = self._quiet_for, None
            self.send(MUSIC, QuietReached(track=track))

    # --- telemetry ---

    def _watch_depth(self) -> None:
        now = self._clock.now()
        if self._depth_due <= now and (self._buffer.buffered_samples or self._mixer.buffered_samples):
            self._depth_due = now + DEPTH_S
            self.at(self._depth_due, DepthDue())

    def _report_depth(self) -> None:
        speech, music = self._buffer.buffered_samples, self._mixer.buffered_samples
        self.report(BufferDepthReported(tts_samples=speech, music_samples=music))
