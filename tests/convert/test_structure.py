"""Nested inputs and outputs, their names, and how far two outputs are apart. Without TensorFlow."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, namedtuple
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.convert.faithful import chosen, difference, drawn
from tflm_ext.convert.reloaded import refuse_mixed_weights
from tflm_ext.convert.samples import InputSpec
from tflm_ext.convert.structure import bare, leaves, like, named
from tflm_ext.errors import UnsupportedModelError

Pair = namedtuple("Pair", "left right")
KEYS = st.text("abz_", min_size=1, max_size=3)


def containers(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inside, min_size=1, max_size=3)
    pairs = st.dictionaries(KEYS, inside, min_size=1, max_size=3)
    return st.one_of(
        some,
        some.map(tuple),
        st.builds(Pair, inside, inside),
        pairs,
        pairs.map(OrderedDict),
        pairs.map(lambda d: defaultdict(int, d)),
    )


STRUCTURES = st.recursive(st.integers(), containers, max_leaves=8)


@given(STRUCTURES)
def test_like_gives_every_leaf_its_own_value(structure: Any) -> None:
    values = dict(leaves(structure))
    copy = like(structure, lambda path: values[path])
    assert copy == structure
    assert type(copy) is type(structure)
    assert [path for path, _ in leaves(copy)] == list(values)
    assert list(leaves(like(structure, repr))) == [(path, repr(path)) for path in values]


@given(STRUCTURES, st.data())
def test_no_name_twice(structure: Any, data: st.DataObject) -> None:
    paths = [path for path, _ in leaves(structure)]
    given_names = [data.draw(KEYS) for _ in paths]
    found = named(paths, given_names)
    assert len(set(found)) == len(paths)
    # A key that is not another layer's name stays.
    for path, name in zip(paths, found, strict=True):
        key = path[-1] if path else None
        others = [p[-1] for p in paths if p != path and p] + given_names
        if isinstance(key, str) and key not in others:
            assert name == key


def test_names_of_lists_are_those_of_keras() -> None:
    paths = [(0,), (1,), (2,)]
    assert named(paths, ["b", "a", "c"]) == ("b", "a", "c")
    assert named(paths, ["a", "a", "a_1"]) == ("a", "a_2", "a_1")
    assert named([(0, "a"), (1, "a"), (2,)], ["x", "y", "0.a"]) == ("0.a", "1.a", "0.a_1")


def test_bare() -> None:
    assert bare([([1, 2],)]) == [1, 2]
    assert bare({"a": [1]}) == {"a": [1]}
    assert bare([[]]) == []


def column(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("expected", "got", "share"),
    [
        (column(0, 1, 2), column(0, 1, 2), 0.0),
        (column(0, 1, 2), column(0, 1.5, 2), 0.25),
        (column(0, 1, 2), column(0, 1 + 1e-5, 2), 0.0),  # float32
        (column(5, 5, 5), column(5, 5, 5), 0.0),
        (column(5, 5, 5), column(5, 6, 5), math.inf),
        (column(0, 0), column(0, 1e-3), math.inf),
        (column(0, np.inf, 2), column(0, np.inf, 2), 0.0),
        (column(np.nan), column(np.nan), 0.0),
        (column(0, np.inf, 2), column(0, 3e38, 2), math.inf),
        (column(0, 1, 2), column(0, 1, np.nan), math.inf),
        (column(0, 1)[:, None], column(0, 1), math.inf),
        (np.array([0, 3]), np.array([0, 3]), 0.0),
        (np.array([True, False]), np.array([True, True]), 1.0),
    ],
)
def test_difference(
    expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any], share: float
) -> None:
    assert difference(expected, got) == pytest.approx(share, abs=1e-4)


def test_samples_are_spread() -> None:
    columns = chosen([np.arange(100), np.arange(100) * 2])
    assert columns[0].tolist() == [0, 14, 28, 42, 56, 70, 84, 99]
    assert (columns[1] == 2 * columns[0]).all()
    assert chosen([np.arange(3)])[0].tolist() == [0, 1, 2]
    ports = [InputSpec("x", (1, 4, 2), "float32"), InputSpec("tokens", (1, 5), "int32")]
    real, integers = drawn(ports)
    assert (real.shape, real.dtype.name) == ((8, 4, 2), "float32")
    assert (integers.shape, integers.dtype.name) == ((8, 5), "int32")
    assert set(integers.ravel().tolist()) == {0, 1}
    for again, first in zip(drawn(ports), (real, integers), strict=True):
        assert (again == first).all()


def _layer(name: str, weights: int = 1, kind: type = SimpleNamespace, **more: Any) -> Any:
    return kind(name=name, weights=[0] * weights, **more)


class _Other(SimpleNamespace):
    pass


def _config(*layers: Any) -> dict[str, Any]:
    return {"config": {"layers": list(layers)}}


def _entry(name: str, **more: Any) -> dict[str, Any]:
    return {"config": {"name": name, **more}}


def test_mixed_weights_are_refused() -> None:
    config = _config(_entry("x"), _entry("b"), _entry("a"))
    same = SimpleNamespace(layers=[_layer("x", 0), _layer("b"), _layer("a")])
    moved = SimpleNamespace(layers=[_layer("b"), _layer("x", 0), _layer("a")])
    mixed = SimpleNamespace(layers=[_layer("x", 0), _layer("a"), _layer("b")])
    other = SimpleNamespace(layers=[_layer("x", 0), _layer("a", 1, _Other), _layer("b")])
    for model in (same, moved):
        for kind in ("keras", "h5"):
            refuse_mixed_weights(config, model, kind, "net")
    refuse_mixed_weights(config, other, "keras", "net")  # a .keras counts layers by their class
    for kind, model in (("keras", mixed), ("h5", mixed), ("h5", other)):
        with pytest.raises(UnsupportedModelError) as caught:
            refuse_mixed_weights(config, model, kind, "net")
        assert str(caught.value) == (
            "Keras mixes up the weights of layers 'a', 'b' when it loads net, whose outputs were an"
            " OrderedDict with unsorted keys.\n"
            "Pass the live model to export(), or build it with a list of outputs and save it again."
        )


def test_mixed_weights_of_a_model_inside() -> None:
    config = _config(_entry("x"), _entry("inner", layers=[_entry("b"), _entry("a")]))
    for names in (("b", "a"), ("a", "b")):
        inner = _layer("inner", 2, layers=[_layer(name) for name in names])
        model = SimpleNamespace(layers=[_layer("x", 0), inner])
        if names == ("b", "a"):
            refuse_mixed_weights(config, model, "keras", "net")
            continue
        with pytest.raises(UnsupportedModelError, match="weights of layers 'a', 'b'"):
            refuse_mixed_weights(config, model, "keras", "net")
