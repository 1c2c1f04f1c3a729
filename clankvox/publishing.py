"""What publishes our own Go Live picture: its worker, its sources, and the way out. Part of the composition."""

from random import Random

from clankvox.actors.base import Tell
from clankvox.clock import SystemClock
from clankvox.media.frame_ledger import FrameLedger
from clankvox.media.publish_way import PublishWay, WayOut
from clankvox.media.sender_report import ReportClock
from clankvox.media.video_path import PublishCounters
from clankvox.role_parts import RoleParts
from clankvox.shells.pacer import Pacer
from clankvox.shells.publish_sources import PublishSources
from clankvox.shells.publish_worker import PublishWorker


class Publishing:
    """Made before the actors; closed after them."""

    def __init__(
        self,
        clock: SystemClock,
        pacer: Pacer,
        parts: RoleParts,
        rng: Random,
        tell: Tell,
        sources: PublishSources,
    ) -> None:
        """`parts` are the publishing role's; `tell` reaches the publish actor."""
        self.counters = PublishCounters()
        self.sound = FrameLedger()
        """Of the source's sound, which the publish actor sends."""
        self._sources = sources
        self.worker = PublishWorker(clock, tell, sources.make)
        out = WayOut(
            cipher=parts.cipher,
            pacer=pacer,
            transmit=parts.udp.send,
            counters=self.counters,
            clock=ReportClock(clock.unix_ms(), clock.now()),
            rng=rng,
        )
        self.way = PublishWay(out, self.worker.force_idr)
        parts.on_feedback = self.way.receive
        parts.published = self.counters

    def close(self) -> None:
        """Stop the source and all that it has open; never blocks. Main thread."""
        self.worker.stop()
        self._sources.close()
