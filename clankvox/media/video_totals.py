"""A role's counters of received video."""


class VideoTotals:
    """Since the process started, over all streams; reading single counters is safe from any thread."""

    __slots__ = (
        "bad_packets",
        "dave_decrypt_fail",
        "dave_decrypt_ok",
        "dave_passthrough",
        "dave_per_packet_frames",
        "duplicates",
        "firs",
        "frames_emitted",
        "frames_incomplete",
        "frames_invalid",
        "frames_oversize",
        "keyframe_waits",
        "late",
        "lost",
        "nacked",
        "packets",
        "plis",
        "restarts",
        "rtx_packets",
        "rtx_recovered",
        "streams_evicted",
        "transport_decrypt_fail",
        "unwanted",
    )

    def __init__(self) -> None:
        self.packets = 0
        """Media and RTX packets that the transport authenticated."""
        self.unwanted = 0
        """Packets of users whom nobody watches, or of nobody: dropped unopened."""
        self.transport_decrypt_fail = 0
        self.bad_packets = 0
        """Packets whose padding, RTX or payload header cannot be."""
        self.duplicates = 0
        self.late = 0
        """Packets that came after they had been given up."""
        self.lost = 0
        """Packets given up."""
        self.nacked = 0
        """Sequence numbers asked for again, each time counted."""
        self.rtx_packets = 0
        self.rtx_recovered = 0
        """Retransmissions that filled a gap in time."""
        self.restarts = 0
        """Times that a sender began a new sequence."""
        self.plis = 0
        self.firs = 0
        self.frames_incomplete = 0
        """Frames dropped because packets of them were, or may have been, missing."""
        self.frames_oversize = 0
        """Frames over 8 MiB or 10,000 NAL units."""
        self.frames_invalid = 0
        """Frames that opened and are not what their codec says."""
        self.dave_decrypt_ok = 0
        self.dave_decrypt_fail = 0
        """Frames given up because no key opened them, or that came in clear; each counted once."""
        self.dave_passthrough = 0
        """Frames accepted in clear."""
        self.dave_per_packet_frames = 0
        """Frames that opened packet by packet only; none are expected."""
        self.keyframe_waits = 0
        """Whole frames dropped because a picture that they build on is missing."""
        self.frames_emitted = 0
        """Access units handed on."""
        self.streams_evicted = 0
