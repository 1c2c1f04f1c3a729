"""Where the media of a request is: at its URL, or where yt-dlp finds it."""

from collections.abc import Sequence

from clankvox.clock import Clock
from clankvox.media.media_container import Location, locate
from clankvox.media.source_fault import FormatUnavailable, HttpForbidden, SourceFault
from clankvox.media.source_port import SourceRequest
from clankvox.shells.page_resolver import SELECTORS, PageResolver, Selector


class MediaFinder:
    """Remembers what was found; one worker thread, but `cancel` is for any."""

    def __init__(
        self, request: SourceRequest, clock: Clock, allow_files: bool, selectors: Sequence[Selector] = SELECTORS
    ) -> None:
        self._request = request
        self._allow_files = allow_files
        self._resolver = PageResolver(clock)
        self._selectors = selectors
        self._selector = 0
        self._found: Location | None = None

    def find(self, proxy_url: str, deadline: float) -> Location:
        """Return the location; asks yt-dlp (see PageResolver.resolve) unless it is known. Raises SourceFault."""
        if self._found is None:
            named = locate(self._request.url, self._allow_files)
            if self._request.direct or named.is_file:
                self._found = named
            else:
                found = self._resolver.resolve(named.name, self._selectors[self._selector], proxy_url, deadline)
                self._found = locate(found.url, allow_files=False, headers=found.headers)
        return self._found

    def try_another(self, fault: SourceFault) -> bool:
        """Before any PCM: whether asking yt-dlp for another format may help after `fault`; if so the next find does."""
        last = self._selector + 1 >= len(self._selectors)
        if self._request.direct or last or not isinstance(fault, HttpForbidden | FormatUnavailable):
            return False
        self._selector += 1
        self._found = None
        return True

    def refresh(self, fault: SourceFault) -> bool:
        """In mid-track: forget a URL that the server refuses now. False if `fault` says so and there is no other."""
        if not isinstance(fault, HttpForbidden):
            return True
        self._found = None
        return not self._request.direct

    def cancel(self) -> None:
        """End what runs; `find` raises soon."""
        self._resolver.cancel()
