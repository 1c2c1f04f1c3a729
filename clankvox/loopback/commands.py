"""Orders to a running offline Discord, one JSON object each."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from clankvox.errors import InvalidRequest, WireError
from clankvox.ids import ChannelId, GuildId, UserId
from clankvox.loopback.impairment import Probability
from clankvox.wire.gateway_ops import snowflake

Snowflake = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}$")]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=86_400_000)]


class Command(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", forbid_unknown_fields=True):
    """Base of all orders. `id`, if given, comes back in the answer."""

    id: str | int | None = None


class Impair(Command, frozen=True, kw_only=True, tag="impair"):
    """Set the network faults of one user, or of everybody who is or will be there. Zeros end them."""

    user_id: Snowflake | None = None
    direction: Literal["up", "down", "both"] = "both"
    loss: Probability = 0.0
    jitter_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    reorder: Probability = 0.0
    duplicate: Probability = 0.0
    seed: int | None = None


class Close(Command, frozen=True, kw_only=True, tag="close"):
    """Close a user's WebSocket with a code; 1005, 1006 and 1015 cut the connection without a close frame."""

    user_id: Snowflake
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)]


class Stall(Command, frozen=True, kw_only=True, tag="stall"):
    """Hold back a user's gateway messages and lose its datagrams, both ways, for so long."""

    user_id: Snowflake
    ms: Milliseconds


class Downgrade(Command, frozen=True, kw_only=True, tag="downgrade"):
    """Leave end-to-end encryption in one room, or in all."""

    server_id: Snowflake | None = None


class Upgrade(Command, frozen=True, kw_only=True, tag="upgrade"):
    """Take up end-to-end encryption again in one room, or in all."""

    server_id: Snowflake | None = None


class BadCommit(Command, frozen=True, kw_only=True, tag="bad_commit"):
    """Make the next commit or Welcome that this user is sent unreadable."""

    user_id: Snowflake


class AddSpeaker(Command, frozen=True, kw_only=True, tag="add_speaker"):
    """Let a member of our own join and speak a sound `file` or a `tone` (Hz), and hear the others if asked.

    It joins the only room there is, or the room of `server_id`. `record` names a folder for what it hears. A tone
    loops unless told otherwise.
    """

    user_id: Snowflake
    server_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    file: str | None = None
    tone: Annotated[float, msgspec.Meta(ge=20, le=20_000)] | None = None
    library: Literal["davey", "libdave"] = "davey"
    receive: bool = False
    record: str | None = None
    loop: bool | None = None
    start_ms: Milliseconds = 0.0
    pause_ms: Milliseconds = 0.0


class RemoveSpeaker(Command, frozen=True, kw_only=True, tag="remove_speaker"):
    """Let a member of our own leave; its recordings are complete with the answer."""

    user_id: Snowflake


class Channel(Command, frozen=True, kw_only=True, tag="channel"):
    """Say which channel version 8 clients of a server are in: they do not tell, and it names the MLS group."""

    server_id: Snowflake
    channel_id: Snowflake


class Stats(Command, frozen=True, kw_only=True, tag="stats"):
    """Ask for rooms and counters."""


AnyCommand: TypeAlias = (
    Impair | Close | Stall | Downgrade | Upgrade | BadCommit | AddSpeaker | RemoveSpeaker | Channel | Stats
)

_DECODER: Final[msgspec.json.Decoder[AnyCommand]] = msgspec.json.Decoder(AnyCommand)


def decode_command(line: bytes | str) -> AnyCommand:
    """Read one order; InvalidRequest says what is wrong with it."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidRequest(str(error)) from error


def command_from(fields: dict[str, object]) -> AnyCommand:
    """Read one order out of a dictionary; InvalidRequest says what is wrong with it."""
    try:
        command: AnyCommand = msgspec.convert(fields, AnyCommand)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(str(error)) from error
    return command


def user(text: str) -> UserId:
    """Return the user id; InvalidRequest if it is out of range."""
    return UserId(_number(text))


def server(text: str) -> GuildId:
    """Return the server id; InvalidRequest if it is out of range."""
    return GuildId(_number(text))


def channel(text: str) -> ChannelId:
    """Return the channel id; InvalidRequest if it is out of range."""
    return ChannelId(_number(text))


def _number(text: str) -> int:
    try:
        return snowflake(text)
    except WireError as error:
        raise InvalidRequest("not a snowflake") from error
