"""What a pipeline costs on the emulated core, for bench.json, reports and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from tflm_ext.bench.pipeline import PipelineMeasurement
from tflm_ext.document import Bytes, Count, Limits, Sha256, declared, entry
from tflm_ext.report.pipeline import delay_ms, milliseconds
from tflm_ext.signals import Pipeline
from tflm_ext.targets import Board

_Share: TypeAlias = Annotated[float, Limits({"minimum": 0})]


@declared("stage_figures")
@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage of a pipeline."""

    stage: str = entry("As in the pipeline's JSON; push is the copy into the ring of samples.")
    instructions: Count = entry("Executed in a hop that completes a window.")
    cycles: Count | None = entry("Estimated, as in bench.")
    per_second: float = entry("How often it runs per second of signal.")


@declared("pipeline_figures")
@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFigures:
    """The pipeline before a model on the emulated core, without the model."""

    sha256: Sha256 = entry("Digest of the pipeline's JSON.")
    hops_per_second: float = entry("Frames per second of signal.")
    instructions: Count = entry(
        "Executed in a hop that completes a window, and to push its samples."
    )
    cycles: Count | None = entry("Likewise, estimated as in bench.")
    instructions_per_second: Count = entry("Per second of signal.")
    cycles_per_second: Count | None = entry("Likewise, estimated as in bench.")
    clock_share: _Share | None = entry(
        "Share of the board's clock: estimated cycles per second of signal, divided by the clock."
    )
    clock_share_with_model: _Share | None = entry("Likewise, of the pipeline and the model.")
    expected_clock_share: tuple[_Share, _Share] | None = entry(
        "Expected range of clock_share_with_model on the board, from published ratios of real to "
        "estimated cycles; not measured."
    )
    context_bytes: Bytes = entry("Of the pipeline's context, without the model's.")
    ring_bytes: Bytes = entry("Of these, samples that wait.")
    features_bytes: Bytes = entry("Of these, features of earlier frames.")
    stack_bytes: Bytes = entry("Used below the caller of the step function, with the model's.")
    flash_bytes: Bytes = entry("Linked program with the pipeline minus the same without it.")
    window_ms: float = entry(
        "Delay from the first sample of a window to its result, without the time to compute it: "
        "the frame and the stack, in milliseconds of signal."
    )
    delay_ms: float = entry(
        "From the beginning of a lasting cause to its event, as in the report of the export."
    )
    stages: tuple[StageFigures, ...] = entry("In the order of a hop.")

    @property
    def work_bytes(self) -> int:
        """The context without ring and features of earlier frames."""
        return self.context_bytes - self.ring_bytes - self.features_bytes

    def lines(self) -> Iterator[str]:
        """Yield the lines of a text."""
        yield (
            f"pipeline: {self.instructions:,} instructions for a hop that completes a window; "
            f"{self.hops_per_second:g} hops per second"
        )
        rows = [("stage", "instructions", "est. cycles", "per second")]
        rows += [
            (
                stage.stage,
                f"{stage.instructions:,}",
                "" if stage.cycles is None else f"{stage.cycles:,}",
                f"{stage.per_second:g}",
            )
            for stage in self.stages
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            name, *numbers = row
            cells = [name.ljust(widths[0])]
            cells += [n.rjust(width) for n, width in zip(numbers, widths[1:], strict=True)]
            yield "  " + "  ".join(cells)
        yield ""
        yield from self.totals()

    def totals(self) -> Iterator[str]:
        """Yield lines with what it takes per second, its memory and its delay."""
        cycles = (
            "" if self.cycles_per_second is None else f", est. cycles {self.cycles_per_second:,}"
        )
        yield f"{'per second':14}{self.instructions_per_second:>12,}  instructions{cycles}"
        if self.clock_share is not None and self.clock_share_with_model is not None:
            share = f"{100 * self.clock_share:.2f} %"
            whole = ""
            if self.clock_share_with_model != self.clock_share:
                whole = f", {100 * self.clock_share_with_model:.2f} % with the model"
            yield (
                f"{'busy':14}{share:>12}  of the board's clock by est. cycles{whole}"
                f"{self._expected()}"
            )
        yield f"{'flash':14}{self.flash_bytes:>12,}  bytes that the pipeline adds"
        yield (
            f"{'RAM':14}{self.context_bytes:>12,}  bytes: {self.ring_bytes:,} ring of samples, "
            f"{self.features_bytes:,} earlier features, {self.work_bytes:,} others"
        )
        yield f"{'stack':14}{self.stack_bytes:>12,}  bytes, with the model's"
        yield (
            f"{'delay':14}{f'{self.delay_ms:,g} ms':>12}  from a cause to its event, without "
            f"computing; {self.window_ms:,g} ms of it are the window"
        )

    def _expected(self) -> str:
        if self.expected_clock_share is None:
            return ""
        least, most = self.expected_clock_share
        return f"; {100 * least:.3g} to {100 * most:.3g} % expected on the board"


def pipeline_figures(
    pipeline: Pipeline, measured: PipelineMeasurement, board: Board, model_cycles: int | None
) -> PipelineFigures:
    """Return the figures of a measurement.

    Args:
        board: whose clock is taken; an emulated core has none.
        model_cycles: estimated, of one inference; None if unknown.
    """
    per_second = measured.cycles_per_second
    share = with_model = expected = None
    if not board.emulated_only and per_second is not None and model_cycles is not None:
        all_cycles = per_second + model_cycles * pipeline.out.rate
        share = round(per_second / board.clock_hz, 6)
        with_model = round(float(all_cycles) / board.clock_hz, 6)
        ratios = board.core.cycle_model and board.core.cycle_model.real_per_estimated
        if ratios:
            least, most = (round(with_model * ratio, 6) for ratio in ratios)
            expected = (least, most)
    push = StageFigures("push", measured.push, measured.push_cycles, float(measured.hops))
    return PipelineFigures(
        sha256=pipeline.sha256,
        hops_per_second=float(measured.hops),
        instructions=measured.instructions,
        cycles=measured.cycles,
        instructions_per_second=measured.instructions_per_second,
        cycles_per_second=per_second,
        clock_share=share,
        clock_share_with_model=with_model,
        expected_clock_share=expected,
        context_bytes=measured.context_bytes,
        ring_bytes=measured.ring_bytes,
        features_bytes=measured.features_bytes,
        stack_bytes=measured.stack_bytes,
        flash_bytes=measured.flash_bytes,
        window_ms=milliseconds(pipeline),
        delay_ms=delay_ms(pipeline),
        stages=(
            push,
            *(
                StageFigures(own.stage, own.instructions, own.cycles, float(own.runs))
                for own in measured.stages
            ),
        ),
    )
