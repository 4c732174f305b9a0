"""Report: the frozen results of all stages; parts.py declares what report.json has of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tflm_ext.document import to_json
from tflm_ext.emit.ports import lifted_inputs
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Methods, Optimize
from tflm_ext.passes import LeftOut, PassRecord
from tflm_ext.plan import Plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.report.detail import Detail
from tflm_ext.report.parts import Envelope, ReportDocument
from tflm_ext.report.pipeline import PipelineProof, delay_ms
from tflm_ext.report.scores import Accuracy, Int8Error

_MOST_SCORES = 3  # in a summary


@dataclass(frozen=True, repr=False)
class Report:
    """All results of an export or an inspection.

    Attributes:
        facts: names, ports, labels.
        plan: kernels and memory.
        footprint: memory that the model needs on the device.
        passes: operators and tensors that rewrites removed.
        board, runtime, optimize, budget: the options.
        methods: of the encoding, as the user gave them; None if nothing is encoded.
        lift: whether layers at the head of a Keras model may be lifted out of it.
        warnings: one sentence each, including losses.
        losses: the warnings about lost accuracy.
        vectors: number of inputs compared with TFLM, all without a mismatch; None if the model was
            not verified; 0 for runtime "tflm", which has nothing to compare on this computer.
        golden: SHA-256 of each golden vector, see digest().
        scores: of each output that has targets in the test data, in order.
        int8_error: None without a float model, or without data to run it on.
        files: path and SHA-256 of each generated file.
        encoding: EncodingResult.to_dict() for runtime "tflm" with encoded weights, else None.
        bench: measurements of the same files, see with_bench(); else None.
        left_out: rewrites that failed on this model.
        pipeline: before the model, None if there is none.
        detail: the rewrites step by step; None unless requested.
    """

    facts: ModelFacts
    plan: Plan
    footprint: Footprint
    passes: tuple[PassRecord, ...]
    board: str
    runtime: str
    optimize: Optimize
    budget: Budget = Budget()
    methods: Methods | None = None
    lift: bool = True
    warnings: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    vectors: int | None = None
    golden: tuple[str, ...] = ()
    scores: tuple[Accuracy, ...] = ()
    int8_error: Int8Error | None = None
    files: tuple[tuple[str, str], ...] = ()
    encoding: Mapping[str, Any] | None = None
    bench: Mapping[str, Any] | None = None
    left_out: tuple[LeftOut, ...] = ()
    pipeline: PipelineProof | None = None
    detail: Detail | None = None

    def __repr__(self) -> str:
        """The model and its sizes; print() shows more, to_dict() everything."""
        if not self.facts.outputs:
            return f"<Report of {self.facts.name}: a pipeline without a model>"
        return (
            f"<Report of {self.facts.name}: {len(self.plan.steps)} operators, flash "
            f"{_bytes(self.flash_bytes)}, RAM {_bytes(self.ram_bytes)}, "
            f"warnings: {len(self.warnings)}>"
        )

    def __str__(self) -> str:
        """The model, its sizes, what was compared and the scores, in a few lines."""
        facts = self.facts
        if not facts.outputs and self.pipeline:
            return "\n".join(self._without_model(self.pipeline))
        flash = f"{_bytes(self.weight_bytes)} of weights"
        if self.code_bytes is not None:
            flash = f"{_bytes(self.flash_bytes)} of flash ({flash})"
        sizes = f"{flash}, {_bytes(self.ram_bytes)} of RAM, {facts.macs:,} MACs"
        lines = [f"{facts.name} for {self.board}, runtime {self.runtime}: {sizes}"]
        lines += [f"computed before int8, {text}" for text in lifted_inputs(facts)]
        if self.vectors:
            lines.append(f"equal to TensorFlow Lite Micro on {self.vectors} inputs")
        if self.pipeline:
            lines.append(f"pipeline equal to NumPy on {self.pipeline.frames:,} frames")
            lines += self._about_pipeline(self.pipeline)
        for score in self.scores[:_MOST_SCORES]:
            of = "" if len(facts.outputs) == 1 else f" of output {score.output}"
            real = "" if score.float_model is None else f", float {score.float_model:.4f}"
            lines.append(
                f"{score.metric.replace('_', ' ')}{of}: int8 {score.int8_tflm:.4f}{real} "
                f"({score.samples:,} samples)"
            )
        if self.warnings:
            lines.append(f"warnings: {len(self.warnings)}, in report.warnings")
        return "\n".join(lines)

    def _without_model(self, proof: PipelineProof) -> Iterator[str]:
        yield f"{self.facts.name} for {self.board}, a pipeline without a model"
        yield f"equal to NumPy on {proof.frames:,} frames"
        yield from self._about_pipeline(proof)
        if self.warnings:
            yield f"warnings: {len(self.warnings)}, in report.warnings"

    def _about_pipeline(self, proof: PipelineProof) -> Iterator[str]:
        """Yield a line with what the pipeline costs, as far as it is known."""
        found = None if self.bench is None else self.bench.get("pipeline")
        words = [f"{_bytes(proof.context_bytes)} of RAM"]
        if found is not None:
            words += [f"{_bytes(found['flash_bytes'])} of flash"]
            words += [f"{found['instructions']:,} instructions per hop"]
            words += [f"{found['instructions_per_second']:,} per second"]
            if found["clock_share"] is not None:
                words += [f"{100 * found['clock_share']:.2f} % of the clock"]
        words += [f"{delay_ms(proof.pipeline):,g} ms from a cause to its event"]
        yield f"pipeline: {', '.join(words)}"
        if found is None:
            yield "tflm-ext bench measures flash and instructions"

    @property
    def accuracy(self) -> Accuracy | None:
        """Score of the first output; None if it has no targets."""
        return next((score for score in self.scores if score.output == 0), None)

    @property
    def ram_bytes(self) -> int:
        """sizeof(context)."""
        return self.footprint.context_bytes

    @property
    def weight_bytes(self) -> int:
        """Size of the constant tables, or of the whole .tflite with runtime "tflm"; exact."""
        return self.footprint.weight_bytes

    @property
    def code_bytes(self) -> int | None:
        """Estimate; None with runtime "tflm", whose code only a build can measure."""
        return self.footprint.code_bytes

    @property
    def flash_bytes(self) -> int | None:
        """Weights, exact, plus code, estimated; None if code_bytes is None."""
        return self.footprint.flash_bytes

    def to_dict(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return to_json(ReportDocument, self)

    def to_json(self) -> str:
        """Return report.json: sorted keys; no times, host names or absolute paths."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _bytes(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,} bytes"


def envelope() -> dict[str, Any]:
    """Return the keys that all our JSON documents have."""
    return to_json(Envelope, "tflm_ext")


def digest(vector: GoldenVector) -> str:
    """Return the SHA-256 of a golden vector: its inputs, then its outputs."""
    return hashlib.sha256(b"".join((*vector.inputs, *vector.outputs))).hexdigest()


def digests(files: Sequence[RenderedFile]) -> tuple[tuple[str, str], ...]:
    """Return path and SHA-256 of each file, sorted by path."""
    return tuple(
        (file.path, hashlib.sha256(file.content).hexdigest())
        for file in sorted(files, key=lambda f: f.path)
    )
