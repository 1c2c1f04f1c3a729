"""The ledgers that the process keeps, summed over all its connections, and whether they sum up."""

from collections import Counter
from typing import Any, Final

from clankvox.demo.parent import Event

NEVER: Final = (
    "uncaptured",
    "unspoken",
    "boundary_dropped",
    "aead_failed",
    "malformed",
    "codec_failed",
    "other_ssrc",
    "unknown_ssrc",
)
"""Fates (as on the wire, in snake case) that are our own fault whatever happens, for all are subscribed to."""
NO_KEY: Final = ("no_key", "no_group", "unencrypted", "discarded")
"""Fates that are our own fault unless the key could not be had."""
ON_THE_WAY: Final = ("recovered", "concealed", "silenced", "lost", "late", "duplicate")
"""Fates that the network brings about."""


class Streams:
    """`stream_stats` by user: the last word on every SSRC of every connection. One thread writes, any reads."""

    def __init__(self) -> None:
        self.imbalances: list[dict[str, Any]] = []
        """Events that do not sum up."""
        self._over: list[dict[str, Any]] = []
        self._last: dict[tuple[str, int], dict[str, Any]] = {}

    def note(self, event: Event) -> None:
        """Take an event; others than `stream_stats` are left alone."""
        if event.type != "stream_stats":
            return
        body = event.body
        if body["arrived"] + body["missing"] != sum(body["fates"].values()) + body["pending"]:
            self.imbalances.append(body)
        key = body["role"], body["ssrc"]
        last = self._last.get(key)
        if last is not None and last["ended"]:
            if _is_late_word(last, body):
                body = {**body, "userId": last["userId"]}
            else:
                self._over.append(last)
        self._last[key] = body

    def of(self, role: str, user_id: str) -> Counter[str]:
        """Return the entries of a user, over all connections."""
        return sum((_entries(body) for body in self._of(role) if body.get("userId") == user_id), Counter[str]())

    def of_ssrc(self, role: str, ssrc: int) -> Counter[str]:
        """Return the entries of an SSRC, over all connections."""
        return sum((_entries(body) for body in self._of(role) if body["ssrc"] == ssrc), Counter[str]())

    def all(self, role: str) -> Counter[str]:
        """Return the entries of everybody."""
        return sum(map(_entries, self._of(role)), Counter[str]())

    def each(self, role: str) -> list[Counter[str]]:
        """Return the entries of every stream by itself."""
        return [_entries(body) for body in self._of(role)]

    def _of(self, role: str) -> list[dict[str, Any]]:
        return [body for body in [*self._over, *list(self._last.values())] if body["role"] == role]


def _is_late_word(last: dict[str, Any], body: dict[str, Any]) -> bool:
    """Whether it is of a stream whose user is gone, once more at the end of the connection, and not of another one."""
    return "userId" in last and "userId" not in body and bool(body["ended"]) and body["arrived"] >= last["arrived"]


class Totals:
    """The last `transport_stats`. One thread writes, any reads."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}
        self.imbalances: list[dict[str, Any]] = []

    def note(self, event: Event) -> None:
        """Take an event; others than `transport_stats` are left alone."""
        if event.type != "transport_stats":
            return
        self.last = event.body
        left = event.body["outbound"]
        fates = ("rtpAudioSent", "framesRefused", "framesUnsealed", "framesDropped", "framesPending")
        if left["framesMade"] != sum(left[fate] for fate in fates):
            self.imbalances.append(left)


def _entries(body: dict[str, Any]) -> Counter[str]:
    plain = {name: body[name] for name in ("expected", "arrived", "missing", "pending", "gaps", "restarts")}
    return Counter({**plain, **{_snake(fate): count for fate, count in body["fates"].items()}})


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
