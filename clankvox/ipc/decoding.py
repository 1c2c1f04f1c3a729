"""From a line of stdin to a command, and from a command's base64 to a buffer. Pure; any thread."""

from typing import Any, Final

import msgspec
import orjson

from clankvox.conversion import convert
from clankvox.errors import InputTooLarge, InvalidJson, InvalidRequest
from clankvox.ipc.commands import (
    COMMANDS,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    Audio,
    Command,
    StreamPublishBrowserFrame,
    VoiceServer,
    VoiceServerData,
    VoiceState,
    VoiceStateData,
)
from clankvox.ipc.framing import LINE_LIMIT_BYTES
from clankvox.ipc.message import Part, parse_snowflake, snowflake_keys, wire_tag
from clankvox.ipc.statuses import TtsReason

PICTURE_LIMIT_BYTES: Final = 6 * 1024 * 1024
"""Largest picture of a browser source, decoded."""

_ERROR_TEXT_LIMIT: Final = 200
_DATA_CLASSES: Final[dict[type[Command], type[Part]]] = {VoiceServer: VoiceServerData, VoiceState: VoiceStateData}
_SNOWFLAKES: Final[dict[type[Part], frozenset[str]]] = {
    part: snowflake_keys(part) for part in (*COMMANDS.values(), *_DATA_CLASSES.values())
}


def decode_command(line: bytes) -> Command:
    """Return the command that `line` (one line of stdin, without its newline) writes.

    Null means absent, except inside Discord's own objects; integral floats are integers; unknown keys are
    ignored. Raises InputTooLarge, InvalidJson (text, type or shape wrong) or InvalidRequest (a value out of its
    range), and nothing else.
    """
    if len(line) > LINE_LIMIT_BYTES:
        raise InputTooLarge(f"a line may have {LINE_LIMIT_BYTES} bytes")
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(str(error)) from None
    if not isinstance(fields, dict):
        raise InvalidJson("a command is a JSON object")
    tag = fields.get("type")
    command_class = COMMANDS.get(tag) if isinstance(tag, str) else None
    if command_class is None:
        raise InvalidJson("type is missing or unknown")
    return _build(command_class, fields)


def decode_pcm(command: Audio) -> bytearray | TtsReason:
    """Return the chunk's PCM (s16le mono at `command.sample_rate` Hz), or why there is none.

    The length may be odd: the other half of the last sample comes with the next chunk. The caller owns the
    buffer and wipes it after use.
    """
    pcm = _decode_base64(command.pcm_base64)
    if pcm is None:
        return TtsReason.INVALID_PCM_BASE64
    if not MIN_RATE_HZ <= command.sample_rate <= MAX_RATE_HZ:
        pcm[:] = bytes(len(pcm))
        return TtsReason.INVALID_SAMPLE_RATE
    return pcm or TtsReason.EMPTY_PCM


def decode_picture(command: StreamPublishBrowserFrame) -> bytearray | str:
    """Return the picture's bytes, or the reason for `transport_state failed`."""
    text = command.frame_base64.strip()
    if not text:
        return "stream_publish_browser_frame_missing_bytes"
    picture = _decode_base64(text)
    if picture is None:
        return "stream_publish_browser_frame_invalid_base64: not padded base64 of the standard alphabet"
    if len(picture) > PICTURE_LIMIT_BYTES:
        return f"stream_publish_browser_frame_too_large:{len(picture)}"
    return picture


def _build(command_class: type[Command], fields: dict[str, Any]) -> Command:
    """Convert decoded JSON; a wrong shape wins over a wrong value."""
    given = {key: _integral(value) for key, value in fields.items() if value is not None}
    bad_ids = _read_snowflakes(command_class, given)
    data_class = _DATA_CLASSES.get(command_class)
    if data_class is not None and isinstance(given.get("data"), dict):
        bad_ids += _read_snowflakes(data_class, given["data"])
    try:
        command = convert(given, command_class)
    except msgspec.ValidationError as error:
        raise InvalidJson(f"{wire_tag(command_class)}: {error}"[:_ERROR_TEXT_LIMIT]) from None
    if bad_ids:
        raise InvalidRequest(f"{wire_tag(command_class)}: {bad_ids[0]} is not a u64")
    return command


def _read_snowflakes(part_class: type[Part], fields: dict[str, Any]) -> list[str]:
    """Replace decimal strings by integers in place and return the keys of those that are none."""
    bad = []
    for key in sorted(_SNOWFLAKES[part_class] & fields.keys()):
        text = fields[key]
        if text is None:
            continue
        if not isinstance(text, str):
            raise InvalidJson(f"{key} must be a decimal string")
        value = parse_snowflake(text)
        if value is None:
            bad.append(key)
        fields[key] = value or 0
    return bad


def _integral(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _decode_base64(text: str) -> bytearray | None:
    # into a bytearray at once: no immutable copy is left behind, and 4 times as fast as binascii
    try:
        return convert(text, bytearray)
    except msgspec.ValidationError:
        return None
