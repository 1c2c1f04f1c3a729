"""Frames in their turn to PCM at the asked rate: decoding, recovery, concealment, resampling."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from clankvox.errors import CodecError
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.opus_decoder import NATIVE_RATES_HZ, OpusDecoder
from clankvox.media.opus_packet import (
    SHORTEST_FRAME_TICKS,
    TICKS_PER_MS,
    duration_ticks,
    frame_ticks,
    has_fec,
)
from clankvox.media.pcm import Mono
from clankvox.media.receive_ports import Origin
from clankvox.media.reorder import OrderedFrame
from clankvox.media.resample import StreamResampler
from clankvox.wire.rtp import OPUS_CLOCK_HZ

_LONGEST_CONCEALED_TICKS: Final = 100 * TICKS_PER_MS
_LONGEST_SILENCE_TICKS: Final = 1_000 * TICKS_PER_MS
_SILENCE_PIECE_TICKS: Final = 100 * TICKS_PER_MS


class PcmPiece(NamedTuple):
    """A stretch of mono PCM; `pcm` is the decoder's memory until the next piece, and is to be wiped."""

    pcm: Mono
    origin: Origin
    offset_ticks: int
    """Where it begins, counted from the beginning of the frame that it came with: negative for what was missing.

    At rates that libopus does not decode to, the resampler's delay of up to a millisecond is left out.
    """
    duration_ticks: int


class GapPlan(NamedTuple):
    """How missing time is filled, in this order; 48 kHz ticks."""

    concealed_ticks: int
    silence_ticks: int
    recovered_ticks: int


def plan_gap(missing_ticks: int, recoverable_ticks: int, concealable_ticks: int) -> GapPlan:
    """Fill a gap: its end from the next packet if that has it, its beginning by concealment, the rest by silence."""
    missing = (missing_ticks + SHORTEST_FRAME_TICKS // 2) // SHORTEST_FRAME_TICKS * SHORTEST_FRAME_TICKS
    recovered = recoverable_ticks if recoverable_ticks <= missing else 0
    concealed = min(missing - recovered, max(concealable_ticks, 0))
    return GapPlan(concealed, min(missing - recovered - concealed, _LONGEST_SILENCE_TICKS), recovered)


class SpeechDecoder:
    """Decodes one stream for one capture. Not thread-safe.

    PCM that it hands out is valid until the next call of any method; the caller wipes it.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        """Decode to any rate: directly to what libopus can, else to 48 kHz and resample."""
        native = sample_rate_hz in NATIVE_RATES_HZ
        self.sample_rate_hz = sample_rate_hz
        self._opus_rate_hz = sample_rate_hz if native else OPUS_CLOCK_HZ
        self._opus = OpusDecoder(self._opus_rate_hz)
        self._resampler = None if native else StreamResampler(OPUS_CLOCK_HZ, sample_rate_hz, 1)
        self._concealed_in_a_row = 0

    def fill(
        self, ordered: OrderedFrame, ledger: StreamLedger, totals: ReceiveTotals, *, in_speech: bool
    ) -> Iterator[PcmPiece]:
        """Make up for what is missing before a frame, and enter it.

        Where speech is not known to have gone on, only what the packet itself carries is played.
        """
        if ordered.missing_packets:
            ledger.gaps += 1
            totals.forward_loss_gaps += 1
        payload = ordered.frame.payload
        recoverable = frame_ticks(payload) if ordered.missing_ticks and has_fec(payload) else 0
        known = in_speech and not ordered.after_quiet
        missing = ordered.missing_ticks if known else min(ordered.missing_ticks, recoverable)
        plan = plan_gap(missing, recoverable, _LONGEST_CONCEALED_TICKS - self._concealed_in_a_row)
        self._enter(ordered, plan, ledger, totals)
        yield from self._played(plan, payload, -missing)

    def decode(self, ordered: OrderedFrame) -> tuple[PcmPiece, Fate]:
        """Decode the frame itself; what is no Opus is concealed for the time that it claims."""
        payload = ordered.frame.payload
        try:
            pcm = self._opus.decode(payload)
        except CodecError:
            return self._stand_in(duration_ticks(payload)), Fate.CODEC_FAILED
        self._concealed_in_a_row = 0
        return self._piece(pcm, Origin.RECEIVED, 0), Fate.DECODED

    def finish(self) -> PcmPiece | None:
        """End a stretch of speech: what the resampler holds back, if anything; counted from the end of speech."""
        tail = self._resampler.finish()[:, 0] if self._resampler is not None else None
        if tail is None or not len(tail):
            return None
        ticks = len(tail) * OPUS_CLOCK_HZ // self.sample_rate_hz
        return PcmPiece(tail, Origin.RECEIVED, -ticks, ticks)

    def reset(self) -> None:
        """Forget the past and wipe it."""
        self._opus.wipe()
        self._concealed_in_a_row = 0
        if self._resampler is not None:
            self._resampler.finish().fill(0)

    def _played(self, plan: GapPlan, payload: bytes, offset: int) -> Iterator[PcmPiece]:
        if plan.concealed_ticks:
            yield self._conceal(plan.concealed_ticks, offset)
            offset += plan.concealed_ticks
        left = plan.silence_ticks
        while left:
            ticks = min(left, _SILENCE_PIECE_TICKS)
            yield self._piece(self._opus.silence(self._samples(ticks)), Origin.SILENCE, offset)
            offset += ticks
            left -= ticks
        if plan.recovered_ticks:
            try:
                pcm = self._opus.recover(payload, self._samples(plan.recovered_ticks))
            except CodecError:
                yield self._conceal(plan.recovered_ticks, -plan.recovered_ticks)
            else:
                self._concealed_in_a_row = 0
                yield self._piece(pcm, Origin.RECOVERED, -plan.recovered_ticks)

    def _conceal(self, ticks: int, offset: int) -> PcmPiece:
        self._concealed_in_a_row += ticks
        return self._piece(self._opus.conceal(self._samples(ticks)), Origin.CONCEALED, offset)

    def _stand_in(self, ticks: int) -> PcmPiece:
        """Make up for one refused packet, by silence once concealment has gone on for too long."""
        if self._concealed_in_a_row >= _LONGEST_CONCEALED_TICKS:
            return self._piece(self._opus.silence(self._samples(ticks)), Origin.SILENCE, 0)
        return self._conceal(ticks, 0)

    def _piece(self, pcm: Mono, origin: Origin, offset: int) -> PcmPiece:
        ticks = len(pcm) * OPUS_CLOCK_HZ // self._opus_rate_hz
        if self._resampler is None:
            return PcmPiece(pcm, origin, offset, ticks)
        resampled = self._resampler.push(pcm.reshape(-1, 1))[:, 0]
        pcm.fill(0)
        return PcmPiece(resampled, origin, offset, ticks)

    def _samples(self, ticks: int) -> int:
        return ticks * self._opus_rate_hz // OPUS_CLOCK_HZ

    def _enter(self, ordered: OrderedFrame, plan: GapPlan, ledger: StreamLedger, totals: ReceiveTotals) -> None:
        """Share the missing packets out among the causes, in proportion to the time that each fills."""
        left = ordered.missing_packets
        if not left:
            return
        per_packet = max(ordered.missing_ticks // left, SHORTEST_FRAME_TICKS)
        for fate, ticks in (
            (Fate.RECOVERED, plan.recovered_ticks),
            (Fate.CONCEALED, plan.concealed_ticks),
            (Fate.SILENCED, plan.silence_ticks),
        ):
            count = min(left, -(-ticks // per_packet))
            ledger.settle_missing(fate, count)
            totals.concealed_frames += count
            left -= count
        ledger.settle_missing(Fate.LOST, left)
