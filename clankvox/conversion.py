"""Plain data that becomes a typed value. Any thread, several at once."""

import threading
from typing import Any, Final, TypeVar

import msgspec

_T = TypeVar("_T")

_first_time: Final = threading.Lock()
_known: Final[set[Any]] = set()


def convert(value: Any, kind: type[_T], *, strict: bool = True, str_keys: bool = False) -> _T:
    """Return `value`, as JSON has it, as a `kind`; raises msgspec.ValidationError, or RecursionError if it is too deep.

    msgspec (0.22.0) learns a type when it first reads one, and shows what it has learned before it is done: another
    thread that reads the same type then ends the process with SIGSEGV. One thread at a time may learn.
    """
    if kind not in _known:
        with _first_time:
            msgspec.json.Decoder(kind)
            _known.add(kind)
    return msgspec.convert(value, kind, strict=strict, str_keys=str_keys)  # noqa: TID251 - here it is guarded
