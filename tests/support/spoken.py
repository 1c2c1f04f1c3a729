"""Sound for tests: a synthetic voice, decoding by plain libopus, and how far two signals are apart."""

import importlib

import numpy as np

from clankvox.media import libopus

RATE_HZ = 48_000
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480), (300, 870, 2240))
_BANDWIDTHS = (80, 100, 150)
_LEVELS = (1.0, 0.5, 0.25)


def voice(seconds, seed=1, rate_hz=RATE_HZ):
    """Int16 mono: vowels by formants over a gliding pitch, and hisses; a syllable each 180 ms."""
    rng = np.random.default_rng(seed)
    length = int(seconds * rate_hz)
    time = np.arange(length) / rate_hz
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time) + 8 * np.sin(2 * np.pi * 3.1 * time)
    pulses = np.diff(np.floor(np.cumsum(pitch) / rate_hz), prepend=0) > 0
    excitation = pulses + rng.normal(0, 0.01, length)
    sound = np.zeros(length)
    syllable = int(0.18 * rate_hz)
    ring = np.arange(int(0.03 * rate_hz)) / rate_hz
    for start in range(0, length, syllable):
        source = excitation[start : start + syllable]
        formants = zip(_VOWELS[rng.integers(len(_VOWELS))], _BANDWIDTHS, _LEVELS, strict=True)
        response = sum(
            np.exp(-ring * np.pi * width) * np.sin(2 * np.pi * hz * ring) * level for hz, width, level in formants
        )
        if rng.random() < 0.2:
            source = rng.normal(0, 0.05, len(source))
            response = np.diff(rng.normal(0, 1, 64) * np.hanning(64))
        part = np.convolve(source, response)[: len(source)] * np.sqrt(np.hanning(len(source)))
        sound[start : start + len(part)] = part / (np.abs(part).max() + 1e-9) * rng.uniform(0.3, 1)
    return (sound * 12_000).astype(np.int16)


def tone(seconds, hz=440.0, amplitude=12_000, rate_hz=RATE_HZ):
    """Int16 mono."""
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.int16)


def stereo_frames(mono):
    """Whole 20 ms frames of shape (960, 2)."""
    both = np.repeat(mono[:, np.newaxis], 2, axis=1)
    return [both[start : start + 960] for start in range(0, len(both) - 959, 960)]


def plain_opuslib():
    """The opuslib package, untouched by our code."""
    assert libopus.version()
    return importlib.import_module("opuslib")


def plain_packets(frames, profile):
    """What opuslib's own encoder makes of stereo frames by an EncoderProfile."""
    opuslib = plain_opuslib()
    encoder = opuslib.Encoder(48_000, 2, opuslib.APPLICATION_AUDIO)
    control, ctl = opuslib.api.encoder.encoder_ctl, opuslib.api.ctl
    for request, value in (
        (ctl.set_complexity, profile.complexity),
        (ctl.set_bitrate, profile.bitrate_bps),
        (ctl.set_inband_fec, 1),
        (ctl.set_packet_loss_perc, profile.expected_loss_percent),
        (ctl.set_signal, int(profile.signal)),
    ):
        control(encoder.encoder_state, request, value)
    return [encoder.encode(frame.tobytes(), 960) for frame in frames]


def decode_stereo(packets, lost=()):
    """Decode by plain libopus; a packet in `lost` is recovered from the next one's FEC."""
    decoder = plain_opuslib().Decoder(RATE_HZ, 2)
    parts = []
    for index, packet in enumerate(packets):
        gone = index in lost
        raw = decoder.decode(packets[index + 1] if gone else packet, 960, gone)
        parts.append(np.frombuffer(raw, np.int16).reshape(-1, 2))
    return np.concatenate(parts)


def error_db(got, wanted):
    """Energy of the difference relative to `wanted`, in dB; -inf when equal."""
    wanted = wanted.astype(np.float64)
    difference = got.astype(np.float64) - wanted
    energy = float((difference**2).sum())
    return 10 * np.log10(energy / float((wanted**2).sum())) if energy else float("-inf")
