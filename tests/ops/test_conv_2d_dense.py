"""CONV_2D whose filter covers its whole input, with the kernels of FULLY_CONNECTED."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import assert_exact
from tests.ops.test_conv_2d import conv_2d
from tflm_ext.frontend import read_graph
from tflm_ext.kernels import KERNELS

DENSE = {kernel.name for kernel in KERNELS["FULLY_CONNECTED"]}
WHOLE: dict[str, Any] = {"height": 5, "width": 4, "window": (5, 4), "same": False, "outputs": 9}


def dense(model: bytes) -> bool:
    """Whether such a kernel can run the only operator of a model."""
    (view,) = read_graph(model, "net").views()
    return any(kernel.name in DENSE and kernel.applies(view) for kernel in KERNELS["CONV_2D"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_channel": False, "bias": False},
        {"batches": 3, "activation": 1},
        {"stride": (2, 3), "zero_points": (127, -128)},
        {"stride": (5, 4), "same": True},
        {"height": 1, "width": 1, "window": (1, 1), "channels": 16, "dilation": (3, 3)},
        {"height": 1, "window": (1, 4), "channels": 40, "outputs": 32, "activation": 3},
    ],
)
def test_the_whole_input(options: dict[str, Any]) -> None:
    model = conv_2d(**(WHOLE | options))
    assert dense(model)
    plan = assert_exact(model)
    assert plan.steps[0].view.node.operator == "CONV_2D"
    if "batches" not in options:  # with several, other kernels may cost less
        assert plan.steps[0].kernel.name in DENSE


@pytest.mark.parametrize(
    "options",
    [
        {"window": (5, 3)},
        {"window": (4, 4)},
        {"same": True},
        {"stride": (4, 4), "same": True, "height": 5},
        {"channels": 4, "outputs": 8, "groups": 2},
        # One output, but the second tap of each filter is outside the image.
        {
            "height": 2,
            "width": 1,
            "window": (2, 1),
            "dilation": (2, 1),
            "stride": (2, 1),
            "same": True,
        },
    ],
)
def test_others(options: dict[str, Any]) -> None:
    model = conv_2d(**(WHOLE | options))
    assert not dense(model)
    assert_exact(model, c=False)
