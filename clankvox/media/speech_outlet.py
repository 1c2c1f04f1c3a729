"""The last step of the receive path: one user's PCM into the capture that asked for it."""

from clankvox.ids import UserId
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.capture_board import CaptureConfig
from clankvox.media.pcm import Mono
from clankvox.media.receive_ports import PcmSink, ReceiveFacts, Timing
from clankvox.media.segment import Segment, SegmentMeter
from clankvox.media.signal_meter import Signal, SignalMeter
from clankvox.media.speech_gate import HeldSound, SpeechGate
from clankvox.media.voice_activity import VoiceActivity


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

    def take(self, pcm: Mono, timing: Timing, ledger: StreamLedger, fate: Fate | None, config: CaptureConfig) -> None:
        """Deliver or hold some PCM of the utterance; the caller's copy is wiped.

        `fate` is entered for the packet that it came with; None for what stands in for one that did not come.
        """
        signal = self._meter.measure(pcm)
        if self._segment is not None and self._activity is not None and signal.total:
            activity = self._activity.judge(pcm, config.sample_rate_hz)
            if self._gate is not None:
                self._hold(
                    HeldSound(bytearray(pcm.data.cast("B")), signal, timing, activity, ledger, fate), config, self._gate
                )
                pcm.fill(0)
                return
            self._segment.add(timing.media_time, timing.duration_ticks, signal, activity)
        delivered = not signal.total or self._pass(pcm.data.cast("B"), signal, timing, config)
        pcm.fill(0)
        if fate is not None:
            ledger.settle(fate if delivered or fate is not Fate.DECODED else Fate.BOUNDARY_DROPPED)

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

    def _hold(self, sound: HeldSound, config: CaptureConfig, gate: SpeechGate) -> None:
        opened = gate.hold(sound)
        if opened:
            self._gate = None
        for each in opened:
            if self._segment is not None:
                self._segment.add(each.timing.media_time, each.timing.duration_ticks, each.signal, each.activity)
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
