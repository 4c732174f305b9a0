"""What a stage is: the contract between signals/, emit/sense.py and the C in templates/signals/.

A stage is what the user writes: a frozen dataclass with options, which are also its JSON. bind()
checks it against the items that it receives, and returns a Block: the stage with all tables and
integers final. A block computes in NumPy, and lowers to a call in C that gives the same bytes.

State is explicit: run() takes it and returns the new one. Items are the first axis of every array,
so a recording may be cut anywhere: running the parts one after another gives what the whole gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np

from tflm_ext.ir import DType
from tflm_ext.kernels import Const
from tflm_ext.kernels.base import FieldValue
from tflm_ext.signals.spec import Spec

Array: TypeAlias = np.ndarray[Any, Any]
State: TypeAlias = tuple[Array, ...]
"""What a block remembers from one item to the next; never changed in place."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a call in C.

    Attributes:
        role: its name in C: "noise".
        ctype: element type in C, like "uint32_t".
        count: elements.
        start: value of every element after init and reset; of state only.
    """

    role: str
    ctype: str
    count: int
    start: int = 0

    @property
    def bytes(self) -> int:
        return self.count * _SIZES[self.ctype]


_SIZES: Mapping[str, int] = {
    **{f"{sign}int{bits}_t": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float": 4,
}


@dataclass(frozen=True, slots=True)
class SignalCall:
    """A call of a function in templates/signals/, with all parameters computed.

    In C, for items that are frames or features:

        void tflm_ext_<name>(&op, input, <tables>, <state>, <scratch>, output)

    and for streams, which may give more or fewer items than they take:

        uint32_t tflm_ext_<name>(&op, input, count, <tables>, <state>, <scratch>, output)

    and for gates, which pass a frame (true) or leave it out:

        bool tflm_ext_<name>(&op, input, <tables>, <state>, <scratch>)

    where op is a `static const tflm_ext_<name>_t` with these fields, `count` is the number of items
    at `input`, and the result is the number of items at `output`.

    Attributes:
        name: of the function.
        header: file in templates/signals/ that defines it.
        fields: name and value of every member of the parameter struct, in its order.
        tables: constant tables, in the order of the arguments.
        state: memory that keeps its contents from call to call.
        scratch: memory that is used during the call only.
        gate: whether it passes frames or leaves them out.
    """

    name: str
    header: str
    fields: tuple[tuple[str, FieldValue], ...]
    tables: tuple[Const, ...] = ()
    state: tuple[Memory, ...] = ()
    scratch: tuple[Memory, ...] = ()
    gate: bool = False


class Block(Protocol):
    """A stage that is bound to the items that it receives.

    A block whose attribute `sees_input` is true compares a model's output with its input. Its items
    are both side by side, in one axis, and its function in C receives two pointers, to the model's
    input and to its output. Its stage has SEES_INPUT = True, and its bind(source, seen) also
    receives the specification of the model's input.

    The state of a block whose attribute `saves_state` is true is worth saving; see saved.py. Its C
    has defined behaviour for any contents of the state.

    Attributes:
        source: the items that it receives.
        out: the items that it gives.
    """

    @property
    def source(self) -> Spec: ...

    @property
    def out(self) -> Spec: ...

    def start(self) -> State:
        """Return the state before the first item."""
        ...

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        """Compute the next items.

        Args:
            items: (items, *source.shape), of source.dtype.
            state: as start() or the last run() returned it.

        Returns:
            (items, *out.shape) of out.dtype, and the new state.
        """
        ...

    def lower(self) -> SignalCall:
        """Return the call in C that computes one item, or the next items of a stream."""
        ...


def branches(block: Block) -> tuple[tuple[Block, ...], ...]:
    """Return the blocks that a block consists of, for those that split; others have none.

    Each branch receives what the block receives, and their results follow one another.
    """
    return getattr(block, "branches", ())


def lowered(block: Block) -> tuple[SignalCall, ...]:
    """Return the calls of a block, and of the blocks that it consists of."""
    inner = branches(block)
    if not inner:
        return (block.lower(),)
    return tuple(call for branch in inner for own in branch for call in lowered(own))


class Stage(Protocol):
    """A stage of a pipeline, as the user writes it: a frozen dataclass of entry() fields.

    Attributes:
        VERSION: of its bits. A stage whose results change gets a new version; JSON with the old one
            stays reproducible.
    """

    VERSION: ClassVar[int]

    def bind(self, source: Spec) -> Block:
        """Return the stage with all tables final.

        Raises:
            ConfigError: it cannot work on these items.
        """
        ...


STAGES: dict[str, type[Any]] = {}
"""Every kind of stage by its name in JSON, which is that of its class."""

_C = TypeVar("_C", bound=type[Any])


def registered(cls: _C) -> _C:
    """Give a class of sources, stages, scores or decisions its name in JSON."""
    STAGES[cls.__name__] = cls
    return with_python_numbers(cls)


def with_python_numbers(cls: _C) -> _C:
    """Let a dataclass take NumPy's numbers as options, too, which become Python's.

    Others have neither exact fractions nor JSON.
    """
    check = getattr(cls, "__post_init__", None)

    def checked(self: Any) -> None:
        for option in fields(self):
            object.__setattr__(self, option.name, _python(getattr(self, option.name)))
        if check is not None:
            check(self)

    cls.__post_init__ = checked
    return cls


def _python(value: Any) -> Any:
    if isinstance(value, np.number | np.bool_):
        return value.item()
    if type(value) is tuple:
        return tuple(map(_python, value))
    return value


def table(role: str, dtype: DType, values: Any, layout: str) -> Const:
    """Return a table of integers or of float32 values, checked to fit the type."""
    return Const.of(role, dtype, values, layout)
