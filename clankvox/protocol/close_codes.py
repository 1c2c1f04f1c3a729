"""What a close code of the voice gateway means for us: policy as data.

The codes are Discord's ("Voice close event codes"); 4013 is known from observation only.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from clankvox.wire.gateway_ops import CloseCode

FIRST_APPLICATION_CODE: Final = 4000
"""Codes below are the WebSocket's own (RFC 6455 section 7.4)."""
MOVE_WAIT_S: Final = 5.0
"""How long a disconnected client waits for the announcement that it was only moved."""


class Recovery(StrEnum):
    """What to do after a close."""

    RESUME = "resume"
    """New socket, same session (op 7); keys, counters and UDP stay."""
    NEW_SESSION = "new_session"
    """Ask for credentials (one op 4 an attempt) and identify anew."""
    NEW_SESSION_LIMITED = "new_session_limited"
    """The same, but the close says that we did something wrong: log it and do not try often."""
    FRESH_CREDENTIALS = "fresh_credentials"
    """Ask once for credentials; the ones that we have are worthless."""
    OTHER_MODE = "other_mode"
    """Identify once more and select the other transport encryption."""
    WAIT_FOR_MOVE = "wait_for_move"
    """Do nothing; the main gateway may announce another server within MOVE_WAIT_S."""
    TERMINAL = "terminal"
    """The call is over."""


class Budget(NamedTuple):
    """At most `attempts` within `window_s`; what lies beyond is said with each row of BUDGETS."""

    attempts: int
    window_s: float


BUDGETS: Final[dict[Recovery, Budget]] = {
    Recovery.RESUME: Budget(3, 10.0),  # then NEW_SESSION
    Recovery.NEW_SESSION: Budget(5, 60.0),  # then TERMINAL
    Recovery.NEW_SESSION_LIMITED: Budget(2, 60.0),  # then TERMINAL
    Recovery.FRESH_CREDENTIALS: Budget(1, 60.0),  # then TERMINAL
    Recovery.OTHER_MODE: Budget(1, 60.0),  # then TERMINAL
    Recovery.WAIT_FOR_MOVE: Budget(0, MOVE_WAIT_S),  # no attempt of ours; TERMINAL when the window is over
    Recovery.TERMINAL: Budget(0, 0.0),
}


class ClosePolicy(NamedTuple):
    """One row: the code (None without a close frame), what to do, a name for events and a sentence for people."""

    code: int | None
    recovery: Recovery
    name: str
    sentence: str

    @property
    def budget(self) -> Budget:
        """How often `recovery` may be tried."""
        return BUDGETS[self.recovery]


def _row(code: CloseCode, recovery: Recovery, sentence: str) -> ClosePolicy:
    return ClosePolicy(int(code), recovery, code.name.lower(), sentence)


_ROWS: Final = (
    _row(CloseCode.UNKNOWN_OPCODE, Recovery.NEW_SESSION_LIMITED, "We sent an opcode that the server does not know."),
    _row(CloseCode.FAILED_TO_DECODE, Recovery.NEW_SESSION_LIMITED, "We sent a payload that the server cannot decode."),
    _row(CloseCode.NOT_AUTHENTICATED, Recovery.NEW_SESSION_LIMITED, "We sent a payload before identifying."),
    _row(CloseCode.AUTHENTICATION_FAILED, Recovery.FRESH_CREDENTIALS, "The server refuses the token."),
    _row(CloseCode.ALREADY_AUTHENTICATED, Recovery.NEW_SESSION_LIMITED, "We identified twice."),
    _row(CloseCode.SESSION_NO_LONGER_VALID, Recovery.NEW_SESSION, "The session is no longer valid."),
    _row(CloseCode.SESSION_TIMEOUT, Recovery.NEW_SESSION, "The session timed out."),
    _row(CloseCode.SERVER_NOT_FOUND, Recovery.NEW_SESSION, "The server does not know this guild or call."),
    _row(CloseCode.UNKNOWN_PROTOCOL, Recovery.TERMINAL, "The server does not know the protocol that we selected."),
    _row(CloseCode.WORKER_CRASHED, Recovery.RESUME, "The server's media worker crashed."),
    _row(CloseCode.DISCONNECTED, Recovery.WAIT_FOR_MOVE, "We were disconnected from the channel, or moved."),
    _row(CloseCode.SERVER_CRASHED, Recovery.RESUME, "The voice server crashed."),
    _row(CloseCode.UNKNOWN_ENCRYPTION_MODE, Recovery.OTHER_MODE, "The server refuses the transport encryption."),
    _row(CloseCode.DAVE_REQUIRED, Recovery.TERMINAL, "The channel requires end-to-end encryption (DAVE)."),
    _row(CloseCode.BAD_REQUEST, Recovery.NEW_SESSION_LIMITED, "The server calls our request malformed."),
    _row(CloseCode.RATE_LIMITED, Recovery.TERMINAL, "We were disconnected for exceeding a rate limit."),
    _row(CloseCode.CALL_TERMINATED, Recovery.WAIT_FOR_MOVE, "The call ended for everybody, or its server changed."),
)
CLOSE_CODES: Final[dict[int, ClosePolicy]] = {row.code: row for row in _ROWS if row.code is not None}


def policy_for(close_code: int | None) -> ClosePolicy:
    """Return the row of `close_code`; None (no close frame) and transport codes resume, unknown ones identify anew.

    Whether the close was our own wish is the caller's to know; it then does not ask.
    """
    if close_code is None or close_code < FIRST_APPLICATION_CODE:
        return ClosePolicy(
            close_code, Recovery.RESUME, "transport_lost", "The connection to the voice server was lost."
        )
    unknown = ClosePolicy(
        close_code, Recovery.NEW_SESSION, "unknown", "The server closed for a reason that we do not know."
    )
    return CLOSE_CODES.get(close_code, unknown)
