"""What has to be true of the call: each check with the measured figure and its bar."""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from clankvox.demo.call import Outcome
from clankvox.demo.mixture import Mixture
from clankvox.demo.parent import Event, UserAudio, VoxParent
from clankvox.demo.plan import DUCKED, Member, Plan
from clankvox.demo.streams import Stream

# Bars of a demonstration on any machine, busy ones too; the bench has the narrow ones.
_BELOW_PLAIN_OPUS_DB: Final = 3.0
_SEAM_DB: Final = 6.0
"""Where time slipped the waveform has a seam; the slip itself has a bar of its own."""
_CONCEALED_MARGIN_DB: Final = 9.0
"""Concealment that guesses wrong doubles the error; the rest is for losing louder frames than the average."""
_FIRST_WORD_MS: Final = 1_000.0
_REPLY_MS: Final = 1_000.0
_CUT_MS: Final = 20.0
_SLIPPED_MS: Final = 200.0
_LENGTH_MS: Final = 250.0
_RATE_PPS: Final = 50.0
_RATE_TOLERANCE_PPS: Final = 1.0
_MAX_GAP_MS: Final = 200.0
_MUSIC_S: Final = 5.0
_GAIN_DB: Final = 1.0


class Check(NamedTuple):
    """One figure against its bar."""

    name: str
    measured: str
    bar: str
    passed: bool
    timing: bool = False
    """Whether a machine that is too busy can be the cause."""


class Sounds(NamedTuple):
    """What was heard, at either end."""

    streams: list[Stream]
    music: Mixture


def check_call(plan: Plan, outcome: Outcome, vox: VoxParent, sounds: Sounds, fault: str | None) -> list[Check]:
    """Judge the whole call. `fault` is why it did not go on, if so."""
    streams = sounds.streams
    checks = [Check("the call was held to its end", fault or outcome.acts[-1], "ended", fault is None)]
    checks += _encryption(outcome, vox.events)
    for member, stream in zip(plan.members, streams, strict=False):
        checks += _stream(stream, _lost_share_in(plan))
        checks += _first_word(member, outcome, vox.audio_of(member.user_id))
    for stream in streams[len(plan.members) :]:
        checks += _stream(stream, _lost_share_out(plan))
    checks += _reply(outcome)
    checks += _pacing(outcome)
    checks += _music(plan, outcome, sounds.music)
    checks += _process(outcome, vox.events)
    return checks


def _encryption(outcome: Outcome, events: list[Event]) -> Iterator[Check]:
    ready = [event.body.get("protocolVersion", 0) for event in events if _is_dave(event, "ready")]
    version = max(ready, default=0)
    yield Check("DAVE became ready", f"version {version}", "version 1", version >= 1)
    epoch = int(outcome.room.get("epoch") or 0)
    yield Check("an MLS group exists", f"epoch {epoch}", "epoch 1 or later", epoch >= 1)
    clear = int(outcome.vox.get("plaintextFrames", -1)) + int(outcome.vox.get("plaintextInTransition", 0))
    yield Check("nothing left unencrypted", f"{clear} frames", "0 frames", clear == 0)
    failed = sum(int(count) for member in outcome.members.values() for count in member["undecryptable"].values())
    yield Check("members decrypted everything", f"{failed} failures", "0 failures", failed == 0 and _any(outcome))


def _stream(stream: Stream, lost_share: float) -> Iterator[Check]:
    found = stream.alignment
    if found is None:
        yield Check(f"{stream.name}: heard", "nothing", "something", passed=False)
        return
    bar_db = stream.plain_opus_db - _BELOW_PLAIN_OPUS_DB
    if found.slipped_ms:
        bar_db -= _SEAM_DB
    if lost_share:
        bar_db = min(bar_db, -10 * math.log10(lost_share) - _CONCEALED_MARGIN_DB)
    yield Check(f"{stream.name}: SNR", f"{found.snr_db:.1f} dB", f"at least {bar_db:.1f} dB", found.snr_db >= bar_db)
    bar_ms = round(3 * lost_share * stream.said_s * 1000)
    yield Check(f"{stream.name}: lost", f"{found.lost_ms:.0f} ms", f"at most {bar_ms} ms", found.lost_ms <= bar_ms)
    measured, bar = f"{found.slipped_ms:.0f} ms", f"at most {_SLIPPED_MS:.0f} ms"
    yield Check(f"{stream.name}: slipped", measured, bar, found.slipped_ms <= _SLIPPED_MS, timing=True)
    cut_ms, cut_bar_ms = max(0.0, -found.delay_ms), _CUT_MS * (5 if lost_share else 1)
    name = f"{stream.name}: cut off at the beginning"
    yield Check(name, f"{cut_ms:.0f} ms", f"at most {cut_bar_ms:.0f} ms", cut_ms <= cut_bar_ms)
    off_ms = (stream.heard_s - stream.said_s) * 1000 - found.slipped_ms
    measured = f"{stream.heard_s:.2f} s of {stream.said_s:.2f} s"
    yield Check(f"{stream.name}: length", measured, f"within {_LENGTH_MS:.0f} ms", abs(off_ms) <= _LENGTH_MS)


def _first_word(member: Member, outcome: Outcome, audio: list[UserAudio]) -> Iterator[Check]:
    sent = outcome.members.get(member.name)
    if sent is None or not audio:
        yield Check(f"{member.name}: first word", "never", f"within {_FIRST_WORD_MS:.0f} ms", passed=False)
        return
    took_ms = first_word_ms(member, outcome, audio)
    measured, bar = f"{took_ms:.0f} ms", f"within {_FIRST_WORD_MS:.0f} ms"
    yield Check(f"{member.name}: first packet to first PCM", measured, bar, took_ms <= _FIRST_WORD_MS, timing=True)


def first_word_ms(member: Member, outcome: Outcome, audio: list[UserAudio]) -> float:
    """Return the time from the member's first packet to the first PCM at the parent."""
    sent_ms = float(outcome.members[member.name]["firstArrivalMs"]) + outcome.offset_ms
    return audio[0].at_s * 1000 - sent_ms


def reply_ms(outcome: Outcome) -> float:
    """Return the time from the first `audio` line to the first packet at the offline Discord."""
    return float(outcome.vox["firstArrivalMs"]) + outcome.offset_ms - outcome.reply_sent_s * 1000


def packet_rate_pps(outcome: Outcome) -> float:
    """Return packets per second, counting those that the network lost."""
    vox = outcome.vox
    lasted_ms = float(vox["lastArrivalMs"]) - float(vox["firstArrivalMs"])
    sent = int(vox["packets"]) + int(vox["seqGaps"])
    return (sent - 1) * 1000 / lasted_ms if lasted_ms > 0 else 0.0


def _reply(outcome: Outcome) -> Iterator[Check]:
    if not outcome.vox.get("packets"):
        yield Check("reply: first line to first packet", "never", f"within {_REPLY_MS:.0f} ms", passed=False)
        return
    took_ms = reply_ms(outcome)
    measured, bar = f"{took_ms:.0f} ms", f"within {_REPLY_MS:.0f} ms"
    yield Check("reply: first line to first packet", measured, bar, 0 <= took_ms <= _REPLY_MS, timing=True)


def _pacing(outcome: Outcome) -> Iterator[Check]:
    vox = outcome.vox
    if not vox.get("packets"):
        return
    rate, gap_ms = packet_rate_pps(outcome), float(vox["maxGapMs"])
    bar = f"{_RATE_PPS:.0f} +/- {_RATE_TOLERANCE_PPS}"
    steady = abs(rate - _RATE_PPS) <= _RATE_TOLERANCE_PPS
    yield Check("pacing: packets per second", f"{rate:.2f}", bar, steady, timing=True)
    measured, bar = f"{gap_ms:.1f} ms", f"at most {_MAX_GAP_MS:.0f} ms"
    yield Check("pacing: longest gap", measured, bar, gap_ms <= _MAX_GAP_MS, timing=True)
    wrong = int(vox["timestampAnomalies"])
    yield Check("pacing: RTP timestamps in step", f"{wrong} anomalies", "0 anomalies", wrong == 0)


def _music(plan: Plan, outcome: Outcome, heard: Mixture) -> Iterator[Check]:
    measured, bar = f"{heard.heard_s:.1f} s", f"at least {_MUSIC_S:.0f} s"
    yield Check("music: heard", measured, bar, heard.heard_s >= _MUSIC_S)
    off_ms = outcome.played_ms - outcome.sounded_ms
    measured, bar = f"{outcome.played_ms} ms of {outcome.sounded_ms:.0f} ms", f"within {_LENGTH_MS:.0f} ms"
    whole = abs(off_ms) <= _LENGTH_MS
    yield Check("music: what crossed the wire", measured, bar, whole, timing=True)
    clear = int(outcome.music.get("plaintextFrames", -1)) + int(outcome.music.get("plaintextInTransition", 0))
    yield Check("music: nothing left unencrypted", f"{clear} frames", "0 frames", clear == 0)
    if plan.tune.original is None or plan.loss:
        return
    ducked_db = 20 * math.log10(DUCKED)
    expected = (
        ("alone", heard.alone_db, 0.0),
        ("under speech", heard.under_db, ducked_db),
        ("after", heard.after_db, 0),
    )
    for when, gain_db, bar_db in expected:
        measured = "unknown" if gain_db is None else f"{gain_db:.1f} dB"
        right = gain_db is not None and abs(gain_db - bar_db) <= _GAIN_DB
        bar = f"{bar_db:.1f} +/- {_GAIN_DB} dB"  # music that starved has holes, whose gain is none
        yield Check(f"music: gain {when}", measured, bar, right, timing=not whole)


def _process(outcome: Outcome, events: list[Event]) -> Iterator[Check]:
    errors = [str(event.body.get("code")) for event in events if event.type == "error"]
    yield Check("no error was reported", ", ".join(errors) or "none", "none", not errors)
    code = "none" if outcome.exit_code is None else str(outcome.exit_code)
    yield Check("exit code after destroy", code, "0", outcome.exit_code == 0)


def _any(outcome: Outcome) -> bool:
    return bool(outcome.members) and all(member["decrypted"] for member in outcome.members.values())


def _is_dave(event: Event, status: str) -> bool:
    return event.type == "dave_state" and event.body.get("status") == status


def _lost_share_in(plan: Plan) -> float:
    """Members of the offline Discord send without a network: only the way down to us loses."""
    return plan.loss


def _lost_share_out(plan: Plan) -> float:
    """Ours loses on the way up and on each member's way down."""
    return 1 - (1 - plan.loss) ** 2
