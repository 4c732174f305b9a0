"""JSON documents that are declared once, as dataclasses.

A field of a dataclass is a key of a JSON object. entry() adds the description of the key for the
schema and the reference, the source of its value, and its row in a text:

    @declared("flash", "Contents of flash.")
    @dataclass(frozen=True)
    class Flash:
        weight_bytes: Bytes = entry("Constant tables.", of=lambda report: report.weight_bytes)

to_json() writes an object, from_json() reads one, schema() describes it. Types are those of the
fields: str, int, float, bool, Literal, X | None, tuple[X, ...], Mapping and other dataclasses.
`Annotated[int, Limits({"minimum": 0})]` limits a type, `Annotated[int, Scalar(...)]` names it.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

Json: TypeAlias = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Limits of a type, as keywords of JSON Schema."""

    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A type with a name in the schema, like a size in bytes."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """The information that entry() adds to a field; see there."""

    description: str = ""
    of: Callable[[Any], Any] | None = None
    optional: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)
    row: tuple[str, str] | None = None
    part: Any = None


COUNT: Mapping[str, Any] = {"minimum": 0}

Count: TypeAlias = Annotated[int, Limits(COUNT)]
Bytes: TypeAlias = Annotated[int, Scalar("bytes", {"type": "integer", "minimum": 0})]
Sha256: TypeAlias = Annotated[
    str, Scalar("sha256", {"type": "string", "pattern": "^[0-9a-f]{64}$"})
]
Shape: TypeAlias = Annotated[
    tuple[int, ...],
    Scalar("shape", {"type": "array", "items": {"type": "integer", "minimum": 1}}),
]
FilePath: TypeAlias = Annotated[
    str,
    Scalar(
        "path",
        {"type": "string", "pattern": "^[^/].*$"},
        "Relative to the project, with forward slashes.",
    ),
]
Environment: TypeAlias = Annotated[
    str,
    Scalar(
        "environment",
        {"type": "string"},
        "Environment in platformio.ini: native, cortex_m4 or the board's.",
    ),
]


def entry(
    description: str = "",
    *,
    of: Callable[[Any], Any] | None = None,
    optional: bool = False,
    schema: Mapping[str, Any] | None = None,
    row: tuple[str, str] | None = None,
    part: Any = None,
    default: Any = MISSING,
) -> Any:
    """A field of a declared dataclass.

    Args:
        description: of the key, for the schema and the reference.
        of: returns the value, from the object that the document is written from; by default, its
            attribute with the field's name.
        optional: omit the key if its value is None or empty.
        schema: limits in addition to those of the type; "enum" and "anyOf" replace the type.
        row: label of the value in a text, and the words after it, like its unit; see rows().
        part: type of the value in the document, if it differs from the field's type.
        default: of the field, also used if the key is missing from a document that is read.
    """
    if optional and default is MISSING:
        default = None
    metadata = {"entry": Entry(description, of, optional, schema or {}, row, part)}
    return field(default=default, metadata=metadata)


def declared(name: str, description: str = "") -> Callable[[type[_T]], type[_T]]:
    """Give a dataclass a name in the schema; without a name, it is described where it is used."""

    def mark(cls: type[_T]) -> type[_T]:
        _NAMES[cls] = (name, description)
        return cls

    return mark


_NAMES: dict[type[Any], tuple[str, str]] = {}


def _entries(cls: type[Any]) -> Iterator[tuple[str, Any, Entry, Any]]:
    """Yield name, type, entry and default of every key."""
    hints = _hints(typing.cast(Hashable, cls))
    for f in dataclasses.fields(cls):
        if f.metadata.get("entry") is not None:
            said: Entry = f.metadata["entry"]
            yield f.name, said.part or hints[f.name], said, f.default


@cache
def _hints(cls: Hashable) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _value(name: str, said: Entry, source: Any) -> Any:
    return getattr(source, name) if said.of is None else said.of(source)


# ---------------------------------------------------------------- writing


def to_json(cls: type[Any], source: Any) -> Json:
    """Return a JSON object.

    Args:
        cls: a declared dataclass.
        source: the object that provides the values: an instance of cls, or of another class.
    """
    found: Json = {}
    for name, hint, said, _ in _entries(cls):
        value = _value(name, said, source)
        if said.optional and (value is None or value == ()):
            continue
        found[name] = _written(hint, value)
    return found


def _written(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _written(arguments[0], value)
    if value is None:
        return None
    if origin in (types.UnionType, typing.Union):
        return _written(_present(arguments), value)
    if origin is tuple:
        items = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return [_written(item, one) for item, one in zip(items, value, strict=True)]
    if dataclasses.is_dataclass(hint) and not isinstance(value, Mapping):
        return to_json(typing.cast(type[Any], hint), value)
    return dict(value) if isinstance(value, Mapping) else value


def _present(arguments: tuple[Any, ...]) -> Any:
    """Return X for X | None."""
    (hint,) = (a for a in arguments if a is not types.NoneType)
    return hint


def rows(cls: type[Any], source: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of a text: label, number, and the words after it."""
    for name, _, said, _ in _entries(cls):
        if said.row is not None and (value := _value(name, said, source)) is not None:
            yield said.row[0], f"{value:,}", said.row[1]


# ---------------------------------------------------------------- reading


def from_json(hint: Any, content: Any) -> Any:
    """Read what to_json() wrote, possibly in a different version of this program.

    Unknown keys are ignored.

    Args:
        hint: a declared dataclass, or another type that a field can have.

    Raises:
        ValueError: a key is missing, or a value has the wrong type.
    """
    return _read(hint, content)


def _read(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _read(arguments[0], value)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _read(_present(arguments), value)
    if origin is Literal:
        known = value in arguments
        return value if known else _refuse(value, f"one of {arguments}")
    if origin is tuple:
        if not isinstance(value, list):
            _refuse(value, "a list")
        items = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return tuple(_read(item, one) for item, one in zip(items, value, strict=True))
    if dataclasses.is_dataclass(hint):
        return _object(typing.cast(type[Any], hint), value)
    kind = {float: int | float, Mapping: dict}.get(origin or hint, origin or hint)
    whole = isinstance(value, kind) and (hint is bool or not isinstance(value, bool))
    return value if whole else _refuse(value, str(hint))


def _object(cls: type[Any], content: Any) -> Any:
    if not isinstance(content, dict):
        _refuse(content, "an object")
    found = {}
    for name, hint, _, default in _entries(cls):
        if name in content:
            found[name] = _read(hint, content[name])
        elif default is MISSING:
            raise ValueError(f"{cls.__name__} has no {name}")
    return cls(**found)


def _refuse(value: Any, wanted: str) -> typing.NoReturn:
    raise ValueError(f"{value!r:.80} is not {wanted}")


# ---------------------------------------------------------------- describing


def schema(cls: type[Any], parts: dict[str, Json]) -> Json:
    """Return the JSON Schema of a document.

    Args:
        cls: a declared dataclass, with or without a name.
        parts: receives the schema of every named part, by name.
    """
    properties, required = {}, []
    for name, hint, said, _ in _entries(cls):
        described = _type(_present_type(hint) if said.optional else hint, parts)
        if "enum" in said.schema or "anyOf" in said.schema:
            described = {}
        properties[name] = {**described, **said.schema}
        if said.description:
            properties[name]["description"] = said.description
        if not said.optional:
            required.append(name)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": sorted(required),
        "properties": properties,
    }


def _present_type(hint: Any) -> Any:
    """Return X for X | None, and other types unchanged."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return _present(typing.get_args(hint)) if union else hint


def _type(hint: Any, parts: dict[str, Json]) -> Json:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, said = arguments
        if isinstance(said, Limits):
            return {**_type(inner, parts), **said.schema}
        described = {"description": said.description} if said.description else {}
        if said.schema:
            parts[said.name] = {**said.schema, **described}
        return {"$ref": f"#/$defs/{said.name}"}
    if origin in (types.UnionType, typing.Union):
        return _or_null(_type(_present(arguments), parts))
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin is tuple:
        length = {} if arguments[-1] is ... else {"minItems": len(arguments)}
        length |= {} if arguments[-1] is ... else {"maxItems": len(arguments)}
        return {"type": "array", "items": _type(arguments[0], parts), **length}
    if dataclasses.is_dataclass(hint):
        return _part(typing.cast(type[Any], hint), parts)
    names = {str: "string", int: "integer", float: "number", bool: "boolean", Mapping: "object"}
    return {"type": names[origin or hint]}


def _part(cls: type[Any], parts: dict[str, Json]) -> Json:
    if cls not in _NAMES:
        return schema(cls, parts)
    name, description = _NAMES[cls]
    if name not in parts:
        parts[name] = {}  # reserves its place before the parts that it contains
        described = {"description": description} if description else {}
        parts[name].update({**schema(cls, parts), **described})
    return {"$ref": f"#/$defs/{name}"}


def _or_null(described: Json) -> Json:
    if isinstance(described.get("type"), str):
        return {**described, "type": [described["type"], "null"]}
    return {"anyOf": [described, {"type": "null"}]}
