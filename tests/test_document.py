"""Documents that are declared once: writing, reading and describing them follow from the fields."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import jsonschema
import pytest

from tflm_ext.document import Bytes, Count, declared, entry, from_json, rows, schema, to_json


@declared("wheel", "One of several.")
@dataclass(frozen=True, slots=True)
class Wheel:
    inches: float = entry("Of its diameter.", schema={"exclusiveMinimum": 0})
    spokes: Count = entry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """Written from something that calls its mass otherwise."""

    kind: Literal["bicycle", "cart"] = entry()
    bytes: Bytes = entry("Of its plan.", of=lambda thing: thing.plan_bytes, row=("plan", "bytes"))
    wheels: tuple[Wheel, ...] = entry(schema={"minItems": 1})
    range_km: tuple[float, float] | None = entry("From and to.")
    electric: bool = entry(default=False)
    notes: tuple[str, ...] = entry(optional=True, default=())
    spare: Wheel | None = entry(optional=True)
    private: int = 7  # not a key


BICYCLE = SimpleNamespace(
    kind="bicycle",
    plan_bytes=1234,
    wheels=(Wheel(28, 32), Wheel(28.5, 36)),
    range_km=None,
    electric=False,
    notes=(),
    spare=None,
)
WRITTEN = {
    "kind": "bicycle",
    "bytes": 1234,
    "wheels": [{"inches": 28, "spokes": 32}, {"inches": 28.5, "spokes": 36}],
    "range_km": None,
    "electric": False,
}


def validator() -> jsonschema.Draft202012Validator:
    parts: dict[str, Any] = {}
    content = schema(Vehicle, parts)
    found = jsonschema.Draft202012Validator({**content, "$defs": parts})
    found.check_schema(found.schema)
    return found


def test_what_is_written_is_what_the_schema_says_and_can_be_read() -> None:
    full = SimpleNamespace(
        **{**vars(BICYCLE), "range_km": (1.0, 2.5), "notes": ("fast",), "spare": Wheel(20, 0)}
    )
    for thing in (BICYCLE, full):
        written = to_json(Vehicle, thing)
        validator().validate(json.loads(json.dumps(written)))
        read = from_json(Vehicle, written)
        assert (read.bytes, read.wheels, read.spare) == (1234, BICYCLE.wheels, thing.spare)
        assert (read.range_km, read.notes) == (thing.range_km, thing.notes)
    assert to_json(Vehicle, BICYCLE) == WRITTEN, "keys that may be missing are missing"
    assert to_json(Vehicle, full)["range_km"] == [1.0, 2.5]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "boat"),
        ("kind", 1),
        ("bytes", "1234"),
        ("bytes", True),
        ("bytes", 1.5),
        ("wheels", {"inches": 28, "spokes": 32}),
        ("wheels", [{"inches": 28}]),
        ("wheels", [[28, 32]]),
        ("wheels", [{"inches": "28", "spokes": 32}]),
        ("range_km", [1.0]),
        ("range_km", [1.0, None]),
        ("electric", 1),
        ("notes", "fast"),
        ("notes", [None]),
    ],
)
def test_a_value_of_another_type_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"is not|has no|shorter|longer"):
        from_json(Vehicle, WRITTEN | {key: value})
    assert not validator().is_valid(WRITTEN | {key: value})


@pytest.mark.parametrize("content", [None, [], "text", {}, {**WRITTEN, "wheels": None}])
def test_what_is_no_such_object_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match=r"is not|has no"):
        from_json(Vehicle, content)


def test_older_and_newer_versions_are_read() -> None:
    older = {key: value for key, value in WRITTEN.items() if key != "electric"}
    assert from_json(Vehicle, older).electric is False
    assert from_json(Vehicle, WRITTEN | {"colour": "red"}) == from_json(Vehicle, WRITTEN)
    with pytest.raises(ValueError, match="has no kind"):
        from_json(Vehicle, {key: value for key, value in WRITTEN.items() if key != "kind"})


def test_the_schema() -> None:
    parts: dict[str, Any] = {}
    found = schema(Vehicle, parts)
    assert found["required"] == ["bytes", "electric", "kind", "range_km", "wheels"]
    properties = found["properties"]
    assert properties["kind"] == {"enum": ["bicycle", "cart"]}
    assert properties["bytes"] == {"$ref": "#/$defs/bytes", "description": "Of its plan."}
    assert properties["wheels"] == {
        "type": "array",
        "items": {"$ref": "#/$defs/wheel"},
        "minItems": 1,
    }
    assert properties["range_km"]["type"] == ["array", "null"]
    assert properties["spare"] == {"$ref": "#/$defs/wheel"}, "missing, never null"
    assert parts["wheel"]["description"] == "One of several."
    assert parts["wheel"]["properties"]["spokes"] == {"type": "integer", "minimum": 0}
    assert parts["bytes"] == {"type": "integer", "minimum": 0}


def test_the_rows_of_a_text() -> None:
    assert list(rows(Vehicle, BICYCLE)) == [("plan", "1,234", "bytes")]


def test_a_new_key_is_one_entry() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Heavier(Vehicle):
        kilograms: Count = entry(
            "Of the whole.", of=lambda thing: 12, row=("mass", "kg"), default=0
        )

    written = to_json(Heavier, BICYCLE)
    assert written == WRITTEN | {"kilograms": 12}
    assert from_json(Heavier, written).kilograms == 12
    assert from_json(Heavier, WRITTEN).kilograms == 0, "a document of an older version"
    described = schema(Heavier, {})
    assert described["properties"]["kilograms"]["description"] == "Of the whole."
    assert "kilograms" in described["required"]
    assert list(rows(Heavier, BICYCLE))[-1] == ("mass", "12", "kg")
