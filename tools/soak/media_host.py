"""A web server on this machine with a tune and a film that last: what the process plays and publishes."""

import functools
import threading
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np

from clankvox.demo import tune
from clankvox.loopback.clock_picture import ClockPicture, Stamp

TUNE: Final = "tune.flac"
FILM: Final = "film.mp4"
_FILM_S: Final = 40
_FPS: Final = 10
_SIZE: Final = (320, 192)


class MediaHost:
    """A context: writes both into `folder` and serves them."""

    def __init__(self, folder: Path) -> None:
        tune.choose(None, folder)
        (folder / "music.flac").rename(folder / TUNE)
        _write_film(folder / FILM)
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="soak-media", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        """Return where one of the two is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the body; a client that has had enough is no error."""
        try:
            super().copyfile(source, outputfile)
        except OSError:
            self.close_connection = True


def _write_film(path: Path) -> None:
    """Write pictures with a running clock, and a soft tone."""
    pattern = ClockPicture(*_SIZE)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=_FPS, options={"preset": "ultrafast", "crf": "28"})
        stream.width, stream.height, stream.pix_fmt = *_SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(_FILM_S * _FPS):
            frame = av.VideoFrame.from_ndarray(pattern.draw(Stamp(number, number * 1000 // _FPS)), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, _FPS)
            container.mux(stream.encode(frame))
            container.mux(sound.encode(_tone(number)))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))


def _tone(number: int) -> av.AudioFrame:
    samples = 48_000 // _FPS
    at = np.arange(number * samples, (number + 1) * samples)
    pcm = (3_000 * np.sin(2 * np.pi * 330 * at / 48_000)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, number * samples, Fraction(1, 48_000)
    return frame
