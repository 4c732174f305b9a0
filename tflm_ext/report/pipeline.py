"""The pipeline before a model, and its comparison, for reports."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.document import Bytes, Count, Sha256, declared, entry
from tflm_ext.signals import Pipeline


@dataclass(frozen=True, slots=True)
class PipelineProof:
    """A pipeline whose C equals NumPy.

    Attributes:
        frames: compared.
        bytes: compared, of all stages.
        context_bytes: sizeof(<name>_sense_t) without the model's context.
        ring_bytes: of it, samples that wait.
    """

    pipeline: Pipeline
    frames: int
    bytes: int
    context_bytes: int
    ring_bytes: int


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


def delay_ms(pipeline: Pipeline) -> float:
    """Return the time from the beginning of a lasting cause to its event, without computing."""
    windows = 0 if pipeline.decide is None else pipeline.decide.delay
    return round(milliseconds(pipeline) + float(1000 * windows / pipeline.out.rate), 3)


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
    delay_ms: float | None = entry(
        "Milliseconds from the beginning of a lasting cause to its event, without the time to "
        "compute it: the window, `average` - 1 windows in which a running mean takes over 63 % of "
        "the change, and `needed` - 1, or half of a majority; the window alone without a decision. "
        "Absent in reports of earlier versions.",
        of=lambda proof: delay_ms(proof.pipeline),
        optional=True,
    )
    context_bytes: Bytes | None = entry(
        "sizeof of the pipeline's context without the model's, exact. Absent in reports of "
        "earlier versions.",
        optional=True,
    )
    ring_bytes: Bytes | None = entry(
        "Of these, samples that wait. Absent in reports of earlier versions.", optional=True
    )
    hops_per_second: float = entry(
        "Frames per second.", of=lambda proof: float(proof.pipeline.frame_rate)
    )
    frames: Count = entry("Frames on which C and NumPy were compared, with equal results.")
    compared_bytes: Count = entry(
        "Bytes that were compared, of all stages.", of=lambda proof: proof.bytes
    )
