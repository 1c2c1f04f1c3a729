"""What a member of our own hears, written as one WAV file a sender, on the timeline of the sender's RTP clock."""

import wave
from collections import Counter
from pathlib import Path
from typing import Final

import av

from clankvox.errors import InvalidRequest
from clankvox.wire.rtp import OPUS_CLOCK_HZ, RtpHeader
from clankvox.wire.seq import timestamp_add, timestamp_delta

_CHANNELS: Final = 2
_SAMPLE_BYTES: Final = 2
_MAX_PAUSE_S: Final = 60
"""A longer jump of the RTP clock is a new stream, not a pause."""


class Recording:
    """A folder of WAV files named after the senders. The event loop owns it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; InvalidRequest if that is not possible."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequest(f"cannot record there: {error.strerror}") from error
        self.failures: Counter[str] = Counter()
        """Frames that were not written, by cause."""
        self._folder = folder
        self._tracks: dict[int, _Track] = {}

    def add(self, sender: int, header: RtpHeader, frame: bytes) -> None:
        """Decode an Opus frame of `sender` and write it at its place."""
        try:
            track = self._tracks.get(sender)
            if track is None:
                track = self._tracks[sender] = _Track(self._folder / f"{sender}.wav", header.timestamp)
            if not track.write(header.timestamp, frame):
                self.failures["late"] += 1
        except av.error.FFmpegError:
            self.failures["decode"] += 1
        except OSError:
            self.failures["write"] += 1

    def close(self) -> None:
        """Finish all files."""
        for track in self._tracks.values():
            track.close()
        self._tracks.clear()


class _Track:
    def __init__(self, path: Path, timestamp: int) -> None:
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - lives as long as the track
        self._file.setnchannels(_CHANNELS)
        self._file.setsampwidth(_SAMPLE_BYTES)
        self._file.setframerate(OPUS_CLOCK_HZ)
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate = OPUS_CLOCK_HZ
        self._decoder.layout = "stereo"
        self._next = timestamp

    def write(self, timestamp: int, frame: bytes) -> bool:
        """Write one frame after the pause before it; False for one that comes too late."""
        pause = timestamp_delta(timestamp, self._next)
        if pause < 0:
            return False
        if 0 < pause <= _MAX_PAUSE_S * OPUS_CLOCK_HZ:
            self._file.writeframes(bytes(pause * _CHANNELS * _SAMPLE_BYTES))
        samples = 0
        for block in self._decoder.decode(av.Packet(frame)):
            self._file.writeframes(block.to_ndarray().tobytes())
            samples += block.samples
        self._next = timestamp_add(timestamp, samples)
        return True

    def close(self) -> None:
        self._file.close()
