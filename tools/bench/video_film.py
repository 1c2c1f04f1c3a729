"""A film to publish."""

from fractions import Fraction
from pathlib import Path

import av


def film(path: Path, seconds: float) -> Path:
    """Write a moving 720p30 test picture as H.264."""
    with av.open(f"testsrc2=s=1280x720:r=30:d={seconds}", format="lavfi") as pictures, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, frame in enumerate(pictures.decode(video=0)):
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path
