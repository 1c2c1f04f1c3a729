"""Where the video actor says what it wants to see: both halves of the path from packets to pictures take note."""

from collections.abc import Callable

from clankvox.media.picture_maker import PictureMaker
from clankvox.media.receive import ReceivePipeline
from clankvox.media.watch_list import WatchList


class VideoDesk:
    """The video actor's WatchDesk of one role. Thread-safe."""

    def __init__(self, pipeline: ReceivePipeline, maker: PictureMaker, wake: Callable[[], None]) -> None:
        """`wake` makes the role's UDP thread poll its pipeline: key frames are asked for then."""
        self._pipeline = pipeline
        self._maker = maker
        self._wake = wake

    def watch(self, streams: WatchList) -> None:
        """Look at these streams from now on."""
        self._maker.watch(streams)
        self._pipeline.watch(streams)
        self._wake()
