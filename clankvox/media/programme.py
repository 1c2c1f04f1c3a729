"""What one listener hears of us, as Opus: the mix of speech and music, encoded frame by frame."""

import logging
from collections.abc import Hashable

import numpy as np

from clankvox.errors import CodecError
from clankvox.media.mixer import Mixed, Mixer
from clankvox.media.opus_encoder import MUSIC, SPEECH, EncoderProfile, OpusEncoder
from clankvox.media.pcm import FRAME_SAMPLES
from clankvox.media.rtp_sender import OpusFrame, Part
from clankvox.media.tts_buffer import Frame

_log = logging.getLogger("clankvox.programme")


class Programme:
    """Mixer and encoder of one outgoing stream. Not thread-safe: the playback actor owns it."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._encoder = OpusEncoder()
        self._profile = SPEECH

    def next_frame(self, deadline_s: float, speech: Frame | None, name: Hashable) -> OpusFrame | None:
        """Encode what the slot that is due at `deadline_s` shall carry; None for nothing.

        `speech` is wiped; `name` is what its part of the frame is called. Tracks are called by their numbers.
        """
        mixed = self._mixer.next_frame(deadline_s, None if speech is None else speech.samples)
        parts = () if speech is None else (Part(name, speech.pcm_samples, speech.audible),)
        if speech is not None:
            speech.samples.fill(0)
        if mixed is None:
            return self._flushed()
        if mixed.tracks:
            self._use(MUSIC)
        elif speech is not None:
            self._use(SPEECH)
        return self._encoded(mixed, parts + tuple(Part(*track) for track in mixed.tracks))

    def forget(self) -> None:
        """Begin anew, as if nothing had sounded before."""
        self._encoder.reset()

    def _use(self, profile: EncoderProfile) -> None:
        if profile is not self._profile:
            self._profile = profile
            self._encoder.use(profile)

    def _encoded(self, mixed: Mixed, parts: tuple[Part, ...]) -> OpusFrame | None:
        try:
            return OpusFrame(self._encoder.encode(mixed.samples), bool(mixed.samples.any()), parts)
        except CodecError:
            _log.warning("frame could not be encoded")
            return None
        finally:
            mixed.samples.fill(0)

    def _flushed(self) -> OpusFrame | None:
        """Give the end of the last sound, which the encoder holds until it is fed what follows."""
        if not self._encoder.holds_sound:
            return None
        return self._encoded(Mixed(np.zeros((FRAME_SAMPLES, 2), np.int16), ()), ())
