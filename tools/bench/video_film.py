"""A film to publish."""

import tempfile
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Final

import av

_FOLDER: Final = tempfile.TemporaryDirectory(prefix="clankvox-bench-")


@lru_cache
def film(seconds: float) -> Path:
    """Return a moving 720p30 test picture as H.264, made once in the life of this process."""
    path = Path(_FOLDER.name) / f"{seconds:g}.mp4"
    with av.open(f"testsrc2=s=1280x720:r=30:d={seconds}", format="lavfi") as pictures, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, frame in enumerate(pictures.decode(video=0)):
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path
