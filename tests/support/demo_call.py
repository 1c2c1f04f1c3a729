"""The outcome of a call that went well, for tests that let one thing go wrong at a time."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from clankvox.demo import alignment, sound, streams, tune
from clankvox.demo.call import Outcome
from clankvox.demo.checks import Sounds
from clankvox.demo.mixture import Mixture
from clankvox.demo.parent import Event, UserAudio
from clankvox.demo.plan import Plan, make_plan


class Heard:
    """Stands in for the parent after the call: what it kept."""

    def __init__(self, plan: Plan) -> None:
        self.events = [
            Event(1.0, {"type": "process_ready", "protocolVersion": 1}),
            Event(1.5, {"type": "dave_state", "role": "voice", "status": "ready", "protocolVersion": 1}),
        ]
        self.audio = {
            member.user_id: [UserAudio(2.0, int(member.user_id), member.capture_id, 900, 10, 960, bytes(1920))]
            for member in plan.members
        }

    @property
    def entries(self) -> list[Event | UserAudio]:
        return [*self.events, *(piece for pieces in self.audio.values() for piece in pieces)]

    def audio_of(self, user_id: str) -> list[UserAudio]:
        return self.audio[user_id]


def a_plan(folder: Path, loss: float = 0.0) -> Plan:
    piece = folder / "music.flac"
    piece.write_bytes(_piece())
    return make_plan([], loss, folder, folder, str(piece))


@cache
def _piece() -> bytes:
    """The piece of music that is made up when none was given, which takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        tune.choose(None, Path(folder))
        return (Path(folder) / "music.flac").read_bytes()


def an_outcome(plan: Plan) -> Outcome:
    members = {
        member.name: {"firstArrivalMs": 1_950.0, "decrypted": {"1": 9}, "undecryptable": {}} for member in plan.members
    }
    vox = {"packets": 151, "seqGaps": 0, "firstArrivalMs": 4_000.0, "lastArrivalMs": 7_000.0, "maxGapMs": 21.0}
    vox |= {"gapsOver35Ms": 0, "gapsUnder5Ms": 0, "daveFrames": 146, "silenceFrames": 5, "timestampAnomalies": 0}
    vox |= {"plaintextFrames": 0, "plaintextInTransition": 0}
    return Outcome(
        acts=["join", "ended"],
        join_sent_s=1.0,
        ready_s=1.2,
        reply_sent_s=3.99,
        room={"epoch": 2},
        vox=vox,
        members=members,
        music={"plaintextFrames": 0, "plaintextInTransition": 0},
        played_ms=6_500,
        sounded_ms=6_540.0,
        offset_ms=10.0,
        exit_code=0,
    )


def streams_of(plan: Plan) -> list[streams.Stream]:
    """Return four streams that were heard as plain Opus would have them."""
    found = alignment.Alignment(delay_ms=6.5, gain=1.0, snr_db=28.0, lost_ms=0.0, slipped_ms=0.0)
    names = [f"{member.name} to clankvox" for member in plan.members]
    names += [f"clankvox to {member.name}" for member in plan.members]
    said, heard = plan.out / "said.wav", plan.out / "heard.wav"
    picture = plan.out / "heard.png"
    return [streams.Stream(name, 3.0, 3.1, found, 29.0, 80.0, said, heard, picture) for name in names]


def sounds_of(plan: Plan) -> Sounds:
    """Return the streams, and music that was lowered under speech by 12 dB."""
    file, picture = plan.heard_music, plan.heard_music.with_suffix(".png")
    return Sounds(streams_of(plan), Mixture(6.5, 0.0, -12.0, 0.0, file, picture))


def hear_everything(plan: Plan) -> None:
    """Write the files that the call leaves behind, as if Opus were perfect and began 10 ms late."""
    pause = np.zeros(480, np.int16)
    for member in plan.members:
        sound.save_wav(plan.heard(member), np.concatenate((pause, member.said)))
        reply = sound.load(plan.said("clankvox"))
        sound.save_wav(plan.recorded(member), np.concatenate((pause, reply)), channels=2)
