"""Layers at the head of a model that are computed before its input becomes int8."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tflm_ext.convert.faithful import difference
from tflm_ext.convert.heads import MOST, heads, without
from tflm_ext.convert.lifted import normalized

pytestmark = pytest.mark.slow

LIBRARIES = ["keras", "tf_keras"]
RNG = np.random.default_rng(0)


def adapted(k: Any, shape: tuple[int, ...], **options: Any) -> Any:
    """A Normalization of features with very different offsets and ranges."""
    layer = k.layers.Normalization(**options)
    scale = np.resize([600, 0.01, 3], shape[-1])
    layer.adapt((RNG.normal(size=(64, *shape)) * scale + 100 * scale).astype(np.float32))
    return layer


def trained_batch_norm(k: Any, *shape: int, **options: Any) -> Any:
    layer = k.layers.BatchNormalization(**options)
    layer.build((None, *shape))
    layer.set_weights(
        [RNG.uniform(0.5, 2, w.shape).astype(np.float32) for w in layer.get_weights()]
    )
    return layer


def sequential(k: Any, shape: tuple[int, ...], *layers: Any, dtype: str = "float32") -> Any:
    return k.Sequential([k.Input(shape, dtype=dtype), *layers, *ends(k)])


def ends(k: Any) -> list[Any]:
    return [k.layers.Flatten(), k.layers.Dense(2)]


def of_two_inputs(k: Any) -> Any:
    a, b, c = k.Input((3,), name="a"), k.Input((4, 4, 1), name="b"), k.Input((2,), name="c")
    x = adapted(k, (3,), name="first")(a)
    y = k.layers.Flatten()(k.layers.Rescaling(1 / 255, name="second")(b))
    joined = k.layers.Concatenate()([x, y, k.layers.Dense(2)(c)])
    return k.Model([a, b, c], k.layers.Dense(2)(joined))


def nested(k: Any) -> Any:
    inner = k.Sequential(
        [k.Input((3,)), k.layers.Rescaling(0.5, name="scale"), adapted(k, (3,), name="norm")]
    )
    outer = k.Input((3,))
    return k.Model(outer, k.layers.Dense(2)(trained_batch_norm(k, 3, name="after")(inner(outer))))


def wrapped(k: Any) -> Any:
    inner = sequential(k, (3,), adapted(k, (3,), name="norm"))
    return k.Sequential([k.Input((3,)), inner])


LIFTED: dict[str, tuple[Callable[[Any], Any], list[list[str]], list[int]]] = {
    "a table": (lambda k: sequential(k, (3,), adapted(k, (3,), name="n")), [["n"]], [3]),
    "pictures": (
        lambda k: sequential(k, (6, 5, 3), k.layers.Rescaling(1 / 127.5, -1, name="r")),
        [["r"]],
        [1],
    ),
    "pictures of integers": (
        lambda k: sequential(k, (6, 5, 3), k.layers.Rescaling(1 / 255, name="r"), dtype="uint8"),
        [["r"]],
        [1],
    ),
    "one number per channel": (
        lambda k: sequential(k, (6, 3), k.layers.Rescaling([1.0, 2.0, -3.0], 0.5, name="r")),
        [["r"]],
        [3],
    ),
    "a chain": (
        lambda k: sequential(
            k,
            (6, 3),
            k.layers.Rescaling(0.01, 2, name="r"),
            adapted(k, (6, 3), name="n"),
            trained_batch_norm(k, 6, 3, name="b"),
        ),
        [["r", "n", "b"]],
        [3],
    ),
    "inverted": (
        lambda k: sequential(k, (3,), adapted(k, (3,), invert=True, name="n")),
        [["n"]],
        [3],
    ),
    "given numbers": (
        lambda k: sequential(k, (3,), k.layers.Normalization(mean=5.0, variance=4.0, name="n")),
        [["n"]],
        [1],
    ),
    "all axes alike": (
        lambda k: sequential(k, (6, 3), adapted(k, (6, 3), axis=None, name="n")),
        [["n"]],
        [1],
    ),
    "every element": (
        lambda k: sequential(k, (6, 3), adapted(k, (6, 3), axis=(1, 2), name="n")),
        [["n"]],
        [18],
    ),
    "another axis": (
        lambda k: sequential(k, (4, 2), trained_batch_norm(k, 4, 2, axis=1, name="b")),
        [["b"]],
        [8],
    ),
    "only center or scale": (
        lambda k: sequential(k, (3,), trained_batch_norm(k, 3, scale=False, name="b")),
        [["b"]],
        [3],
    ),
    "several inputs": (of_two_inputs, [["first"], ["second"], []], [3, 1, 0]),
    "a model in a model": (nested, [["scale", "norm", "after"]], [3]),
    "a wrapped model": (wrapped, [["norm"]], [3]),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("case", LIFTED)
def test_lifted(case: str, library: str) -> None:
    """The model without these layers computes the same from the normalised input."""
    build, names, counts = LIFTED[case]
    model = build(importlib.import_module(library))
    found = heads(model)
    assert [[layer.name for layer in h.layers] if h else [] for h in found] == names
    assert [h.affine.count if h else 0 for h in found] == counts
    dtypes = [str(getattr(t.dtype, "name", t.dtype)) for t in model.inputs]
    raw = [
        (100 * RNG.random((8, *t.shape[1:])) + 5).astype(dtype)
        for t, dtype in zip(model.inputs, dtypes, strict=True)
    ]

    def call(columns: list[Any]) -> Any:
        return np.asarray(model(columns if len(columns) > 1 else columns[0]))

    before = call(raw)
    taken = normalized(raw, tuple(h and h.affine for h in found))
    if dtypes == ["float32"] * len(raw):  # Keras would round others to integers
        with without([layer for h in found if h for layer in h.layers]):
            after = call(taken)
        assert difference(before, after) < 1e-5
        assert difference(before, call(taken)) > 1e-3, "the layers matter"
    assert (call(raw) == before).all(), "the model is as it was"


def read_twice(k: Any) -> Any:
    x = k.Input((3,))
    return k.Model(x, k.layers.Dense(2)(k.layers.Add()([adapted(k, (3,))(x), x])))


def called_twice(k: Any) -> Any:
    a, b, layer = k.Input((3,)), k.Input((3,)), adapted(k, (3,))
    return k.Model([a, b], k.layers.Dense(2)(k.layers.Add()([layer(a), layer(b)])))


def called_twice_inside(k: Any) -> Any:
    inner = sequential(k, (3,), adapted(k, (3,)))
    a, b = k.Input((3,)), k.Input((3,))
    return k.Model([a, b], k.layers.Add()([inner(a), inner(b)]))


def an_output(k: Any) -> Any:
    x = k.Input((3,))
    y = adapted(k, (3,))(x)
    return k.Model(x, [y, k.layers.Dense(2)(y)])


def nothing_else(k: Any) -> Any:
    x = k.Input((3,))
    return k.Model(x, k.Sequential([k.Input((3,)), adapted(k, (3,))])(x))


def in_training_mode(k: Any) -> Any:
    x = k.Input((3,))
    return k.Model(x, k.layers.Dense(2)(trained_batch_norm(k, 3)(x, training=True)))


def of_a_dead_channel(k: Any) -> Any:
    layer = trained_batch_norm(k, 3)
    layer.gamma.assign([1.0, 0.0, 1.0])
    return sequential(k, (3,), layer)


def of_an_own_class(k: Any) -> Any:
    class Normalization(k.layers.Normalization):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs * 2.0

    return sequential(k, (3,), Normalization(mean=1.0, variance=1.0))


LEFT: dict[str, Callable[[Any], Any]] = {
    "something else reads the input": read_twice,
    "called twice": called_twice,
    "in a model that is called twice": called_twice_inside,
    "its output is one of the model": an_output,
    "nothing else in the model": nothing_else,
    "after a layer with weights": lambda k: sequential(
        k, (3,), k.layers.Dense(3), adapted(k, (3,))
    ),
    "after a mask": lambda k: sequential(k, (4, 3), k.layers.Masking(), adapted(k, (4, 3))),
    "in training mode": in_training_mode,
    "a channel that is always the same": of_a_dead_channel,
    "a factor of 0": lambda k: sequential(k, (3,), k.layers.Rescaling(0.0)),
    "another class of that name": of_an_own_class,
    "a table that is too large": lambda k: sequential(
        k, (2, MOST // 2 + 1), adapted(k, (2, MOST // 2 + 1), axis=(1, 2))
    ),
    "another type": lambda k: sequential(k, (3,), k.layers.Rescaling(2.0), dtype="float64"),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("case", LEFT)
def test_what_is_not_lifted(case: str, library: str) -> None:
    model = LEFT[case](importlib.import_module(library))
    assert heads(model) == [None] * len(model.inputs)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_large_table_of_a_chain_stays(library: str) -> None:
    k = importlib.import_module(library)
    large = adapted(k, (MOST + 1,), name="large")
    model = sequential(k, (MOST + 1,), k.layers.Rescaling(2.0, name="small"), large)
    (found,) = heads(model)
    assert found is not None and [layer.name for layer in found.layers] == ["small"]


def test_a_quantisation_aware_model_is_left_alone() -> None:
    import keras

    from tflm_ext.compression.qat import quantize_aware

    model = quantize_aware(sequential(keras, (3,), adapted(keras, (3,))), preserve=None)
    assert heads(model) == [None]
