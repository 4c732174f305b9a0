"""Nested inputs and outputs: lists, tuples and mappings, walked in their own order.

Neither Keras nor TensorFlow is asked: `tf.nest` sorts the keys of every mapping, Keras 3 those of
a dict but not those of an OrderedDict. What is found here can be held against what they do.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Path: TypeAlias = tuple[int | str, ...]
"""Where a leaf is: positions in lists and tuples, and keys of mappings."""


def children(structure: Any) -> list[tuple[int | str, Any]] | None:
    """Position or key, and value, of each part of a container; None for a leaf."""
    if isinstance(structure, Mapping):
        return [(str(key), value) for key, value in structure.items()]
    if isinstance(structure, list | tuple):
        return list(enumerate(structure))
    return None


def leaves(structure: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Path and value of every leaf.

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
    """The same containers with other leaves.

    Args:
        structure: what to copy; it stays as it is.
        value: the new leaf at a path.
        path: of the structure itself.
    """
    parts = children(structure)
    if parts is None:
        return value(path)
    new = [like(part, value, (*path, step)) for step, part in parts]
    if isinstance(structure, Mapping):
        mapping: Any = copy.copy(structure)  # an OrderedDict or a defaultdict stays one
        for key, part in zip(structure, new, strict=True):
            mapping[key] = part
        return mapping
    if isinstance(structure, list):
        return new
    return type(structure)(*new) if hasattr(structure, "_fields") else tuple(new)


def bare(structure: Any) -> Any:
    """Without lists and tuples of one around it, which Keras takes off some outputs."""
    while isinstance(structure, list | tuple) and len(structure) == 1:
        structure = structure[0]
    return structure


def named(paths: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """A name for each leaf, none twice.

    It is the key of the innermost mapping, since by that the user gives and gets it, or Keras'
    name in a list. Where that is ambiguous, it is the whole path or a number after Keras' name.

    Args:
        paths: of the leaves.
        names: what Keras calls them.

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
    """Names of which none is there twice; who has one alone keeps it."""
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
