"""Report: the frozen results of all stages, and their JSON (docs/reference/report.schema.json)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tflm_ext.ir.facts import GoldenVector, ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Optimize
from tflm_ext.passes import LeftOut, PassRecord
from tflm_ext.plan import Plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.plan.sizes import compiler
from tflm_ext.version import VERSION

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The same test data through the float model, TFLM, and the C.

    Attributes:
        metric: "accuracy" (share of right classes) or "mean_absolute_error".
        samples: how many were compared.
        float_model: None where there is no float model.
        int8_tflm: the int8 model in TensorFlow Lite Micro.
        int8_c: the generated C as it ran on this computer; None where TFLM itself is what runs.
        drop: what int8 loses, positive is worse: accuracy, or error over the mean absolute
            deviation of the targets from their median. None where it is not known.
        drop_interval: its 95 % interval, of the pairs of outcomes of every sample.
        output: which output of the model was scored.
    """

    metric: str
    samples: int
    float_model: float | None
    int8_tflm: float
    int8_c: float | None
    drop: float | None = None
    drop_interval: tuple[float, float] | None = None
    output: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready content."""
        interval = None if self.drop_interval is None else list(self.drop_interval)
        return {**asdict(self), "drop_interval": interval}


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far one output of the int8 model is from the float model's.

    Attributes:
        name: of the output.
        float_std: standard deviation between samples in float, over all values; None where the
            float model gives nothing finite.
        rms_error: of int8 minus float.
        ratio: rms_error over float_std; None where float does not vary.
    """

    name: str
    float_std: float | None
    rms_error: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Int8Error:
    """How far the int8 model is from the float model, without targets.

    Attributes:
        data: where the samples came from, "calibration_data" or "test_data".
        samples: how many were compared.
        outputs: one for each, in order.
    """

    data: str
    samples: int
    outputs: tuple[OutputError, ...]


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
        found: dict[str, Any] = envelope() | {
            "model": {
                "name": self.facts.name,
                "sha256": self.facts.sha256,
                "inputs": [_port(b) for b in self.facts.inputs],
                "outputs": [_port(b) for b in self.facts.outputs],
                "labels": list(self.facts.labels),
                "macs": self.facts.macs,
            },
            "options": {
                "board": self.board,
                "runtime": self.runtime,
                "optimize": self.optimize.value,
            },
            "operators": [_step(step) for step in self.plan.steps],
            "passes": [
                {
                    "name": record.name,
                    "removed_nodes": list(record.removed_nodes),
                    "removed_tensors": list(record.removed_tensors),
                }
                for record in self.passes
            ],
            "memory": {
                "arena_bytes": self.footprint.arena_bytes,
                "context_bytes": self.ram_bytes,
                "live_bytes": self.plan.live_bytes,
                "tensors": self._tensors(),
            },
            "flash": {
                "weight_bytes": self.weight_bytes,
                "code_bytes": self.code_bytes,
                "code_is_estimate": True,
                "code_compiler": None if self.code_bytes is None else compiler(self.plan.core),
                "total_bytes": self.flash_bytes,
            },
            "warnings": list(self.warnings),
            "files": [{"path": path, "sha256": sha256} for path, sha256 in self.files],
        }
        if self.left_out:
            found["passes_left_out"] = [
                {"name": item.name, "problem": item.problem} for item in self.left_out
            ]
        if self.vectors is not None:
            found["verification"] = {
                "inputs": self.vectors,
                "mismatches": 0,
                "golden_sha256": list(self.golden),
            }
        if self.accuracy is not None:
            found["accuracy"] = self.accuracy.to_dict()
        if others := [score for score in self.scores if score is not self.accuracy]:
            found["accuracy_of_other_outputs"] = [score.to_dict() for score in others]
        if self.int8_error is not None:
            found["int8_error"] = asdict(self.int8_error)
            found["int8_error"]["outputs"] = list(found["int8_error"]["outputs"])
        if self.losses:
            found["losses"] = list(self.losses)
        if self.encoding is not None:
            found["encode"] = dict(self.encoding)
        if self.bench is not None:
            found["bench"] = dict(self.bench)
        return found

    def _tensors(self) -> list[dict[str, int]]:
        """Where they lie in the arena, as far as the plan decides that."""
        return [
            {
                "tensor": i,
                "offset_bytes": offset,
                "size_bytes": self.plan.graph.tensors[i].bytes,
            }
            for i, offset in sorted(self.plan.offsets.items())
        ]

    def to_json(self) -> str:
        """report.json: sorted keys, no time, host or absolute path."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def envelope() -> dict[str, Any]:
    """What every JSON of ours begins with."""
    return {"schema": SCHEMA, "tool": {"name": "tflm_ext", "version": VERSION}}


def digest(vector: GoldenVector) -> str:
    """SHA-256 of a golden vector: its inputs, then its outputs."""
    return hashlib.sha256(b"".join((*vector.inputs, *vector.outputs))).hexdigest()


def digests(files: Sequence[RenderedFile]) -> tuple[tuple[str, str], ...]:
    """Path and SHA-256 of every file, sorted by path."""
    return tuple(
        (file.path, hashlib.sha256(file.content).hexdigest())
        for file in sorted(files, key=lambda f: f.path)
    )


def _port(port: Port) -> dict[str, Any]:
    return {
        "name": port.tensor_name,
        "shape": list(port.shape),
        "scale": port.scale,
        "zero_point": port.zero_point,
        "size_bytes": port.size,
    }


def _step(step: Any) -> dict[str, Any]:
    row = {
        "index": step.index,
        "operator": step.view.node.operator,
        "kernel": step.kernel.name,
        "inputs": [list(t.shape) for t in step.view.inputs if not t.constant],
        "outputs": [list(t.shape) for t in step.view.outputs],
        "macs": step.macs,
        "weight_bytes": step.weight_bytes,
        "scratch_bytes": step.call.scratch_bytes,
        "alternatives": [
            {
                "kernel": option.kernel.name,
                "estimated_instructions": option.instructions,
                "estimated_cycles": option.cycles,
                "weight_bytes": option.weight_bytes,
                "code_bytes": option.code_bytes,
                "scratch_bytes": option.call.scratch_bytes,
            }
            for option in step.alternatives
        ],
    }
    if step.view.keras_layer:
        row["keras_layer"] = step.view.keras_layer
    return row
