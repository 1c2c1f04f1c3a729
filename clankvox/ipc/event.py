"""What every event has: a lane, and whether it is telemetry, of which only the latest matters to a slow parent."""

from typing import ClassVar

from clankvox.ipc.message import Message, wire_tag
from clankvox.ipc.statuses import LaneName


class BaseEvent(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is said to the parent. Optional fields are None inside and absent on the wire, never null."""

    lane: ClassVar[LaneName] = LaneName.CONTROL
    is_telemetry: ClassVar[bool] = False

    @property
    def coalesce_key(self) -> str | None:
        """What a newer event replaces an older one by when the lane is full; None: every one counts."""
        return wire_tag(type(self)) if self.is_telemetry else None
