"""The process's counters as OpenMetrics families (prometheus-client). Part of the composition.

The same numbers as `transport_stats`, taken apart by role: what Telemetry sums for the parent is read here where it is
kept. Seconds and bytes, no label of a user. Imported only where `--metrics-addr` is given.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from clankvox import __version__
from clankvox.histogram import Histogram
from clankvox.ids import Role
from clankvox.ipc.events import TransportStats
from clankvox.ipc.stats import OutboundStats
from clankvox.ledger import DAVE_FATES, Fate
from clankvox.telemetry import Telemetry

_DELIVERED: Final = frozenset({Fate.DECODED, Fate.QUIET, Fate.EMPTY, Fate.UNCAPTURED, Fate.UNSPOKEN, Fate.RECOVERED})
_COUNTED_ELSEWHERE: Final = frozenset({Fate.LATE, Fate.DUPLICATE})
"""Copies, and packets whose absence has its own fate. All others are a loss by some cause."""

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily


class Page(NamedTuple):
    """One answer to a scrape."""

    content_type: str
    body: bytes


class Metrics(Collector):
    """Renders a page from a snapshot of the counters. The metrics thread."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> Page:
        """Return the page in the format that the scraper's Accept header asks for: OpenMetrics or Prometheus text."""
        encode, content_type = choose_encoder(accept)
        return Page(content_type, encode(self._registry))

    def collect(self) -> Iterator[Family]:
        """See prometheus_client's Collector."""
        yield InfoMetricFamily("clankvox_build", "Version of clankvox.", {"version": __version__})
        stats = self._telemetry.collect()  # once: it locks out the receive paths for a moment
        yield from self._packets(stats.outbound)
        yield from self._losses()
        yield from self._sending(stats)
        yield from self._repairs(stats.outbound)
        yield from self._calls()
        yield from self._process(stats)

    def _packets(self, sent: OutboundStats) -> Iterator[Family]:
        packets = _counter("clankvox_rtp_packets", "RTP packets that authenticated, or left.", "role", "dir", "kind")
        for parts in self._telemetry.roles:
            packets.add_metric([parts.role, "in", "audio"], parts.pipeline.totals.packets)
            if parts.video is not None:
                packets.add_metric([parts.role, "in", "video"], parts.video.totals.packets)
        packets.add_metric([Role.VOICE, "out", "audio"], sent.rtp_audio_sent)
        packets.add_metric([Role.STREAM_PUBLISH, "out", "audio"], self._telemetry.published_sound_sent)
        packets.add_metric([Role.STREAM_PUBLISH, "out", "video"], sent.video_packets_sent)
        yield packets

    def _losses(self) -> Iterator[Family]:
        lost = _counter("clankvox_frames_lost", "Received frames that were not heard or seen.", "role", "kind", "cause")
        undecrypted = _counter("clankvox_dave_decrypt_failures", "Frames given up by DAVE.", "role", "kind", "reason")
        fates = _counter("clankvox_audio_packet_fates", "What became of every heard packet.", "role", "fate")
        refused = _counter("clankvox_transport_decrypt_failures", "Datagrams that do not authenticate.", "role", "kind")
        for parts in self._telemetry.roles:
            entries = parts.pipeline.all_streams().fates
            for fate, count in entries.items():
                fates.add_metric([parts.role, fate], count)
                if fate not in _DELIVERED | _COUNTED_ELSEWHERE:
                    lost.add_metric([parts.role, "audio", fate], count)
                if fate in DAVE_FATES:
                    undecrypted.add_metric([parts.role, "audio", fate], count)
            refused.add_metric([parts.role, "audio"], parts.pipeline.totals.transport_decrypt_fail)
            if parts.video is None or parts.viewing is None:
                continue
            seen = parts.video.totals
            refused.add_metric([parts.role, "video"], seen.transport_decrypt_fail)
            undecrypted.add_metric([parts.role, "video", "any"], seen.dave_decrypt_fail)
            causes = {
                "incomplete": seen.frames_incomplete,
                "invalid": seen.frames_invalid,
                "oversize": seen.frames_oversize,
                "keyframe_wait": seen.keyframe_waits,
                "decode_queue_full": parts.viewing.queue.dropped,
                "codec_failed": parts.viewing.maker.totals.decode_errors,
                "too_large": parts.viewing.maker.totals.too_large,
            }
            for cause, count in causes.items():
                lost.add_metric([parts.role, "video", cause], count)
        yield from (lost, undecrypted, fates, refused)

    def _sending(self, stats: TransportStats) -> Iterator[Family]:
        frames = _counter("clankvox_audio_frames_made", "Frames made for a slot, by what became of them.", "fate")
        outbound = stats.outbound
        frames.add_metric(["sent"], outbound.rtp_audio_sent)
        frames.add_metric(["refused"], outbound.frames_refused)
        frames.add_metric(["unsealed"], outbound.frames_unsealed)
        frames.add_metric(["dropped"], outbound.frames_dropped)
        underruns = _counter("clankvox_underruns", "Times that a source ran out before its end.", "source")
        underruns.add_metric(["tts"], outbound.tts_underruns)
        underruns.add_metric(["music"], outbound.music_underruns)
        yield from (frames, underruns)
        yield _single("clankvox_pacing_slots", "Slots of 20 ms that were served.", stats.tick.total)
        yield _single("clankvox_pacing_slots_missed", "Slots that passed unserved.", stats.tick.skipped)
        lateness = HistogramMetricFamily("clankvox_send_lateness_seconds", "From a slot's deadline to its sendto.")
        _fill(lateness, [], self._telemetry.lateness_s)
        yield lateness

    def _repairs(self, sent: OutboundStats) -> Iterator[Family]:
        """Tell what pictures lost on their way, and what was done about it."""
        frames = _counter("clankvox_video_frames_made", "Pictures of our own, by what became of them.", "fate")
        frames.add_metric(["sent"], sent.video_frames_sent)
        frames.add_metric(["dropped"], sent.video_frames_dropped)
        lost = _counter("clankvox_video_packets_lost", "Packets of pictures that were missed.", "role", "dir", "cause")
        repairs = _counter("clankvox_video_repairs", "What was done for lost pictures.", "role", "dir", "kind")
        for parts in self._telemetry.roles:
            if parts.video is not None:
                seen = parts.video.totals
                lost.add_metric([parts.role, "in", "lost"], seen.lost)
                repairs.add_metric([parts.role, "in", "asked"], seen.nacked)
                repairs.add_metric([parts.role, "in", "repeated"], seen.rtx_recovered)
                repairs.add_metric([parts.role, "in", "keyframe_asked"], seen.plis)
        role = Role.STREAM_PUBLISH
        lost.add_metric([role, "out", "stale"], sent.video_packets_stale)
        lost.add_metric([role, "out", "refused"], sent.video_send_failures)
        repairs.add_metric([role, "out", "asked"], sent.video_nacked)
        repairs.add_metric([role, "out", "repeated"], sent.video_retransmitted)
        repairs.add_metric([role, "out", "keyframe_asked"], sent.video_keyframe_requests)
        yield from (frames, lost, repairs)

    def _calls(self) -> Iterator[Family]:
        tally = self._telemetry.tally
        lost = _counter("clankvox_links_lost", "Times that a connection was lost or moved.", "role", "code")
        ended = _counter("clankvox_reconnects", "How the state reconnecting ended.", "role", "code", "outcome")
        change = HistogramMetricFamily(
            "clankvox_dave_transition_seconds", "From the news of a change to the new group.", labels=["role"]
        )
        jitter = GaugeMetricFamily(
            "clankvox_jitter_seconds", "How late the latest packets of any speaker are.", labels=["role"]
        )
        for parts in self._telemetry.roles:
            _fill(change, [parts.role], tally.dave_transition_s[parts.role])
            jitter.add_metric([parts.role], parts.pipeline.jitter_s())
        for (role, code), count in sorted(tally.links_lost.copy().items()):
            lost.add_metric([role, code], count)
        for (role, code, outcome), count in sorted(tally.reconnects.copy().items()):
            ended.add_metric([role, code, outcome], count)
        yield from (lost, ended, change, jitter)

    def _process(self, stats: TransportStats) -> Iterator[Family]:
        dropped = _counter("clankvox_ipc_dropped", "Frames that the parent was too slow to take.", "lane")
        lanes = stats.ipc_lanes
        for lane, count in (
            ("control", lanes.control_dropped),
            ("audio", lanes.audio_dropped),
            ("video", lanes.video_dropped),
        ):
            dropped.add_metric([lane], count)
        depth = GaugeMetricFamily("clankvox_mailbox_depth", "Messages that wait.", labels=["actor"])
        for kind, count in sorted(self._telemetry.mailboxes().items()):
            depth.add_metric([kind], count)
        restarts = _counter("clankvox_actor_restarts", "Actors that failed and were replaced.", "actor")
        for kind in stats.restarts.__struct_fields__:  # those without one too, so that the first one is a rise
            restarts.add_metric([kind], getattr(stats.restarts, kind))
        yield from (dropped, depth, restarts)
        yield GaugeMetricFamily("clankvox_uptime_seconds", "Since the start.", value=stats.uptime_ms / 1000)


def _counter(name: str, what: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, what, labels=labels)


def _single(name: str, what: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, what, value=value)


def _fill(family: HistogramMetricFamily, labels: Iterable[str], histogram: Histogram) -> None:
    bounds = [*(str(float(bound)) for bound in histogram.bounds), "+Inf"]
    counts = zip(bounds, histogram.cumulative(), strict=True)
    family.add_metric(list(labels), buckets=list(counts), sum_value=histogram.sum)
