"""All counters, gathered from wherever they are kept: what `transport_stats` and the metrics are made of.

Part of the composition.
"""

from collections import Counter
from collections.abc import Callable, Collection

import msgspec

from clankvox.clock import Clock
from clankvox.histogram import Histogram
from clankvox.ids import ActorKind, Address, Role
from clankvox.ipc.events import TransportStats
from clankvox.ipc.stats import (
    InboundAudioStats,
    InboundVideoStats,
    LaneStats,
    LinkStats,
    MailboxStats,
    OutboundStats,
    RestartStats,
    StreamFates,
    TickStats,
)
from clankvox.ledger import Fate
from clankvox.media.frame_ledger import FrameFate, FrameLedger
from clankvox.media.video_path import PublishCounters
from clankvox.outbox import Outbox
from clankvox.role_parts import RoleParts
from clankvox.shells.pacer import Pacer
from clankvox.transition_tally import OUTCOMES, TransitionTally


class Telemetry:
    """Reads what others count; keeps nothing but the instant at which the process began."""

    def __init__(
        self,
        clock: Clock,
        pacer: Pacer,
        outbox: Outbox,
        roles: Collection[RoleParts],
        frames: FrameLedger,
        published: PublishCounters,
        published_sound: FrameLedger | None = None,
        mailboxes: Callable[[], dict[str, int]] = dict,
    ) -> None:
        """`mailboxes` returns how many messages wait, by kind of actor; it is called on any thread."""
        self._clock = clock
        self._pacer = pacer
        self._outbox = outbox
        self._roles = roles
        self._frames = frames
        self._published = published
        self._published_sound = published_sound or FrameLedger()
        self.mailboxes = mailboxes
        self._started_at = clock.now()
        self.tally = TransitionTally(clock)
        self.restarts: Counter[ActorKind] = Counter()
        """Actors that failed and were replaced."""
        self._failed: set[Address] = set()

    @property
    def roles(self) -> Collection[RoleParts]:
        """What is kept by role."""
        return self._roles

    @property
    def lateness_s(self) -> Histogram:
        """How late the pacer's packets were."""
        return self._pacer.lateness_s

    @property
    def published_sound_sent(self) -> int:
        """Packets of the sound beside our own Go Live picture."""
        return self._published_sound.fates[FrameFate.SENT]

    def actor_failed(self, address: Address) -> None:
        """Take note of a death. The dead actor's thread."""
        self._failed.add(address)

    def actor_born(self, address: Address) -> None:
        """Take note of a birth, which is a restart where one has died. Router's thread."""
        if address in self._failed:
            self._failed.discard(address)
            self.restarts[address.kind] += 1

    def summary(self) -> dict[str, float]:
        """Return every counter that is not zero, by the path that it has in `transport_stats`. Any thread."""
        found: dict[str, float] = {}
        for group, value in msgspec.to_builtins(self.collect()).items():
            counters = value if isinstance(value, dict) else {"": value}
            found |= {f"{group}.{name}".rstrip("."): count for name, count in counters.items() if count}
        found.pop("type", None)
        return found

    def queues(self) -> dict[str, int]:
        """Count what waits between threads. Any thread."""
        lanes = self._outbox.counters()
        waiting = {
            "controlLane": lanes.control_depth,
            "audioLane": lanes.audio_depth,
            "videoLane": lanes.video_depth,
            "pacerStreams": self._pacer.streams,
            "pacerVideoPackets": self._pacer.video_packets,
        }
        viewings = {parts.role: parts.viewing for parts in self._roles if parts.viewing is not None}
        return waiting | {f"decode {role}": len(viewing.queue) for role, viewing in viewings.items()}

    def collect(self) -> TransportStats:
        """Return all counters since the process started, over all roles. Any thread."""
        pacing, lanes = self._pacer.statistics(), self._outbox.counters()
        return TransportStats(
            uptime_ms=int((self._clock.now() - self._started_at) * 1000),
            tick=TickStats(
                total=pacing.slots,
                skipped=pacing.missed_slots,
                slip_events=pacing.slip_events,
                max_gap_ms=pacing.max_gap_ms,
                sends=self.lateness_s.count,
                late_ms=self.lateness_s.sum * 1000,
                late_over_1_ms=self.lateness_s.above(0.001),
                late_over_5_ms=self.lateness_s.above(0.005),
            ),
            ipc_lanes=LaneStats(
                control_dropped=lanes.control_dropped,
                audio_dropped=lanes.audio_dropped,
                video_dropped=lanes.video_dropped,
            ),
            inbound_audio=self._heard(),
            inbound_video=self._seen(),
            outbound=self._left(),
            restarts=RestartStats(**{kind: self.restarts[ActorKind(kind)] for kind in RestartStats.__struct_fields__}),
            audio_fates=self._fates(),
            links=self._links(),
            mailboxes=self._waiting(),
        )

    def _fates(self) -> StreamFates:
        streams = [parts.pipeline.all_streams().fates for parts in self._roles]
        return StreamFates(**{fate: sum(fates[fate] for fates in streams) for fate in Fate})

    def _links(self) -> LinkStats:
        ends: Counter[str] = Counter()
        for (_role, _code, outcome), count in self.tally.reconnects.copy().items():
            ends[outcome] += count
        changes = self.tally.dave_transition_s.values()
        return LinkStats(
            lost=self.tally.links_lost.copy().total(),
            **{outcome: ends[outcome] for outcome in OUTCOMES},
            dave_transitions=sum(each.count for each in changes),
            dave_transition_ms=sum(each.sum for each in changes) * 1000,
            jitter_ms=max(parts.pipeline.jitter_s() for parts in self._roles) * 1000,
        )

    def _waiting(self) -> MailboxStats:
        depths = self.mailboxes()
        return MailboxStats(**{kind: depths.get(kind, 0) for kind in MailboxStats.__struct_fields__})

    def _heard(self) -> InboundAudioStats:
        totals = [parts.pipeline.totals for parts in self._roles]
        streams = [parts.pipeline.all_streams().fates for parts in self._roles]

        def fate(name: Fate) -> int:
            return sum(fates[name] for fates in streams)

        return InboundAudioStats(
            packets=sum(each.packets for each in totals),
            transport_decrypt_fail=sum(each.transport_decrypt_fail for each in totals),
            dave_decrypt_fail=sum(each.dave_decrypt_fail for each in totals),
            forward_loss_gaps=sum(each.forward_loss_gaps for each in totals),
            concealed_frames=sum(each.concealed_frames for each in totals),
            recovered=fate(Fate.RECOVERED),
            lost=fate(Fate.LOST),
            late=fate(Fate.LATE),
            duplicates=fate(Fate.DUPLICATE),
            uncaptured=fate(Fate.UNCAPTURED),
            boundary_dropped=fate(Fate.BOUNDARY_DROPPED),
            unrecognized=sum(each.unrecognized for each in totals),
        )

    def _seen(self) -> InboundVideoStats:
        videos = [parts.video.totals for parts in self._roles if parts.video is not None]
        viewings = [parts.viewing for parts in self._roles if parts.viewing is not None]
        pictures = [viewing.maker.totals for viewing in viewings]
        return InboundVideoStats(
            frames_emitted=sum(each.emitted + each.compressed for each in pictures),
            decode_dropped=sum(viewing.queue.dropped for viewing in viewings),
            dave_decrypt_ok=sum(each.dave_decrypt_ok for each in videos),
            dave_decrypt_fail=sum(each.dave_decrypt_fail for each in videos),
            dave_passthrough=sum(each.dave_passthrough for each in videos),
            packets=sum(each.packets for each in videos),
            lost=sum(each.lost for each in videos),
            nacked=sum(each.nacked for each in videos),
            rtx_recovered=sum(each.rtx_recovered for each in videos),
            plis=sum(each.plis for each in videos),
            access_units=sum(each.frames_emitted for each in videos),
            frames_incomplete=sum(each.frames_incomplete for each in videos),
            frames_invalid=sum(each.frames_invalid for each in videos),
            frames_oversize=sum(each.frames_oversize for each in videos),
            keyframe_waits=sum(each.keyframe_waits for each in videos),
            decoded=sum(each.decoded for each in pictures),
            decode_errors=sum(each.decode_errors for each in pictures),
            too_large=sum(each.too_large for each in pictures),
            dave_per_packet_frames=sum(each.dave_per_packet_frames for each in videos),
            transport_decrypt_fail=sum(each.transport_decrypt_fail for each in videos),
        )

    def _left(self) -> OutboundStats:
        frames, published = self._frames, self._published
        voice = next(parts for parts in self._roles if parts.role is Role.VOICE)
        fates, pending = dict(frames.fates), frames.pending
        return OutboundStats(
            rtp_audio_sent=fates[FrameFate.SENT],
            dave_encrypt_fail=voice.cipher.seal_failures,
            frames_made=sum(fates.values()) + pending,
            frames_refused=fates[FrameFate.REFUSED],
            frames_unsealed=fates[FrameFate.UNSEALED],
            frames_dropped=fates[FrameFate.DROPPED],
            frames_pending=pending,
            frames_resealed=frames.resealed,
            frames_limited=frames.limited,
            tts_underruns=frames.speech_underruns,
            music_underruns=frames.music_underruns,
            video_frames_sent=published.frames_sent,
            video_frames_dropped=published.frames_dropped,
            video_packets_sent=published.packets_sent,
            video_packets_stale=published.packets_stale,
            video_send_failures=published.send_failures,
            video_encrypt_failures=published.encrypt_failures,
            video_nacked=published.nacked,
            video_retransmitted=published.retransmitted,
            video_keyframe_requests=published.keyframe_requests,
            stream_audio_sent=self.published_sound_sent,
        )
