"""One source: a thread that finds, opens and decodes it into its buffer, and mends what breaks."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from clankvox.clock import Clock
from clankvox.ids import Attempt
from clankvox.media.media_container import open_container
from clankvox.media.mending import MendingPlan, Patience
from clankvox.media.pcm import Stereo
from clankvox.media.source_fault import NoAudio, PastMending, PipelineFailed, SourceFault, broken
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.media.track_reader import TrackReader
from clankvox.messages.common import Message
from clankvox.messages.music import SourceEnded, SourceFailed, SourceStarted
from clankvox.shells.allocator import give_back_freed
from clankvox.shells.filter_proxy import FilterProxy, ProxySession
from clankvox.shells.media_finder import MediaFinder

_log = logging.getLogger("clankvox.source")

_PIECE_SAMPLES: Final = 9_600
"""200 ms: put at a time at most, and waited for when the buffer is full, so that a playing track wakes us five times a
second and not with every frame that is taken."""
_WAIT_S: Final = 1.0
_AFTER_ALARM_S: Final = 1.0
"""FFmpeg's own limit comes after the alarm, so that whatever ended the opening is known."""


_LATE: Final = "no audio came in time"
_NOTHING_NEW: Final = "the stream gives nothing new any more"


class _Closed(Exception):
    """Nobody wants the track any more."""


class _Opening:
    """One opening of the source: its proxy session, and the alarm that ends it if no PCM comes."""

    def __init__(self, session: ProxySession, clock: Clock, stall_s: float) -> None:
        self.session = session
        self.expired = False
        self.live = False
        self._clock = clock
        self._stall_s = stall_s
        self._stalled = False
        self._asked_at = clock.now()
        self._alarm: threading.Timer | None = None

    def allow(self, seconds: float) -> None:
        """Cut the connections in `seconds`, unless `heard` comes before."""
        self._alarm = threading.Timer(max(seconds, 0.0), self._expire)
        self._alarm.daemon = True
        self._alarm.name = "source-alarm"
        self._alarm.start()

    def heard(self) -> None:
        """Stop the alarm: PCM came."""
        if self._alarm is not None:
            self._alarm.cancel()

    def asks(self) -> None:
        """Take note that the next packet is being asked for only now."""
        self._asked_at = self._clock.now()

    def packet_came(self) -> None:
        """Take note of that."""
        self.session.renew_ration()
        self.asks()

    def whole(self) -> bool:
        """Tell whether what FFmpeg calls the end is one: so it calls HLS too from which nothing came in time."""
        self._stalled = self._clock.now() - self._asked_at >= self._stall_s
        return self.session.whole and not self.cut and not self._stalled

    @property
    def cut(self) -> bool:
        """Whether its connections were ended, by the alarm or by `close`."""
        return self.session.closed

    def close(self) -> None:
        """End all of it."""
        self.heard()
        self.session.close()

    def explain(self, fault: SourceFault, heard: bool) -> SourceFault:
        """Say what is known better here than from FFmpeg's error, which is often just that the connection ended."""
        if not isinstance(fault, NoAudio | PipelineFailed):
            return fault
        if self.expired:
            return broken(_LATE, heard)
        if self.session.closed and heard:
            return PastMending(self.session.trouble or _LATE)
        if self._stalled:  # a live stream that is opened anew gives its last minute again
            return PastMending(_NOTHING_NEW) if self.live else broken("the server sends nothing any more", heard)
        return broken(self.session.trouble, heard) if self.session.trouble else fault

    def _expire(self) -> None:
        self.expired = True
        self.session.close()


class SourceWorker:
    """Runs one attempt. `close` is for any thread."""

    def __init__(
        self,
        attempt: Attempt,
        request: SourceRequest,
        buffer: TrackBuffer,
        proxy: FilterProxy,
        finder: MediaFinder,
        patience: Patience,
        clock: Clock,
        sink: Callable[[Message], None],
    ) -> None:
        self._attempt = attempt
        self._request = request
        self._buffer = buffer
        self._proxy = proxy
        self._finder = finder
        self._patience = patience
        self._clock = clock
        self._sink = sink
        self._reader = TrackReader(request.start_ms)
        self._lock = threading.Lock()
        self._opening: _Opening | None = None
        self._closed = threading.Event()
        self._told_start = False
        self._ended = False

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name=f"source-{self._attempt}", daemon=True).start()

    def close(self) -> None:
        """End the thread, its connections and its child, and close the buffer; nothing is told. Never blocks."""
        self._closed.set()
        self._buffer.close()
        with self._lock:
            opening = self._opening
        if opening is not None:
            opening.close()
        self._finder.cancel()

    @property
    def ended(self) -> bool:
        """Whether the thread has nothing more to do."""
        return self._ended

    def _run(self) -> None:
        try:
            self._run_to_the_end()
        finally:
            self._ended = True
            give_back_freed()

    def _run_to_the_end(self) -> None:
        try:
            self._play()
        except _Closed:
            return
        except SourceFault as fault:
            self._fail(fault)
        except Exception:  # noqa: BLE001 - logged without its text, which may quote the URL
            _log.exception("source failed", extra={"fields": {"attempt": self._attempt}})
            self._fail(broken("an internal error", self._reader.heard))
        else:
            self._buffer.finish()
            self._tell(SourceEnded(attempt=self._attempt, position_ms=self._reader.position_ms))

    def _play(self) -> None:
        """Open and read until the end of the track. Raises _Closed, or the SourceFault that cannot be mended."""
        plan = MendingPlan(self._patience)
        deadline = self._clock.now() + (self._patience.direct_s if self._request.direct else self._patience.page_s)
        while True:
            try:
                self._read_once(deadline)
            except SourceFault as fault:
                if self._gone():
                    raise _Closed from None
                if self._reader.heard:
                    deadline = self._await_next(plan, fault)
                elif not self._finder.try_another(fault):
                    raise
            else:
                return

    def _await_next(self, plan: MendingPlan, fault: SourceFault) -> float:
        """Wait before a broken track is opened anew; returns the deadline of the next opening."""
        if not self._finder.refresh(fault):
            raise fault
        delay_s = plan.delay_s(fault, self._reader.position_ms, self._clock.now())
        _log.info("source broke", extra={"fields": {"attempt": self._attempt, "reason": str(fault)}})
        if self._closed.wait(delay_s):
            raise _Closed
        now = self._clock.now()
        return now + plan.left_s(now)

    def _read_once(self, deadline: float) -> None:
        """Open the source at the position and read to the track's end, with PCM before `deadline`."""
        opening = self._open()
        try:
            self._read_through(opening, deadline)
        except SourceFault as fault:
            raise opening.explain(fault, self._reader.heard) from None
        finally:
            opening.close()

    def _open(self) -> _Opening:
        try:
            opening = _Opening(self._proxy.open_session(), self._clock, self._patience.stall_s)
        except OSError:
            raise broken("there is no way into the network", self._reader.heard) from None
        with self._lock:
            self._opening = opening
        if self._closed.is_set():
            opening.close()
        return opening

    def _read_through(self, opening: _Opening, deadline: float) -> None:
        session = opening.session
        location = self._finder.find(session.url, deadline)
        left_s = deadline - self._clock.now()
        opening.allow(left_s)
        reader, open_s = self._reader, max(left_s, 0.0) + _AFTER_ALARM_S
        with open_container(location, session.url, open_s, self._patience.stall_s, heard=reader.heard) as container:
            if opening.cut:
                raise broken(_LATE, reader.heard)  # while it probed: FFmpeg goes on with a half of the data
            session.lift_ration()
            opening.live = container.duration is None
            reader.attach(container, opening.whole, opening.packet_came)
            while (pcm := reader.read()) is not None:
                opening.heard()
                self._put(pcm)
                opening.asks()

    def _put(self, pcm: Stereo) -> None:
        """Hand all of `pcm` over, however long that takes. Raises _Closed."""
        for begin in range(0, len(pcm), _PIECE_SAMPLES):
            piece = pcm[begin : begin + _PIECE_SAMPLES]
            while not self._buffer.put_now(piece):
                if self._gone():
                    raise _Closed
                self._buffer.wait_room(_PIECE_SAMPLES, _WAIT_S)
            if not self._told_start:
                self._told_start = True
                self._tell(SourceStarted(attempt=self._attempt))

    def _gone(self) -> bool:
        return self._closed.is_set() or self._buffer.closed

    def _fail(self, fault: SourceFault) -> None:
        position_ms = self._reader.position_ms
        self._tell(SourceFailed(attempt=self._attempt, code=fault.code, message=str(fault), position_ms=position_ms))

    def _tell(self, news: Message) -> None:
        if not self._gone():
            self._sink(news)
