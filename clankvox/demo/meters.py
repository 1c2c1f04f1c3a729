"""What the live view shows: one reading of everything that moves."""

import math
from typing import Any, Final, NamedTuple

from clankvox.demo.call import Call
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import Event, UserAudio, VoxParent
from clankvox.demo.plan import CAPTURE_HZ, GUILD_ID, SPEECH_RATE_HZ, VOX_ID, Plan

FLOOR_DB: Final = -60.0
_FULL_SCALE: Final = 32_768
_FRESH_S: Final = 0.1


class Voice(NamedTuple):
    """One participant, as the parent knows it."""

    name: str
    speaking: bool
    level_db: float
    """Peak of the last PCM, below full scale."""
    heard_s: float
    packets: int
    """Sent, as the offline Discord counted."""


class Meters(NamedTuple):
    """One reading."""

    act: str
    dave: str
    epoch: int
    voices: tuple[Voice, ...]
    longest_gap_ms: float
    """Between packets of ours."""


def read(plan: Plan, call: Call, vox: VoxParent, discord: OfflineDiscord, now_s: float) -> Meters:
    """Take a reading. Any thread; asks the offline Discord for its counters."""
    stats = discord.stats()
    sent = {client["userId"]: client for client in stats["clients"] if client["serverId"] == GUILD_ID}
    entries = vox.entries
    events = [entry for entry in entries if isinstance(entry, Event)]
    heard = [entry for entry in entries if isinstance(entry, UserAudio)]
    voices = [
        _member(member.name, member.user_id, events, heard, sent.get(member.user_id, {}), now_s)
        for member in plan.members
    ]
    ours = sent.get(VOX_ID, {})
    voices.append(_ours(plan, events, ours, now_s))
    return Meters(
        act=call.outcome.acts[-1] if call.outcome.acts else "start",
        dave=_dave(events),
        epoch=max((int(room["epoch"] or 0) for room in stats["rooms"]), default=0),
        voices=tuple(voices),
        longest_gap_ms=float(ours.get("maxGapMs", 0.0)),
    )


def _member(
    name: str, user_id: str, events: list[Event], heard: list[UserAudio], sent: dict[str, Any], now_s: float
) -> Voice:
    theirs = [event.type for event in events if event.body.get("userId") == user_id]
    told = [kind for kind in theirs if kind in {"speaking_start", "speaking_end"}]
    pieces = [piece for piece in heard if piece.user_id == int(user_id)]
    fresh = bool(pieces) and now_s - pieces[-1].at_s < _FRESH_S
    level_db = _decibels(pieces[-1].peak) if fresh else FLOOR_DB
    heard_s = sum(piece.samples for piece in pieces) / CAPTURE_HZ
    speaking = bool(told) and told[-1] == "speaking_start"
    return Voice(name, speaking, level_db, heard_s, sent.get("packets", 0))


def _ours(plan: Plan, events: list[Event], sent: dict[str, Any], now_s: float) -> Voice:
    """Return our side: its level is that of the line at the place where it must be by now."""
    told = [event for event in events if event.type == "tts_playback_state"]
    if not told or told[-1].body["status"] != "started":
        return Voice("clankvox", speaking=False, level_db=FLOOR_DB, heard_s=0.0, packets=sent.get("packets", 0))
    place = int((now_s - told[-1].at_s) * SPEECH_RATE_HZ)
    window = plan.reply[place : place + int(_FRESH_S * SPEECH_RATE_HZ)].astype(int)
    peak = int(abs(window).max(initial=0))
    return Voice("clankvox", speaking=True, level_db=_decibels(peak), heard_s=0.0, packets=sent.get("packets", 0))


def _decibels(peak: int) -> float:
    return max(20 * math.log10(max(peak, 1) / _FULL_SCALE), FLOOR_DB)


def _dave(events: list[Event]) -> str:
    told = [str(event.body["status"]) for event in events if event.type == "dave_state"]
    return told[-1] if told else "none"
