"""Ports and facts for tests that have no model."""

from __future__ import annotations

from dataclasses import replace

from tflm_ext.ir import DType, Limits, Quantization
from tflm_ext.ir.facts import ModelFacts, Port


def int8_port(name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> Port:
    return Port(name, shape, (Limits.of(DType.INT8),), Quantization((scale,), (zero_point,)))


def int32_port(
    name: str, shape: tuple[int, ...], low: int = -(2**31), high: int = 2**31 - 1
) -> Port:
    return Port(name, shape, (Limits(DType.INT32, low, high),))


def with_labels(facts: ModelFacts, labels: tuple[str, ...]) -> ModelFacts:
    """The same model with labels of its first output."""
    first, *others = facts.outputs
    return replace(facts, outputs=(replace(first, labels=labels), *others))
