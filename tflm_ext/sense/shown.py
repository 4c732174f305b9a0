"""What a pipeline does to its samples, stage by stage, as text and as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.bench.pipeline import front_end, measure_pipeline
from tflm_ext.pictures import draw, legend_above
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.stage import lowered
from tflm_ext.targets import board as find_board


@dataclass(frozen=True, slots=True)
class ShownStage:
    """A row of the text.

    Attributes:
        name: of the stage.
        out: what it gives.
        table_bytes: flash for its tables.
        memory_bytes: RAM for its state, and while it runs.
        instructions: per second on the emulated core; None if they were not counted.
    """

    name: str
    out: Spec
    table_bytes: int
    memory_bytes: int
    instructions: float | None

    @property
    def bytes_per_second(self) -> float:
        """What it gives."""
        return float(self.out.rate) * self.out.size * self.out.dtype.size


@dataclass(frozen=True)
class Shown:
    """A pipeline, stage by stage; print() it, or draw its picture().

    Attributes:
        board: whose emulated core counted the instructions; "" if they were not counted.
    """

    stages: tuple[ShownStage, ...]
    board: str = ""

    def __str__(self) -> str:
        """A table: what each stage gives, how often, and what it needs."""
        title = ["stage", "gives", "per second", "bytes/s", "tables", "RAM"]
        title += ["instructions/s"] if self.board else []
        rows = [title, *(_row(stage, counted=bool(self.board)) for stage in self.stages)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(title))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        if self.board:
            lines.append(f"instructions: on the emulated core of {self.board}")
        return "\n".join(lines)

    def picture(self, path: str | os.PathLike[str]) -> Path:
        """Draw what each stage gives per second, and what it costs, and return the path.

        Args:
            path: a .png, .svg or .pdf file.

        Raises:
            ConfigError: the file has another ending.
            ToolError: matplotlib is not installed.
            StorageError: the file cannot be written.
        """
        return draw(path, lambda axes: _draw(axes, self.stages))


def shown(pipeline: Pipeline, board: str | None) -> Shown:
    """Return what a pipeline does to its samples.

    Args:
        board: whose emulated core counts instructions; None to count none.

    Raises:
        ConfigError: there is no such board.
        ToolError: the compiler or the emulator is missing.
    """
    counts: dict[int, float] = {}
    name = ""
    if board is not None:
        target = find_board(board)
        name = target.name
        facts, sources = front_end("shown", pipeline)
        measured = measure_pipeline(facts, sources, pipeline, target)
        counts = {n: float(own.instructions * own.runs) for n, own in enumerate(measured.stages)}
    source = ShownStage(type(pipeline.source).__name__, pipeline.source.spec, 0, 0, None)
    stages = [source]
    for number, block in enumerate(pipeline.blocks):
        calls = [] if isinstance(block, FramesBlock | StackBlock) else list(lowered(block))
        memory = sum(own.bytes for call in calls for own in (*call.state, *call.scratch))
        if isinstance(block, FramesBlock | StackBlock):
            memory = block.out.size * block.out.dtype.size
        stages.append(
            ShownStage(
                type(block).__name__.removesuffix("Block"),
                block.out,
                sum(len(const.data) for call in calls for const in call.tables),
                memory,
                counts.get(number),
            )
        )
    return Shown(tuple(stages), name)


def _row(stage: ShownStage, *, counted: bool) -> list[str]:
    out = stage.out
    found = [
        stage.name,
        f"{out.form.value} {'x'.join(map(str, out.shape))} {out.dtype.value}",
        f"{float(out.rate):,.6g}",
        f"{stage.bytes_per_second:,.0f}",
        f"{stage.table_bytes:,}",
        f"{stage.memory_bytes:,}",
    ]
    if counted:
        found.append("" if stage.instructions is None else f"{stage.instructions:,.0f}")
    return found


def _draw(axes: Any, stages: Sequence[ShownStage]) -> None:
    places = list(range(len(stages)))[::-1]
    axes.barh(
        [place + 0.2 for place in places],
        [stage.bytes_per_second for stage in stages],
        height=0.35,
        color="tab:blue",
        label="gives, bytes per second",
    )
    counted = [(place, s.instructions) for place, s in zip(places, stages, strict=True)]
    known = [(place - 0.2, count) for place, count in counted if count]
    if known:
        axes.barh(
            [place for place, _ in known],
            [count for _, count in known],
            height=0.35,
            color="tab:orange",
            label="takes, instructions per second",
        )
    axes.set_yticks(places, [_caption(stage) for stage in stages], fontsize=8)
    axes.set_xscale("log")
    legend_above(axes)


def _caption(stage: ShownStage) -> str:
    """Name, shape, rate and sizes."""
    shape = "x".join(map(str, stage.out.shape))
    sizes = f"{stage.table_bytes:,} B tables, {stage.memory_bytes:,} B RAM"
    return f"{stage.name}: {shape}, {float(stage.out.rate):,.6g} per second\n{sizes}"
