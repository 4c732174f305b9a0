"""Targets of test data in all forms that Keras users have them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean
from tflm_ext.options import Labels
from tflm_ext.verify.accuracy import scoring_for

Array: TypeAlias = np.ndarray[Any, Any]
Targets: TypeAlias = tuple[Array | None, ...]

_HINT = "Pass class numbers, one-hot rows, or values in the output's shape."
_MAX_SAMPLES = 1_000_000  # of an iterable, which may be endless


@dataclass(frozen=True, slots=True)
class Wanted:
    """Targets as the user gave them, and the class names that they may be.

    Attributes:
        targets: as for by_output().
        labels: names of the classes.
    """

    targets: Any = None
    labels: Labels = Labels()

    def by_names(self, names: Mapping[str, str]) -> Wanted:
        """Return the same with other keys of a dict of targets: by tensor, the output's name."""
        if not isinstance(self.targets, Mapping):
            return self
        renamed = {names.get(key, key): values for key, values in self.targets.items()}
        return replace(self, targets=renamed)

    def check(
        self,
        names: Sequence[str],
        shapes: Sequence[Sequence[int]],
        data: Mapping[str, Sequence[Array]],
    ) -> Targets:
        """Return the targets of each output; () if there are none.

        Args:
            names, shapes: of the outputs, with the batch size 1.
            data: columns of the data by what they are for; targets are of `test_data`.

        Raises:
            ConfigError: as for by_output() and check_labels(), or the targets do not match the
                outputs.
        """
        labels = check_labels(self.labels, names, [math.prod(shape) for shape in shapes])
        if self.targets is None or "test_data" not in data:
            return ()
        found = by_output(self.targets, names, labels)
        count = len(data["test_data"][0])
        for name, shape, wanted in zip(names, shapes, found, strict=True):
            if wanted is not None:
                what = f"output {name!r}" if len(names) > 1 else "an output"
                scoring_for(wanted, count, tuple(shape[1:]), what)
        return found


def check_labels(
    labels: Labels, names: Sequence[str], sizes: Sequence[int]
) -> tuple[tuple[str, ...], ...]:
    """Return the labels of each output: one for each value, or two for a single probability.

    Args:
        names, sizes: of the outputs, in order.

    Raises:
        ConfigError: there are more or fewer, or there is no such output.
    """
    found = labels.of(names)
    for place, (own, name, values) in enumerate(zip(found, names, sizes, strict=True)):
        if own and len(own) != values and (values, len(own)) != (1, 2):
            which = f"output {name!r}" if place else "the first output"
            raise ConfigError(
                f"labels has {len(own)} names, but {which} has {values} values.",
                labels.hint,
            )
    return found


def by_output(targets: Any, names: Sequence[str], labels: Sequence[Sequence[str]] = ()) -> Targets:
    """Return the targets of each output, None for outputs without targets.

    Args:
        targets: for the first output, one array (samples, ...) of numbers or class names, or
            anything that becomes one: a list, a pandas object, a tf.data.Dataset, a generator or a
            function that returns one; a dict of these by output name; or, for several outputs, a
            list of these, with None for outputs without targets; None for no targets.
        names: of the outputs.
        labels: class names of each output, for targets that are class names.

    Raises:
        ConfigError: an output does not exist, or its targets are not an array of numbers or
            labels.
    """
    given: dict[str, Any]
    if targets is None:
        given = {}
    elif isinstance(targets, Mapping):
        given = {str(name): values for name, values in targets.items()}
        unknown = [name for name in given if name not in names]
        if unknown or not given:
            near = did_you_mean(unknown[0], names) if unknown else ""
            raise ConfigError(
                f"The targets are of {unknown[0]!r}, which is not an output."
                if unknown
                else "The targets are an empty dict.",
                f"{near}The outputs are {', '.join(names)}.",
            )
    elif _is_list(targets, len(names)):
        given = dict(zip(names, targets, strict=True))
    else:
        given = {names[0]: targets}
    own: list[Sequence[str]] = [*labels, *[()] * (len(names) - len(labels))]
    return tuple(
        None if given.get(name) is None else _array(given[name], name, own[place])
        for place, name in enumerate(names)
    )


def _is_list(targets: Any, outputs: int) -> bool:
    """Whether targets are a list of one array per output, not a list of numbers."""
    if not isinstance(targets, list | tuple) or outputs < 2 or len(targets) != outputs:
        return False
    return all(
        part is None or isinstance(part, list | tuple) or np.ndim(part) > 0 for part in targets
    )


def _array(targets: Any, name: str, labels: Sequence[str]) -> Array:
    if np.ma.is_masked(targets):
        raise ConfigError(
            f"The targets of output {name!r} are masked.", "Leave out samples without a target."
        )
    try:
        found = np.asarray(_listed(targets))
    except ValueError as error:  # lists of several lengths
        raise ConfigError(f"The targets of output {name!r} are not an array.", _HINT) from error
    if not found.ndim:
        raise ConfigError(
            f"The targets of output {name!r} are one value, not one for each sample.", _HINT
        )
    if found.dtype.kind in "OSU":
        found = _numbers(found, name, labels)
    if found.dtype.kind not in "biuf":
        raise ConfigError(f"The targets of output {name!r} are {found.dtype}, not numbers.", _HINT)
    if not np.isfinite(found).all():
        raise ConfigError(f"The targets of output {name!r} include NaN or infinity.", _HINT)
    return found


def _listed(targets: Any) -> Any:
    """Return what NumPy can read: the values of an iterable in a list."""
    if callable(targets) and not hasattr(targets, "__array__"):
        targets = targets()
    if hasattr(targets, "__array__") or (hasattr(targets, "__len__") and not _is_dataset(targets)):
        return targets
    if isinstance(targets, Iterable):
        values = itertools.islice(iter(targets), _MAX_SAMPLES)
        return [np.asarray(value) for value in values]
    return targets


def _is_dataset(targets: Any) -> bool:
    """Whether an object is a tf.data.Dataset, whose length NumPy cannot use."""
    return hasattr(targets, "element_spec")


def _numbers(targets: Array, name: str, labels: Sequence[str]) -> Array:
    """Return class names as their numbers, and numbers in an array of objects as numbers."""
    values = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in targets.flat]
    if not all(isinstance(value, str) for value in values):
        try:
            return np.array(values, np.float64).reshape(targets.shape)
        except (TypeError, ValueError) as error:
            odd = next(value for value in values if not isinstance(value, int | float))
            raise ConfigError(
                f"The targets of output {name!r} include {str(odd)[:80]!r}, which is not a number.",
                _HINT,
            ) from error
    if not labels:
        raise ConfigError(
            f"The targets of output {name!r} are class names, but there are no labels.",
            "Pass labels=, the names of the classes in the order of the output.",
        )
    places = {label: place for place, label in enumerate(labels)}
    unknown = [value for value in values if value.strip() not in places]
    if unknown:
        raise ConfigError(
            f"The targets of output {name!r} include {unknown[0][:80]!r}, which is not a label.",
            f"The labels are {', '.join(labels)[:200]}.",
        )
    return np.array([places[value.strip()] for value in values]).reshape(targets.shape)
