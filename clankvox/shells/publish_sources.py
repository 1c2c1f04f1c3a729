"""The sources of published video: opens them as music is opened, and makes the line that shows them.

Only http and https reach FFmpeg, through the filtering proxy; pages go to yt-dlp in a child process.
"""

from collections.abc import Callable
from typing import Final

from clankvox.clock import Clock
from clankvox.media.browser_pictures import BrowserPictures
from clankvox.media.container_pictures import ContainerPictures
from clankvox.media.media_container import open_container
from clankvox.media.mending import Patience
from clankvox.media.picture_source import Container, PictureSource
from clankvox.media.publish_line import PublishLine
from clankvox.media.publish_port import PublishRequest
from clankvox.media.source_fault import NoAudio, SourceFault, broken
from clankvox.media.source_port import SourceRequest
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_target import VideoTarget
from clankvox.media.visualizer import VisualizerMode, VisualizerPictures
from clankvox.shells.filter_proxy import FilterProxy, ProxySession
from clankvox.shells.media_finder import MediaFinder
from clankvox.shells.page_resolver import SELECTORS, Selector

_HLS: Final = "best[protocol^=m3u8][vcodec!=none][height<=1080]/best[protocol^=m3u8][vcodec!=none]"
PICTURES: Final = (
    Selector(
        "bestvideo[vcodec^=avc1][ext=mp4][height<=1080]/bestvideo[height<=1080]/best[height<=1080]/best", "android"
    ),
    Selector(_HLS, "android"),
)
"""Video without sound, H.264 in MP4 if there is any: it decodes fastest."""
PICTURES_WITH_SOUND: Final = (
    Selector("best[vcodec!=none][acodec!=none][height<=1080]/best[vcodec!=none][acodec!=none]/best", "android"),
    Selector(_HLS, "android"),
)
"""Both in one container."""
_PATIENCE: Final = Patience()

Offer = Callable[[bytes, int], None]


class PublishSources:
    """Makes a line for each source; `make` is what PublishWorker wants. Any thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        allow_files: bool = False,
        allow_private_hosts: bool = False,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._clock = clock
        self._allow_files = allow_files
        self._patience = patience
        self._proxy = FilterProxy(allow_private_hosts)

    def make(
        self, request: PublishRequest, target: VideoTarget, audio: StreamAudio | None
    ) -> tuple[PublishLine, Offer | None]:
        """Return the line of `request`, which opens nothing yet, and where its PNGs go to, if it takes any."""
        if request.url is None:
            browser = BrowserPictures()
            return PublishLine(browser, target), browser.offer
        return PublishLine(self._source(request, request.url, target), target, audio), None

    def close(self) -> None:
        """End every connection. Idempotent, never blocks."""
        self._proxy.close()

    def _source(self, request: PublishRequest, url: str, target: VideoTarget) -> PictureSource:
        mode = request.visualizer_mode
        selectors = SELECTORS if mode is not None else PICTURES_WITH_SOUND if request.with_audio else PICTURES
        finder = MediaFinder(SourceRequest(url, request.direct), self._clock, self._allow_files, selectors)
        patience_s = self._patience.direct_s if request.direct else self._patience.page_s
        opener = SourceOpener(finder, self._proxy, self._clock, patience_s, self._patience.stall_s)
        if mode is None:
            return ContainerPictures(opener, with_sound=request.with_audio)
        return VisualizerPictures(
            opener,
            VisualizerMode.of(mode),
            width=target.width,
            height=target.height,
            fps=target.fps,
            with_sound=request.with_audio,
        )


class SourceOpener:
    """A media.picture_source.MediaOpener for one source: finds it, and opens it through a proxy session of its own."""

    def __init__(
        self, finder: MediaFinder, proxy: FilterProxy, clock: Clock, patience_s: float, stall_s: float
    ) -> None:
        """Give up after `patience_s` until it is open, and after `stall_s` without data."""
        self._finder = finder
        self._proxy = proxy
        self._clock = clock
        self._patience_s = patience_s
        self._stall_s = stall_s
        self._session: ProxySession | None = None
        self._interrupted = False

    def open(self) -> Container:
        """Find and open the source, in another format if the first is refused. Blocks; raises SourceFault."""
        deadline = self._clock.now() + self._patience_s
        while True:
            try:
                return self._open_once(deadline)
            except SourceFault as fault:
                if self._interrupted or not self._finder.try_another(fault):
                    raise

    @property
    def whole(self) -> bool:
        """Whether no connection broke off."""
        return self._session is None or self._session.whole

    def interrupt(self) -> None:
        """Cut the connections and end yt-dlp; nothing is opened any more. Any thread."""
        self._interrupted = True
        session = self._session
        if session is not None:
            session.close()
        self._finder.cancel()

    def _open_once(self, deadline: float) -> Container:
        try:
            self._session = session = self._proxy.open_session()
        except OSError:
            raise broken("there is no way into the network", heard=False) from None
        if self._interrupted:
            session.close()
            raise NoAudio("closed")
        try:
            location = self._finder.find(session.url, deadline)
            open_s = max(deadline - self._clock.now(), 1.0)
            container = open_container(location, session.url, open_s, self._stall_s)
        except SourceFault as fault:
            trouble = session.trouble
            session.close()
            raise (broken(trouble, heard=False) if trouble and isinstance(fault, NoAudio) else fault) from None
        else:
            session.lift_ration()
            return container
