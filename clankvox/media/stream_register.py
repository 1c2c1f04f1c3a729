"""The SSRCs of one connection: whose packets they bring, and what is told of those that are over."""

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from clankvox.ids import Ssrc, UserId
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.audio_stream import AudioStream, StreamTools

MOST_STREAMS: Final = 512
"""Several times what a channel holds; beyond that the SSRC that was silent for longest is forgotten."""

STRAGGLERS_S: Final = 10.0
"""So long packets of a user who left are entered into his stream; nothing is as late."""


class StreamReport(NamedTuple):
    """A copy of one stream's ledger."""

    user_id: UserId | None
    ledger: StreamLedger
    pending: int
    ended: bool = False
    """The stream is over, or its user has left."""


class StreamRegister:
    """Makes, finds and forgets streams. Not thread-safe: the capture board's lock is held during every call."""

    def __init__(self, tools: StreamTools) -> None:
        self._tools = tools
        self._streams: dict[Ssrc, AudioStream] = {}
        self._hints: dict[Ssrc, UserId] = {}
        self._ended = StreamLedger(Ssrc(0))
        self._over: deque[StreamReport] = deque(maxlen=MOST_STREAMS)
        self._told: dict[Ssrc, int] = {}
        """Packets that a stream had when it was told of last."""
        self._over_at: dict[Ssrc, int] = {}
        """Packets that a stream had when its end was told."""

    def __iter__(self) -> Iterator[AudioStream]:
        return iter([*self._streams.values()])

    def get(self, ssrc: Ssrc) -> AudioStream | None:
        """Return the stream of an SSRC that was heard."""
        return self._streams.get(ssrc)

    def begin(self, ssrc: Ssrc, now: float) -> AudioStream:
        """Make the stream of an SSRC that is heard for the first time; those of users who left make way for it."""
        self._drop_left(now)
        if len(self._streams) >= MOST_STREAMS:
            self._end(min(self._streams.values(), key=lambda stream: stream.last_arrival))
            self._tools.totals.streams_evicted += 1
        stream = self._streams[ssrc] = AudioStream(ssrc, self._tools)
        stream.binding.hinted = self._hints.get(ssrc)
        return stream

    def enter(self, claimed: Ssrc, fate: Fate) -> None:
        """Enter a packet that only claims to be of this stream."""
        stream = self._streams.get(claimed)
        if stream is not None:
            stream.ledger.arrived += 1
            stream.ledger.settle(fate)

    def hint(self, ssrc: Ssrc, user_id: UserId) -> None:
        """Expect packets of `user_id` on `ssrc`."""
        if len(self._hints) >= MOST_STREAMS:
            self._hints.pop(next(iter(self._hints)))
        self._hints[ssrc] = user_id
        stream = self._streams.get(ssrc)
        if stream is not None:
            stream.binding.hinted = user_id

    def expects(self, user_id: UserId) -> bool:
        """Whether any SSRC is thought to be the user's."""
        return user_id in self._hints.values() or any(stream.may_be_of(user_id) for stream in self)

    def holds(self, user_id: UserId) -> bool:
        """Whether packets that may be the user's wait for their key."""
        return any(stream.may_be_of(user_id) and stream.holds_packets for stream in self)

    def forget_user(self, user_id: UserId) -> None:
        """Take a user who left off his streams and off the roster, and tell the end of what he sent."""
        self._hints = {ssrc: user for ssrc, user in self._hints.items() if user != user_id}
        left = [stream for stream in self._streams.values() if stream.forget_user(user_id)]
        self._tools.roster.forget(user_id)
        for stream in left:
            self._report_end(stream, user_id)

    def drop(self) -> None:
        """End all streams, because their connection is over, and forget the hints."""
        for stream in self:
            user_id = stream.user_id
            stream.discard()
            self._ended.absorb(stream.ledger)
            self._report_end(stream, user_id)
        self._streams.clear()
        self._told.clear()
        self._over_at.clear()
        self._hints.clear()

    def reports(self) -> list[StreamReport]:
        """Copy the ledger of every stream of this connection."""
        return [self._report(stream) for stream in self._streams.values()]

    def take_news(self) -> list[StreamReport]:
        """Return the streams that are over, and those that packets came from, since the last call."""
        news = [*self._over]
        self._over.clear()
        for ssrc, stream in self._streams.items():
            if self._told.get(ssrc) != stream.ledger.arrived:
                self._told[ssrc] = stream.ledger.arrived
                news.append(self._report(stream))
        return news

    def ended(self) -> StreamLedger:
        """Sum of the ledgers of all streams that are over."""
        return _copy(self._ended)

    def total(self) -> StreamLedger:
        """Sum of the ledgers of all streams since the process started."""
        summed = _copy(self._ended)
        for stream in self._streams.values():
            summed.absorb(stream.ledger)
        return summed

    def jitter_s(self) -> float:
        """How late the latest packets of any stream are."""
        return max((stream.jitter_s for stream in self._streams.values()), default=0.0)

    def _drop_left(self, now: float) -> None:
        """Forget streams whose end was told and that were silent since: every look at all streams takes them in."""
        for ssrc, arrived in [*self._over_at.items()]:
            stream = self._streams[ssrc]
            if stream.ledger.arrived == arrived and not stream.pending and now - stream.last_arrival > STRAGGLERS_S:
                self._end(stream)

    def _end(self, stream: AudioStream) -> None:
        for speaker in self._tools.roster:
            speaker.drop_line(stream.ledger)
        user_id = stream.user_id
        stream.discard()
        self._ended.absorb(stream.ledger)
        self._report_end(stream, user_id)
        del self._streams[stream.ssrc]
        self._told.pop(stream.ssrc, None)
        self._over_at.pop(stream.ssrc, None)

    def _report_end(self, stream: AudioStream, user_id: UserId | None) -> None:
        """Tell the end once: a stream whose user left is not told again when the connection ends, if it is silent."""
        if self._over_at.get(stream.ssrc) == stream.ledger.arrived:
            return
        self._over_at[stream.ssrc] = stream.ledger.arrived
        self._over.append(self._report(stream)._replace(user_id=user_id, ended=True))
        self._told[stream.ssrc] = stream.ledger.arrived

    def _report(self, stream: AudioStream) -> StreamReport:
        kept = sum(speaker.pending(stream.ledger) for speaker in self._tools.roster)
        return StreamReport(stream.user_id, _copy(stream.ledger), stream.pending + kept)


def _copy(ledger: StreamLedger) -> StreamLedger:
    copied = StreamLedger(ledger.ssrc)
    copied.absorb(ledger)
    return copied
