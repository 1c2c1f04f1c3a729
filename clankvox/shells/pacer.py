"""The pacing clock: one thread that hands prepared datagrams to the socket on an absolute 20 ms grid.

The packets were encoded and sealed before their slot came, so the gap between two of them depends on
`sendto` alone and not on Opus, Python or the garbage collector. The packets of pictures go on the same thread, in
sub-slots between the audio slots (shells/video_lane.py), and give way to them.

Who prepares packets may be several slots ahead, and hears only of slots behind which little is left: to wake a thread
costs more than to send, and one that is woken for three packets makes them in half the time that it takes for three
single ones. What waits can be taken back at any time.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

from clankvox.clock import SLOT_S, Clock, SlotGrid
from clankvox.errors import TransportLost
from clankvox.histogram import Histogram
from clankvox.ids import Ssrc
from clankvox.ports import AHEAD_SLOTS, LOW_SLOTS, PreparedPacket, SendOutcome, SlotReport
from clankvox.shells.prctl import set_timer_slack
from clankvox.shells.priority import go_first
from clankvox.shells.video_lane import VideoLane

_log = logging.getLogger("clankvox.pacer")

_GUARD_S: Final = 0.0005
"""No sub-slot of video begins so shortly before an audio slot: handing over eight datagrams takes about 0.2 ms."""


LATENESS_BOUNDS_S: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


class PacerStatistics(NamedTuple):
    """How punctual the pacer was since it was made."""

    slots: int
    """Slots served."""
    missed_slots: int
    """Whole slots that passed unserved while somebody was subscribed."""
    slip_events: int
    """How often one or more slots in a row were missed."""
    max_gap_ms: float
    """Longest time between two served slots that had missed ones between them; 0.0 without a slip."""


class _Subscription:
    """One stream: who is told about its slots, and the packets that wait for them."""

    __slots__ = ("failed_before", "on_slot", "packets", "stream")

    def __init__(self, stream: Hashable, on_slot: Callable[[SlotReport], None], packet: PreparedPacket | None) -> None:
        self.stream = stream
        self.on_slot = on_slot
        self.packets: deque[PreparedPacket] = deque() if packet is None else deque((packet,))
        self.failed_before = False

    def take(self) -> PreparedPacket | None:
        """Take the packet of the slot that is due; the caller holds the pacer's lock."""
        return self.packets.popleft() if self.packets else None

    def take_all(self) -> list[PreparedPacket]:
        """Empty all slots; the caller holds the pacer's lock."""
        packets = list(self.packets)
        self.packets.clear()
        return packets

    def send(self, packet: PreparedPacket | None) -> SendOutcome:
        """Hand `packet` to its socket; never raises. Pacer thread."""
        if packet is None:
            return SendOutcome.EMPTY
        try:
            return packet.send()
        except TransportLost:
            return SendOutcome.FAILED
        except BaseException:  # noqa: BLE001 - one packet must never end the clock of all roles
            self._log_once("packet could not be sent")
            return SendOutcome.FAILED

    def report(self, report: SlotReport) -> None:
        """Tell the subscriber; never raises. Pacer thread."""
        try:
            self.on_slot(report)
        except BaseException:  # noqa: BLE001 - nor may a subscriber
            self._log_once("slot subscriber failed")

    def _log_once(self, text: str) -> None:
        if not self.failed_before:  # 50 lines a second would help nobody
            self.failed_before = True
            _log.exception(text, extra={"fields": {"stream": str(self.stream)}})


class Pacer:
    """Implements VideoPacerPort, and what each role's PacerPort stands on (`shells/role_pacer.py`).

    Public methods are thread-safe and short; packets and subscribers run outside the lock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._grid = SlotGrid()
        self._lane = VideoLane()
        self._video_failed_before = False
        self._subscriptions: dict[Hashable, _Subscription] = {}
        self._thread: threading.Thread | None = None
        self._running = False
        self._last_served = 0.0
        self._statistics = PacerStatistics(0, 0, 0, 0.0)
        self.lateness_s = Histogram(LATENESS_BOUNDS_S)
        """From a slot's deadline until the socket is handed its packet, of every packet that it took."""

    def start(self) -> None:
        """Start the thread. Idempotent."""
        with self._changed:
            if self._running:
                return
            self._running = True
            self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for the slot that it may be serving; nothing is sent afterwards. Idempotent."""
        with self._changed:
            self._running = False
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @property
    def streams(self) -> int:
        """How many streams it ticks for."""
        with self._changed:
            return len(self._subscriptions)

    @property
    def video_packets(self) -> int:
        """How many packets of pictures wait in the lane."""
        with self._changed:
            return self._lane.waiting

    def subscribe(self, stream: Hashable, on_slot: Callable[[SlotReport], None], first: PreparedPacket | None) -> None:
        """Tick for `stream`; see PacerPort. Takes over the slot of an older subscription of the same stream."""
        with self._changed:
            if not self._subscriptions:
                now = self._clock.now()
                # After a pause of less than a slot the old grid goes on: two packets are never closer than its period.
                if now > self._grid.deadline():
                    self._grid.rephase(now)
                    self._last_served = now
                self._changed.notify_all()
            self._subscriptions[stream] = _Subscription(stream, on_slot, first)

    def unsubscribe(self, stream: Hashable) -> list[PreparedPacket]:
        """Stop ticking for `stream`; the report of a slot that is being served right now may still come."""
        with self._changed:
            subscription = self._subscriptions.pop(stream, None)
            return [] if subscription is None else subscription.take_all()

    def arm(self, stream: Hashable, packet: PreparedPacket) -> bool:
        """Fill the first free slot; False if there is none, or nobody is subscribed for `stream`."""
        with self._changed:
            subscription = self._subscriptions.get(stream)
            if subscription is None or len(subscription.packets) >= AHEAD_SLOTS:
                return False
            subscription.packets.append(packet)
            return True

    def disarm(self, stream: Hashable) -> list[PreparedPacket]:
        """Empty all slots; a packet is either returned here or handed to its socket, never both."""
        with self._changed:
            subscription = self._subscriptions.get(stream)
            return [] if subscription is None else subscription.take_all()

    def next_deadline(self, stream: Hashable) -> float:
        """Instant at which a packet armed now would leave: now, if nobody is subscribed."""
        with self._changed:
            subscription = self._subscriptions.get(stream)
            waiting = 0 if subscription is None else len(subscription.packets)
            return max(self._clock.now(), self._grid.deadline()) + waiting * SLOT_S

    def queue(self, ssrc: Ssrc, packets: Sequence[PreparedPacket], spread_s: float) -> bool:
        """Append the packets of one picture; see VideoPacerPort."""
        with self._changed:
            before_s = self._lane.due_s()
            queued = self._lane.queue(ssrc, packets, spread_s, self._clock.now())
            if self._lane.due_s() < before_s:
                self._changed.notify_all()
            return queued

    def clear(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Remove the pictures of `ssrc` that have not begun to leave; returns their packets in order."""
        with self._changed:
            return self._lane.clear(ssrc)

    def drop(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Remove all that waits for `ssrc`; returns it in order."""
        with self._changed:
            return self._lane.drop(ssrc)

    def backlog_s(self, ssrc: Ssrc) -> float:
        """How long what waits for `ssrc` needs to leave."""
        with self._changed:
            return self._lane.backlog_s(ssrc, self._clock.now())

    def statistics(self) -> PacerStatistics:
        """Snapshot of the counters. Any thread."""
        return self._statistics

    def serve_slot(self, now: float) -> None:
        """Serve the slot that is due at `now`: first all packets, then the reports. Pacer thread (or a test's)."""
        with self._changed:
            deadline = self._grid.deadline()
            missed = self._grid.advance(now)
            self._count(now, missed)
            taken = [(subscription, subscription.take()) for subscription in self._subscriptions.values()]
        reports: list[tuple[_Subscription, SlotReport]] = []
        for subscription, packet in taken:
            sent_at = self._clock.now()
            outcome = subscription.send(packet)
            if outcome is SendOutcome.SENT:
                self.lateness_s.observe(max(0.0, sent_at - deadline - missed * SLOT_S))
            if outcome is not SendOutcome.SENT or len(subscription.packets) <= LOW_SLOTS:
                report = SlotReport(deadline + missed * SLOT_S, sent_at, missed, outcome, packet)
                reports.append((subscription, report))
        for subscription, report in reports:
            subscription.report(report)

    def _count(self, now: float, missed: int) -> None:
        """Caller holds the lock."""
        slots, missed_slots, slip_events, max_gap_ms = self._statistics
        if missed:
            slip_events += 1
            max_gap_ms = max(max_gap_ms, (now - self._last_served) * 1000.0)
        self._statistics = PacerStatistics(slots + 1, missed_slots + missed, slip_events, max_gap_ms)
        self._last_served = now

    def serve_video(self, now: float) -> None:
        """Send what one sub-slot may carry at `now`. Pacer thread (or a test's)."""
        with self._changed:
            packets = self._lane.take(now)
        for packet in packets:
            try:
                packet.send()
            except BaseException:  # noqa: BLE001 - one packet must never end the clock of all roles
                if not self._video_failed_before:
                    self._video_failed_before = True
                    _log.exception("video packet could not be sent")

    def _run(self) -> None:
        set_timer_slack()
        go_first()
        while (serve := self._wait_for_work()) is not None:
            serve(self._clock.now())

    def _wait_for_work(self) -> Callable[[float], None] | None:
        """Block until something is due and return what serves it; None when the pacer was stopped.

        With nothing to do it sleeps untimed. A timed wait on a lock is sem_clockwait on the monotonic clock (CPython
        3.11 and later): as exact as a bare sleep, and a subscriber or a picture can interrupt it, which poll and
        epoll (whole ms) and sleep cannot offer.
        """
        with self._changed:
            while self._running:
                now = self._clock.now()
                audio_s = self._grid.deadline() if self._subscriptions else math.inf
                video_s = self._lane.due_s()
                if audio_s <= now:
                    return self.serve_slot
                if max(now, video_s) > audio_s - _GUARD_S:
                    video_s = math.inf  # audio goes first
                if video_s <= now:
                    return self.serve_video
                due_s = min(audio_s, video_s)
                self._changed.wait(None if due_s == math.inf else due_s - now)
            return None
