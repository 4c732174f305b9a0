"""The runtime "tflm", and what it contributes to a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tflm_ext.encoding import EncodingResult, encode
from tflm_ext.errors import ConfigError, UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.frontend import input_ports, output_ports, read_foreign, read_graph
from tflm_ext.frontend.parse import RawModel, parse
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Methods, Optimize
from tflm_ext.passes import PassResult, run_passes
from tflm_ext.plan import foreign_plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.project.link import LINK
from tflm_ext.project.parts import Parts
from tflm_ext.runtimes.base import Array, Compared, Planned, Progress
from tflm_ext.runtimes.tflm.arena import arena_bound
from tflm_ext.runtimes.tflm.files import context_bytes, interpreter_files
from tflm_ext.runtimes.tflm.operators import CUSTOM_METHODS, refuse_for_board, required
from tflm_ext.runtimes.tflm.tree import (
    SOURCE_VARIABLE,
    ArduinoLibrary,
    Flavour,
    TflmSettings,
    TflmTree,
    tflm_settings,
    tree_files,
)
from tflm_ext.targets import Board, Core
from tflm_ext.verify.tflm import run_outputs


@dataclass(frozen=True, slots=True)
class PartsView:
    """Variables of this runtime's templates, in addition to those of all runtimes.

    Attributes:
        library: TFLM's Arduino library, for the board.
        settings: of platformio.ini.
        encoded: whether the weights are encoded.
        emulated_only: whether there is no board.
        link, variable: link to TFLM's sources for the other environments, and the environment
            variable that names them.
    """

    library: ArduinoLibrary
    settings: TflmSettings
    encoded: bool
    emulated_only: bool
    link: str = LINK
    variable: str = SOURCE_VARIABLE


@dataclass(frozen=True)
class InterpretedModel:
    """A model for TensorFlow Lite Micro's interpreter.

    Attributes:
        model: bytes of the .tflite in the firmware, encoded or unchanged.
        parsed: the same, parsed.
        arena_bytes: upper bound of the interpreter's arena, with 32-bit pointers.
        encoded: result of the encoding for each constant; None if nothing was encoded.
        board_problem: why the board's TFLM cannot run the model; None if it can.
        tree: TFLM's sources for this computer and the emulated core; None if there are none.
        emulated_only: whether there is no board to run it.
    """

    model: bytes
    parsed: RawModel
    arena_bytes: int
    encoded: EncodingResult | None
    board_problem: UnsupportedOperatorError | None
    tree: TflmTree | None
    emulated_only: bool = False

    @property
    def footprint(self) -> Footprint:
        return Footprint(
            weight_bytes=len(self.model),
            code_bytes=None,
            arena_bytes=self.arena_bytes,
            context_bytes=context_bytes(self.parsed, self.arena_bytes),
        )

    @property
    def encoding(self) -> Mapping[str, Any] | None:
        return self.encoded.to_dict() if self.encoded else None

    def notes(self) -> tuple[str, ...]:
        """Return what the board's TFLM lacks; raise an error if no other TFLM was given."""
        if self.emulated_only and self.tree is None:
            raise ConfigError(
                "Without a board, runtime='tflm' needs TensorFlow Lite Micro's sources.",
                "Pass tflm_source= (--tflm-source), or choose a board.",
            )
        if self.board_problem is None:
            return ()
        current = self.tree is not None and self.tree.flavour is Flavour.UPSTREAM
        if self.encoded is None and not current:
            raise self.board_problem
        return (f"{self.board_problem.problem} The project therefore does not support the board.",)

    def sources(self, facts: ModelFacts) -> tuple[RenderedFile, ...]:
        return interpreter_files(facts, self.parsed, self.model, self.arena_bytes)

    def compare(
        self,
        graph: Graph,
        facts: ModelFacts,
        sources: tuple[RenderedFile, ...],
        vectors: Sequence[Array],
        progress: Progress,
    ) -> Compared:
        """Compare nothing: the device runs TensorFlow Lite Micro itself."""
        progress("running TensorFlow Lite Micro")
        return Compared(0, None)

    def parts(self, facts: ModelFacts) -> Parts:
        encoded = None if self.encoded is None else self.model
        for_board = self.board_problem is None and not self.emulated_only
        return tflm_parts(
            facts,
            self.tree,
            for_board=for_board,
            emulated_only=self.emulated_only,
            encoded=encoded,
        )


@dataclass(frozen=True, slots=True)
class Tflm:
    """The runtime that embeds the .tflite, with exactly the operators that it uses.

    Attributes:
        tree: TFLM's sources for this computer and the emulated core.
        encoding: how to encode the weights; None does not encode them.
    """

    tree: TflmTree | None = None
    encoding: Methods | None = None

    name: ClassVar[str] = "tflm"
    own_code: ClassVar[bool] = False
    # The board's TFLM uses only the first scale of a Dense layer.
    dense_per_tensor: ClassVar[bool] = True

    def arguments(self) -> tuple[str, ...]:
        if self.encoding is None or isinstance(self.encoding, Mapping):
            return (f"--runtime {self.name}",)
        text = self.encoding if isinstance(self.encoding, str) else ",".join(self.encoding)
        return (f"--runtime {self.name}", f"--encoding={text}")

    def plan(self, model: bytes, name: str, optimize: Optimize, core: Core) -> Planned:
        """Plan like the compiled runtime, which checks all operators, if it supports them all."""
        compilable = True
        try:
            graph = read_graph(model, name, run=run_outputs)
            passes = run_passes(graph)
            inputs = input_ports(graph)
        except UnsupportedModelError:
            compilable = False
            graph = read_foreign(model, name, CUSTOM_METHODS)
            required(parse(model, name))
            passes = PassResult(graph, ())
            inputs = tuple(Port.of(graph.tensors[i]) for i in graph.inputs)
        plan = foreign_plan(passes.graph, core)
        return Planned(graph, passes, plan, inputs, output_ports(graph), compilable)

    def deploy(
        self, model: bytes, planned: Planned, budget: Budget, board: Board, progress: Progress
    ) -> InterpretedModel:
        encoded = None
        if self.encoding is not None:
            encoded = encode(model, self.encoding, budget=budget, progress=progress)
            model = encoded.model
        parsed = parse(model, planned.graph.name)
        arena = arena_bound(parsed).total
        problem = None if board.emulated_only else _board_problem(parsed, planned)
        return InterpretedModel(
            model, parsed, arena, encoded, problem, self.tree, emulated_only=board.emulated_only
        )


def _board_problem(parsed: RawModel, planned: Planned) -> UnsupportedOperatorError | None:
    try:
        refuse_for_board(parsed, compilable=planned.compilable)
    except UnsupportedOperatorError as error:
        return error
    return None


def tflm_parts(
    facts: ModelFacts,
    tree: TflmTree | None,
    *,
    for_board: bool = True,
    emulated_only: bool = False,
    encoded: bytes | None = None,
) -> Parts:
    """Return the texts about TensorFlow Lite Micro in a project, and the files to compile it.

    Args:
        tree: TFLM's sources for this computer and the emulated core; None if there are none.
        for_board: whether there is a board whose TFLM can run the model.
        emulated_only: whether there is no board.
        encoded: the .tflite with encoded weights; None if they are not encoded.
    """
    library = ArduinoLibrary()
    files = tree_files(tree)
    if encoded is not None:
        files += (RenderedFile(f"model/{facts.name}_encoded.tflite", encoded),)
    return Parts(
        runtime=Tflm.name,
        what="in TensorFlow Lite Micro, with a plain C interface.",
        paragraph=f"{facts.weight_bytes} bytes of model, {facts.arena_bytes} bytes of arena. "
        "Needs TensorFlow Lite Micro, which is not in the Library Manager: "
        f"{library.archive}.",
        view=PartsView(
            library=library,
            settings=tflm_settings(tree, for_board=for_board),
            encoded=encoded is not None,
            emulated_only=emulated_only,
        ),
        for_board=for_board,
        self_contained=False,
        files=files,
        ignored=(LINK,),
        linked=tree.root if tree else None,
    )
