"""Models whose every input and output is told apart by its numbers, in any structure."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = namedtuple("Pair", "right left")
Array = np.ndarray[Any, Any]

# Of three names, "zeta", "alpha" and "mid" or with a prefix: written in no sorted order.
STRUCTURES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "list": lambda z, a, m: [z, a, m],
    "tuple": lambda z, a, m: (z, a, m),
    "dict": lambda z, a, m: {z: z, a: a, m: m},
    "OrderedDict": lambda z, a, m: OrderedDict([(z, z), (a, a), (m, m)]),
    "dict of lists": lambda z, a, m: {"pair": [z, a], m: m},
    "list of dicts": lambda z, a, m: [{z: z, a: a}, m],
    "OrderedDict of lists": lambda z, a, m: OrderedDict([("pair", [z, a]), (m, m)]),
    "OrderedDict of OrderedDicts": lambda z, a, m: OrderedDict(
        [("pair", OrderedDict([(z, z), (a, a)])), (m, m)]
    ),
    "namedtuple": lambda z, a, m: Pair(z, a),
    "list of one": lambda z, a, m: [z],
    "dict of one": lambda z, a, m: {z: z},
    "single": lambda z, a, m: z,
}
NAMES = ("zeta", "alpha", "mid")


def flat(structure: Any) -> list[Any]:
    """The leaves as they were written."""
    if isinstance(structure, Mapping):
        structure = list(structure.values())
    if not isinstance(structure, list | tuple):
        return [structure]
    return [leaf for part in structure for leaf in flat(part)]


@dataclass(frozen=True)
class Net:
    """A model, data for it, and what it has to compute.

    Attributes:
        model: of either Keras.
        factors: (outputs, inputs), of each input in each output; no two alike.
        outputs: names in the order of the factors' rows.
        data: samples by input name, in the order of the columns.
    """

    model: Any
    factors: Array
    outputs: tuple[str, ...]
    data: dict[str, Array]

    def expected(self, name: str) -> Array:
        """Values of an output for the data."""
        row = self.factors[self.outputs.index(name)]
        return np.asarray(sum(f * x for f, x in zip(row, self.data.values(), strict=True)))


def net(
    keras: Any,
    inputs: Any,
    outputs: Any,
    layer_names: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Net:
    """A net of linear functions.

    Args:
        keras: library.
        inputs: structure of names.
        outputs: structure of names.
        layer_names: of the outputs' layers where they are not the names.
    """
    random = np.random.default_rng(seed)
    names, given = flat(inputs), flat(outputs)
    tensors = {name: keras.Input((2,), name=name) for name in sorted(names)}
    joined = list(tensors.values())
    joined = keras.layers.Concatenate()(joined) if len(joined) > 1 else joined[0]
    factors = random.permutation(np.arange(1, len(given) * len(names) + 1) * 0.5)
    factors = factors.reshape(len(given), len(names)) * random.choice((-1, 1), (1, len(names)))
    results = {}
    for name, row in zip(given, factors, strict=True):
        layer = keras.layers.Dense(2, use_bias=False, name=(layer_names or {}).get(name, name))
        results[name] = layer(joined)
        blocks = [row[names.index(n)] * np.eye(2) for n in sorted(names)]
        layer.set_weights([np.concatenate(blocks).astype(np.float32)])
    model = keras.Model(_filled(inputs, tensors), _filled(outputs, results))
    data = {
        name: random.normal(i + 1, 1, (100, 2)).astype(np.float32) for i, name in enumerate(names)
    }
    return Net(model, factors, tuple(given), data)


def _filled(structure: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(structure, OrderedDict):
        return OrderedDict((k, _filled(v, values)) for k, v in structure.items())
    if isinstance(structure, dict):
        return {k: _filled(v, values) for k, v in structure.items()}
    if isinstance(structure, Pair):
        return Pair(*(_filled(v, values) for v in structure))
    if isinstance(structure, list | tuple):
        return type(structure)(_filled(v, values) for v in structure)
    return values[structure]


def filled(structure: Any, data: Mapping[str, Array]) -> Any:
    """Data in a structure of names."""
    return _filled(structure, data)


def drawn(random: np.random.Generator, names: list[str], depth: int = 0) -> Any:
    """A structure of names at random: containers in containers, keys in no order."""
    if len(names) == 1 and (depth == 2 or random.random() < 0.6):
        return names[0]
    count = int(random.integers(1, len(names) + 1)) if depth < 2 else len(names)
    cuts = sorted(random.choice(np.arange(1, len(names)), count - 1, replace=False))
    groups = [list(group) for group in np.split(np.array(names), cuts)]
    parts = [drawn(random, [str(n) for n in group], depth + 1) for group in groups]
    kind = random.choice(["list", "tuple", "dict", "OrderedDict"])
    if kind in {"list", "tuple"}:
        return parts if kind == "list" else tuple(parts)
    # A leaf is at the key of its name, as Keras demands of inputs.
    keys = [p if isinstance(p, str) else f"k{random.integers(10**6)}" for p in parts]
    pairs = zip(keys, parts, strict=True)
    return dict(pairs) if kind == "dict" else OrderedDict(pairs)
