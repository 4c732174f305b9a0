"""Runtime "compiled": plain C, generated for one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tflm_ext.emit.model import model_files
from tflm_ext.frontend import input_ports, output_ports, read_graph
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan
from tflm_ext.plan.footprint import Footprint, arena_bytes, context_bytes
from tflm_ext.project.parts import Parts
from tflm_ext.runtimes.base import Array, Compared, Planned, Progress
from tflm_ext.targets import Board, Core
from tflm_ext.verify.compare import verify
from tflm_ext.verify.tflm import run_outputs


@dataclass(frozen=True)
class CompiledModel:
    """A planned model, to be printed as C.

    Attributes:
        for_board: whether there is a board to run it.
    """

    model: bytes
    plan: Plan
    for_board: bool = True
    encoding: None = None

    @property
    def footprint(self) -> Footprint:
        return Footprint(
            weight_bytes=self.plan.weight_bytes,
            code_bytes=self.plan.code_bytes,
            arena_bytes=arena_bytes(self.plan),
            context_bytes=context_bytes(self.plan),
        )

    def notes(self) -> tuple[str, ...]:
        return ()

    def sources(self, facts: ModelFacts) -> tuple[RenderedFile, ...]:
        return model_files(facts, self.plan)

    def compare(
        self,
        graph: Graph,
        facts: ModelFacts,
        sources: tuple[RenderedFile, ...],
        vectors: Sequence[Array],
        progress: Progress,
    ) -> Compared:
        progress("comparing with TensorFlow Lite Micro")
        checked = verify(self.model, graph, facts, sources, vectors)
        return Compared(checked.inputs, sources)

    def parts(self, facts: ModelFacts) -> Parts:
        return compiled_parts(facts, for_board=self.for_board)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The runtime that reads, rewrites, plans and prints a model with our own compiler."""

    name: ClassVar[str] = "compiled"
    own_code: ClassVar[bool] = True
    dense_per_tensor: ClassVar[bool] = False
    encoding: None = None

    def arguments(self) -> tuple[str, ...]:
        return ()

    def plan(self, model: bytes, name: str, optimize: Optimize, core: Core) -> Planned:
        graph = read_graph(model, name, run=run_outputs)
        passes = run_passes(graph)
        plan = make_plan(passes.graph, optimize, core)
        return Planned(graph, passes, plan, input_ports(graph), output_ports(graph))

    def deploy(
        self, model: bytes, planned: Planned, budget: Budget, board: Board, progress: Progress
    ) -> CompiledModel:
        return CompiledModel(model, planned.plan, for_board=not board.emulated_only)


def compiled_parts(facts: ModelFacts, *, for_board: bool = True) -> Parts:
    """Return the texts about our C in a project; there are no further files."""
    return Parts(
        runtime=Compiled.name,
        what="in plain C, with the same results as TensorFlow Lite Micro, byte for byte.",
        paragraph=f"{facts.weight_bytes} bytes of weights, {facts.arena_bytes} bytes of arena, "
        "no other libraries.",
        for_board=for_board,
    )
