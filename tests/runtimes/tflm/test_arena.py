"""The arena's bound, compared with what was measured, and how it comes about.

arena_measured.json has, per model and version of TensorFlow Lite Micro, bytes that were found on
the emulated Cortex-M4 with pointers of 32 bits: arena_used_bytes(), and the smallest arena, found
by bisection, with which the outputs are those of a large one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.models import image_net, recurrent_net, two_headed_net
from tests.runtimes.tflm import nets
from tests.test_models import FOLDER
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import strip_ports
from tflm_ext.frontend.parse import parse
from tflm_ext.runtimes.tflm import ArenaBound, arena_bound

MEASURED = json.loads(Path(__file__).with_name("arena_measured.json").read_text("utf-8"))
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
BUILDERS = {
    "image_net": image_net,
    "recurrent_net": recurrent_net,
    "two_headed_net": two_headed_net,
}


def bound(model: bytes) -> ArenaBound:
    return arena_bound(parse(model, "net"))


def model_bytes(name: str) -> bytes:
    if name in BUILDERS:
        return BUILDERS[name]()
    example = EXAMPLES / name / f"{name}.tflite"
    path = example if example.is_file() else FOLDER / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in {FOLDER}; set TFLM_EXT_MODELS to its folder")
    return path.read_bytes()


def chain(sizes: list[int]) -> bytes:
    """Tensors of these sizes, each computed from the previous one by PAD."""
    b = ModelBuilder()
    tensors = [b.tensor((1, size), scale=0.5) for size in sizes]
    for left, right in itertools.pairwise(tensors):
        b.operator("PAD", [left, b.constant(np.zeros((2, 2), np.int32))], [right])
    return b.finish([tensors[0]], [tensors[-1]])


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: f"{row['model']}-{row['tree']}")
class TestMeasured:
    def test_the_bound_is_never_too_small(self, row: dict[str, Any]) -> None:
        assert row["used"] <= row["smallest"] <= row["bound"]

    def test_the_bound_is_the_one_that_was_compared(self, row: dict[str, Any]) -> None:
        model = model_bytes(row["model"])
        assert hashlib.sha256(model).hexdigest() == row["sha256"]
        assert bound(strip_ports(model, "net").data).total == row["bound"]


def test_all_five_models_were_measured() -> None:
    assert {row["model"] for row in MEASURED} >= {
        "ad01_int8",
        "kws_ref_model",
        "pretrainedResnet_quant",
        "str_ww_ref_model",
        "vww_96_int8",
    }


@pytest.mark.parametrize("model", [image_net(), two_headed_net(), recurrent_net()])
def test_the_parts_add_up(model: bytes) -> None:
    found = bound(model)
    assert sum(size for size, _ in found.parts) == found.total
    assert all(size > 0 for size, _ in found.parts)


def test_neighbours_in_a_chain_lie_side_by_side_and_others_on_top_of_each_other() -> None:
    assert bound(chain([1000, 2000])).planned == 1008 + 2000
    assert bound(chain([1000, 2000, 1000, 2000])).planned == 1008 + 2000
    assert bound(chain([32, 16, 64])).planned == 16 + 64


def test_the_largest_is_placed_first_even_where_that_wastes_memory() -> None:
    # 48 at 0; 32 after it; 16 after both, because it is alive with both; the last 32 at 0, because
    # it is alive with the 16 only.
    assert bound(chain([48, 32, 16, 32])).planned == 48 + 32


@given(st.lists(st.integers(1, 400), min_size=2, max_size=8))
def test_a_plan_holds_what_lives_at_once(sizes: list[int]) -> None:
    aligned = [-(-size // 16) * 16 for size in sizes]
    planned = bound(chain(sizes)).planned
    assert planned >= max(map(sum, itertools.pairwise(aligned)))
    assert planned <= sum(aligned)


def test_the_scratch_memory_of_a_convolution_counts() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 5, 5, 4), scale=0.5), b.tensor((1, 5, 5, 4), scale=0.5)
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    weights = b.constant(np.ones((4, 1, 1, 4), np.int8), scale=0.5)
    b.operator("CONV_2D", [x, weights], [y], options)
    # Both images; a window of one pixel needs no columns, one of nine needs two of 36 int16.
    assert bound(b.finish([x], [y])).planned == 112 + 112
    assert bound(nets.convolution()).planned == 112 + 48 + 144


def test_a_state_outlives_the_plan() -> None:
    assert bound(recurrent_net()).early > bound(two_headed_net()).early
