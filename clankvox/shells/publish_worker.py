"""The thread of a published source: reads, encodes and hands to the sender, until the source ends or is stopped.

Each source has a thread of its own. One that hangs in a read is left behind: it is cancelled, which takes its
right to send, and closes its source when the read returns.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from clankvox.clock import Clock
from clankvox.errors import ClankvoxError
from clankvox.ids import Attempt
from clankvox.messages.publish import PublishEnded, PublishFailed, PublishStarted
from clankvox.ports import PublishLine, PublishStep
from clankvox.shells.allocator import give_back_freed

_log = logging.getLogger("clankvox.publish")

News = PublishStarted | PublishEnded | PublishFailed
Order = Callable[[PublishLine], None]

_BROKEN: Final = "the publisher failed"


class _Run:
    """One source's thread. Orders are carried out on it, in order, before each step.

    They come as often as the parent and the voice server change their minds while a step hangs, and no step hangs for
    longer than a source may be silent.
    """

    def __init__(self, source: int, line: PublishLine, clock: Clock, sink: Callable[[News], None]) -> None:
        self.source = source
        self.line = line
        self._clock = clock
        self._sink = sink
        self._changed = threading.Condition(threading.Lock())
        self._orders: deque[Order] = deque()
        self._woken = False
        self._stopped = False
        self._started_for: Attempt | None = None
        self.thread = threading.Thread(target=self._run, name=f"publish-{source}", daemon=True)

    def order(self, order: Order) -> None:
        """Carry `order` out on the thread, soon. Any thread."""
        with self._changed:
            self._orders.append(order)
            self._changed.notify()

    def wake(self) -> None:
        """Step again now. Any thread."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def stop(self) -> None:
        """Send nothing any more, and end when the step that runs returns; no news follow. Any thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self.line.cancel()

    def left(self, attempt: Attempt) -> None:
        """Tell that the first access unit has left on this connection. Pacer thread."""
        if self._started_for == attempt or self._stopped:
            return
        self._started_for = attempt
        self._sink(PublishStarted(source=self.source, attempt=attempt))

    def _run(self) -> None:
        news: News | None = None
        try:
            news = self._steps()
        except ClankvoxError as error:
            news = PublishFailed(source=self.source, reason=str(error) or error.code)
        except BaseException:  # noqa: BLE001 - native code below may raise one (a Rust panic)
            _log.exception("publish worker failed")
            news = PublishFailed(source=self.source, reason=_BROKEN)
        finally:
            self.line.cancel()
            try:
                self.line.close()
            except BaseException:  # noqa: BLE001 - as above
                _log.exception("source could not be closed")
        _log.info("published source over", extra={"fields": {"source": self.source, **self.line.counters._asdict()}})
        if news is not None and not self._stopped:
            self._sink(news)
        give_back_freed()

    def _steps(self) -> PublishEnded | None:
        """Step until the end; None if it was stopped."""
        step = PublishStep(0.0)
        while self._wait_until(step.next_at):
            step = self.line.step(self._clock.now())
            if step.ended:
                return PublishEnded(source=self.source)
        return None

    def _wait_until(self, instant_s: float) -> bool:
        """Carry out orders and wait; False when stopped."""
        while True:
            with self._changed:
                while not (self._orders or self._woken or self._stopped):
                    wait_s = instant_s - self._clock.now()
                    if wait_s <= 0:
                        break
                    self._changed.wait(None if wait_s == math.inf else wait_s)
                if self._stopped:
                    return False
                orders = list(self._orders)
                self._orders.clear()
                self._woken = False
            for order in orders:
                order(self.line)
            return True


class PublishWorker:
    """Implements media.publish_port.PublishPort. Actor's thread, but `force_idr`; nothing here blocks."""

    def __init__(
        self,
        clock: Clock,
        sink: Callable[[News], None],
        make_line: Callable[[Any, Any, Any], tuple[PublishLine, Callable[[bytes, int], None] | None]],
    ) -> None:
        """`make_line(request, target, audio)` returns a line, which opens nothing yet, and where to offer PNGs to."""
        self._clock = clock
        self._sink = sink
        self._make_line = make_line
        self._run: _Run | None = None
        self._offer: Callable[[bytes, int], None] | None = None
        self._attached: tuple[Attempt, Any] | None = None
        self._wanted = True

    def start(self, source: int, request: Any, target: Any, audio: Any = None) -> None:
        """Replace the source; see PublishPort. It begins unpaused."""
        self.stop()
        line, self._offer = self._make_line(request, target, audio)
        self._run = run = _Run(source, line, self._clock, self._sink)
        if not self._wanted:
            run.order(lambda line: line.want(wanted=False))
        if self._attached is not None:
            self._attach(run, *self._attached)
        run.thread.start()

    def stop(self) -> None:
        """End the source: nothing of it is queued any more, and no news of it follow. Idempotent."""
        run, self._run = self._run, None
        self._offer = None
        if run is not None:
            run.stop()

    def attach(self, attempt: Attempt, sender: Any) -> None:
        """Send by `sender`, a media.video_sender.VideoSender, from now on."""
        self._attached = (attempt, sender)
        if self._run is not None:
            self._attach(self._run, attempt, sender)

    def detach(self) -> None:
        """Hold the source: the connection is gone. Idempotent."""
        self._attached = None
        self._order(lambda line: line.detach())

    def pause(self) -> None:
        """Hold the source, and drop what is queued. Idempotent."""
        self._order(lambda line: line.pause())

    def resume(self) -> None:
        """Go on, from an IDR. Idempotent."""
        self._order(lambda line: line.resume())

    def force_idr(self) -> None:
        """Make an IDR soon: somebody asked. Any thread."""
        run = self._run
        if run is not None:  # no order: viewers ask as often as they like, also while the source hangs
            run.line.force_idr()
            run.wake()

    def retarget(self, target: Any) -> None:
        """Encode by `target`, a media.video_target.VideoTarget, from the next picture on."""
        self._order(lambda line: line.retarget(target))

    def want(self, *, wanted: bool) -> None:
        """Say whether anybody watches; holds for later sources too."""
        self._wanted = wanted
        self._order(lambda line: line.want(wanted=wanted))

    def offer_png(self, png: bytes, captured_at_ms: int) -> None:
        """Hand over a picture. Raises a ClankvoxError if it may not be decoded, or the source takes none."""
        offer, run = self._offer, self._run
        if offer is None or run is None:
            raise NoPictureSource
        offer(png, captured_at_ms)
        run.wake()

    def _attach(self, run: _Run, attempt: Attempt, sender: Any) -> None:
        lease = sender.lease()  # here, in the order of the actor's calls, and not when a thread gets round to it
        run.order(lambda line: line.attach(sender, lease, lambda: run.left(attempt)))

    def _order(self, order: Order) -> None:
        if self._run is not None:
            self._run.order(order)


class NoPictureSource(ClankvoxError):
    """The source that runs, if any, takes no pictures from the parent."""

    code = "source_mismatch"
    recoverable = True
