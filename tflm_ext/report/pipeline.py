"""The pipeline before a model, and its comparison, for reports."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.document import Count, Sha256, declared, entry
from tflm_ext.signals import Pipeline


@dataclass(frozen=True, slots=True)
class PipelineProof:
    """A pipeline whose C equals NumPy.

    Attributes:
        frames: compared.
        bytes: compared, of all stages.
    """

    pipeline: Pipeline
    frames: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePart:
    """A stage, written from a block."""

    stage: str = entry(of=lambda block: type(block).__name__.removesuffix("Block"))
    gives: str = entry(
        "What comes out: form, shape, type and rate.", of=lambda block: str(block.out)
    )


def milliseconds(pipeline: Pipeline) -> float:
    """Return how long a window of a pipeline is."""
    return round(float(1000 * pipeline.window / pipeline.source.spec.rate), 3)


@declared("pipeline")
@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePart:
    """The pipeline before the model, written from a PipelineProof."""

    sha256: Sha256 = entry(
        "Digest of its JSON, the file model/pipeline.json.", of=lambda proof: proof.pipeline.sha256
    )
    stages: tuple[StagePart, ...] = entry(
        "In order, with those that were added.", of=lambda proof: proof.pipeline.blocks
    )
    window_samples: Count = entry(
        "Samples of the source that an input of the model sees.",
        of=lambda proof: proof.pipeline.window,
    )
    window_ms: float = entry(
        "The same in milliseconds: the delay from the first sample of a window to its result, "
        "without the time to compute it.",
        of=lambda proof: milliseconds(proof.pipeline),
    )
    hops_per_second: float = entry(
        "Frames per second.", of=lambda proof: float(proof.pipeline.frame_rate)
    )
    frames: Count = entry("Frames on which C and NumPy were compared, with equal results.")
    compared_bytes: Count = entry(
        "Bytes that were compared, of all stages.", of=lambda proof: proof.bytes
    )
