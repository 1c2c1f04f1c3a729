"""What the source of a message says beyond its types: summaries, words about a field, and ranges."""

import ast
import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

from msgspec import inspect as types

from clankvox.ipc.message import Message

_QUOTED: Final = re.compile(r"`(\w+)`")
_REFERENCE: Final = re.compile(r" \(see \w+\.\w+\)")


def fields_of(message: type[Any]) -> tuple[types.Field, ...]:
    info = types.type_info(message)
    if not isinstance(info, types.StructType):
        raise TypeError(f"{message.__name__} is no struct")
    return info.fields


def prose(thing: type[Any]) -> str:
    """Return the docstring without references to the code."""
    return _REFERENCE.sub("", inspect.getdoc(thing) or "")


def summary(message: type[Any]) -> str:
    """Return its prose with fields by their names on the wire."""
    names = {field.name: field.encode_name for field in fields_of(message)}
    return _QUOTED.sub(lambda quoted: f"`{names.get(quoted[1], quoted[1])}`", prose(message))


def parts_of(messages: Iterable[type[Any]]) -> dict[str, type[Any]]:
    """Return the objects inside of `messages`, by name."""
    found: dict[str, type[Any]] = {}
    for message in messages:
        _collect_parts(types.type_info(message), found)
    return found


def _collect_parts(info: types.Type, found: dict[str, type[Any]]) -> None:
    match info:
        case types.StructType(cls=cls, fields=fields):
            if not issubclass(cls, Message):
                found[cls.__name__] = cls
            for field in fields:
                _collect_parts(field.type, found)
        case types.UnionType(types=options):
            for option in options:
                _collect_parts(option, found)
        case types.VarTupleType(item_type=item):
            _collect_parts(item, found)


def _class_node(message: type[Any]) -> ast.ClassDef:
    node = ast.parse(inspect.getsource(message)).body[0]
    if not isinstance(node, ast.ClassDef):
        raise TypeError(f"{message.__name__} is no class")
    return node


def descriptions(message: type[Any]) -> dict[str, str]:
    """Return the string that stands below a field, or a member of an enumeration, in the source, by its name."""
    found, last = {}, ""
    for node in _class_node(message).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                last = name
            case ast.Expr(value=ast.Constant(value=str(text))) if last:
                found[last] = " ".join(text.split())
    return found


def clamps(message: type[Any]) -> dict[str, tuple[Any, Any]]:
    """Return what `self._clamp(field, low, high)` in the source says, by field."""
    found = {}
    for node in ast.walk(_class_node(message)):
        match node:
            case ast.Call(func=ast.Attribute(attr="_clamp"), args=[ast.Constant(value=field), low, high]):
                found[field] = (_constant(message, low), _constant(message, high))
    return found


def _constant(message: type[Any], node: ast.expr) -> Any:
    """Return what `node` says in the module of `message`: a literal, or a constant by its name."""
    return getattr(sys.modules[message.__module__], node.id) if isinstance(node, ast.Name) else ast.literal_eval(node)
