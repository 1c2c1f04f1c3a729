"""Counters of `transport_stats`: cumulative since the process started, plain numbers only.

Parents refuse the whole event if a value here is anything but a number; further numbers may be added.
"""

from clankvox.ipc.message import Part


class TickStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Pacing: slots, slots missed, times that it happened, and the longest gap with a missed slot."""

    total: int
    skipped: int
    slip_events: int
    max_gap_ms: float


class LaneStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Frames that the parent was too slow to take."""

    control_dropped: int
    audio_dropped: int
    video_dropped: int


class InboundAudioStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Heard packets, and what became of the others."""

    packets: int
    transport_decrypt_fail: int
    dave_decrypt_fail: int
    forward_loss_gaps: int
    concealed_frames: int


class InboundVideoStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Seen pictures, and what became of the others."""

    frames_emitted: int
    decode_dropped: int
    dave_decrypt_ok: int
    dave_decrypt_fail: int
    dave_passthrough: int


class OutboundStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Audio that left."""

    rtp_audio_sent: int
    dave_encrypt_fail: int
