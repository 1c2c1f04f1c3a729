"""docs/ipc.schema.json as a judge of what a process and its parent really exchange."""

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from clankvox.demo.parent import VoxParent
from clankvox.errors import CommandError
from clankvox.ipc.decoding import decode_command

SCHEMA_FILE = Path(__file__).parent.parent.parent / "docs" / "ipc.schema.json"
LIKE_EACH_OTHER = 200
"""Of one type of event of one process so many are looked at: thousands tell the same."""


class ContractBroken(AssertionError):
    """Something was said that the schema does not have."""


@cache
def whole() -> dict[str, Any]:
    return json.loads(SCHEMA_FILE.read_text())


@cache
def validators(union: str) -> dict[str, Draft202012Validator]:
    """Return a validator for each `type` of Command or Event; events may have nothing that the schema does not know."""
    schema = copy.deepcopy(whole())
    if union == "Event":
        for definition in schema["$defs"].values():
            if "properties" in definition:
                definition["additionalProperties"] = False
    found = {}
    for reference in schema["$defs"][union]["anyOf"]:
        name = reference["$ref"].rpartition("/")[2]
        (tag,) = schema["$defs"][name]["properties"]["type"]["enum"]
        found[tag] = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
    return found


def check(union: str, body: Mapping[str, Any]) -> None:
    """Raise ContractBroken unless `body` is what the schema says of its type."""
    validator = validators(union).get(str(body.get("type")))
    if validator is None:
        raise ContractBroken(f"{body.get('type')} is not in the schema")
    for error in validator.iter_errors(body):
        raise ContractBroken(f"{body['type']} at {error.json_path}: {error.message[:300]}")


def check_line(line: bytes) -> None:
    """Raise ContractBroken if the process takes `line`, and the schema does not."""
    try:
        decode_command(line)
    except CommandError:
        return
    check("Command", json.loads(line))


@contextmanager
def held_to_the_schema() -> Iterator[None]:
    """Check every command that a VoxParent sends, and at its end every event that it got."""
    seen: Callable[..., None] = VoxParent.__exit__
    sent: Callable[..., float] = VoxParent.send_line

    def send_line(parent: VoxParent, line: bytes) -> float:
        for each in line.split(b"\n"):
            check_line(each)
        return sent(parent, line)

    def leave(parent: VoxParent, *error: Any) -> None:
        seen(parent, *error)
        told = Counter[str]()
        for event in parent.events:
            told[event.type] += 1
            if told[event.type] <= LIKE_EACH_OTHER:
                check("Event", event.body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VoxParent, "send_line", send_line)
        patch.setattr(VoxParent, "__exit__", leave)
        yield
