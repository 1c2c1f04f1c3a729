"""What publishes is put together of its parts: viewers are heard, and the end of the process closes everything."""

from random import Random

from clankvox.clock import SystemClock
from clankvox.ids import Role
from clankvox.media.packet_sealer import PacketSealer
from clankvox.outbox import Outbox
from clankvox.publishing import Publishing
from clankvox.role_parts import RoleParts
from clankvox.shells.pacer import Pacer
from clankvox.shells.publish_sources import PublishSources
from clankvox.wire.rtcp import Pli, build_pli
from clankvox.wire.transport_crypto import available_modes


def nobody(_message):
    pass


def test_what_a_viewer_asks_reaches_the_worker_and_is_counted():
    clock = SystemClock()
    parts = RoleParts(Role.STREAM_PUBLISH, clock, Outbox(), nobody, nobody)
    publishing = Publishing(clock, Pacer(clock), parts, Random(1), nobody, PublishSources(clock))
    sealer = PacketSealer(available_modes()[0], bytes(32))
    parts.pipeline.attach(1, 1)
    parts.pipeline.open_with(sealer)
    publishing.way.open(1, 2, 3, sealer)
    parts.pipeline.feed(sealer.seal_rtcp(build_pli(Pli(9, 2))), 0.0)
    assert publishing.counters.keyframe_requests == 1
    assert parts.counters()["published_keyframe_requests"] == 1
    publishing.close()
    publishing.close()
    parts.close()
