"""Writes docs/ipc.md and docs/ipc.schema.json from the typed messages of clankvox.ipc, and checks every example.

Run by `make docs`. What a type cannot say stands in tools/contract_notes.py; a message without a note still gets its
table, its schema and an example of its types.
"""

import inspect
import json
import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect as types

from clankvox.errors import CommandError
from clankvox.ipc import framing, statuses
from clankvox.ipc.commands import COMMANDS
from clankvox.ipc.decoding import decode_command
from clankvox.ipc.events import EVENTS, encode_event
from clankvox.ipc.message import SNOWFLAKE_KEYS, Message, wire_tag
from tools import contract_notes as notes
from tools.close_code_table import close_code_table
from tools.contract_schema import schema
from tools.contract_types import clamps, descriptions, fields_of, parts_of, prose, summary

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "docs"
_STATUSES: Final = (
    statuses.ConnectionStatus,
    statuses.TransportStatus,
    statuses.DaveStatus,
    statuses.TtsStatus,
    statuses.TtsReason,
    statuses.PlayerStatus,
    statuses.ArmedReason,
    statuses.MusicErrorCode,
    statuses.ErrorCode,
    statuses.LogLevel,
)


def rendered() -> dict[str, str]:
    """Return every generated file of docs/ by its name. Raises if an example does not hold."""
    operations = (FOLDER / "operations.md").read_text()
    return {"ipc.md": page(), "ipc.schema.json": schema(), "operations.md": with_close_codes(operations)}


def with_close_codes(text: str) -> str:
    """Return the operations page with the table of close codes as it is now."""
    head, begin, rest = text.partition("<!-- close codes: generated -->\n")
    _, end, tail = rest.partition("<!-- end -->\n")
    if not (begin and end):
        raise ValueError("docs/operations.md has lost the marks of its close code table")
    return f"{head}{begin}{close_code_table()}{end}{tail}"


# --- the page ---


def page() -> str:
    """Return docs/ipc.md."""
    parts = [notes.INTRODUCTION, "## Commands\n"]
    parts += [_section(tag, command, _command_facts(tag)) for tag, command in COMMANDS.items()]
    parts.append("## Events\n")
    parts += [_section(tag, event, _event_facts(tag)) for tag, event in EVENTS.items()]
    parts += [_parts(), _vocabularies(), notes.CAPTURED_PCM, _paragraphs((framing.__doc__ or "").partition("\n\n")[2])]
    return "\n".join(parts).rstrip() + "\n"


def _command_facts(tag: str) -> str:
    sent_by = notes.COMMAND_GENERATIONS.get(tag, notes.NEW)
    answer = f"{notes.ANSWERS[tag]}\n\n" if tag in notes.ANSWERS else ""
    return f"{answer}Sent by: {sent_by}.\n\n```json\n{_compact(command_example(tag))}\n```\n"


def _event_facts(tag: str) -> str:
    event = EVENTS[tag]
    telemetry = ", telemetry" if event.is_telemetry else ""
    read_by = notes.EVENT_GENERATIONS.get(tag, notes.NEW)
    shown = _compact(json.loads(encode_event(event_example(tag))))
    return f"Lane: {event.lane}{telemetry}. Read by: {read_by}.\n\n```json\n{shown}\n```\n"


def _section(tag: str, message: type[Any], facts: str) -> str:
    return f"### `{tag}`\n\n{_paragraphs(summary(message))}\n{_table(message)}{facts}"


def _table(message: type[Any]) -> str:
    fields = fields_of(message)
    if not fields:
        return ""
    described, ranges = descriptions(message), clamps(message)
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for field in fields:
        remarks = [described.get(field.name, "")]
        if field.name in ranges:
            remarks.append("Clamped to {} to {}.".format(*ranges[field.name]))
        cells = (f"`{field.encode_name}`", _type_name(field), _default(field), " ".join(filter(None, remarks)))
        rows.append("| " + " | ".join(cell.replace("\n", " ") for cell in cells) + " |")
    return "\n".join(rows) + "\n\n"


def _parts() -> str:
    found = parts_of((*COMMANDS.values(), *EVENTS.values()))
    sections = [f"### {name}\n\n{_paragraphs(summary(part))}\n{_table(part)}" for name, part in sorted(found.items())]
    return "\n".join(["## Objects inside\n", *sections])


def _vocabularies() -> str:
    lines = ["## Words\n"]
    for vocabulary in _STATUSES:
        text = prose(vocabulary)
        for member in vocabulary:
            text = re.sub(rf"\b{member.name}\b", f"`{member.value}`", text)
        lines.append(f"**{vocabulary.__name__}**. {text}{_words(vocabulary)}\n")
    return "\n".join([*lines, _refusals()])


def _words(vocabulary: type[Enum]) -> str:
    """Return the words of a vocabulary: a table if the source says what each means, else a list."""
    meanings = descriptions(vocabulary)
    if not meanings:
        return " " + ", ".join(f"`{member.value}`" for member in vocabulary) + "."
    rows = [f"| `{member.value}` | {meanings[member.name]} |" for member in vocabulary]
    return "\n".join(["", "", "| word | it means |", "|---|---|", *rows])


def _refusals() -> str:
    """Say the codes of `error` for a line of the parent, each with what it means."""
    codes = "\n".join(f"- `{error.code}`: {prose(error)}" for error in CommandError.__subclasses__())
    return f"Codes of `error` for a line that was refused; the next line works:\n\n{codes}\n"


# --- reading the types ---


def _type_name(field: types.Field) -> str:
    if field.encode_name in SNOWFLAKE_KEYS:
        return "snowflake"
    return _name_of(field.type)


def _name_of(info: types.Type) -> str:
    match info:
        case types.IntType(le=0xFFFF_FFFF):
            return "u32"
        case types.IntType(ge=0):
            return "u64"
        case types.IntType():
            return "integer"
        case types.FloatType():
            return "number"
        case types.BoolType():
            return "bool"
        case types.StrType():
            return "string"
        case types.BytesType():
            return "base64"
        case types.EnumType(cls=cls):
            return " ".join(f"`{member.value}`" for member in cls)
        case types.StructType(cls=cls) if issubclass(cls, Message):
            return f"[`{wire_tag(cls)}`](#{wire_tag(cls)})"
        case types.StructType(cls=cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()})"
        case types.VarTupleType(item_type=item):
            return f"list of {_name_of(item)}"
        case types.DictType():
            return "object"
        case types.UnionType(types=options):
            return " or ".join(_name_of(option) for option in options if not isinstance(option, types.NoneType))
        case _:
            raise TypeError(f"no name for {info}")


def _default(field: types.Field) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is None or value is msgspec.UNSET or value is msgspec.NODEFAULT:
        return ""
    shown = value.value if isinstance(value, Enum) else value
    return f"`{json.dumps(shown)}`"


def _paragraphs(text: str) -> str:
    """Return a docstring as Markdown: indented blocks become code."""
    lines: list[str] = []
    code = False
    for line in inspect.cleandoc(text).splitlines():
        if line.startswith("    ") != code and line:
            code = not code
            lines[-1:] = ["", "```text"] if code else ["```", ""]
        lines.append(line.removeprefix("    ") if code else line)
    return "\n".join([*lines, "```"] if code else lines) + "\n"


# --- examples ---


def command_example(tag: str) -> dict[str, Any]:
    """Return a line for `tag` as an object. Raises unless it decodes to that command."""
    given = notes.COMMAND_EXAMPLES.get(tag)
    if given is None:
        given = {field.encode_name: _sample(field) for field in fields_of(COMMANDS[tag]) if field.required}
    example = {"type": tag, **given}
    if type(decode_command(json.dumps(example).encode())) is not COMMANDS[tag]:
        raise ValueError(f"the example of {tag} is another command")
    return example


def event_example(tag: str) -> Any:
    """Return an event of `tag`. Raises unless what is written reads back as the same."""
    event_class = EVENTS[tag]
    example = next((event for event in notes.EVENT_EXAMPLES if type(event) is event_class), None)
    if example is None:
        required = (field for field in fields_of(event_class) if field.required)
        made = {field.encode_name: _sample(field) for field in required}
        example = msgspec.convert({"type": tag, **made}, event_class, strict=False)
    read = msgspec.json.decode(encode_event(example), type=event_class, strict=False)
    if read != example:
        raise ValueError(f"the example of {tag} does not read back")
    return example


def _sample(field: types.Field) -> Any:
    return "42" if field.encode_name in SNOWFLAKE_KEYS else _sample_of(field.type)


def _sample_of(info: types.Type) -> Any:
    match info:
        case types.IntType():
            return 1
        case types.FloatType():
            return 0.5
        case types.BoolType():
            return True
        case types.StrType():
            return "text"
        case types.BytesType():
            return "AAAA"
        case types.EnumType(cls=cls):
            return next(iter(cls)).value
        case types.VarTupleType() | types.ListType():
            return []
        case types.DictType():
            return {}
        case types.StructType(fields=fields):
            return {field.encode_name: _sample(field) for field in fields if field.required}
        case types.UnionType(types=options):
            return _sample_of(options[0])
        case _:
            raise TypeError(f"no sample of {info}")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(", ", ": "), ensure_ascii=False)


def main() -> int:
    """Write all files."""
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
    print(f"{len(COMMANDS)} commands and {len(EVENTS)} events in docs/ipc.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
