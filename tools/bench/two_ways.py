"""A call of two real processes and a member over a bad network: what the one hears, and what is heard of it.

The first process captures a member of the offline Discord and speaks; the second one captures the first. Faults are
on the first one's connection, both ways.
"""

import itertools
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo import sound
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import Event, UserAudio, VoxParent
from clankvox.loopback import speech
from clankvox.media.receive_ports import Origin
from clankvox.media.resample import StreamResampler
from clankvox.wire.rtp import SILENCE_FRAME
from tools.bench import perceived, plain_opus
from tools.bench.call import join, say
from tools.bench.perceived import RATE_HZ, Mono

TTS_HZ: Final = 24_000
FRAME_SAMPLES: Final = RATE_HZ // 50
PAUSE_S: Final = 0.8
_SILENCE_MS: Final = 400
_START_MS: Final = 1_500
_TRAILING_SILENCE: Final = 5
_MOST_LOST_AT_FIRST: Final = 10
_WAIT_S: Final = 30.0


class Ids(NamedTuple):
    """Who is where; strings, as on the wire."""

    server: str = "10"
    ourselves: str = "999"
    listener: str = "998"
    member: str = "101"


class Utterance(NamedTuple):
    """One captured talkspurt beside plain libopus."""

    pcm: Mono
    clean: Mono
    """The talkspurt without any loss."""
    plain: Mono
    """What plain libopus makes of it with the packets that this utterance was made of."""

    @property
    def mos(self) -> float:
        """Of what was captured."""
        return perceived.mos(self.clean, self.pcm)

    @property
    def plain_mos(self) -> float:
        """Of what plain libopus makes of the same."""
        return perceived.mos(self.clean, self.plain)

    @property
    def snr_db(self) -> float:
        """Of what was captured."""
        return perceived.snr_db(self.clean, self.pcm)

    @property
    def plain_snr_db(self) -> float:
        """Of what plain libopus makes of the same."""
        return perceived.snr_db(self.clean, self.plain)


class Heard(NamedTuple):
    """One direction."""

    utterances: list[Utterance]
    ledger: dict[str, Any]
    """The last `stream_stats` of the speaker."""
    network: dict[str, int]
    """What the offline Discord did to the packets of this direction."""


def hold(
    discord: OfflineDiscord, folder: Path, spurt: Mono, spurts: int, faults: dict[str, float], ids: Ids
) -> tuple[Heard, Heard]:
    """Let both sides say `spurt` (48 kHz) so many times at once; return what we heard and what was heard of us."""
    env = {} if discord.ca_file is None else {"SSL_CERT_FILE": str(discord.ca_file)}
    file = folder / "spurt.wav"
    sound.save_wav(file, spurt)
    said = resample(spurt, 48_000, TTS_HZ)
    with VoxParent(env=env) as vox, VoxParent(env=env) as listener:
        join(vox, discord.endpoint, ids.ourselves, ids.server)
        join(listener, discord.endpoint, ids.listener, ids.server)
        discord.order({"type": "impair", "userId": ids.ourselves, "direction": "both", **faults})
        captures = (vox, ids.member), (listener, ids.ourselves)
        for process, user in captures:
            _subscribe(process, user)
        _add_member(discord, ids, file)
        _speak(vox, said, spurts)
        heard = [_wait_utterances(process, user, spurts) for process, user in captures]
        network = _end(discord, vox, ids)
        ledgers = [_last_ledger(process, user) for process, user in captures]
    packets = list(speech.load(file).frames), plain_opus.encode(resample(said, TTS_HZ, 48_000))
    ours, theirs = (
        Heard([_beside_plain(pieces, frames) for pieces in utterances], ledger, network[direction])
        for utterances, frames, ledger, direction in zip(heard, packets, ledgers, ("down", "up"), strict=True)
    )
    return ours, theirs


def _add_member(discord: OfflineDiscord, ids: Ids, file: Path) -> None:
    order = {"type": "add_speaker", "userId": ids.member, "serverId": ids.server, "file": str(file), "loop": True}
    discord.order({**order, "pauseMs": PAUSE_S * 1000, "startMs": _START_MS})


def _end(discord: OfflineDiscord, vox: VoxParent, ids: Ids) -> dict[str, dict[str, int]]:
    """Let both speakers leave; return what was done to the packets of our connection, by direction."""
    client = next(each for each in discord.stats()["clients"] if each["userId"] == ids.ourselves)
    discord.order({"type": "remove_speaker", "userId": ids.member})
    vox.send({"type": "leave"})
    return dict(client["impaired"])


def _last_ledger(process: VoxParent, user_id: str) -> dict[str, Any]:
    return process.wait_for("stream_stats", userId=user_id, ended=True, timeout_s=_WAIT_S).body


def _subscribe(vox: VoxParent, user_id: str) -> None:
    options = {"sampleRate": RATE_HZ, "silenceDurationMs": _SILENCE_MS, "timeline": True}
    vox.send({"type": "subscribe_user", "userId": user_id, **options})


def _speak(vox: VoxParent, pcm: Mono, spurts: int) -> None:
    clock = SystemClock()
    for number in range(spurts):
        playback_id = f"spurt {number}"
        say(vox, playback_id, pcm, TTS_HZ)
        vox.wait_for("tts_playback_state", playbackId=playback_id, status="drained", timeout_s=_WAIT_S)
        clock.sleep(PAUSE_S)


def _wait_utterances(vox: VoxParent, user_id: str, count: int) -> list[list[UserAudio]]:
    """Return the pieces of the first utterances of a user, each up to its end marker."""
    since = 0
    for _ in range(count):
        end = vox.wait_for("user_audio_end", userId=user_id, since=since, timeout_s=_WAIT_S)
        since = 1 + next(number for number, entry in enumerate(vox.entries) if entry is end)
    found: list[list[UserAudio]] = [[]]
    for entry in vox.entries[:since]:
        if isinstance(entry, UserAudio) and entry.user_id == int(user_id):
            found[-1].append(entry)
        elif isinstance(entry, Event) and entry.type == "user_audio_end" and entry.body["userId"] == user_id:
            found.append([])
    return found[:count]


def _beside_plain(pieces: list[UserAudio], frames: list[bytes]) -> Utterance:
    """Have plain libopus decode the talkspurt with the losses that the timeline of an utterance tells of."""
    packets = [*frames, *[SILENCE_FRAME] * _TRAILING_SILENCE]
    pcm = np.frombuffer(b"".join(piece.pcm for piece in pieces), np.int16)
    clean = plain_opus.decode(packets, RATE_HZ)
    first = _first_frame(pcm, np.concatenate(clean))
    received = [piece.timing is not None and piece.timing.origin == Origin.RECEIVED for piece in pieces]
    per_piece = [len(piece.pcm) // 2 // FRAME_SAMPLES for piece in pieces]
    origins = itertools.chain.from_iterable(itertools.starmap(itertools.repeat, zip(received, per_piece, strict=True)))
    came = {first + number for number, whole in enumerate(origins) if whole}
    lost = set(range(len(packets))) - came
    plain = plain_opus.decode(packets, RATE_HZ, lost, range(first))
    return Utterance(pcm, np.concatenate(clean), np.concatenate(plain))


def _first_frame(pcm: Mono, clean: Mono) -> int:
    """Which frame of the talkspurt an utterance begins with: its first packets may be lost, and nobody can know."""
    errors = []
    for first in range(_MOST_LOST_AT_FIRST):
        behind = clean[first * FRAME_SAMPLES :].astype(np.float64)
        size = min(len(behind), len(pcm))
        errors.append(float(np.square(behind[:size] - pcm[:size]).mean()))
    return int(np.argmin(errors))


def resample(pcm: Mono, from_hz: int, to_hz: int) -> Mono:
    """Convert int16 mono in one piece."""
    resampler = StreamResampler(from_hz, to_hz, 1)
    return np.concatenate((resampler.push(pcm[:, np.newaxis]), resampler.finish()))[:, 0]
