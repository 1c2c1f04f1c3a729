"""Why a source gives no more PCM: one class a code of the parent's `music_error`, with a sentence that names no URL.

    SourceFault
    ├── HttpForbidden       http_403             the server refuses; another format's URL, or a fresh one, may work
    ├── FormatUnavailable   format_unavailable   the page has nothing in the format that was asked for
    ├── SpawnFailed         spawn_failed         yt-dlp cannot be started
    ├── MissingStdout       missing_stdout       yt-dlp ended well and named no media
    ├── WaitFailed          wait_failed          yt-dlp did not end in time
    ├── NoAudio             no_audio             everything else, if no PCM was heard
    └── PipelineFailed      pipeline_failed      everything else, once PCM was heard
        └── PastMending     pipeline_failed      the same, where to open the source anew would not help

Whether PCM was heard decides between the last two and nothing else does, so that a parent can tell a track that never
began from one that broke off.
"""

import re
from typing import ClassVar, Final

import av.error

from clankvox.errors import ClankvoxError

_URL: Final = re.compile(r"\b(?:https?|wss?|file)://\S+", re.IGNORECASE)
_PAGE_NAME: Final = re.compile(r"(\[[\w:.+-]+\]) .*?(?=: )")
"""What yt-dlp's extractors call a page: for want of better the last part of its URL's path."""
_FORBIDDEN: Final = "http error 403"
_NO_FORMAT: Final = ("requested format is not available", "format is not available")
_TAIL_LINES: Final = 24
_MESSAGE_CHARS: Final = 2_000


class SourceFault(ClankvoxError):
    """A source cannot go on; its text may be shown to the parent."""

    def __init__(self, message: str) -> None:
        super().__init__(redact_urls(message)[:_MESSAGE_CHARS])


class HttpForbidden(SourceFault):
    """HTTP 403."""

    code: ClassVar[str] = "http_403"
    recoverable = True


class FormatUnavailable(SourceFault):
    """yt-dlp found the page but not the format."""

    code: ClassVar[str] = "format_unavailable"
    recoverable = True


class SpawnFailed(SourceFault):
    """yt-dlp is not installed or cannot be started."""

    code: ClassVar[str] = "spawn_failed"


class MissingStdout(SourceFault):
    """yt-dlp ended well but printed no URL."""

    code: ClassVar[str] = "missing_stdout"


class WaitFailed(SourceFault):
    """yt-dlp had to be ended."""

    code: ClassVar[str] = "wait_failed"


class NoAudio(SourceFault):
    """No PCM came of it."""

    code: ClassVar[str] = "no_audio"


class PipelineFailed(SourceFault):
    """PCM was heard, and now no more comes."""

    code: ClassVar[str] = "pipeline_failed"
    recoverable = True


class PastMending(PipelineFailed):
    """PCM was heard, and to open the source anew would not help."""

    recoverable = False


def broken(message: str, heard: bool) -> SourceFault:
    """Return the fault for whatever has no code of its own."""
    return PipelineFailed(message) if heard else NoAudio(message)


def redact_urls(text: str) -> str:
    """Replace every URL up to the next white space: paths and queries carry credentials."""
    return _URL.sub("[redacted-url]", text)


def fault_of(error: Exception, heard: bool) -> SourceFault:
    """Classify what PyAV or the system raised. Their own texts quote the URL, so only the reason is kept."""
    if isinstance(error, SourceFault):
        return error
    if isinstance(error, av.error.HTTPForbiddenError):
        return HttpForbidden("the server answers 403 (forbidden)")
    if isinstance(error, av.error.ExitError):
        return broken("the server sends nothing any more", heard)
    if isinstance(error, av.error.InvalidDataError):
        return broken("what the server sends is not media that can be read", heard)
    reason = getattr(error, "strerror", None) or type(error).__name__
    return broken(f"reading failed: {reason}", heard)


def page_fault(exit_code: int, stderr: str) -> SourceFault:
    """Classify how yt-dlp ended, by the last 24 lines that it wrote; nothing was heard yet."""
    tail = [line.strip() for line in stderr.splitlines() if line.strip()][-_TAIL_LINES:]
    shown = (_PAGE_NAME.sub(r"\1", line) for line in tail)
    message = f"yt-dlp ended with {exit_code} | stderr tail: {' || '.join(shown)}"
    lowered = " ".join(tail).lower()
    if _FORBIDDEN in lowered:
        return HttpForbidden(message)
    if any(text in lowered for text in _NO_FORMAT):
        return FormatUnavailable(message)
    return NoAudio(message)
