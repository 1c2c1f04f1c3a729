"""clankvox: the media plane of a voice agent (ARCHITECTURE.md is the tour)."""

__version__ = "0.1.0"
