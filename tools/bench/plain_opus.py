"""What plain libopus, called by opuslib, makes of the same PCM and of the same packets with the same losses."""

import importlib
from collections.abc import Container, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clankvox.media import libopus
from clankvox.media.opus_encoder import SPEECH, EncoderProfile

LIBRARY: Final = libopus.version()
"""Name and version of what both sides of a comparison use; asking for it lets opuslib find it."""
opuslib: Any = importlib.import_module("opuslib")

FRAME_S: Final = 0.02
_SEND_HZ: Final = 48_000
_SEND_SAMPLES: Final = 960
_LOOKAHEAD_SAMPLES: Final = 312

Mono = NDArray[np.int16]


def encode(pcm: Mono, profile: EncoderProfile = SPEECH) -> list[bytes]:
    """Encode int16 mono at 48 kHz in both channels, by a new encoder, until the last sample has left the encoder."""
    made = opuslib.Encoder(_SEND_HZ, 2, opuslib.APPLICATION_AUDIO)
    control, ctl = opuslib.api.encoder.encoder_ctl, opuslib.api.ctl
    for request, value in (
        (ctl.set_complexity, profile.complexity),
        (ctl.set_inband_fec, 1),
        (ctl.set_bitrate, profile.bitrate_bps),
        (ctl.set_signal, int(profile.signal)),
        (ctl.set_packet_loss_perc, profile.expected_loss_percent),
    ):
        control(made.encoder_state, request, value)
    padding = _LOOKAHEAD_SAMPLES + -(len(pcm) + _LOOKAHEAD_SAMPLES) % _SEND_SAMPLES
    both = np.repeat(np.concatenate((pcm, np.zeros(padding, np.int16)))[:, np.newaxis], 2, axis=1)
    frames = [both[start : start + _SEND_SAMPLES] for start in range(0, len(both), _SEND_SAMPLES)]
    return [made.encode(frame.tobytes(), _SEND_SAMPLES) for frame in frames]


def decode(
    packets: Sequence[bytes], rate_hz: int, lost: Container[int] = (), unplayed: Container[int] = ()
) -> list[Mono]:
    """Decode 20 ms packets to int16 mono, one array a packet.

    One whose index is in `lost` comes from the copy in the next packet if that one is there, else from concealment.
    Of one in `unplayed` the decoder hears nothing, and its array is empty.
    """
    decoder = opuslib.Decoder(rate_hz, 1)
    samples = round(rate_hz * FRAME_S)
    parts: list[Mono] = []
    for index, packet in enumerate(packets):
        if index in unplayed:
            parts.append(np.zeros(0, np.int16))
            continue
        following = index + 1
        if index not in lost:
            raw = decoder.decode(packet, samples)
        elif following < len(packets) and following not in lost and following not in unplayed:
            raw = decoder.decode(packets[following], samples, decode_fec=True)
        else:
            raw = decoder.decode(b"", samples)
        parts.append(np.frombuffer(raw, np.int16))
    return parts
