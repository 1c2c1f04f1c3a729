"""Why a socket was lost, in words that never contain an address, a URL or a key."""

import errno
import socket
import ssl
from typing import Final

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

_REASON_CHARS: Final = 120


def udp_reason(error: Exception) -> str:
    """Name what ended, or prevented, a UDP link."""
    if isinstance(error, OSError):
        return _errno_name(error)
    return "invalid address" if isinstance(error, ValueError | OverflowError) else type(error).__name__


def opening_reason(error: Exception) -> str:
    """Name what prevented a WebSocket connection; the exception's own text may contain the URL or the host."""
    match error:
        case InvalidStatus():
            return f"handshake rejected with HTTP status {error.response.status_code}"
        case InvalidURI():
            return "invalid URL"
        case InvalidHandshake():
            return f"handshake failed: {type(error).__name__}"
        case ssl.SSLCertVerificationError():
            return f"certificate not trusted: X509 code {getattr(error, 'verify_code', 0)}"
        case ssl.SSLError():
            return f"TLS failed: {_printable(getattr(error, 'reason', None) or 'unknown')}"
        case socket.gaierror():
            return "name resolution failed"
        case TimeoutError():
            return "timed out"
        case OSError():
            return f"connection failed: {_errno_name(error)}"
        case _:
            return f"connection failed: {type(error).__name__}"


def closing_reason(closed: ConnectionClosed) -> str:
    """Return what the server gave as its reason (printable, at most 120 characters), else name what happened."""
    if closed.rcvd is not None:
        return _printable(closed.rcvd.reason)
    if closed.sent is not None:
        return f"closed here with {closed.sent.code}"  # the server broke RFC 6455, or a message was too large
    return "connection lost"


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:_REASON_CHARS]
