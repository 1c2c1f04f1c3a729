"""The last step of the receive path: one user's PCM into the capture that asked for it."""

from typing import NamedTuple

from clankvox.ids import UserId
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.capture_board import CaptureConfig
from clankvox.media.pcm import Mono
from clankvox.media.receive_ports import PcmSink, ReceiveFacts, Timing
from clankvox.media.segment import Segment, SegmentMeter
from clankvox.media.signal_meter import Signal, SignalMeter
from clankvox.media.speech_gate import HeldSound, SpeechGate
from clankvox.media.voice_activity import VoiceActivity


class Sound(NamedTuple):
    """Some PCM, which is wiped when it is taken, and what is to be entered for the packet that it came with."""

    pcm: Mono
    timing: Timing
    ledger: StreamLedger
    fate: Fate | None
    """None: it stands in for a packet that did not come, which is entered already."""

    def settle(self, *, delivered: bool) -> None:
        """Enter the packet's fate."""
        if self.fate is not None:
            dropped = self.fate is Fate.DECODED and not delivered
            self.ledger.settle(Fate.BOUNDARY_DROPPED if dropped else self.fate)


class SpeechOutlet:
    """One user's way out, from the first PCM of an utterance to its end. Not thread-safe: see Speaker.

    A capture that asked for nothing gets every piece at once. One that asked for a pre-roll or a minimum of speech
    gets nothing before its gate opens; one that asked for anything gets a Segment at the end.
    """

    def __init__(self, user_id: UserId, sink: PcmSink, facts: ReceiveFacts, meter: SignalMeter) -> None:
        self._user_id = user_id
        self._sink = sink
        self._facts = facts
        self._meter = meter
        self._activity: VoiceActivity | None = None
        """Remembers the user's noise over utterances; there is none until a capture wants segments."""
        self._segment: SegmentMeter | None = None
        self._gate: SpeechGate | None = None
        self._opened = False

    def begin(self, config: CaptureConfig) -> None:
        """Begin an utterance."""
        self._opened = False
        self._segment = SegmentMeter() if config.wants_segments else None
        self._gate = SpeechGate(config.pre_roll_ms, config.min_speech_ms) if config.is_gated else None
        if config.wants_segments and self._activity is None:
            self._activity = VoiceActivity()

    def take(self, sound: Sound, config: CaptureConfig) -> None:
        """Deliver or hold some PCM of the utterance; the caller's copy is wiped."""
        signal = self._meter.measure(sound.pcm)
        if not signal.total:
            sound.settle(delivered=True)
            return
        if self._segment is None or self._activity is None:
            delivered = self._pass(sound.pcm.data.cast("B"), signal, sound.timing, config)
            sound.settle(delivered=delivered)
        else:
            self._take_measured(sound, signal, config, self._segment, self._activity)
        sound.pcm.fill(0)

    def finish(self) -> tuple[bool, Segment | None]:
        """End the utterance; whether any of it was delivered, and what is told of it."""
        if self._gate is not None:
            self._gate.discard(Fate.UNSPOKEN)
        segment = self._segment.finish() if self._segment is not None else None
        opened, self._opened = self._opened, False
        self._segment = self._gate = None
        return opened, segment

    def pending(self, ledger: StreamLedger) -> int:
        """Packets of one SSRC that are held without a fate."""
        return self._gate.pending(ledger) if self._gate is not None else 0

    def discard_held(self) -> None:
        """Drop what has not been delivered: its connection is gone, and its ledger is being closed."""
        if self._gate is not None:
            self._gate.discard(Fate.DISCARDED)

    def _take_measured(
        self, sound: Sound, signal: Signal, config: CaptureConfig, segment: SegmentMeter, voice: VoiceActivity
    ) -> None:
        activity = voice.judge(sound.pcm, config.sample_rate_hz)
        pcm = sound.pcm.data.cast("B")
        if self._gate is None:
            segment.add(sound.timing.media_time, sound.timing.duration_ticks, signal, activity)
            sound.settle(delivered=self._pass(pcm, signal, sound.timing, config))
            return
        held = HeldSound(bytearray(pcm), signal, sound.timing, activity, sound.ledger, sound.fate)
        opened = self._gate.hold(held)
        if opened:
            self._gate = None
        for each in opened:
            segment.add(each.timing.media_time, each.timing.duration_ticks, each.signal, each.activity)
            delivered = self._pass(memoryview(each.pcm), each.signal, each.timing, config)
            each.drop(Fate.BOUNDARY_DROPPED if each.fate is Fate.DECODED and not delivered else each.fate or Fate.LOST)

    def _pass(self, pcm: memoryview, signal: Signal, timing: Timing, config: CaptureConfig) -> bool:
        """Hand PCM over; False if the parent cannot take it."""
        if not self._opened:
            self._opened = True
            self._facts.speech_started(self._user_id, config.arming)
        duration_ms = signal.total * 1_000 / config.sample_rate_hz
        shown = timing if config.timeline else None
        return self._sink.user_audio(self._user_id, config.capture_id, pcm, signal, duration_ms, shown)
