"""Nested inputs and outputs: walks lists, tuples and mappings in their own order.

Does not use Keras or TensorFlow: `tf.nest` sorts the keys of all mappings, Keras 3 those of a dict,
but not those of an OrderedDict. Comparing their results with this module's shows the differences.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Path: TypeAlias = tuple[int | str, ...]
"""Place of a leaf: positions in lists and tuples, and keys of mappings."""


def children(structure: Any) -> list[tuple[int | str, Any]] | None:
    """Return position or key, and value, of each part of a container; None for a leaf."""
    if isinstance(structure, Mapping):
        return [(str(key), value) for key, value in structure.items()]
    if isinstance(structure, list | tuple):
        return list(enumerate(structure))
    return None


def leaves(structure: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of every leaf.

    Example:
        >>> list(leaves({"q": [1, 2], "b": 3}))
        [(('q', 0), 1), (('q', 1), 2), (('b',), 3)]
    """
    parts = children(structure)
    if parts is None:
        yield path, structure
        return
    for step, part in parts:
        yield from leaves(part, (*path, step))


def like(structure: Any, value: Callable[[Path], Any], path: Path = ()) -> Any:
    """Return a copy of the containers with new leaves.

    Args:
        structure: the structure to copy; it is not changed.
        value: returns the new leaf at a path.
        path: of the structure itself.
    """
    parts = children(structure)
    if parts is None:
        return value(path)
    new = [like(part, value, (*path, step)) for step, part in parts]
    if isinstance(structure, Mapping):
        mapping: Any = copy.copy(structure)  # keeps the type, such as OrderedDict
        for key, part in zip(structure, new, strict=True):
            mapping[key] = part
        return mapping
    if isinstance(structure, list):
        return new
    return type(structure)(*new) if hasattr(structure, "_fields") else tuple(new)


def bare(structure: Any) -> Any:
    """Remove surrounding lists and tuples of length 1, as Keras does for some outputs."""
    while isinstance(structure, list | tuple) and len(structure) == 1:
        structure = structure[0]
    return structure


def named(paths: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """Return a unique name for each leaf.

    This is the key of the innermost mapping, which the user sees, or Keras' name in a list. If that
    is ambiguous, it is the whole path, or Keras' name with a number.

    Args:
        paths: of the leaves.
        names: Keras' names of the leaves.

    Example:
        >>> named([("q", 0), ("q", 1), ("b",)], ["x", "b", "y"])
        ('x', 'q.1', 'b')
        >>> named([(0,), (1,), (2,)], ["dense", "dense", "dense_1"])
        ('dense', 'dense_2', 'dense_1')
    """
    first = [
        str(path[-1]) if path and isinstance(path[-1], str) else name
        for path, name in zip(paths, names, strict=True)
    ]
    counts = Counter(first)
    return _numbered(
        [
            ".".join(map(str, path)) if counts[name] > 1 and len(path) > 1 else name
            for path, name in zip(paths, first, strict=True)
        ]
    )


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Make names unique with numbers; names that are already unique do not change."""
    taken, found = set(names), set()
    unique = []
    for name in names:
        free, number = name, 0
        while free in found or (number and free in taken):
            number += 1
            free = f"{name}_{number}"
        found.add(free)
        unique.append(free)
    return tuple(unique)
