"""How an offline Discord is set up; the command line and the in-process API fill it in."""

from pathlib import Path
from typing import Final

import msgspec

DEFAULT_HEARTBEAT_INTERVAL_MS: Final = 41_250
"""What Discord's documentation shows in Hello."""


class VideoPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How the media server treats video; it can be changed while it runs."""

    pli: bool = True
    """Pass requests for a key frame on to the sender."""
    nack: bool = True
    """Answer NACKs out of a cache, and ask the sender only for what never came here. Else all go to the sender."""
    stap_a: bool = False
    """Pack small NAL units of H264 together."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one server. Port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 0
    udp_port: int = 0
    tls: bool = True
    ca_file: Path | None = None
    """Where the certificate authority is written; a temporary file by default."""
    tokens: frozenset[str] = frozenset()
    """Accepted tokens; any token if there is none."""
    dave: bool = True
    """False: nothing is end-to-end encrypted, whatever clients offer."""
    require_dave: bool = False
    """Refuse clients without DAVE (close code 4017)."""
    seed: int = 0
    """Seeds SSRCs, header extensions, padding, and impairments that name no seed."""
    heartbeat_interval_ms: int = DEFAULT_HEARTBEAT_INTERVAL_MS
    resume_window_s: float = 15.0
    """How long a lost session can be resumed; until then the others think that it is there."""
    nat_forget_s: float | None = None
    """How long clients may be silent before their NAT forgets them; None: never."""
    video: VideoPolicy = VideoPolicy()
    channels: dict[int, int] = {}
    """Server id to channel id, for version 8 clients, which do not tell the channel that names the MLS group."""

    def __repr__(self) -> str:
        return f"Options(host={self.host!r}, port={self.port}, tls={self.tls}, dave={self.dave}, seed={self.seed})"
