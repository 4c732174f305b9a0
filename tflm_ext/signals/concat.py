"""Concat: features of several kinds, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, refuse
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Block, SignalCall, State, registered, table
from tflm_ext.signals.written import read_stage, written

_MOST = 16
_REMEDY = "Pass stages, or tuples of stages that follow one another."
_REFUSED = {
    "Concat": "Pass its branches to the outer one.",
    "Gate": "Put Gate before Concat.",
    "Stack": "Put Stack after Concat.",
}


@registered
@dataclass(frozen=True, init=False)
class Concat:
    """The features of several branches, which all receive the same items, one after another.

    A branch is a stage, or several that follow one another. Where branches give integers of the
    same type and scale, so does Concat; otherwise it gives float32, in the unit of each branch:
    append Zscore then.

    Example:
        Concat(Statistics("rms", "kurtosis"), Bands(64, 8))
        Concat((LogMel(40), MFCC(13)), Statistics("zero_crossings"))
    """

    VERSION: ClassVar[int] = 1

    branches: tuple[tuple[Any, ...], ...] = entry(
        "Branches, each a list of stages.",
        of=lambda stage: [[written(own) for own in branch] for branch in stage.branches],
        part=tuple[tuple[Mapping[str, Any], ...], ...],
    )

    def __init__(self, *given: Any, branches: Sequence[Any] = ()) -> None:
        """Join branches; `branches` are more of them, given as one list, as in JSON."""
        found = tuple(_branch(own) for own in (*given, *branches))
        if not 0 < len(found) <= _MOST:
            raise ConfigError(
                f"Concat has {len(found)} branches.", f"Pass stages, at most {_MOST}."
            )
        object.__setattr__(self, "branches", found)

    @property
    def is_fitted(self) -> bool:
        """Whether all stages of all branches know their numbers."""
        return all(getattr(own, "is_fitted", True) for branch in self.branches for own in branch)

    def fit(self, source: Spec, items: Array) -> Concat:
        """Return the stage with the numbers that stages of its branches take from data.

        Args:
            items: (items, *source.shape), all of all recordings.
        """
        fitted = []
        for branch in self.branches:
            spec, given, stages = source, items, []
            for own in branch:
                done = own if getattr(own, "is_fitted", True) else own.fit(spec, given)
                block = done.bind(spec)
                given, _ = block.run(given, block.start())
                spec = block.out
                stages.append(done)
            fitted.append(tuple(stages))
        return type(self)(*fitted)

    def bind(self, source: Spec) -> ConcatBlock:
        expect("Concat", source, Form.FRAME, Form.FEATURES)
        found = [_bound(branch, source) for branch in self.branches]
        outs = [blocks[-1].out for blocks in found]
        if len({(out.dtype, out.scale, out.zero_point) for out in outs}) > 1:
            for blocks, out in zip(found, outs, strict=True):
                if out.dtype is not DType.FLOAT32:
                    blocks.append(ToFloat(out))
        return ConcatBlock(source, tuple(map(tuple, found)))


def _branch(given: Any) -> tuple[Any, ...]:
    stages = given if isinstance(given, list | tuple) else (given,)
    if not 0 < len(stages) <= _MOST:
        raise ConfigError(f"A branch of Concat has {len(stages)} stages.", _REMEDY)
    return tuple(map(_stage, stages))


def _stage(given: Any) -> Any:
    # Looked at before it is read, so that nested JSON is not followed.
    name = given.get("stage") if isinstance(given, Mapping) else type(given).__name__
    if isinstance(name, str) and name in _REFUSED:
        raise ConfigError(f"A branch of Concat contains {name}.", _REFUSED[name])
    stage = read_stage(given) if isinstance(given, Mapping) else given
    if not hasattr(stage, "bind") or isinstance(stage, type):
        refuse("A branch of Concat", stage, "a stage", _REMEDY)
    return stage


def _bound(branch: Sequence[Any], source: Spec) -> list[Block]:
    blocks: list[Block] = []
    spec = source
    for own in branch:
        blocks.append(own.bind(spec))
        spec = blocks[-1].out
    if spec.form is not Form.FEATURES or len(spec.shape) != 1:
        raise ConfigError(
            f"A branch of Concat gives {spec}.",
            "End each branch with a stage that gives features in one row; Raw(flat=True) does.",
        )
    return blocks


@dataclass(frozen=True)
class ConcatBlock:
    """Branches, bound; the last block of each gives the same type."""

    source: Spec
    branches: tuple[tuple[Block, ...], ...]

    @property
    def out(self) -> Spec:
        outs = [branch[-1].out for branch in self.branches]
        units, limits = {out.unit for out in outs}, {out.limits for out in outs}
        return replace(
            outs[0],
            shape=(sum(out.size for out in outs),),
            unit=units.pop() if len(units) == 1 else "",
            limits=limits.pop() if len(limits) == 1 else None,
            names=tuple(name for branch in self.branches for name in _names(branch)),
        )

    def start(self) -> State:
        """The states of all blocks, one after another."""
        return tuple(own for branch in self.branches for block in branch for own in block.start())

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        found: list[Array] = []
        new: list[Array] = []
        at = 0
        for branch in self.branches:
            given = items
            for block in branch:
                count = len(block.start())
                given, after = block.run(given, state[at : at + count])
                new += after
                at += count
            found.append(given)
        return np.concatenate(found, axis=1), tuple(new)

    def lower(self) -> SignalCall:
        raise AssertionError("the blocks of its branches have calls; see lowered() in stage.py")


def _names(branch: Sequence[Block]) -> tuple[str, ...]:
    out = branch[-1].out
    kind = type(branch[0]).__name__.removesuffix("Block").lower()
    return out.names or tuple(f"{kind} {i}" for i in range(out.size))


@dataclass(frozen=True)
class ToFloat:
    """Integer features as float32, in their unit. Concat appends it to branches."""

    source: Spec

    @property
    def out(self) -> Spec:
        return replace(self.source, dtype=DType.FLOAT32, scale=1.0, zero_point=0)

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        counts = (items.astype(np.int64) - self.source.zero_point).astype(np.float32)
        return counts * np.float32(self.source.scale), state

    def lower(self) -> SignalCall:
        scale = np.array([self.source.scale]).astype(np.float32)
        return SignalCall(
            name=f"{self.source.dtype.value}_to_float",
            header="to_float.h",
            fields=(("count", self.source.size), ("zero_point", self.source.zero_point)),
            tables=(table("scale", DType.FLOAT32, scale, "[1]"),),
        )
