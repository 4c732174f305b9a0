"""The calls of a Functional model and of all models nested in it, as one list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(eq=False)
class Value:
    """One symbolic tensor; compared by identity.

    Attributes:
        shape: with None for the batch.
        dtype: name of its type.
    """

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or an operation.

    Attributes:
        operation: the keras.Operation.
        args: with Values in place of tensors.
        kwargs: with Values in place of tensors.
        outputs: all tensors that it returns.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[Value, ...]

    @property
    def kind(self) -> str:
        """Class name of a Keras layer or operation; "" for any other class."""
        cls = type(self.operation)
        return cls.__name__ if cls.__module__.split(".")[0] == "keras" else ""

    @property
    def inputs(self) -> list[Value]:
        """Return all its input tensors, in order."""
        return values((self.args, dict(self.kwargs)))


@dataclass(frozen=True)
class Flat:
    """A model without nesting.

    Attributes:
        inputs: in the model's order.
        calls: in an order in which they can run.
        outputs: in the model's order.
    """

    inputs: tuple[Value, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Value, ...]


def values(structure: Any) -> list[Value]:
    """Return the Values in a nested structure, in order."""
    return [leaf for leaf in keras.tree.flatten(structure) if isinstance(leaf, Value)]


def functional(model: Any) -> Any:
    """Return the graph of a Functional or built Sequential model; None for other objects."""
    if isinstance(model, keras.Sequential):
        return model._functional
    known = isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth")
    return model if known and type(model).call.__module__.startswith("keras.") else None


def flatten(model: Any) -> Flat:
    """Return all calls of a model with known inputs, including nested models."""
    outer = functional(model)
    inputs = tuple(_value(tensor) for tensor in outer.inputs)
    calls: list[Call] = []
    outputs = tuple(_walk(outer, inputs, None, calls))
    return Flat(inputs, tuple(calls), outputs)


def _value(tensor: Any) -> Value:
    return Value(tuple(tensor.shape), str(tensor.dtype))


def _walk(
    model: Any, inputs: tuple[Value, ...], training: bool | None, calls: list[Call]
) -> Iterator[Value]:
    """Add a model's calls to the list and return its outputs."""
    known = {id(tensor): value for tensor, value in zip(model.inputs, inputs, strict=True)}
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            if node.is_input or node.operation is None:
                continue
            args, kwargs = node.arguments.fill_in(known)
            inner = functional(node.operation)
            if inner is not None:
                within = tuple(values((args, kwargs)))
                fixed = kwargs.get("training", training)
                outputs = tuple(_walk(inner, within, fixed, calls))
            else:
                outputs = tuple(_value(tensor) for tensor in node.outputs)
                if training is not None and getattr(
                    node.operation, "_call_has_training_arg", False
                ):
                    kwargs = {"training": training, **kwargs}
                calls.append(Call(node.operation, tuple(args), kwargs, outputs))
            known |= {
                id(tensor): value for tensor, value in zip(node.outputs, outputs, strict=True)
            }
    yield from (known[id(tensor)] for tensor in model.outputs)
