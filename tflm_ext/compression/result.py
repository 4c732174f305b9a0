"""Result of compress(), and its table. Does not use TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tflm_ext.compression.recipe import Recipe
from tflm_ext.document import COUNT, declared, entry, from_json, to_json
from tflm_ext.report.scores import METRICS


@dataclass(frozen=True, slots=True)
class CompressionStep:
    """The model after one step.

    Attributes:
        name: of the step; the first is "as given".
        float_score: of the Keras model on the validation data, see CompressionReport.metric. For a
            quantisation-aware model, it includes the rounding. None if it is not finite.
        int8_score: of the int8 model in TensorFlow Lite Micro, on the same data.
        parameters: of the plain Keras model.
        macs: multiply-accumulate operations per inference.
        weight_bytes: constant tables, in bytes.
        flash_bytes: tables plus the estimated code, in bytes.
        tflite_bytes: size of the .tflite, in bytes.
        ram_bytes: sizeof(context) as planned, in bytes.
        notes: what the step did and gained, one sentence each.
    """

    name: str = entry()
    float_score: float | None = entry()
    int8_score: float = entry()
    parameters: int = entry(schema=COUNT)
    macs: int = entry(schema=COUNT)
    weight_bytes: int = entry(schema=COUNT)
    flash_bytes: int = entry(schema=COUNT)
    tflite_bytes: int = entry(schema=COUNT)
    ram_bytes: int = entry(schema=COUNT)
    notes: tuple[str, ...] = entry(default=())


@declared("compress")
@dataclass(frozen=True, slots=True, repr=False)
class CompressionReport:
    """Costs and gains of every step.

    Attributes:
        metric: "accuracy" (fraction of correct classes) or "mean_absolute_error".
        samples: number of validation samples that were scored.
        recipe: the recipe that was used.
        steps: the model as given, then after each step.
        notes: about the whole run, one sentence each.
    """

    metric: str = entry(schema=METRICS)
    samples: int = entry(schema={"minimum": 1})
    recipe: Recipe = entry(
        "The values of tflm_ext.Recipe.",
        of=lambda report: json.loads(json.dumps(asdict(report.recipe))),
        part=Mapping[str, Any],
    )
    steps: tuple[CompressionStep, ...] = entry(
        "The model as given, then after each step.", schema={"minItems": 1}
    )
    notes: tuple[str, ...] = entry("Goals that were not reached.", default=())

    def __repr__(self) -> str:
        first, last = self.steps[0], self.steps[-1]
        return (
            f"<CompressionReport: {len(self.steps) - 1} steps, {self.metric} "
            f"{first.int8_score:.4f} -> {last.int8_score:.4f} as int8, weights "
            f"{first.weight_bytes:,} -> {last.weight_bytes:,} bytes>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return to_json(CompressionReport, self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CompressionReport:
        """Read the result of to_dict()."""
        found = from_json(cls, content)
        return replace(found, recipe=Recipe.from_json(json.dumps(content["recipe"])))

    def __str__(self) -> str:
        """Return a table with one line per step, and the notes."""
        score = self.metric.replace("_", " ")
        heading = ("step", f"{score}, float", f"{score}, int8", "parameters", "MACs", "weights B")
        rows: list[tuple[str, ...]] = [(*heading, ".tflite B", "RAM B")]
        rows += [
            (
                step.name,
                "-" if step.float_score is None else f"{step.float_score:.4f}",
                f"{step.int8_score:.4f}",
                *(
                    f"{value:,}"
                    for value in (
                        step.parameters,
                        step.macs,
                        step.weight_bytes,
                        step.tflite_bytes,
                        step.ram_bytes,
                    )
                ),
            )
            for step in self.steps
        ]
        lines = _aligned(rows)
        lines += [f"{step.name}: {note}" for step in self.steps for note in step.notes]
        lines += [f"note: {note}" for note in self.notes]
        lines.append(f"scores on {self.samples:,} samples of validation data")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class CompressionResult:
    """A compressed model and its report.

    Attributes:
        model: of the same library as the original. If the recipe has quantize_epochs, it is
            quantisation-aware: export() uses its scales, and tflm_ext.strip() returns the plain
            model.
        report: one row per step.
    """

    model: Any
    report: CompressionReport

    def __str__(self) -> str:
        return str(self.report)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align columns: the first one to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
