"""The streams of the call: each an original and what came out at the other end."""

from pathlib import Path
from typing import Final, NamedTuple

from clankvox.demo import alignment, sound, spectrogram
from clankvox.demo.alignment import Alignment
from clankvox.demo.plan import Plan
from clankvox.demo.sound import OpusSettings

_MEMBERS: Final = OpusSettings(96_000, 0)
_OURS: Final = OpusSettings(128_000, 5)


class Stream(NamedTuple):
    """One direction between two in the call, measured. Files are None if nothing was heard."""

    name: str
    said_s: float
    heard_s: float
    alignment: Alignment | None
    plain_opus_db: float
    """SNR that libopus alone reaches on the same sound with the sender's settings: the bar for `alignment.snr_db`."""
    beyond_opus_db: float
    """SNR against what libopus alone makes of the sound: what the call added to the codec's own error."""
    said_file: Path
    heard_file: Path
    picture: Path | None


def measure(plan: Plan) -> list[Stream]:
    """Compare all files of the call and draw a spectrogram of each."""
    said = {member.name: member.said for member in plan.members}
    reply = sound.load(plan.said("clankvox"))
    streams = [
        _measure(f"{member.name} to clankvox", said[member.name], plan.said(member.name), plan.heard(member), _MEMBERS)
        for member in plan.members
    ]
    streams += [
        _measure(f"clankvox to {member.name}", reply, plan.said("clankvox"), plan.recorded(member), _OURS)
        for member in plan.members
    ]
    for name, samples in (*said.items(), ("clankvox", reply)):
        _draw(plan.said(name), samples, f"Said by {name}")
    return streams


def _measure(name: str, said: sound.Mono, said_file: Path, heard_file: Path, settings: OpusSettings) -> Stream:
    encoded = sound.through_opus(said, settings)
    limit_db = alignment.align(said, encoded).snr_db
    said_s = len(said) / sound.SAMPLE_RATE_HZ
    try:
        heard = sound.load(heard_file)
    except sound.NoSound:
        return Stream(name, said_s, 0.0, None, limit_db, float("-inf"), said_file, heard_file, None)
    found = alignment.align(said, heard)
    picture = _draw(heard_file, heard, f"{name}: SNR {found.snr_db:.1f} dB")
    heard_s = len(heard) / sound.SAMPLE_RATE_HZ
    beyond_db = alignment.align(encoded[: len(said)], heard).snr_db
    return Stream(name, said_s, heard_s, found, limit_db, beyond_db, said_file, heard_file, picture)


def _draw(sound_file: Path, samples: sound.Mono, title: str) -> Path:
    path = sound_file.with_suffix(".png")
    spectrogram.save_png(path, spectrogram.render(samples, title))
    return path
