"""Every counter of `transport_stats` is read from where it is kept."""

from msgspec import structs, to_builtins

from clankvox.clock import SystemClock
from clankvox.ids import Role
from clankvox.ledger import Fate
from clankvox.media.frame_ledger import FrameFate, FrameLedger
from clankvox.media.video_path import PublishCounters
from clankvox.outbox import Outbox
from clankvox.role_parts import RoleParts
from clankvox.shells.pacer import Pacer
from clankvox.telemetry import Telemetry


def nobody(_message):
    pass


def test_counters_are_summed_over_the_roles_and_reach_their_places():
    clock, outbox = SystemClock(), Outbox()
    roles = [RoleParts(role, clock, outbox, nobody, nobody) for role in Role]
    frames, published = FrameLedger(), PublishCounters()
    telemetry = Telemetry(clock, Pacer(clock), outbox, roles, frames, published)
    for number, parts in enumerate(roles, 1):
        parts.pipeline.totals.packets = number
        parts.pipeline._streams._ended.fates[Fate.LOST] = number
        if parts.video is not None:
            parts.video.totals.rtx_recovered = number
            parts.viewing.maker.totals.emitted = number
            parts.viewing.maker.totals.compressed = 10
            parts.viewing.queue.dropped = number
    frames.made = 9
    frames.fates[FrameFate.SENT] = 7
    published.retransmitted = 3
    told = telemetry.collect()
    assert (told.inbound_audio.packets, told.inbound_audio.lost) == (6, 6)
    watching = sum(number for number, parts in enumerate(roles, 1) if parts.video is not None)
    assert (told.inbound_video.rtx_recovered, told.inbound_video.frames_emitted) == (watching, watching + 20)
    assert told.inbound_video.decode_dropped == watching
    assert (told.outbound.frames_made, told.outbound.rtp_audio_sent, told.outbound.video_retransmitted) == (9, 7, 3)
    summary = telemetry.summary()
    assert (summary["inboundAudio.packets"], summary["outbound.framesMade"]) == (6, 9)
    assert {name.partition(".")[0] for name in summary} <= to_builtins(told).keys()
    assert 0 not in summary.values()


def test_nothing_that_happened_is_told_as_zero_everywhere():
    clock, outbox = SystemClock(), Outbox()
    roles = [RoleParts(role, clock, outbox, nobody, nobody) for role in Role]
    told = Telemetry(clock, Pacer(clock), outbox, roles, FrameLedger(), PublishCounters()).collect()
    groups = (getattr(told, name) for name in told.__struct_fields__ if name != "uptime_ms")
    for group in groups:
        assert set(structs.asdict(group).values()) == {0}


def test_every_frame_that_was_made_is_in_one_of_the_counters():
    clock, outbox = SystemClock(), Outbox()
    roles = [RoleParts(role, clock, outbox, nobody, nobody) for role in Role]
    ledger = FrameLedger()
    ledger.made = 13
    for number, fate in enumerate(FrameFate, start=1):
        ledger.settle(fate, number)
    told = Telemetry(clock, Pacer(clock), outbox, roles, ledger, PublishCounters()).collect().outbound
    assert (told.rtp_audio_sent, told.frames_pending) == (1, 3)
    parts = told.frames_refused, told.frames_unsealed, told.frames_dropped, told.frames_pending
    assert told.frames_made == told.rtp_audio_sent + sum(parts) == 13
