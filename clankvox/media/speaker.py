"""One user as heard: speaking, frames that wait for a capture, and speech on its way to the parent."""

from collections import deque
from typing import Final, NamedTuple

from clankvox.ids import UserId
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.alarm import Alarm
from clankvox.media.capture_board import CaptureConfig
from clankvox.media.media_clock import MediaClock
from clankvox.media.opus_packet import USUAL_PACKET_TICKS, duration_ticks, is_quiet
from clankvox.media.receive_ports import PcmSink, ReceiveFacts, Timing
from clankvox.media.reorder import Frame, OrderedFrame, ReorderWindow
from clankvox.media.segment import Segment
from clankvox.media.signal_meter import SignalMeter
from clankvox.media.speech_decoder import PcmPiece, SpeechDecoder
from clankvox.media.speech_outlet import SpeechOutlet
from clankvox.wire.rtp import OPUS_CLOCK_HZ

SPEAKING_TIMEOUT_S: Final = 0.100
"""Counted from when a packet of 20 ms would be due behind the last one: longer ones take longer to come."""
HELD_FRAMES: Final = 250
"""More than come in HELD_S: what piled up while we got no time comes all at once."""
HELD_S: Final = 2.0


class Line:
    """One SSRC as its speaker sees it."""

    __slots__ = ("last_heard", "ledger", "window")

    def __init__(self, ledger: StreamLedger, window: ReorderWindow) -> None:
        self.ledger = ledger
        self.window = window
        self.last_heard = float("-inf")


class SpeakerTools(NamedTuple):
    """What all speakers of a role share."""

    sink: PcmSink
    facts: ReceiveFacts
    totals: ReceiveTotals
    meter: SignalMeter
    alarm: Alarm


class _HeldFrame(NamedTuple):
    line: Line
    ordered: OrderedFrame


class Speaker:
    """One user's ears-side state. Not thread-safe: the role's UDP thread, under the capture board's lock.

    Frames of a user whom nobody captures are kept for up to 2 s and played into the capture that is armed then.
    Of several SSRCs the one whose talkspurt began last is heard, so that two never mix in one capture.
    """

    def __init__(self, user_id: UserId, tools: SpeakerTools) -> None:
        self.user_id = user_id
        self._tools = tools
        self._config: CaptureConfig | None = None
        self._ended_arming: int | None = None
        self._held: deque[_HeldFrame] = deque()
        self._line: Line | None = None
        self._speaking = False
        self._in_speech = False
        self._last_heard = float("-inf")
        self._last_played = float("-inf")
        self._packet_ticks = USUAL_PACKET_TICKS
        """How long the last packet lasts, at least the usual time."""
        self._outlet = SpeechOutlet(user_id, tools.sink, tools.facts, tools.meter)
        self._clock = MediaClock()
        self._clocked_line: Line | None = None
        self._media_end = 0
        self._decoder: SpeechDecoder | None = None
        self._decoded_line: Line | None = None
        """The line whose frames the decoder has seen without a break; None if it must begin anew."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return not (self._speaking or self._in_speech or self._held or self._line is not None)

    @property
    def awaits_capture(self) -> bool:
        """Whether frames are kept for a capture that is to be armed anew, as after each utterance."""
        return bool(self._held) and self._config is not None

    def heard(self, line: Line, frame: Frame) -> None:
        """Note that a packet was accepted."""
        arrival = frame.arrival
        if line is not self._line:
            self._choose(line, frame)
        line.last_heard = max(line.last_heard, arrival)
        self._last_heard = max(self._last_heard, arrival)
        self._packet_ticks = max(duration_ticks(frame.payload), USUAL_PACKET_TICKS)
        if not self._speaking:
            self._speaking = True
            self._tools.alarm.by(self._last_heard + self._patience_s(SPEAKING_TIMEOUT_S))
            self._tools.facts.speaking_started(self.user_id)

    def take(self, line: Line, ordered: OrderedFrame) -> None:
        """Play a frame that is in turn, or keep it for the capture to come."""
        if line is self._line:
            self._take(line, ordered)
        else:
            self._settle(line, ordered, Fate.OTHER_SSRC)

    def _take(self, line: Line, ordered: OrderedFrame) -> None:
        config = self._config
        if (
            config is not None
            and self._in_speech
            and ordered.frame.arrival - self._last_played >= self._silence_s(config)
        ):
            self._end_speech(config)
        if config is None or config.arming == self._ended_arming:
            self._hold(line, ordered)
        else:
            self._play(line, ordered, config)

    def configure(self, config: CaptureConfig | None, now: float) -> None:
        """Capture as the board says from now on, beginning with what was kept."""
        old = self._config
        if config == old:
            return
        self._config = config
        if self._in_speech and (config is None or old is None or config.arming != old.arming):
            self._abandon()
        if self._decoder is not None and (config is None or config.sample_rate_hz != self._decoder.sample_rate_hz):
            self._decoder.reset()
            self._decoder = None
        if config is not None:
            self._replay(now)

    def poll(self, now: float) -> None:
        """End what has been silent for long enough, and drop what was kept for too long."""
        alarm = self._tools.alarm
        if self._speaking:
            silent_at = self._last_heard + self._patience_s(SPEAKING_TIMEOUT_S)
            if now >= silent_at:
                self.stop_speaking()
            else:
                alarm.by(silent_at)
        if self._in_speech and self._config is not None:
            ends_at = self._last_heard + self._silence_s(self._config)
            if now >= ends_at:
                self._end_speech_for_good(self._config)
            else:
                alarm.by(ends_at)
        self._expire(now)
        if self._held:
            alarm.by(self._given_up_at())

    def close(self, arming: int | None) -> Segment | None:
        """End the utterance that goes into `arming` (None: whichever does) because the parent's side ends it."""
        if not self._in_speech or self._config is None or arming not in (None, self._config.arming):
            return None
        return self._abandon()

    def stop_speaking(self) -> None:
        """Say that no packets arrive any more."""
        if self._speaking:
            self._speaking = False
            self._tools.facts.speaking_ended(self.user_id)

    def leave(self) -> None:
        """Forget what he sent, and that he speaks; his capture still closes the utterance that is under way."""
        self._speaking = False
        self.drop_lines()

    def drop_lines(self) -> None:
        """Forget the SSRCs and what they sent; speech goes on if the next connection brings it in time."""
        while self._held:
            held = self._held.popleft()
            self._settle(held.line, held.ordered, Fate.DISCARDED)
        self._outlet.discard_held()
        self._line = self._decoded_line = None
        if self._decoder is not None:
            self._decoder.reset()

    def drop_line(self, ledger: StreamLedger) -> None:
        """Forget one SSRC and what it sent."""
        kept: deque[_HeldFrame] = deque()
        for held in self._held:
            if held.line.ledger is ledger:
                self._settle(held.line, held.ordered, Fate.DISCARDED)
            else:
                kept.append(held)
        self._held = kept
        if self._outlet.pending(ledger):
            self._outlet.discard_held()
        if self._line is not None and self._line.ledger is ledger:
            self._line = self._decoded_line = None

    def pending(self, ledger: StreamLedger) -> int:
        """Frames of one SSRC that are kept here without a fate."""
        return sum(held.line.ledger is ledger for held in self._held) + self._outlet.pending(ledger)

    def _choose(self, line: Line, frame: Frame) -> None:
        current = self._line
        timeout_s = self._patience_s(SPEAKING_TIMEOUT_S)
        begins = frame.arrival - line.last_heard > timeout_s and not is_quiet(frame.payload)
        if current is None or begins or frame.arrival - current.last_heard > timeout_s:
            self._play_out()
            self._line = line

    def _play_out(self) -> None:
        """Play what waits behind a gap: nothing that it waits for will be heard any more."""
        if self._line is not None:
            for ordered in self._line.window.flush():
                self.take(self._line, ordered)

    def _hold(self, line: Line, ordered: OrderedFrame) -> None:
        if len(self._held) >= HELD_FRAMES:
            self._drop_oldest()
        self._held.append(_HeldFrame(line, ordered))
        self._tools.alarm.by(self._given_up_at())

    def _given_up_at(self) -> float:
        return self._tools.alarm.end_of(HELD_S, self._held[0].ordered.frame.arrival)

    def _drop_oldest(self) -> None:
        held = self._held.popleft()
        self._decoded_line = None
        self._settle(held.line, held.ordered, Fate.UNCAPTURED)

    def _expire(self, now: float) -> None:
        while self._held and now >= self._given_up_at():
            self._drop_oldest()

    def _replay(self, now: float) -> None:
        self._expire(now)
        kept = list(self._held)
        self._held.clear()
        for line, ordered in kept:
            self._take(line, ordered)  # its line was the right one when it came

    def _settle(self, line: Line, ordered: OrderedFrame, fate: Fate) -> None:
        """Enter the fate of a frame that is not played, and with it of the ones before it that never came."""
        line.ledger.settle_missing(Fate.LOST, ordered.missing_packets)
        line.ledger.settle(fate)

    def _play(self, line: Line, ordered: OrderedFrame, config: CaptureConfig) -> None:
        frame = ordered.frame
        quiet = is_quiet(frame.payload)
        media_time = self._stamp(line, ordered, quiet=quiet)
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = SpeechDecoder(config.sample_rate_hz)
        elif ordered.begins or self._decoded_line is not line:
            decoder.reset()
        continues = self._in_speech and self._decoded_line is line and not ordered.begins
        self._decoded_line = line
        if quiet and not self._in_speech:
            decoder.decode(ordered)[0].pcm.fill(0)  # it shapes what the decoder makes of the next frame
            self._settle(line, ordered, Fate.QUIET)
            return
        if ordered.missing_ticks or ordered.missing_packets:
            for piece in decoder.fill(ordered, line.ledger, self._tools.totals, in_speech=continues):
                self._deliver(piece, line, media_time, frame.arrival, None, config)
        piece, fate = decoder.decode(ordered)
        if fate is Fate.CODEC_FAILED and not self._in_speech:
            piece.pcm.fill(0)  # nothing says that this is speech
            line.ledger.settle(fate)
            return
        self._deliver(piece, line, media_time, frame.arrival, fate, config)
        self._last_played = max(self._last_played, frame.arrival)

    def _stamp(self, line: Line, ordered: OrderedFrame, *, quiet: bool) -> int:
        """Return when the frame was made, in ticks of the process's timeline."""
        frame = ordered.frame
        begins = ordered.begins or line is not self._clocked_line
        self._clocked_line = line
        ticks = duration_ticks(frame.payload)
        return self._clock.stamp(frame.timestamp, frame.arrival, ticks, quiet=quiet, begins=begins)

    def _deliver(
        self,
        piece: PcmPiece,
        line: Line,
        frame_time: int,
        arrival: float,
        fate: Fate | None,
        config: CaptureConfig,
    ) -> None:
        """Hand PCM of a frame, or of what was missing before it, to the outlet, which wipes it and enters `fate`."""
        if not self._in_speech and len(piece.pcm):
            self._in_speech = True
            self._last_played = float("-inf")
            self._tools.alarm.by(self._last_heard + self._silence_s(config))
            self._outlet.begin(config)
        pcm, origin, offset_ticks, duration_ticks = piece
        media_time = frame_time + offset_ticks
        self._media_end = media_time + duration_ticks
        timing = Timing(media_time, duration_ticks, round(arrival * OPUS_CLOCK_HZ), origin)
        self._outlet.take(pcm, timing, line.ledger, fate, config)

    def _end_speech_for_good(self, config: CaptureConfig) -> None:
        """End speech by silence: what the window still holds belongs to it."""
        self._play_out()
        if self._in_speech:
            self._end_speech(config)

    def _end_speech(self, config: CaptureConfig) -> None:
        tail = self._decoder.finish() if self._decoder is not None else None
        if tail is not None and self._clocked_line is not None:
            self._deliver(tail, self._clocked_line, self._media_end, self._last_played, None, config)
        self._in_speech = False
        opened, segment = self._outlet.finish()
        if opened:
            self._ended_arming = config.arming
            self._tools.facts.speech_ended(self.user_id, config.arming, segment)

    def _abandon(self) -> Segment | None:
        self._in_speech = False
        opened, segment = self._outlet.finish()
        if opened:
            self._tools.facts.speech_cut(self.user_id)
        return segment

    def _silence_s(self, config: CaptureConfig) -> float:
        return self._patience_s(config.silence_duration_ms / 1_000)

    def _patience_s(self, usual_s: float) -> float:
        """How long no packet may come, where `usual_s` is meant for packets of 20 ms: the next one is due so late."""
        return usual_s + (self._packet_ticks - USUAL_PACKET_TICKS) / OPUS_CLOCK_HZ
