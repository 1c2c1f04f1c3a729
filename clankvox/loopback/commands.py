"""Orders to a running offline Discord, one JSON object each."""

from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec

from clankvox.errors import InvalidRequest, WireError
from clankvox.ids import ChannelId, GuildId, UserId
from clankvox.loopback.garbling import GarbledMedia
from clankvox.loopback.impairment import Probability
from clankvox.loopback.member_engine import VideoCodec
from clankvox.wire.gateway_ops import snowflake

Snowflake = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}$")]
PictureWidth = Annotated[int, msgspec.Meta(ge=160, le=3840, multiple_of=2)]
PictureHeight = Annotated[int, msgspec.Meta(ge=96, le=2160, multiple_of=2)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=86_400_000)]


class Command(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", forbid_unknown_fields=True):
    """Base of all orders. `id`, if given, comes back in the answer."""

    id: str | int | None = None


class Impair(Command, frozen=True, kw_only=True, tag="impair"):
    """Set the network faults of one user (on one server), or of everybody who is or will be there. Zeros end them."""

    user_id: Snowflake | None = None
    server_id: Snowflake | None = None
    direction: Literal["up", "down", "both"] = "both"
    loss: Probability = 0.0
    jitter_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    reorder: Probability = 0.0
    duplicate: Probability = 0.0
    seed: int | None = None


class Close(Command, frozen=True, kw_only=True, tag="close"):
    """Close a user's WebSocket with a code; 1005, 1006 and 1015 cut the connection without a close frame."""

    user_id: Snowflake
    server_id: Snowflake | None = None
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)]


class Stall(Command, frozen=True, kw_only=True, tag="stall"):
    """Hold back a user's gateway messages and lose its datagrams, both ways, for so long."""

    user_id: Snowflake
    server_id: Snowflake | None = None
    ms: Milliseconds


class Nat(Command, frozen=True, kw_only=True, tag="nat"):
    """Let a user's NAT forget it once it has been silent for `afterMs`, or now: a new port, until IP discovery."""

    user_id: Snowflake
    server_id: Snowflake | None = None
    after_ms: Milliseconds | None = None


class Garble(Command, frozen=True, kw_only=True, tag="garble"):
    """Spoil what others say, or show, on its way to a user: no key opens it until its group or its session is new.

    `of` one sender only.
    """

    user_id: Snowflake
    server_id: Snowflake | None = None
    media: GarbledMedia = "audio"
    of: Snowflake | None = None
    until: Literal["group", "session"] = "session"


class Downgrade(Command, frozen=True, kw_only=True, tag="downgrade"):
    """Leave end-to-end encryption in one room, or in all."""

    server_id: Snowflake | None = None


class Upgrade(Command, frozen=True, kw_only=True, tag="upgrade"):
    """Take up end-to-end encryption again in one room, or in all."""

    server_id: Snowflake | None = None


class BadCommit(Command, frozen=True, kw_only=True, tag="bad_commit"):
    """Make the next commit or Welcome that this user is sent unreadable, on one server or on all."""

    user_id: Snowflake
    server_id: Snowflake | None = None


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


class AddPublisher(Command, frozen=True, kw_only=True, tag="add_publisher"):
    """Let a member of our own join and show a video `file`, or a test pattern, with a running clock drawn into it.

    Without `clock` a test pattern is encoded once and repeated, which costs next to nothing. `tone` (Hz) or `sound` (a
    file) gives it a sound track. On a stream server (`add_stream`) it is a Go Live streamer, elsewhere a webcam.
    """

    user_id: Snowflake
    server_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    file: str | None = None
    codec: VideoCodec = "H264"
    width: PictureWidth = 640
    height: PictureHeight = 360
    fps: Annotated[float, msgspec.Meta(ge=1, le=60)] = 30.0
    gop: Annotated[int, msgspec.Meta(ge=1, le=3000)] = 60
    slices: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    bit_rate: Annotated[int, msgspec.Meta(ge=50_000, le=50_000_000)] | None = None
    clock: bool = True
    honours_pli: bool = True
    answers_nack: bool = True
    tone: Annotated[float, msgspec.Meta(ge=20, le=20_000)] | None = None
    sound: str | None = None
    library: Literal["davey", "libdave"] = "davey"


class AddWatcher(Command, frozen=True, kw_only=True, tag="add_watcher"):
    """Let a member of our own join, watch everybody who shows something, and hear them.

    `stats` tells what it saw. `record` names a folder for every `recordEvery`th picture as PNG and for what it hears as
    WAV. Without `decode` it only counts what it could decrypt.
    """

    user_id: Snowflake
    server_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    decode: bool = True
    nack: bool = True
    pli: bool = True
    quality: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    record: str | None = None
    record_every: Annotated[int, msgspec.Meta(ge=1)] = 30
    library: Literal["davey", "libdave"] = "davey"


class RemoveSpeaker(Command, frozen=True, kw_only=True, tag="remove_speaker"):
    """Let a member of our own leave; its recordings are complete with the answer."""

    user_id: Snowflake
    server_id: Snowflake | None = None


class RemoveMember(RemoveSpeaker, frozen=True, kw_only=True, tag="remove_member"):
    """The same by its better name: of whatever kind the member is."""


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Let a publisher pause its video, or go on."""

    user_id: Snowflake
    paused: bool = True


class Resize(Command, frozen=True, kw_only=True, tag="resize"):
    """Let a publisher go on with the test pattern in another size, on the same SSRC."""

    user_id: Snowflake
    width: PictureWidth
    height: PictureHeight


class Want(Command, frozen=True, kw_only=True, tag="want"):
    """Let a watcher say how much it wants of everything (op 15): 0 for nothing."""

    user_id: Snowflake
    quality: Annotated[int, msgspec.Meta(ge=0, le=100)]


class Snapshot(Command, frozen=True, kw_only=True, tag="snapshot"):
    """Write the last picture that a watcher saw (`of` one user) to a `file`: .png, or .npz for the exact planes."""

    user_id: Snowflake
    file: Annotated[str, msgspec.Meta(pattern=r"\.(png|npz)$")]
    of: Snowflake | None = None


class SetSfu(Command, frozen=True, kw_only=True, tag="sfu"):
    """Change how the media server treats video; what is not named stays."""

    pli: bool | None = None
    nack: bool | None = None
    stap_a: bool | None = None


class UpdateSession(Command, frozen=True, kw_only=True, tag="session_update"):
    """Tell a client to send otherwise from now on (op 14)."""

    user_id: Snowflake
    server_id: Snowflake | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    keyframe_interval_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None


class AddStream(Command, frozen=True, kw_only=True, tag="add_stream"):
    """Make a stream server, or let one more user come to one: the answer has what its media process has to be told.

    The session is that of the user's voice connection, unless `sessionId` says which one.
    """

    user_id: Snowflake
    server_id: Snowflake | None = None
    session_id: Annotated[str, msgspec.Meta(min_length=1)] | None = None


class Channel(Command, frozen=True, kw_only=True, tag="channel"):
    """Say which channel version 8 clients of a server are in: they do not tell, and it names the MLS group."""

    server_id: Snowflake
    channel_id: Snowflake


class Rehearse(Command, frozen=True, kw_only=True, tag="rehearse"):
    """Let everybody who speaks make the next `seconds` now and be silent meanwhile; then only sending costs anything.

    Nobody should come or go until they are over: what is made keeps its keys.
    """

    server_id: Snowflake | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=600)]


class Stats(Command, frozen=True, kw_only=True, tag="stats"):
    """Ask for rooms and counters."""


AnyCommand: TypeAlias = (
    Impair
    | Close
    | Stall
    | Nat
    | Garble
    | Downgrade
    | Upgrade
    | BadCommit
    | AddSpeaker
    | AddPublisher
    | AddWatcher
    | RemoveSpeaker
    | RemoveMember
    | Pause
    | Resize
    | Want
    | Snapshot
    | SetSfu
    | UpdateSession
    | AddStream
    | Channel
    | Rehearse
    | Stats
)
ORDERS: Final = tuple(str(order.__struct_config__.tag) for order in get_args(AnyCommand))
"""Their names on the wire."""

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
        command: AnyCommand = msgspec.convert(fields, AnyCommand)  # noqa: TID251 - _DECODER has learned it
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
