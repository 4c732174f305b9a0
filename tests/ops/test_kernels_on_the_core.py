"""Every kernel of every operator on this computer and on the emulated Cortex-M4, equal to TFLM.

The cases are pairwise covering sets: in them, each value of a parameter meets each value of every
other one, like the largest left shift an input zero point of 127. Programs of dozens of operators
run them, each with all three alternatives of the planner and with every kernel that applies. What
the sets leave open, like weights, is drawn with fixed seeds. `make fuzz-kernels` draws products of
all parameters instead.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
import pytest

from tests.ops.core_cases import SETS
from tests.ops.core_firmware import alternatives, assemble, part_of, run_everywhere
from tests.ops.pairwise import Case, covering, missing, products
from tflm_ext.frontend import read_graph
from tflm_ext.ir import NodeView
from tflm_ext.kernels import KERNELS, kernels_for
from tflm_ext.opslib.common import conv_multipliers, zero_point
from tflm_ext.passes import run_passes

Array = np.ndarray[Any, Any]

_SEED = os.environ.get("TFLM_EXT_KERNEL_SEED")
_ROUNDS = int(os.environ.get("TFLM_EXT_KERNEL_ROUNDS", "1"))
_DRAWN = 24  # cases per program if they are drawn

PROGRAMS = [
    (name, number)
    for name, cases in SETS.items()
    for number in range(cases.parts if _SEED is None else _ROUNDS)
]

# RELU6 only limits values, for all scales and zero points.
_NEVER = {("RELU6", "lookup")}


@functools.cache
def cases_of(name: str) -> list[Case]:
    return covering(SETS[name].space)


def is_table(case: Case) -> bool:
    return case.get("operator") == "TABLE"


def build(name: str, number: int, case: Case, seed: int = 0) -> bytes:
    return SETS[name].build(case, np.random.default_rng([seed, number]))


def program(name: str, number: int) -> dict[int, Case]:
    """The cases of a program by their numbers, which also serve as seeds for open parameters."""
    if _SEED is None:
        return dict(list(enumerate(cases_of(name)))[number :: SETS[name].parts])
    draw = np.random.default_rng([int(_SEED), number])
    drawn = products(SETS[name].space, _DRAWN, draw)
    return dict(enumerate(drawn, number * _DRAWN))


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "qemu-system-arm", "cc")
@pytest.mark.parametrize(("name", "number"), PROGRAMS)
def test_equal_on_host_and_core(name: str, number: int) -> None:
    cases = program(name, number)
    seed = int(_SEED or 0)
    firmware = assemble(
        [build(name, i, case, seed) for i, case in cases.items()],
        [f"{name} {i} {case}" for i, case in cases.items()],
        [is_table(case) for case in cases.values()],
        seed,
    )
    ran = run_everywhere(firmware, 1 + number % 3)
    assert len(firmware.parts) == len(cases)
    wanted = {
        (node.operator, row[node.index])
        for part in firmware.parts
        for row in alternatives(part)
        for node in part.nodes
    }
    assert ran == wanted


@functools.cache
def kernels_of_case(name: str, number: int) -> frozenset[tuple[str, str]]:
    """Operators of a case, each with the name of a kernel that can run it."""
    case = cases_of(name)[number]
    return frozenset(
        (view.node.operator, kernel.name)
        for view in part_of(build(name, number, case), is_table(case)).views()
        for kernel in kernels_for(view)
    )


@pytest.mark.slow
@pytest.mark.parametrize("operator", KERNELS)
def test_every_kernel_has_a_case(operator: str) -> None:
    """test_equal_on_host_and_core() runs all kernels that apply."""
    found = {
        (operator, kernel)
        for name in SETS
        if any(operator == o for o, _ in kernels_of_case(name, 0)) or "operator" in SETS[name].space
        for number, case in enumerate(cases_of(name))
        if case.get("operator", operator) == operator
        for kernel in (k for o, k in kernels_of_case(name, number) if o == operator)
    }
    assert found == {(operator, k.name) for k in KERNELS[operator]} - _NEVER


@pytest.mark.parametrize("name", SETS)
def test_covers_all_pairs(name: str) -> None:
    assert not missing(SETS[name].space, cases_of(name))


def described(view: NodeView) -> Case:
    """The parameters of a case that a convolution really has, derived from the operator."""
    o, image, weights, out = view.options, view.input(0), view.input(1), view.output()
    found = {
        "row_window": weights.shape[1],
        "column_window": weights.shape[2],
        "row_stride": o.stride_height,
        "column_stride": o.stride_width,
        "row_dilation": o.dilation_height,
        "column_dilation": o.dilation_width,
        "padding": "border" if any(o.border) else o.padding.name.lower(),
        "batches": image.shape[0],
        "activation": o.activation.value,
    }
    for name, tensor in (("in_point", image), ("out_point", out)):
        zero = zero_point(tensor)
        found[name] = zero if zero in (-128, 127) else None
    if view.node.operator == "CONV_2D":
        groups = image.shape[3] // weights.shape[3]
        found |= {"channels": weights.shape[3], "outputs": out.shape[3] // groups, "groups": groups}
    else:
        found |= {"channels": image.shape[3], "multiplier": o.depth_multiplier}
    return found


def sums_of(view: NodeView) -> tuple[Array, Array]:
    """The sum of absolute weights, and the bias, of each filter."""
    weights = view.input(1).array().astype(np.int64)
    count = view.output().shape[3]
    by_filter = (
        weights.reshape(count, -1) if weights.shape[0] == count else weights.reshape(-1, count).T
    )
    bias = view.input(2).array() if view.has_input(2) else np.zeros(count, np.int32)
    return np.abs(by_filter).sum(1), bias.astype(np.int64)


def requantised_as(kind: str, view: NodeView) -> bool:
    """Whether multipliers and shifts are of a kind."""
    numbers = conv_multipliers(view.input(0), view.input(1), view.output(), view.output().shape[3])
    multipliers, shifts = map(np.array, numbers)
    sums, bias = sums_of(view)
    doubled = (np.abs(bias) + 256 * np.maximum(sums, 1)) << (np.maximum(shifts, 0) + 1)
    return {
        "usual": bool((shifts < 0).all() and (shifts > -31).all()),
        "quarter": bool((shifts == -1).all()),
        "half": bool((shifts == 0).all()),
        "left": bool((shifts > 0).all()),
        "largest": bool(((doubled >= 2**31 - 129) | (shifts == 30)).all()),
        "smallest": bool((shifts == -31).all()),
        "power": bool((multipliers == 2**30).all()),
        "below power": bool((multipliers == 2**31 - 2**7).all()),
        "mixed": True,
        "mixed right": bool((shifts < 0).all()),
    }[kind]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in SETS if n.startswith(("convolution", "depthwise"))])
def test_models_are_what_their_cases_say(name: str) -> None:
    """Check that the operators, not only the names of cases, cover all pairs."""
    found = []
    for i, case in enumerate(cases_of(name)):
        graph = run_passes(read_graph(build(name, i, case)), prove=False).graph
        (view,) = graph.views()
        described_case = described(view)
        assert described_case == {key: case[key] for key in described_case}, (i, case)
        assert requantised_as(case["requantisation"], view), (i, case)
        sums, bias = sums_of(view)
        if case["sums"] == "31 bits":
            # As close to the limit as a left shift allows.
            shifts = conv_multipliers(*view.inputs[:2], view.output(), len(bias))[1]
            worst = (np.abs(bias) + 256 * sums + 1) << np.maximum(shifts, 0)
            assert (worst > 2**31 - 2**15).all(), (i, case)
        found.append(described_case)
    space = {key: values for key, values in SETS[name].space.items() if key in found[0]}
    assert not missing(space, found)
