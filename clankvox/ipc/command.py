"""What every command has: ranges that are clamped and texts that are trimmed before anybody sees them."""

from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import force_setattr

from clankvox.ipc.message import Message

U32: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]


class BaseCommand(Message, frozen=True, kw_only=True):
    """Something that the parent asks for, valid by itself; what depends on the state of a call is for the actors."""

    def _clamp(self, field: str, low: float, high: float) -> None:
        force_setattr(self, field, min(max(getattr(self, field), low), high))

    def _trim(self, field: str) -> None:
        force_setattr(self, field, getattr(self, field).strip())
