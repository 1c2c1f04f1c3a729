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
    sends: int
    """From here on additions: packets that left in a slot, and how late they were behind its deadline."""
    late_ms: float
    """Summed over all of them."""
    late_over_1_ms: int
    late_over_5_ms: int


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
    recovered: int
    """From here on additions: sums over all streams, by what became of a packet."""
    lost: int
    late: int
    duplicates: int
    uncaptured: int
    boundary_dropped: int
    unrecognized: int


class StreamFates(Part, frozen=True, kw_only=True, rename="camel"):
    """Packets of one SSRC by what became of them; each has one fate.

    Delivered or not wanted: decoded, quiet (silence outside of speech), empty, uncaptured, unspoken (less speech than
    the capture asked for), boundary_dropped (the parent was too slow). Missing: recovered (FEC), concealed, silenced,
    lost. Refused: late, duplicate, aead_failed, malformed, codec_failed, other_ssrc, discarded (connection or user
    went away), and by DAVE unencrypted, no_group, no_key, unknown_ssrc.
    """

    decoded: int
    quiet: int
    empty: int
    uncaptured: int
    unspoken: int
    boundary_dropped: int
    recovered: int
    concealed: int
    silenced: int
    lost: int
    late: int
    duplicate: int
    aead_failed: int
    malformed: int
    unencrypted: int
    no_group: int
    no_key: int
    unknown_ssrc: int
    codec_failed: int
    other_ssrc: int
    discarded: int


class InboundVideoStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Seen pictures, and what became of the others."""

    frames_emitted: int
    decode_dropped: int
    dave_decrypt_ok: int
    dave_decrypt_fail: int
    dave_passthrough: int
    packets: int
    """From here on additions. Packets that the transport authenticated, retransmissions too."""
    lost: int
    """Packets given up."""
    nacked: int
    """Sequence numbers asked for again."""
    rtx_recovered: int
    plis: int
    access_units: int
    """Coded pictures that were whole, opened and handed to a decoder."""
    frames_incomplete: int
    frames_invalid: int
    frames_oversize: int
    keyframe_waits: int
    """Whole pictures dropped because one that they build on is missing."""
    decoded: int
    decode_errors: int
    too_large: int
    dave_per_packet_frames: int
    transport_decrypt_fail: int


class OutboundStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Audio that left, and what became of the rest.

    frames_made = rtp_audio_sent + frames_refused + frames_unsealed + frames_dropped + frames_pending.
    """

    rtp_audio_sent: int
    dave_encrypt_fail: int
    frames_made: int
    """From here on additions: frames of 20 ms that were made for a slot."""
    frames_refused: int
    """The socket did not take them."""
    frames_unsealed: int
    """They could not be encrypted, so they did not leave."""
    frames_dropped: int
    """A stop, a reset or a newer connection came before their slot."""
    frames_pending: int
    """In their slot, or waiting to be sealed anew."""
    frames_resealed: int
    """Times that one was sealed again, because key or connection had changed before its slot."""
    frames_limited: int
    """They were louder than -1 dBFS before the limiter."""
    tts_underruns: int
    """Times that speech ran out before its end."""
    music_underruns: int
    """Times that music ran out before its end."""
    video_frames_sent: int
    """From here on our own Go Live picture."""
    video_frames_dropped: int
    video_packets_sent: int
    video_packets_stale: int
    video_send_failures: int
    video_encrypt_failures: int
    video_nacked: int
    video_retransmitted: int
    video_keyframe_requests: int
    stream_audio_sent: int
    """Packets of the sound beside it."""


class LinkStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Connections that were lost, how that ended, and how long encryption was on its way. An addition."""

    lost: int
    """Connections that were lost or moved, for good or not."""
    resumed: int
    """From here on how it ended: the session went on,"""
    new_session: int
    """another session was made,"""
    gave_up: int
    """the call was over,"""
    left: int
    """the parent left meanwhile,"""
    replaced: int
    """or joined something else."""
    dave_transitions: int
    """Changes of the group that came to their end, and what they took in all."""
    dave_transition_ms: float
    jitter_ms: float
    """How late the latest packets of any speaker are, now."""


class MailboxStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Messages that wait for actors now, by what they are for. An addition."""

    router: int
    connection: int
    dave: int
    capture: int
    playback: int
    music: int
    video: int
    publish: int


class RestartStats(Part, frozen=True, kw_only=True, rename="camel"):
    """Actors that failed and were replaced, by what they were for. An addition."""

    connection: int
    dave: int
    capture: int
    playback: int
    music: int
    video: int
    publish: int
