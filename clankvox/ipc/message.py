"""What commands and events have in common: their shape, their names on the wire, and what a repr may show.

On the wire keys are camelCase, the tag `type` is the class name in snake_case, and snowflakes are decimal
strings; inside they are typed integers.
"""

import re
from typing import Any, Final

from msgspec import Struct

SNOWFLAKE_KEYS: Final = frozenset(
    {
        "guildId",
        "channelId",
        "userId",
        "serverId",
        "daveChannelId",
        "rtcChannelId",
        "guild_id",
        "channel_id",
        "user_id",
    }
)
"""Keys whose value is a u64 written as a decimal string (snake_case ones are Discord's own objects)."""

HIDDEN_FIELDS: Final = frozenset(
    {"token", "session_id", "endpoint", "url", "pcm_base64", "frame_base64", "frame", "jpeg"}
)
"""Fields that a repr never shows: secrets, and media that would flood a log."""

U64_END: Final = 1 << 64
_WORD_START: Final = re.compile(r"(?<!^)(?=[A-Z])")


def snake_tag(class_name: str) -> str:
    """Return the wire tag of a message class: `MusicPlay` is `music_play`."""
    return _WORD_START.sub("_", class_name).lower()


def parse_snowflake(text: str) -> int | None:
    """Return the u64 that `text` writes in decimal, or None if it does not."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    value = int(text)
    return value if value < U64_END else None


class Part(Struct, frozen=True, kw_only=True):
    """An immutable value whose repr keeps secrets."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, "<hidden>" if name in HIDDEN_FIELDS else getattr(self, name)) for name in self.__struct_fields__]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"


class Message(Part, frozen=True, kw_only=True, rename="camel", tag=snake_tag, tag_field="type"):
    """A line of the parent or an event for it."""


def wire_tag(message_class: type[Message]) -> str:
    """Return the value of `type` that names `message_class` on the wire."""
    tag = message_class.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{message_class.__name__} has no tag")
    return tag


def snowflake_keys(part_class: type[Part]) -> frozenset[str]:
    """Return the wire keys of `part_class` that carry snowflakes."""
    return SNOWFLAKE_KEYS.intersection(part_class.__struct_encode_fields__)
