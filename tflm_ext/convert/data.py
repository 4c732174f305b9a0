"""Calibration and test data of a conversion: one array per input, and what is odd about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tflm_ext.convert import ranges
from tflm_ext.convert.features import Coarse, coarse_features
from tflm_ext.convert.samples import Array, InputSpec, Order, gather
from tflm_ext.errors import ConfigError


def gather_all(
    given: Mapping[str, Any], ports: Sequence[InputSpec], order: Order = Order.OWN
) -> tuple[dict[str, list[Array]], list[str]]:
    """Return all data as one array per input, with warnings about the data."""
    data: dict[str, list[Array]] = {}
    warnings: list[str] = []
    for what, samples in given.items():
        data[what], notes = gather(samples, ports, what, order)
        warnings += notes
    return data, warnings


def input_warnings(
    data: Mapping[str, list[Array]],
    ports: Sequence[InputSpec],
    quantised: Sequence[tuple[float, int] | None],
) -> Coarse:
    """Return warnings about the data of each input, in the order of the inputs."""
    warnings: list[str] = []
    suspects: list[str] = []
    what_shows_features = next(iter(data), None)  # calibration_data, where there is some
    for what, columns in data.items():
        for port, column, q in zip(ports, columns, quantised, strict=True):
            if q is None:
                continue
            warnings += ranges.unscaled(port.name, what, column, *q)
            if what == what_shows_features:
                found = coarse_features(port.name, what, column, *q)
                warnings += found.warnings
                suspects += found.suspects
    return Coarse(tuple(warnings), tuple(suspects))


REALISTIC = "Pass at least 100 samples of realistic input, scaled as in training."
RECORDINGS = "Pass recordings from which the pipeline makes at least 100 realistic inputs."


def calibration_warnings(
    data: Mapping[str, list[Array]], ports: Sequence[InputSpec], wanted: str = REALISTIC
) -> list[str]:
    """Require calibration data that has ranges, and say what is odd about it.

    Args:
        wanted: what to pass instead of data that cannot be used.
    """
    if "calibration_data" not in data:
        raise ConfigError(
            "calibration_data is missing: int8 needs the value range of every layer.", wanted
        )
    columns = data["calibration_data"]
    warnings = [*ranges.few_samples(len(columns[0]))]
    _refuse_zeros(columns, wanted)
    for port, column in zip(ports, columns, strict=True):
        warnings += ranges.always_the_same(port.name, column)
    return warnings


def output_warnings(
    names: Sequence[str], outputs: Sequence[Array], quantised: Sequence[Any]
) -> list[str]:
    """What is odd about the outputs of the float model, and about their scales as int8."""
    warnings: list[str] = []
    for name, values, q in zip(names, outputs, quantised, strict=True):
        warnings += ranges.not_finite(name, values)
        if q is not None:
            warnings += ranges.saturates(name, values, *q)
    return warnings


def _refuse_zeros(columns: Sequence[Array], wanted: str) -> None:
    """Refuse calibration data that determines no range."""
    if not any(column.any() for column in columns):
        raise ConfigError(
            "calibration_data is 0 everywhere, so it does not determine the range of any layer.",
            wanted,
        )
