"""What the published picture shall be: size, rate, and how many bits it may cost."""

from typing import Final, NamedTuple

from clankvox.errors import InvalidRequest

_MAX_SIDE: Final = 4_096
_MIN_SIDE: Final = 16
_LONGEST_GOP_MS: Final = 3_600_000.0
_LEVELS: Final = (
    ("3.1", 3_600, 108_000),
    ("4.0", 8_192, 245_760),
    ("5.1", 36_864, 983_040),
)
"""H.264 table A-1: level, macroblocks a picture, macroblocks a second. 720p30 fills level 3.1 exactly."""


class VideoTarget(NamedTuple):
    """Size in pixels (even), pictures a second, bits a second, and pictures from one IDR to the next."""

    width: int
    height: int
    fps: int
    bitrate_bps: int
    gop_pictures: int

    @property
    def keyframe_interval_s(self) -> float:
        """Longest time between two IDRs: pictures of a source that is slower than `fps` count by time."""
        return self.gop_pictures / self.fps

    @property
    def level(self) -> str:
        """The lowest H.264 level out of 3.1, 4.0 and 5.1 that admits size and rate (table A-1)."""
        macroblocks = -(-self.width // 16) * -(-self.height // 16)
        for level, of_picture, of_second in _LEVELS:
            if macroblocks <= of_picture and macroblocks * self.fps <= of_second:
                return level
        raise InvalidRequest("a picture of this size and rate is beyond H.264 level 5.1")

    def with_keyframes_every(self, interval_ms: float) -> "VideoTarget":
        """Return the target with another GOP: op 4 and op 14 may say how often the server wants a key frame.

        An hour stands for anything longer: libx264 takes a number beyond 31 bits for a wish for key frames only.
        """
        return self._replace(gop_pictures=max(1, round(min(interval_ms, _LONGEST_GOP_MS) * self.fps / 1000)))

    def checked(self) -> "VideoTarget":
        """Return itself; InvalidRequest if no encoder could be opened with it."""
        if any(side % 2 or not _MIN_SIDE <= side <= _MAX_SIDE for side in (self.width, self.height)):
            raise InvalidRequest(f"width and height are even, {_MIN_SIDE} to {_MAX_SIDE}")
        if not 1 <= self.fps <= 60 or self.bitrate_bps < 1 or self.gop_pictures < 1:
            raise InvalidRequest("fps is 1 to 60, bit rate and GOP are positive")
        _ = self.level
        return self


HD_720: Final = VideoTarget(1_280, 720, 30, 2_500_000, 60)
