"""From a page to the URL of its media: yt-dlp in a child process with a deadline."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Final, NamedTuple

from clankvox.clock import Clock
from clankvox.media.source_fault import MissingStdout, NoAudio, SpawnFailed, WaitFailed, page_fault
from clankvox.shells.page_child import PAGE_URL

_SLICE_S: Final = 0.1
_TERM_S: Final = 1.0
"""From SIGTERM to SIGKILL."""
_SOCKET_TIMEOUT_S: Final = 10
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Selector(NamedTuple):
    """What to ask yt-dlp for."""

    formats: str
    youtube_client: str


SELECTORS: Final = (
    Selector("bestaudio/best", "web_embedded"),
    Selector(
        "worst[protocol^=m3u8][acodec!=none][height>=360]/worst[protocol^=m3u8][acodec!=none]/worst[protocol^=m3u8]",
        "android",
    ),
)
"""In order: the second where the first meets a 403 or has no such format."""


class Found(NamedTuple):
    """What yt-dlp printed; the URL is a secret, and headers may hold cookies."""

    url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        """Show neither."""
        return f"Found({len(self.headers)} headers)"


class PageResolver:
    """Runs one child at a time. `resolve` blocks and is for one thread; `cancel` is for any."""

    def __init__(self, clock: Clock, module: str = "clankvox.shells.page_child") -> None:
        self._clock = clock
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False

    def resolve(self, url: str, selector: Selector, proxy_url: str, deadline: float) -> Found:
        """Return the media of the page at `url`. Raises a SourceFault; NoAudio after `cancel`.

        `deadline` is an instant of the clock, after which the child and all that it started are ended.
        """
        if importlib.util.find_spec("yt_dlp") is None:
            raise SpawnFailed("pages need yt-dlp: pip install 'clankvox[youtube]'")
        process = self._start(url, selector, proxy_url)
        try:
            output, errors = self._wait(process, deadline)
        finally:
            self._end(process)
            with self._lock:
                self._process = None
        if process.returncode != 0:
            raise page_fault(process.returncode, errors)
        return _found(output)

    def cancel(self) -> None:
        """End the child at once, and every later one; `resolve` returns soon. Idempotent, never blocks."""
        with self._lock:
            self._cancelled = True
            process = self._process
        if process is not None and process.returncode is None:
            _signal_group(process, signal.SIGKILL)

    def _start(self, url: str, selector: Selector, proxy_url: str) -> subprocess.Popen[str]:
        with self._lock:
            if self._cancelled:
                raise NoAudio("closed")
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and none of them the URL
                    [sys.executable, "-m", self._module, str(os.getpid()), *_arguments(selector)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    env=_environment(url, proxy_url),
                    start_new_session=True,
                )
            except OSError as error:
                raise SpawnFailed(f"yt-dlp cannot be started: {error.strerror}") from None
            return self._process

    def _wait(self, process: "subprocess.Popen[str]", deadline: float) -> tuple[str, str]:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=_SLICE_S)
            if self._cancelled:
                raise NoAudio("closed")
            if self._clock.now() >= deadline:
                raise WaitFailed("yt-dlp did not find the media in time")

    @staticmethod
    def _end(process: "subprocess.Popen[str]") -> None:
        """End the child and its children, politely first, and reap it."""
        if process.returncode is None:
            _signal_group(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_TERM_S)
            _signal_group(process, signal.SIGKILL)
            process.communicate()


def _arguments(selector: Selector) -> list[str]:
    return [
        "--ignore-config",
        "--quiet",
        "--no-warnings",
        "--no-progress",
        "--no-playlist",
        "--playlist-items=1",  # of a page that is nothing but a list: the first, not hundreds within one deadline
        "--no-live-from-start",
        f"--socket-timeout={_SOCKET_TIMEOUT_S}",
        f"--format={selector.formats}",
        f"--extractor-args=youtube:player_client={selector.youtube_client}",
        "--print=urls",
        "--print=%(http_headers)j",
    ]


def _environment(url: str, proxy_url: str) -> dict[str, str]:
    """Name page and proxy in the environment: arguments, and a credential among them, are for all users to see."""
    inherited = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    return inherited | dict.fromkeys(_PROXIES, proxy_url) | {PAGE_URL: url, "PYTHONIOENCODING": "utf-8"}


def _found(output: str) -> Found:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    urls = [line for line in lines if line.lower().startswith(("http://", "https://"))]
    if not urls:
        raise MissingStdout("yt-dlp named no media")
    with suppress(ValueError):
        headers = json.loads(lines[-1])
        if isinstance(headers, dict):
            return Found(urls[0], {str(name): str(value) for name, value in headers.items()})
    return Found(urls[0], {})


def _signal_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
