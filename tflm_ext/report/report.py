"""Report: the frozen results of all stages; parts.py says what report.json has of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tflm_ext.document import to_json
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Optimize
from tflm_ext.passes import LeftOut, PassRecord
from tflm_ext.plan import Plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.report.detail import Detail
from tflm_ext.report.parts import Envelope, ReportDocument
from tflm_ext.report.scores import Accuracy, Int8Error


@dataclass(frozen=True)
class Report:
    """Everything that is known about an export or an inspected model.

    Attributes:
        facts: names, ports, labels.
        plan: kernels and memory.
        footprint: what the model takes on the device.
        passes: what the rewrites removed.
        board, runtime, optimize: the options.
        warnings: one sentence each, losses included.
        losses: those that say that accuracy is lost.
        vectors: inputs compared with TFLM, all without a mismatch; None if not verified. With
            runtime "tflm" there is nothing to compare on this computer: 0.
        golden: SHA-256 of every golden vector, digest().
        scores: of every output that has targets in the test data, in order.
        int8_error: None without a float model or without data to run it on.
        files: path and SHA-256 of every generated file.
        encoding: EncodingResult.to_dict() of runtime "tflm" with encoded weights, else None.
        bench: what bench measured of the same files (read_bench()), else None.
        left_out: rewrites that failed on this model.
        detail: what the rewrites did, step by step; None unless the user asked for it.
    """

    facts: ModelFacts
    plan: Plan
    footprint: Footprint
    passes: tuple[PassRecord, ...]
    board: str
    runtime: str
    optimize: Optimize
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
    detail: Detail | None = None

    @property
    def accuracy(self) -> Accuracy | None:
        """The score of the first output; None without targets for it."""
        return next((score for score in self.scores if score.output == 0), None)

    @property
    def ram_bytes(self) -> int:
        """sizeof(context), exact."""
        return self.footprint.context_bytes

    @property
    def weight_bytes(self) -> int:
        """Constant tables, or the whole .tflite with runtime "tflm"; exact."""
        return self.footprint.weight_bytes

    @property
    def code_bytes(self) -> int | None:
        """Estimated; None with runtime "tflm", whose code only a build can tell."""
        return self.footprint.code_bytes

    @property
    def flash_bytes(self) -> int | None:
        """Weights, exact, and code, estimated; None as code_bytes."""
        return self.footprint.flash_bytes

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json."""
        return to_json(ReportDocument, self)

    def to_json(self) -> str:
        """report.json: sorted keys, no time, host or absolute path."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def envelope() -> dict[str, Any]:
    """What every JSON of ours begins with."""
    return to_json(Envelope, "tflm_ext")


def digest(vector: GoldenVector) -> str:
    """SHA-256 of a golden vector: its inputs, then its outputs."""
    return hashlib.sha256(b"".join((*vector.inputs, *vector.outputs))).hexdigest()


def digests(files: Sequence[RenderedFile]) -> tuple[tuple[str, str], ...]:
    """Path and SHA-256 of every file, sorted by path."""
    return tuple(
        (file.path, hashlib.sha256(file.content).hexdigest())
        for file in sorted(files, key=lambda f: f.path)
    )
