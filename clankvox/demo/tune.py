"""The demo's music: what is played, and the short piece that is made up when none was given."""

from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from clankvox.demo import sound
from clankvox.demo.sound import SAMPLE_RATE_HZ, Mono, NoSound

MUSIC_LIMIT_S: Final = 20.0
"""More is never heard in the demo."""
_SHORTEST_S: Final = 9.0
_CHORDS: Final = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67))
"""MIDI notes of A minor, F, C and G: two seconds each, again and again."""
_NOTE_S: Final = 0.25
_NOTES_A_CHORD: Final = 8
_ROUNDS: Final = 2
_DECAY_S: Final = 0.35
_OVERTONES: Final = ((1, 1.0), (2, 0.4), (3, 0.2), (4, 0.1))
_PEAK: Final = 10_000
"""10 dB below full scale: room for speech above it."""


class Tune(NamedTuple):
    """What the process is asked to play, and what of it can be compared with what was heard."""

    url: str
    direct: bool
    """A media file, not a page."""
    original: Mono | None
    """Its first seconds, if it is a file of this machine."""

    @property
    def serve_arguments(self) -> list[str]:
        """What the process has to be told when it is started."""
        return ["--allow-files"] if self.url.startswith("file:") else []


def choose(given: str | None, out: Path) -> Tune:
    """Return the tune at a URL or in a file; without either make one up and write it to `out`. Raises NoSound."""
    if given is not None and given.startswith(("http://", "https://")):
        return Tune(given, _names_media(given), None)
    path = out / "music.flac" if given is None else Path(given)
    if given is None:
        _save_flac(path, compose())
    original = sound.load(path, limit_s=MUSIC_LIMIT_S)
    if len(original) < _SHORTEST_S * SAMPLE_RATE_HZ:
        raise NoSound(f"{path.name} is too short: {_SHORTEST_S:.0f} s of music are heard")
    return Tune(path.absolute().as_uri(), direct=True, original=original)


def compose() -> NDArray[np.int16]:
    """Return arpeggios over four chords, int16 stereo of shape (samples, 2): each note somewhere else in the room."""
    note_samples = round(_NOTE_S * SAMPLE_RATE_HZ)
    notes = [chord[place % 4] + 12 * (place // 4) for chord in _CHORDS for place in range(_NOTES_A_CHORD)] * _ROUNDS
    ring_s = np.arange(round(4 * _DECAY_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    music = np.zeros((len(notes) * note_samples + len(ring_s), 2))
    for place, note in enumerate(notes):
        right = 0.5 + 0.35 * np.sin(place * 0.7)
        pluck = _pluck(440 * 2 ** ((note - 69) / 12), ring_s)
        begin = place * note_samples
        music[begin : begin + len(ring_s)] += pluck[:, None] * (np.sqrt(1 - right), np.sqrt(right))
    return np.asarray(np.round(music / np.abs(music).max() * _PEAK), np.int16)


def _pluck(frequency_hz: float, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    tone = sum(share * np.sin(2 * np.pi * frequency_hz * order * time_s) for order, share in _OVERTONES)
    attack = np.minimum(time_s / 0.004, 1.0)
    return np.asarray(tone * attack * np.exp(-time_s / _DECAY_S))


def _save_flac(path: Path, samples: NDArray[np.int16]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="stereo", format="s16")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
        pieces = av.AudioFifo()
        pieces.write(frame)
        for piece in pieces.read_many(stream.codec_context.frame_size or 4_096, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def _names_media(url: str) -> bool:
    endings = (".aac", ".flac", ".m3u8", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm")
    return url.partition("?")[0].lower().endswith(endings)
