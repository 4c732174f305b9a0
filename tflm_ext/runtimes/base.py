"""What a runtime is: the protocols that stages.py works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Optimize
from tflm_ext.passes import PassResult
from tflm_ext.plan import Plan
from tflm_ext.plan.footprint import Footprint
from tflm_ext.project.parts import Parts
from tflm_ext.targets import Core

Array: TypeAlias = np.ndarray[Any, Any]
Progress: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A model read and planned.

    Attributes:
        graph: as the file has it.
        passes: what the rewrites made of it.
        plan: of the rewritten graph.
        inputs, outputs: the ports, in order.
    """

    graph: Graph
    passes: PassResult
    plan: Plan
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared with TensorFlow Lite Micro on this computer, without a mismatch.

    Attributes:
        inputs: vectors compared; 0 where TensorFlow Lite Micro itself is what runs.
        sources: the C that ran, which can be run again on other inputs; None as above.
    """

    inputs: int
    sources: tuple[RenderedFile, ...] | None


class DeviceModel(Protocol):
    """A model as one runtime has it on the device."""

    @property
    def footprint(self) -> Footprint:
        """What it takes there."""
        ...

    @property
    def encoding(self) -> Mapping[str, Any] | None:
        """How its weights are encoded, for the report; None if they are not."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What the user should know before it is exported, one sentence each.

        Raises:
            UnsupportedOperatorError: the project could not run the model anywhere.
        """
        ...

    def sources(self, facts: ModelFacts) -> tuple[RenderedFile, ...]:
        """C or C++ of the model, with paths below lib/<Name>/src/."""
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
            graph: as the file has it.
            vectors: per input of the model, (vectors, *shape) of its element type.

        Raises:
            VerificationError: they differ.
            ToolError: there is no C compiler.
        """
        ...

    def parts(self, facts: ModelFacts) -> Parts:
        """What else the runtime puts into the project."""
        ...


class Runtime(Protocol):
    """What runs a model on the device, with what the user chose for it.

    Attributes:
        name: value of the option `runtime`.
        own_code: whether the model becomes C of ours, which runs on this computer, too.
        dense_per_tensor: whether it needs one scale for all weights of a Dense layer.
    """

    name: ClassVar[str]
    own_code: ClassVar[bool]
    dense_per_tensor: ClassVar[bool]

    def arguments(self) -> tuple[str, ...]:
        """Arguments of `tflm-ext export` that choose it again, without paths."""
        ...

    def plan(self, model: bytes, name: str, optimize: Optimize, core: Core) -> Planned:
        """Read, rewrite and plan a .tflite.

        Args:
            name: what messages call the model.
            core: that runs it, by whose costs kernels are chosen.

        Raises:
            UnsupportedModelError: the file is damaged or the runtime cannot run it.
        """
        ...

    def deploy(
        self, model: bytes, planned: Planned, budget: Budget, progress: Progress
    ) -> DeviceModel:
        """The model as it will be on the device; nothing is compiled.

        Args:
            model: bytes of the .tflite that was planned.
            budget: what encoding may spend.

        Raises:
            UnsupportedModelError: the runtime cannot run it.
            VerificationError: encoding changes outputs.
        """
        ...
