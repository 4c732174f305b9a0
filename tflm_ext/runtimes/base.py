"""The protocols of a runtime, which stages.py works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Methods, Optimize
from tflm_ext.passes import PassResult
from tflm_ext.plan import Plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.project.parts import Parts
from tflm_ext.targets import Board, Core

Array: TypeAlias = np.ndarray[Any, Any]
Progress: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A model that was read and planned.

    Attributes:
        graph: the graph in the file.
        passes: the result of the rewrites.
        plan: plan of the rewritten graph.
        inputs, outputs: the ports, in order.
        compilable: whether the runtime "compiled" has all operators.
    """

    graph: Graph
    passes: PassResult
    plan: Plan
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    compilable: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of a comparison with TensorFlow Lite Micro on this computer: no mismatch.

    Attributes:
        inputs: number of vectors compared; 0 if the runtime is TensorFlow Lite Micro itself.
        sources: the C that was run, to run it again on other inputs; None if `inputs` is 0.
    """

    inputs: int
    sources: tuple[RenderedFile, ...] | None


class DeviceModel(Protocol):
    """A model in the form in which a runtime has it on the device."""

    @property
    def footprint(self) -> Footprint:
        """Memory that it needs on the device."""
        ...

    @property
    def encoding(self) -> Mapping[str, Any] | None:
        """How its weights are encoded, for the report; None if they are not encoded."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Return notes for the user about the export, one sentence each.

        Raises:
            UnsupportedOperatorError: the project could not run the model anywhere.
        """
        ...

    def sources(self, facts: ModelFacts) -> tuple[RenderedFile, ...]:
        """Return C or C++ of the model; paths are relative to lib/<Name>/src/."""
        ...

    def compare(
        self,
        graph: Graph,
        facts: ModelFacts,
        sources: tuple[RenderedFile, ...],
        vectors: Sequence[Array],
        progress: Progress,
    ) -> Compared:
        """Compare the sources with TensorFlow Lite Micro on this computer.

        Args:
            graph: the graph in the file.
            vectors: for each input of the model, (vectors, *shape) of its element type.

        Raises:
            VerificationError: their outputs differ.
            ToolError: there is no C compiler.
        """
        ...

    def parts(self, facts: ModelFacts) -> Parts:
        """Return what else the runtime contributes to the project."""
        ...


class Runtime(Protocol):
    """A way to run a model on the device, with its options.

    Attributes:
        name: value of the option `runtime`.
        own_code: whether the model becomes generated C, which can also run on this computer.
        dense_per_tensor: whether all weights of a Dense layer must share one scale.
        encoding: methods that may encode the weights; None does not encode them.
    """

    name: ClassVar[str]
    own_code: ClassVar[bool]
    dense_per_tensor: ClassVar[bool]

    @property
    def encoding(self) -> Methods | None: ...

    def arguments(self) -> tuple[str, ...]:
        """Return the arguments of `tflm-ext export` that select it, without paths and names."""
        ...

    def plan(self, model: bytes, name: str, optimize: Optimize, core: Core) -> Planned:
        """Read, rewrite and plan a .tflite.

        Args:
            name: the model's name, for messages.
            core: the core that runs it, whose costs determine the choice of kernels.

        Raises:
            UnsupportedModelError: the file is damaged, or the runtime does not support the model.
        """
        ...

    def deploy(
        self, model: bytes, planned: Planned, budget: Budget, board: Board, progress: Progress
    ) -> DeviceModel:
        """Return the model in its form for the device; nothing is compiled.

        Args:
            model: bytes of the .tflite that was planned.
            budget: limits for the encoding.
            board: the target, which may be an emulated core alone.

        Raises:
            UnsupportedModelError: the runtime does not support the model.
            VerificationError: the encoding changes outputs.
        """
        ...
