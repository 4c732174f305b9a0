"""The parts of report.json: all keys, with types, descriptions, and the sources of their values.

To add a key, add an entry here: report.json, its schema, the reference and the reader follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tflm_ext.document import Bytes, Count, FilePath, Scalar, Sha256, Shape, declared, entry
from tflm_ext.ir.affine import Affine
from tflm_ext.options import NO_VERSION
from tflm_ext.plan.sizes import compiler
from tflm_ext.report.detail import GraphPart, PlacementPart, named_placements
from tflm_ext.report.pipeline import PipelinePart
from tflm_ext.report.scores import Accuracy, Int8Error
from tflm_ext.version import PAGE, VERSION

SCHEMA = 1
"""The schema of the report.json that is written. Once it changes, the old one is still read."""
SCHEMAS = range(1, SCHEMA + 1)


@declared("tool")
@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The program that wrote a document."""

    name: Literal["tflm_ext"] = entry(of=lambda _: "tflm_ext")
    version: str = entry(of=lambda _: VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Keys that all our JSON documents have."""

    schema: Literal[1] = entry("Version of this schema.", of=lambda _: SCHEMA)
    tool: Tool = entry(of=lambda source: source)


@declared("port", "An input or output. int8: real value = scale * (q - zero_point).")
@dataclass(frozen=True, slots=True, kw_only=True)
class PortPart:
    """An input or output, written from a Port."""

    name: str = entry(
        "Name of the tensor in the .tflite; untrusted text.", of=lambda port: port.tensor_name
    )
    port_name: str | None = entry(
        "What Keras or the signature calls it; absent if they do not. Untrusted text.",
        of=lambda port: port.name or None,
        optional=True,
    )
    c_name: str | None = entry(
        'Part of its names in C: "input0", or "input_image" where there are several.',
        of=lambda port: port.symbol or None,
        optional=True,
    )
    labels: tuple[str, ...] = entry(
        "Names of the classes of an output; absent if there are none. Untrusted text.",
        optional=True,
    )
    shape: Shape = entry()
    dtype: Literal["int8", "int32"] = entry(
        "Element type; absent in reports of earlier versions, whose ports are int8.",
        of=lambda port: port.dtype.value,
        optional=True,
    )
    scale: float | None = entry(
        "Of int8; int32 has none.",
        of=lambda port: port.quantization and port.quantization.scale,
        optional=True,
        schema={"exclusiveMinimum": 0},
    )
    zero_point: int | None = entry(
        "Of int8; int32 has none.",
        of=lambda port: port.quantization and port.quantization.zero_point,
        optional=True,
        schema={"minimum": -128, "maximum": 127},
    )
    limits: tuple[tuple[int, int], ...] = entry(
        "The smallest and the largest value that the model takes, one pair for all elements or one "
        "for each; absent if it takes every value.",
        of=lambda port: () if port.takes_all else tuple((o.low, o.high) for o in port.limits),
        optional=True,
        schema={"minItems": 1},
    )
    lifted: Affine | None = entry(
        "What becomes of real values before they become int8: layers of the Keras model that the "
        "exported .tflite does not have; scale and zero point are those of the normalised value. "
        "Absent if nothing was lifted.",
        of=lambda port: port.affine,
        optional=True,
    )
    size_bytes: Bytes = entry(of=lambda port: port.bytes)


@declared("model")
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """The model, or a pipeline that needs none, written from ModelFacts."""

    name: str = entry(
        "C identifier, prefix of all symbols.", schema={"pattern": "^[a-z][a-z0-9_]*$"}
    )
    sha256: Sha256 = entry(
        "Digest of the exported .tflite; of model/pipeline.json if there is no model."
    )
    inputs: tuple[PortPart, ...] = entry("Empty if there is no model.")
    outputs: tuple[PortPart, ...] = entry("Empty if there is no model.")
    labels: tuple[str, ...] = entry("Names of the classes of the first output; untrusted text.")
    version: str | None = entry(
        "The version that the user gave the model; absent if none was given.",
        of=lambda facts: None if facts.model_version == NO_VERSION else facts.model_version,
        optional=True,
    )
    url: str | None = entry(
        "The page of the model; absent if none was given.",
        of=lambda facts: None if facts.url == PAGE else facts.url,
        optional=True,
    )
    macs: Count = entry("Multiply-accumulate operations per inference.")


def _everywhere(methods: Any) -> tuple[str, ...] | None:
    """Return the methods of an encoding that are not of single tensors."""
    if methods is None or isinstance(methods, Mapping):
        return None
    return (methods,) if isinstance(methods, str) else tuple(methods)


@declared("options")
@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsPart:
    """Options chosen by the user."""

    board: str = entry()
    runtime: Literal["compiled", "tflm", "none"] = entry(
        "What runs the model; none if a pipeline needs no model."
    )
    optimize: Literal["balanced", "speed", "size"] = entry(of=lambda report: report.optimize.value)
    budget: Mapping[str, int] | None = entry(
        "Limits by name; absent if there are none.",
        of=lambda report: report.budget.limits or None,
        optional=True,
    )
    encoding: tuple[str, ...] | None = entry(
        'Methods that the weights may be encoded with, or "auto"; absent if they are not encoded.',
        of=lambda report: _everywhere(report.methods),
        optional=True,
    )
    encoding_by_tensor: Mapping[str, str] | None = entry(
        "The method of each tensor, by its name, if the user chose them; else absent.",
        of=lambda report: report.methods if isinstance(report.methods, Mapping) else None,
        optional=True,
    )
    lift: Literal[False] | None = entry(
        "False if layers at the head of the Keras model were to stay in it; absent if not.",
        of=lambda report: None if report.lift else False,
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativePart:
    """A kernel that the planner could choose, written from a KernelOption of the plan."""

    kernel: str = entry(of=lambda option: option.kernel.name)
    estimated_instructions: Count = entry(
        "Estimate, fitted to counts from the emulated core.", of=lambda option: option.instructions
    )
    estimated_cycles: Count = entry(
        "Estimate; equal to the instructions if the core's manual gives no cycles.",
        of=lambda option: option.cycles,
    )
    weight_bytes: Bytes = entry("Size of its constant tables.")
    code_bytes: Bytes = entry("Estimated size of the kernel, whose code all its operators share.")
    scratch_bytes: Bytes = entry(of=lambda option: option.call.scratch_bytes)


@declared("operator")
@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPart:
    """One operator, written from a Step of the plan."""

    index: Count = entry("Number in the .tflite.")
    operator: str = entry(
        "TensorFlow Lite's name, like CONV_2D.", of=lambda step: step.view.node.operator
    )
    kernel: str = entry(of=lambda step: step.kernel.name)
    inputs: tuple[Shape, ...] = entry(
        "Shapes of the inputs that are not constant.",
        of=lambda step: tuple(t.shape for t in step.view.inputs if not t.constant),
    )
    outputs: tuple[Shape, ...] = entry(of=lambda step: tuple(t.shape for t in step.view.outputs))
    macs: Count = entry()
    weight_bytes: Bytes = entry("Size of its constant tables.")
    scratch_bytes: Bytes = entry(of=lambda step: step.call.scratch_bytes)
    alternatives: tuple[AlternativePart, ...] = entry("Kernels that the planner could choose from.")
    keras_layer: str | None = entry(
        "Untrusted text.",
        of=lambda step: step.view.keras_layer,
        optional=True,
    )


@declared("pass")
@dataclass(frozen=True, slots=True, kw_only=True)
class PassPart:
    """A rewrite that removed operators or tensors."""

    name: str = entry()
    removed_nodes: tuple[Count, ...] = entry()
    removed_tensors: tuple[Count, ...] = entry()


@declared("left_out")
@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutPart:
    """A rewrite that failed."""

    name: str = entry()
    problem: str = entry("The error, in one line; may contain untrusted text.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePart:
    """Place of a tensor in the arena, written from (plan, tensor, offset)."""

    tensor: Count = entry("Its number in the .tflite.", of=lambda place: place[1])
    offset_bytes: Bytes = entry(of=lambda place: place[2])
    size_bytes: Bytes = entry(of=lambda place: place[0].graph.tensors[place[1]].bytes)


@declared("memory")
@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPart:
    """RAM."""

    arena_bytes: Bytes = entry(
        "Activations, state and scratch memory.", of=lambda report: report.footprint.arena_bytes
    )
    context_bytes: Bytes = entry(
        "sizeof(context): all RAM that the model needs, except the stack.",
        of=lambda report: report.footprint.context_bytes,
    )
    live_bytes: Bytes = entry(
        "Largest number of bytes of activations alive at the same time: no plan without overlap "
        "needs less.",
        of=lambda report: report.plan.live_bytes,
        row=("live maximum", "bytes alive at the same time: minimum without overlap"),
    )
    tensors: tuple[PlacePart, ...] = entry(
        of=lambda report: tuple(
            (report.plan, *item) for item in sorted(report.plan.offsets.items())
        )
    )


@declared("flash")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlashPart:
    """Flash."""

    weight_bytes: Bytes = entry(
        "Constant tables, or the whole .tflite with runtime tflm; exact.",
        of=lambda report: report.footprint.weight_bytes,
    )
    code_bytes: Bytes | None = entry(
        "Operators and kernels; null with runtime tflm, because only a build can measure it.",
        of=lambda report: report.footprint.code_bytes,
    )
    code_is_estimate: bool = entry(of=lambda _: True)
    code_compiler: str | None = entry(
        "Compiler for which code_bytes was estimated.",
        of=lambda report: (
            None if report.footprint.code_bytes is None else compiler(report.plan.core)
        ),
    )
    total_bytes: Bytes | None = entry(of=lambda report: report.footprint.flash_bytes)


@declared("file")
@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A generated file, written from its path and its digest."""

    path: FilePath = entry(of=lambda file: file[0])
    sha256: Sha256 = entry(of=lambda file: file[1])


@declared("verification")
@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationPart:
    """The comparison with TensorFlow Lite Micro."""

    inputs: int = entry(
        "Inputs on which the C was compared with TensorFlow Lite Micro; 0 with runtime tflm.",
        of=lambda report: report.vectors,
        schema={"anyOf": [{"type": "integer", "minimum": 64}, {"const": 0}]},
    )
    mismatches: Literal[0] = entry(
        "Always 0: a mismatch is an error, and no report is written.", of=lambda _: 0
    )
    golden_sha256: tuple[Sha256, ...] = entry(
        "One digest per golden vector, of the bytes of its inputs followed by its outputs.",
        of=lambda report: report.golden,
        schema={"minItems": 1},
    )


@declared("compression", "Compression of the Keras model before the export.")
@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionPart:
    """Reserved: no command writes it yet."""

    steps: tuple[Mapping[str, Any], ...] = entry(
        schema={
            "items": {
                "type": "object",
                "required": ["method"],
                "properties": {"method": {"type": "string"}},
            },
            "minItems": 1,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument(Envelope):
    """report.json, written from a Report."""

    model: ModelPart = entry(of=lambda report: report.facts)
    options: OptionsPart = entry(of=lambda report: report)
    operators: tuple[OperatorPart, ...] = entry(
        "In execution order.", of=lambda report: report.plan.steps
    )
    passes: tuple[PassPart, ...] = entry("Rewrites that removed operators or tensors, in order.")
    passes_left_out: tuple[LeftOutPart, ...] = entry(
        "Rewrites that failed on this model and were left out, because of a bug in tflm_ext; also "
        "in the warnings.",
        of=lambda report: report.left_out,
        optional=True,
    )
    passes_detail: tuple[GraphPart, ...] = entry(
        "With --passes: the graph as it was read, then after each rewrite that changed it.",
        of=lambda report: () if report.detail is None else report.detail.states(),
        optional=True,
    )
    plan_detail: tuple[PlacementPart, ...] = entry(
        "With --passes: contents of the arena, by offset, then by time.",
        of=lambda report: () if report.detail is None else named_placements(report.plan),
        optional=True,
    )
    memory: MemoryPart = entry(of=lambda report: report)
    flash: FlashPart = entry(of=lambda report: report)
    warnings: tuple[str, ...] = entry("One sentence each.")
    files: tuple[FilePart, ...] = entry(
        "All generated files except report.json, by path; empty after inspect."
    )
    verification: VerificationPart | None = entry(
        of=lambda report: None if report.vectors is None else report, optional=True
    )
    pipeline: PipelinePart | None = entry(
        "The pipeline before the model; absent if there is none.", optional=True
    )
    accuracy: Accuracy | None = entry("Score of the first output.", optional=True)
    accuracy_of_other_outputs: tuple[Accuracy, ...] = entry(
        "Scores of the other outputs that have targets.",
        of=lambda report: tuple(s for s in report.scores if s is not report.accuracy),
        optional=True,
        schema={"minItems": 1},
    )
    int8_error: Int8Error | None = entry(optional=True)
    losses: tuple[str, ...] = entry(
        "Warnings about lost accuracy.", optional=True, schema={"minItems": 1}
    )
    compression: CompressionPart | None = entry(of=lambda _: None, optional=True)
    encode: Annotated[Mapping[str, Any], Scalar("encode", {})] | None = entry(
        of=lambda report: report.encoding, optional=True
    )
    bench: Annotated[Mapping[str, Any], Scalar("bench", {})] | None = entry(
        "Measurements of these files by tflm-ext bench: the content of bench.json.", optional=True
    )
