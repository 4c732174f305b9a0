"""Where the Arduino flavour's MEAN and SUM, in float32, equal those of current versions."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import run_here
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedOperatorError
from tflm_ext.frontend.parse import parse
from tflm_ext.opslib.base import Array
from tflm_ext.runtimes.tflm import refuse_for_board
from tflm_ext.runtimes.tflm.rounding import rounds_alike

Scales = tuple[tuple[float, int], tuple[float, int]]


def reduction(name: str, count: int, scales: Scales) -> bytes:
    (x_scale, x_zero), (y_scale, y_zero) = scales
    b = ModelBuilder()
    x = b.tensor((1, count), scale=x_scale, zero_point=x_zero)
    y = b.tensor((1,), scale=y_scale, zero_point=y_zero)
    b.operator(name, [x, b.constant(np.int32([1]))], [y], schema.ReducerOptionsT())
    return b.finish([x], [y])


def arduino(name: str, count: int, scales: Scales, sums: Array) -> Array:
    """What the Arduino library's C++ computes for sums, one operation of float32 after another."""
    (x_scale, x_zero), (y_scale, y_zero) = scales
    scale = np.float32(x_scale) / np.float32(y_scale)
    if name == "MEAN" and scales[0] == scales[1]:
        return np.fix(sums / count).astype(np.int8)
    if name == "SUM":
        bias = np.float32(-x_zero) * scale * np.float32(count)
        real = sums.astype(np.float32) * scale + bias
    else:
        real = sums.astype(np.float32) / np.float32(count) * scale + np.float32(-x_zero) * scale
    found = np.trunc(real + np.copysign(np.float32(0.5), real)) + y_zero
    return (np.clip(found, -128, 127) if name == "MEAN" else found).astype(np.int64).astype(np.int8)


@pytest.mark.parametrize("name", ["MEAN", "SUM"])
def test_what_is_said_to_be_alike_is_alike(name: str) -> None:
    draw = np.random.default_rng(5)
    alike = 0
    for case in range(60):
        count = int(draw.integers(1, 6))
        x_scale = float(np.float32(draw.uniform(0.001, 0.1)))
        ratio = draw.uniform(0.05, 1.5) if name == "MEAN" else count * draw.uniform(0.8, 3)
        x = (x_scale, int(draw.integers(-128, 128)))
        y = x if case % 5 == 0 else (float(np.float32(x_scale * ratio)), int(draw.integers(-9, 9)))
        model = reduction(name, count, (x, y))
        parsed = parse(model, "net")
        sums = np.arange(-128 * count, 127 * count + 1)
        parts = sums[:, np.newaxis] // count + (np.arange(count) < sums[:, np.newaxis] % count)
        inputs = parts.astype(np.int8).reshape(-1, 1, count)
        current = run_here(model, [inputs], 1, 1 << 16)[0].ravel()
        if rounds_alike(name, parsed.nodes[0], parsed):
            alike += 1
            np.testing.assert_array_equal(current, arduino(name, count, (x, y), sums))
    assert 5 < alike < 50


def test_a_mean_that_the_board_computes_like_others() -> None:
    refuse_for_board(parse(reduction("MEAN", 4, ((0.05, -128), (0.0175, -128))), "net"))
    with pytest.raises(UnsupportedOperatorError, match="rounds differently"):
        refuse_for_board(parse(reduction("MEAN", 4, ((0.05, -128), (0.05, -128))), "net"))


def test_many_elements_are_refused_without_trying() -> None:
    parsed = parse(reduction("MEAN", 1 << 17, ((0.05, -128), (0.021, -128))), "net")
    assert not rounds_alike("MEAN", parsed.nodes[0], parsed)


@pytest.mark.parametrize("damage", ["no axes", "absent axes", "axes that are computed", "floats"])
def test_damaged_reductions_are_not_alike(damage: str) -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.05), b.tensor((1,), scale=0.0175)
    axes = {
        "no axes": [],
        "absent axes": [-1],
        "axes that are computed": [b.tensor((1,), dtype="int32")],
        "floats": [b.constant(np.float32([np.nan]))],
    }[damage]
    b.operator("MEAN", [x, *axes], [y], schema.ReducerOptionsT())
    parsed = parse(b.finish([x], [y]), "net")
    assert not rounds_alike("MEAN", parsed.nodes[0], parsed)
