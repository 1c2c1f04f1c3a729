"""The mix of one outgoing stream: speech in both channels, and music in stereo underneath it.

Music passes its own fade (first fade-in, crossfade, stop), then the gain that the parent sets, then the ducking under
speech. Every gain is a function of time, and none jumps: what would is spread over one frame. With one sound alone, at
unity and below -1 dBFS, what comes out is what went in, to the bit; above that a limiter turns the level down.
"""

from typing import Final, NamedTuple

import numpy as np

from clankvox.clock import SLOT_S
from clankvox.ids import Track
from clankvox.media.fade import Continuity, Curve, Fade, apply, steady
from clankvox.media.limiter import SoftLimiter
from clankvox.media.pcm import FRAME_SAMPLES, Mono, Stereo
from clankvox.media.track_buffer import TrackBuffer
from clankvox.media.track_voice import Samples, TrackVoice, VoiceState

CROSSFADE_S: Final = 0.300
RETURN_S: Final = 0.100
"""How fast a fade-out that was taken back comes up again."""
SPEECH_PAUSE_S: Final = 0.200
"""A pause of speech that is shorter than this does not let the music up."""
_RESIDUE_S: Final = 3 * SLOT_S
"""The end of a cut sound belongs to the next frame; later it would be a sound by itself."""
_UNITY: Final = 1.0


class Silenced(NamedTuple):
    """The track will not sound again."""

    track: Track


class Exhausted(NamedTuple):
    """The source has finished, and all of it is in frames that were given."""

    track: Track


class Reached(NamedTuple):
    """A ramp of the gain, or the first fade-in, is complete."""

    track: Track | None
    gain: float


News = Silenced | Exhausted | Reached


class Ducking(NamedTuple):
    """How music makes room for speech."""

    target: float
    """What the gain is multiplied with; 1.0: nothing."""
    attack_s: float
    release_s: float


class Mixed(NamedTuple):
    """One frame."""

    samples: Stereo
    """int16 of shape (960, 2), within full scale."""
    tracks: tuple[tuple[Track, int, bool], ...]
    """Which tracks are in it, how many samples of each were taken, and whether any of them is not zero."""


class Mixer:
    """Not thread-safe: the playback actor owns it. Every instant is in seconds of one clock.

    `advance` is to be called at `next_due`, and after every other call: it returns what has happened.
    """

    def __init__(self) -> None:
        self._voices: list[TrackVoice] = []
        self._gain = steady(_UNITY)
        self._gain_asked_by: Reached | None = None
        self._ducking = Ducking(_UNITY, 0.0, 0.0)
        self._duck = steady(_UNITY)
        self._spoken_until = float("-inf")
        self._bus = Continuity(None)
        self._limiter = SoftLimiter()
        self._residue: tuple[Samples, float] | None = None
        self._mixed_until = 0.0
        self._news: list[News] = []
        self._underruns = 0

    # --- what is there ---

    @property
    def music_is_audible(self) -> bool:
        """Whether a track plays that is neither held nor on its way out; the parent knows of one that is to begin."""
        return any(voice.state in (VoiceState.WAITING, VoiceState.SOUNDING) for voice in self._voices)

    @property
    def music_is_loud(self) -> bool:
        """Whether music would drown speech: its gain is meant to be full, and it does not duck."""
        return self.music_is_audible and self._gain.target >= _UNITY and self._ducking.target >= _UNITY

    @property
    def has_music(self) -> bool:
        """Whether any track is there, or anything is to be told of music: if not, `advance` has nothing to say."""
        return bool(self._voices or self._news) or self._gain_asked_by is not None

    @property
    def sounds(self) -> bool:
        """Whether any track was in the last frame."""
        return any(voice.is_heard for voice in self._voices)

    @property
    def fills(self) -> bool:
        """Whether a track stands still and has some PCM: look again in a slot's time."""
        return any(voice.fills for voice in self._voices)

    @property
    def buffered_samples(self) -> int:
        """Samples per channel of music that are queued."""
        return sum(voice.buffer.buffered_samples for voice in self._voices)

    @property
    def music_underruns(self) -> int:
        """How often a source was too slow, since the mixer was made."""
        return self._underruns + sum(voice.underruns for voice in self._voices)

    @property
    def limited_frames(self) -> int:
        """Frames that the limiter has changed."""
        return self._limiter.limited_frames

    # --- orders ---

    def offer(self, track: Track, buffer: TrackBuffer, fade_in_s: float) -> None:
        """Let `track` begin at its first PCM; one that was offered before and has not begun is over."""
        for voice in [each for each in self._voices if each.state in (VoiceState.WAITING, VoiceState.WAITING_HELD)]:
            self._remove(voice, Silenced(voice.track))
        self._voices.append(TrackVoice(track, buffer, fade_in_s))

    def hold(self, track: Track) -> None:
        """Freeze the track, after a fade of one frame."""
        for voice in self._of(track):
            voice.hold()

    def release(self, track: Track) -> None:
        """Let a held track go on where it was."""
        for voice in self._of(track):
            voice.release()

    def fade_out(self, track: Track, duration_s: float, now: float) -> None:
        """Let the track fade to silence, whether its samples flow or not; then it is Silenced."""
        for voice in self._of(track):
            voice.leave(self._next_instant(now), duration_s, Curve.LINEAR)

    def cancel_fade_out(self, track: Track, now: float) -> None:
        """Take `fade_out` back."""
        for voice in self._of(track):
            voice.stay(self._next_instant(now), RETURN_S)

    def drop(self, track: Track) -> None:
        """Silence the track now; what sounds ends with a ramp of 5 ms in the next frame."""
        for voice in self._of(track):
            self._leave_residue(voice.cut().samples * np.float32(self._bus.last or 0.0))
            self._remove(voice, Silenced(voice.track))

    def set_gain(self, target: float, duration_s: float, track: Track | None, now: float) -> None:
        """Ramp the gain of all music from what it is to `target`; a ramp under way is given up."""
        begins_s = self._next_instant(now)
        self._gain = Fade(self._gain.at(begins_s), target, begins_s, duration_s)
        self._gain_asked_by = None
        reached = Reached(track, target)
        if duration_s <= 0.0:
            self._news.append(reached)
        else:
            self._gain_asked_by = reached

    def set_ducking(self, ducking: Ducking, now: float) -> None:
        """Duck like this from now on."""
        self._ducking = ducking
        self._duck_towards(self._duck_target(now), self._next_instant(now))

    def cut_speech(self, rest: Mono) -> None:
        """Let speech that is stopped under music end with a ramp; `rest` is what would have come next."""
        stereo = _in_both(rest).astype(np.float32)
        ramp = np.linspace(1.0, 0.0, len(rest), dtype=np.float32)
        self._leave_residue(apply(ramp, stereo))

    # --- time ---

    def next_due(self) -> float | None:
        """Instant of the next news that come without any frame."""
        due = [self._gain.ends_s] if self._gain_asked_by is not None else []
        for voice in self._voices:
            due += [at for at in (voice.silent_at(), voice.fade_in_ends()) if at is not None]
        return min(due, default=None)

    def advance(self, now: float) -> list[News]:
        """Return what has happened up to `now`, since the last call."""
        if self._gain_asked_by is not None and now >= self._gain.ends_s:
            self._news.append(self._gain_asked_by)
            self._gain_asked_by = None
        for voice in list(self._voices):
            silent_at, fade_in_ends = voice.silent_at(), voice.fade_in_ends()
            if voice.buffer.closed:
                self._remove(voice, Silenced(voice.track))
            elif voice.buffer.exhausted:
                self._remove(voice, Exhausted(voice.track))
            elif silent_at is not None and now >= silent_at:
                self._remove(voice, Silenced(voice.track))
            elif fade_in_ends is not None and now >= fade_in_ends:
                voice.fade_in_told()
                self._news.append(Reached(voice.track, self._gain.target))
        news, self._news = self._news, []
        return news

    # --- samples ---

    def next_frame(self, first_s: float, speech: Mono | None) -> Mixed | None:
        """Mix the frame that sounds at `first_s`; None if there is nothing to hear in it.

        `speech` is int16 of shape (960,), None for none. Call once per slot.
        """
        if not self._voices and self._residue is None:
            return self._speech_alone(first_s, speech)
        self._begin_what_waits(first_s)
        residue = self._take_residue(first_s)
        music, tracks = self._draw_music(first_s)
        self._follow_speech(first_s, speech)
        self._mixed_until = first_s + SLOT_S
        spoken = None if speech is None else _in_both(speech)
        if music is None:
            self._bus.last = None
        if music is None and residue is None:
            return None if spoken is None else Mixed(self._limiter.process(spoken), ())
        mix = np.zeros((FRAME_SAMPLES, 2), np.float32)
        if music is not None:
            mix += self._on_bus(music, first_s)
        if residue is not None:
            mix[: len(residue)] += residue
        if spoken is not None:
            mix += spoken
        return Mixed(self._limiter.process(mix), tracks)

    def _speech_alone(self, first_s: float, speech: Mono | None) -> Mixed | None:
        self._follow_speech(first_s, speech)
        self._mixed_until = first_s + SLOT_S
        self._bus.last = None
        return None if speech is None else Mixed(self._limiter.process(_in_both(speech)), ())

    def _begin_what_waits(self, first_s: float) -> None:
        newcomer = next((voice for voice in self._voices if voice.can_begin), None)
        if newcomer is None:
            return
        others = [voice for voice in self._voices if voice is not newcomer]
        if any(voice.is_heard for voice in others):
            newcomer.begin(first_s, Fade(0.0, _UNITY, first_s, CROSSFADE_S, Curve.EQUAL_POWER))
        else:
            newcomer.begin(first_s, Fade(0.0, _UNITY, first_s, newcomer.fade_in_s))
        for voice in others:
            if voice.is_heard and voice.state is VoiceState.SOUNDING:
                voice.leave(first_s, CROSSFADE_S, Curve.EQUAL_POWER)
            elif not voice.is_heard:
                self._remove(voice, Silenced(voice.track))

    def _draw_music(self, first_s: float) -> tuple[Samples | None, tuple[tuple[Track, int, bool], ...]]:
        """Sum up the tracks that sound."""
        mix: Samples | None = None
        tracks = []
        for voice in self._voices:
            drawn = voice.draw(first_s)
            if drawn is None:
                continue
            if mix is None:
                mix = np.zeros((FRAME_SAMPLES, 2), np.float32)
            mix[: len(drawn.samples)] += drawn.samples
            tracks.append((voice.track, drawn.taken, bool(drawn.samples.any())))
        return mix, tuple(tracks)

    def _on_bus(self, music: Samples, first_s: float) -> Samples:
        """Apply the gain of all music."""
        gain = self._bus.join(self._gain.over(first_s) * self._duck.over(first_s))
        return apply(gain, music)

    # --- ducking ---

    def _follow_speech(self, first_s: float, speech: Mono | None) -> None:
        if speech is not None and speech.any():
            self._spoken_until = first_s + SLOT_S
        self._duck_towards(self._duck_target(first_s), first_s)

    def _duck_target(self, now: float) -> float:
        return self._ducking.target if now - self._spoken_until < SPEECH_PAUSE_S else _UNITY

    def _duck_towards(self, target: float, now: float) -> None:
        if target == self._duck.target:
            return
        duration_s = self._ducking.attack_s if target < self._duck.target else self._ducking.release_s
        self._duck = Fade(self._duck.at(now), target, now, duration_s)

    # --- voices ---

    def _of(self, track: Track) -> list[TrackVoice]:
        return [voice for voice in self._voices if voice.track == track]

    def _remove(self, voice: TrackVoice, news: News) -> None:
        self._voices.remove(voice)
        self._underruns += voice.underruns
        self._news.append(news)

    def _next_instant(self, now: float) -> float:
        """When a change that is ordered `now` can be heard first: what was mixed already is as it is."""
        return max(now, self._mixed_until)

    def _leave_residue(self, samples: Samples) -> None:
        """Add `samples` to what the next frame begins with."""
        if self._residue is not None:
            longer, shorter = sorted((self._residue[0], samples), key=len, reverse=True)
            samples = longer.copy()
            samples[: len(shorter)] += shorter
        self._residue = (samples, self._mixed_until)

    def _take_residue(self, first_s: float) -> Samples | None:
        residue, self._residue = self._residue, None
        if residue is None or not len(residue[0]) or first_s > residue[1] + _RESIDUE_S:
            return None
        return residue[0]


def _in_both(speech: Mono) -> Stereo:
    """Return `speech` in two channels; a column at a time is four times as fast as np.repeat."""
    both = np.empty((len(speech), 2), np.int16)
    both[:, 0] = speech
    both[:, 1] = speech
    return both
