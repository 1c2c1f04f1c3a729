"""Opening media with FFmpeg so that a URL can reach nothing but public HTTP servers, and no wait lasts for ever."""

import ssl
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Final, NamedTuple

import av
from av.container import InputContainer

from clankvox.media.source_fault import NoAudio, fault_of

USER_AGENT: Final = "Mozilla/5.0 (compatible; clankvox)"
_HTTP_PROTOCOLS: Final = "http,https,tcp,tls,httpproxy,crypto"
"""`tcp`, `tls` and `httpproxy` carry http and https; `crypto` opens encrypted HLS segments of the same."""
_FILE_PROTOCOLS: Final = "file,crypto"
"""A playlist in a file leads to files only: FFmpeg would ask for a URL in it past the proxy, whose address it takes
over from the connection that the playlist came by."""
_FORMATS: Final = (
    "hls,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,aac,flac,wav,w64,aiff,mpegts,mpeg,asf,avi,flv,caf,au,"
    "ape,wv,tta,tak,ac3,eac3,amr,amrnb,amrwb,dsf,iff,oma,dts,dtshd,mpc,mpc8,truehd,mlp,voc,rm,nut,loas,sox,xwma,gsm"
)
"""What may be behind a URL. Not listed are formats that name other inputs or devices (concat, sdp, rtsp, image2)."""
_PROBE_BYTES: Final = 1024 * 1024
_PROBE_US: Final = 1_500_000
_HEADERS: Final = frozenset(("accept", "accept-language", "origin", "referer"))
"""Of the headers that yt-dlp recommends for a URL; the user agent has an option of its own."""


class Location(NamedTuple):
    """Where media is. Its repr shows nothing of it."""

    name: str
    """An http or https URL, or the absolute path of a file."""
    is_file: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """See the class."""
        return f"Location(is_file={self.is_file})"


def locate(url: str, allow_files: bool, headers: dict[str, str] | None = None) -> Location:
    """Check that `url` is one that may be read.

    NoAudio for every scheme but http and https, unless `allow_files` and it is a `file:` URL or the path of a regular
    file.
    """
    url = url.strip()
    try:
        parts = urllib.parse.urlsplit(url)
        web = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        raise NoAudio("not a URL") from None
    if web:
        if any(character <= " " for character in url):
            raise NoAudio("not a URL: it contains white space")
        scheme = parts.scheme.lower()  # as FFmpeg knows it
        return Location(scheme + url[len(scheme) :], headers=tuple((headers or {}).items()))
    if not allow_files:
        raise NoAudio("only http and https URLs can be played; files need --allow-files")
    is_url = parts.scheme.lower() == "file"
    try:
        path = Path(urllib.request.url2pathname(parts.path) if is_url else url).expanduser().absolute()
        found = path.is_file()
    except (OSError, RuntimeError):  # a name that is too long, the home of nobody
        found = False
    if not found:
        raise NoAudio("no such file")
    return Location(str(path), is_file=True)


def open_container(
    location: Location, proxy_url: str | None, open_s: float, read_s: float, *, heard: bool = False
) -> InputContainer:
    """Open `location` for reading; the caller closes it. Blocks, each part for `open_s` at most.

    `proxy_url` is the filtering proxy with a session's credential; a file needs none. Each later read ends after
    `read_s` without data. Raises SourceFault; `heard` says whether the track gave PCM before.
    """
    try:
        return av.open(
            f"file:{location.name}" if location.is_file else location.name,
            "r",
            container_options=_options(location, proxy_url),
            timeout=(open_s, read_s),
        )
    except (av.FFmpegError, OSError, ValueError) as error:  # av.ArgumentError is none of its own base
        raise fault_of(error, heard) from None


def _options(location: Location, proxy_url: str | None) -> dict[str, str]:
    options = {
        "protocol_whitelist": _FILE_PROTOCOLS if location.is_file else _HTTP_PROTOCOLS,
        "format_whitelist": _FORMATS,
        "probesize": str(_PROBE_BYTES),
        "analyzeduration": str(_PROBE_US),
    }
    if proxy_url is not None:
        options["http_proxy"] = proxy_url
    if not location.is_file:
        options |= _http_options(location)
    return options


def _http_options(location: Location) -> dict[str, str]:
    # One attempt at the same byte, at once: it leaves no trace in the samples. With a delay FFmpeg would sleep where
    # nobody can wake it, so what takes longer is mended by opening anew.
    options = {"reconnect": "1", "reconnect_delay_max": "0", "seg_max_retry": "2"}
    given = {name.lower(): value for name, value in location.headers}
    options["user_agent"] = _one_line(given.get("user-agent", USER_AGENT))
    headers = "".join(f"{name}: {_one_line(given[name])}\r\n" for name in sorted(_HEADERS & given.keys()))
    if headers:
        options["headers"] = headers
    authorities = ssl.get_default_verify_paths().cafile
    if authorities is not None:
        options |= {"tls_verify": "1", "ca_file": authorities}
    return options


def _one_line(text: str) -> str:
    return " ".join(text.split())
