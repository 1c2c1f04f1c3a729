"""docs/ipc.schema.json: the typed messages as a JSON Schema, with what the wire does that the types do not say."""

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from clankvox.ipc.commands import COMMANDS
from clankvox.ipc.events import EVENTS
from clankvox.ipc.message import SNOWFLAKE_KEYS, Message, Part
from tools.contract_types import descriptions, fields_of, parts_of, summary

_SNOWFLAKE: Final = {"type": "string", "pattern": "^[0-9]{1,20}$", "description": "u64 in decimal"}
_NULL: Final = {"type": "null"}
_DEFS: Final = "#/$defs/{name}"
_MESSAGES: Final = (*COMMANDS.values(), *EVENTS.values())


def schema() -> str:
    """Return `$defs` of every message, and `Command` and `Event` as their unions."""
    _, definitions = msgspec.json.schema_components(_MESSAGES, ref_template=_DEFS)
    for struct in (*_MESSAGES, *parts_of(_MESSAGES).values()):
        name = schema_name(struct)
        definition = definitions.pop(f"{struct.__module__}.{struct.__qualname__}", None) or definitions[name]
        definitions[name] = _corrected(definition, struct)
    definitions["Command"] = _union(COMMANDS.values())
    definitions["Event"] = _union(EVENTS.values())
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "clankvox: lines of stdin (Command) and format 0 frames of stdout (Event)",
        "anyOf": [{"$ref": _DEFS.format(name="Command")}, {"$ref": _DEFS.format(name="Event")}],
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(whole, indent=2) + "\n"


def schema_name(struct: type[Part]) -> str:
    """Return the name of `struct` in `$defs`; what is both a command and an event says which of the two it is."""
    name = struct.__name__
    if [message.__name__ for message in _MESSAGES].count(name) > 1:
        return name + ("Command" if struct in COMMANDS.values() else "Event")
    return name


def _corrected(definition: dict[str, Any], struct: type[Part]) -> dict[str, Any]:
    """Return `definition` with names as on the wire, the words about each field, and null where it may stand."""
    described = descriptions(struct)
    required = definition.get("required", [])
    properties = dict(definition["properties"])
    for field in fields_of(struct):
        key = field.encode_name
        properties[key] = _property(key, properties[key], struct, is_required=key in required)
        if field.name in described:
            properties[key] = {"description": described[field.name], **properties[key]}
    return {**definition, "title": schema_name(struct), "description": summary(struct), "properties": properties}


def _property(key: str, value: dict[str, Any], struct: type[Part], *, is_required: bool) -> dict[str, Any]:
    """Say of a property what the wire says: snowflakes are strings; absent is null in commands, never in events."""
    options = [option for option in value.get("anyOf", [value]) if option != _NULL]
    nullable = _NULL in value.get("anyOf", ())
    if key in SNOWFLAKE_KEYS:
        options = [_SNOWFLAKE]
    if issubclass(struct, Message) and struct in COMMANDS.values():
        nullable = not is_required
    elif struct.__struct_config__.omit_defaults:
        nullable = False
    default = {"default": value["default"]} if value.get("default") is not None else {}
    options = [{key: part for key, part in option.items() if key != "default"} for option in options]
    if nullable:
        options = [*options, _NULL]
    return {**(options[0] if len(options) == 1 else {"anyOf": options}), **default}


def _union(messages: Iterable[type[Message]]) -> dict[str, Any]:
    return {"anyOf": [{"$ref": _DEFS.format(name=schema_name(message))} for message in messages]}
