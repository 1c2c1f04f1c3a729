"""Log records as `log` events, for parents of the generation that reads them. Part of the composition.

Those parents look for names: "voice ready" of `clankvox.router` is `clankvox_voice_ready` of `clankvox::router`. A few
name a library that is not ours.
"""

import logging
import re
from typing import Final

from clankvox.ipc.events import Log, encode_event
from clankvox.ipc.framing import frame_json
from clankvox.ipc.statuses import LogLevel
from clankvox.log import RateLimit, fields_of, redact
from clankvox.outbox import Outbox

_NOT_OF_A_NAME: Final = re.compile(r"[^a-z0-9]+")
_PREFIX: Final = "clankvox_"
_NAMES: Final = {
    "picture not decoded": "clankvox_openh264_decode_error",
    "decoder begun anew": "clankvox_openh264_decoder_reset",
}
_KEY: Final = "Log"
"""All share it: in a full lane a newer record replaces an older one."""


class LogMirror(logging.Handler):
    """Mirrors info and above, thinned and redacted as on stderr. Silent until it is told to show."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(logging.INFO)
        self._outbox = outbox
        self._limit = RateLimit()
        self._shows = False

    def show(self, wanted: bool) -> None:
        """Mirror from now on, or no more. Any thread."""
        self._shows = wanted

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler. Any thread; never waits, because the outbox does not, and never fails who logs."""
        if not self._shows:
            return
        try:
            self._mirror(record)
        except Exception:  # noqa: BLE001 - a library's record may be anything; as logging's own handlers do
            self.handleError(record)

    def _mirror(self, record: logging.LogRecord) -> None:
        left_out = self._limit.admit(record)
        if left_out is None:
            return
        fields = {key: value for key, value in fields_of(record).items() if value is not None}
        if left_out:
            fields["left_out"] = left_out
        event = Log(
            level=_level(record.levelno),
            target=record.name.replace(".", "::"),
            message=_name(record.getMessage()),
            fields=fields,
        )
        self._outbox.put_control(frame_json(encode_event(event)), _KEY)


def _name(message: str) -> str:
    return _NAMES.get(message) or _PREFIX + _NOT_OF_A_NAME.sub("_", redact(message).lower()).strip("_")


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    return LogLevel.WARN if number >= logging.WARNING else LogLevel.INFO
