"""Runtime "none": there is no model after the pipeline, which computes its score itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Optimize
from tflm_ext.passes import PassResult
from tflm_ext.plan import make_plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.project.parts import Parts
from tflm_ext.runtimes.base import Array, Compared, Planned, Progress
from tflm_ext.targets import Board, Core


@dataclass(frozen=True)
class NothingDeployed:
    """A model of which there is nothing on the device."""

    for_board: bool
    encoding: None = None

    @property
    def footprint(self) -> Footprint:
        return Footprint(weight_bytes=0, code_bytes=0, arena_bytes=0, context_bytes=0)

    def notes(self) -> tuple[str, ...]:
        return ()

    def sources(self, facts: ModelFacts) -> tuple[RenderedFile, ...]:
        return ()

    def compare(
        self,
        graph: Graph,
        facts: ModelFacts,
        sources: tuple[RenderedFile, ...],
        vectors: Sequence[Array],
        progress: Progress,
    ) -> Compared:
        return Compared(0, sources)

    def parts(self, facts: ModelFacts) -> Parts:
        return Parts(
            runtime=NoModel.name,
            subject="The signal pipeline",
            what="in plain C, with the same results as NumPy, byte for byte.",
            paragraph="From samples to a score, without a neural network and without other "
            "libraries.",
            for_board=self.for_board,
        )


@dataclass(frozen=True, slots=True)
class NoModel:
    """What takes the place of a runtime if a pipeline needs no model."""

    name: ClassVar[str] = "none"
    own_code: ClassVar[bool] = True
    dense_per_tensor: ClassVar[bool] = False
    encoding: None = None

    def arguments(self) -> tuple[str, ...]:
        return ()

    def plan(self, model: bytes, name: str, optimize: Optimize, core: Core) -> Planned:
        graph = Graph(name, {}, (), (), ())
        return Planned(graph, PassResult(graph, ()), make_plan(graph, optimize, core), (), ())

    def deploy(
        self, model: bytes, planned: Planned, budget: Budget, board: Board, progress: Progress
    ) -> NothingDeployed:
        return NothingDeployed(for_board=not board.emulated_only)
