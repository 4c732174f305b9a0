"""Ports for tests that have no model."""

from __future__ import annotations

from tflm_ext.ir import DType, Limits, Quantization
from tflm_ext.ir.facts import Port


def int8_port(name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> Port:
    return Port(name, shape, (Limits.of(DType.INT8),), Quantization((scale,), (zero_point,)))


def int32_port(
    name: str, shape: tuple[int, ...], low: int = -(2**31), high: int = 2**31 - 1
) -> Port:
    return Port(name, shape, (Limits(DType.INT32, low, high),))
