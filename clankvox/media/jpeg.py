"""Decoded pictures as JPEG, by libjpeg-turbo (simplejpeg), which runs without the GIL."""

from typing import Final

import av
import simplejpeg
from av.video.reformatter import ColorRange, VideoReformatter

_SUBSAMPLING: Final = "420"


class JpegEncoder:
    """Keeps the converter of one stream's pictures. Not thread-safe."""

    def __init__(self) -> None:
        self._converter = VideoReformatter()

    def encode(self, frame: av.VideoFrame, quality: int) -> bytes:
        """Return `frame` as JPEG with 4:2:0 chroma; `quality` 1 to 100.

        Through RGB, because JPEG is of full range (JFIF 1.02) and video is not unless it says so: planes that are
        passed on as they are look washed out.
        """
        given = ColorRange(frame.color_range)
        rgb = self._converter.reformat(
            frame,
            format="rgb24",
            src_color_range=ColorRange.JPEG if given is ColorRange.JPEG else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return bytes(simplejpeg.encode_jpeg(rgb.to_ndarray(), quality, "RGB", _SUBSAMPLING))
