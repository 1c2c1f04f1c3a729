"""The error tree. Callers branch on the class and its attributes, never on text.

    ClankvoxError
    ├── CommandError            a line of the parent that cannot be carried out
    │   ├── InvalidJson         code invalid_json
    │   ├── InputTooLarge       code input_too_large
    │   └── InvalidRequest      code invalid_request
    ├── WireError               bytes from the network that are not what they claim: count and drop
    │   └── OpenFailed          an AEAD or DAVE frame that does not authenticate
    ├── PeerViolation           the server broke the protocol: close with close_code
    ├── TransportLost           a link is gone
    ├── CodecError              Opus or video data that its library refuses
    └── MlsError                a DAVE group message that cannot be processed

`code` is what goes over the wire; `recoverable` says whether the same thing may work when tried again.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Why the process ended, for whoever started it (sysexits.h)."""

    DONE = 0
    """It was asked to, or its input ended."""
    USAGE = 64
    """The command line."""
    UNAVAILABLE = 69
    """A library that it needs is missing or does not load."""
    INTERNAL = 70
    """A failure that nobody could take over."""
    STDOUT = 74
    """The parent closed stdout, or has not read it for too long."""
    CONFIG = 78
    """A setting that is no flag."""


class ClankvoxError(Exception):
    """Root of everything that clankvox raises on purpose."""

    code: ClassVar[str] = "internal"
    recoverable: ClassVar[bool] = False


class CommandError(ClankvoxError):
    """A line of the parent that cannot be carried out; the next line works."""

    recoverable = True


class InvalidJson(CommandError):
    """Not UTF-8, not JSON, or not of a known command's shape."""

    code = "invalid_json"


class InputTooLarge(CommandError):
    """A line over the cap of 8 MiB."""

    code = "input_too_large"


class InvalidRequest(CommandError):
    """Well-formed, but a value is out of its range or nothing can be done with it."""

    code = "invalid_request"


class WireError(ClankvoxError):
    """Bytes from the network that are not what they claim to be; counted by cause and dropped."""

    code = "wire_error"
    recoverable = True


class OpenFailed(WireError):
    """A sealed packet or frame that does not authenticate."""

    code = "open_failed"


class PeerViolation(ClankvoxError):
    """The server broke the voice protocol; the socket is closed with `close_code`."""

    code = "peer_violation"
    recoverable = True

    def __init__(self, message: str, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


class TransportLost(ClankvoxError):
    """A socket is gone."""

    code = "transport_lost"
    recoverable = True


class CodecError(ClankvoxError):
    """Media data that its codec library refuses; the frame is concealed or dropped."""

    code = "codec_error"
    recoverable = True


class MlsError(ClankvoxError):
    """A DAVE group message that cannot be processed (DAVE: invalid commit or welcome)."""

    code = "mls_error"
    recoverable = True
