"""Recipe: what compress() does. Does not use TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from tflm_ext.compression.arguments import is_number, is_whole, plain
from tflm_ext.errors import ConfigError
from tflm_ext.near import unknown

IMPORTANCES = ("norm", "batchnorm", "taylor")
PATTERNS = ("1x4", "2:4", "unstructured")
GROUPS = ("tensor", "channel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The steps of compress(), in order; steps that are None or 0 are skipped.

    Channel pruning makes every model smaller and faster. Sparsity and clusters do not make the
    compiled runtime smaller, and are not part of the presets. Quantisation-aware training recovers
    accuracy that int8 loses.

    There are three presets: Recipe.fast() removes half of the channels in a short time; balanced()
    and smallest() aim for 4 and 8 times fewer weights and MACs. to_json() writes a recipe,
    from_json() reads it.

    Args:
        shrink: remove channels until the int8 model has this many times fewer bytes of weights and
            this many times fewer MACs; more than 1.
        ratio: instead of shrink: the fraction of all prunable channels to remove at once, in
            [0, 1).
        importance: how to rank channels: "norm", "batchnorm" or "taylor".
        multiple_of: round the number of remaining channels up to a multiple of this.
        round_epochs: epochs of training after each tenth of the channels, with shrink or a budget.
        fine_tune_epochs: epochs of training after the last channels were removed.
        temperature: of the distillation from the uncompressed model in all training that follows;
            None trains with the targets alone.
        alpha: weight of the uncompressed model in the loss, 0 to 1.
        sparsity: fraction of each kernel that becomes zero, in [0, 1).
        sparsity_pattern: "1x4", "2:4" or "unstructured".
        sparsity_epochs: epochs of training towards it.
        clusters: number of distinct values in a kernel, 2 to 256.
        clusters_per: "tensor" or "channel".
        clustering_epochs: epochs of training with clusters.
        quantize_epochs: epochs of quantisation-aware training, with a tenth of the learning rate.
        learning_rate: at the start of each step; it falls to 0 along a cosine.
        batch_size: for arrays; a Dataset has its own.
        validation_share: fraction of the training arrays that is held out if there is no
            validation data.
        seed: for all random numbers.

    Raises:
        ConfigError: a value is out of range.

    Example:
        >>> recipe = Recipe(ratio=0.5, fine_tune_epochs=10)
        >>> Recipe.from_json(recipe.to_json()) == recipe
        True
        >>> Recipe.smallest().shrink
        8.0
    """

    shrink: float | None = None
    ratio: float | None = None
    importance: str = "norm"
    multiple_of: int = 4
    round_epochs: int = 3
    fine_tune_epochs: int = 20
    temperature: float | None = 4.0
    alpha: float = 0.5
    sparsity: float | None = None
    sparsity_pattern: str = "1x4"
    sparsity_epochs: int = 10
    clusters: int | None = None
    clusters_per: str = "tensor"
    clustering_epochs: int = 5
    quantize_epochs: int = 5
    learning_rate: float = 1e-3
    batch_size: int = 32
    validation_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            fits, wanted = _RULES[field.name]
            optional = field.default is None or field.name == "temperature"
            if (value is None and optional) or (value is not None and fits(value)):
                object.__setattr__(self, field.name, plain(value))
                continue
            raise ConfigError(f"Recipe({field.name}={value!r}) is out of range.", f"Pass {wanted}.")
        if self.shrink is not None and self.ratio is not None:
            raise ConfigError(
                "A recipe cannot have both shrink and ratio.",
                "Set shrink=4 for 4 times fewer weights and MACs, or ratio=0.5 for half the "
                "channels.",
            )
        if self.sparsity is not None and self.sparsity_pattern == "2:4" and self.sparsity != 0.5:
            raise ConfigError(
                f'Recipe(sparsity={self.sparsity}) does not go with sparsity_pattern="2:4".',
                "Set sparsity=0.5: two of four weights are half of them.",
            )

    @classmethod
    def fast(cls) -> Recipe:
        """Return a recipe for a quick trial: removes half of the channels, trains a few epochs."""
        return cls(ratio=0.5, fine_tune_epochs=8, quantize_epochs=0)

    @classmethod
    def balanced(cls) -> Recipe:
        """Return a recipe for 4 times fewer weights and MACs."""
        return cls(shrink=4.0, fine_tune_epochs=30, quantize_epochs=5)

    @classmethod
    def smallest(cls) -> Recipe:
        """Return a recipe for 8 times fewer weights and MACs."""
        return cls(shrink=8.0, round_epochs=4, fine_tune_epochs=50, quantize_epochs=10)

    @classmethod
    def preset(cls, name: str) -> Recipe:
        """Return a preset by its name.

        Raises:
            ConfigError: there is no such preset.
        """
        presets: dict[str, Callable[[], Recipe]] = {
            "fast": cls.fast,
            "balanced": cls.balanced,
            "smallest": cls.smallest,
        }
        if name not in presets:
            raise unknown(f"There is no recipe {name!r}.", name, presets)
        return presets[name]()

    def to_json(self) -> str:
        """Return all values as a JSON object."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what to_json() wrote; missing values have their defaults.

        Raises:
            ConfigError: it is not a JSON object, has an unknown name, or a value out of range.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"The recipe is not valid JSON: {error}.",
                "Write it with Recipe.balanced().to_json().",
            ) from error
        if not isinstance(values, dict):
            raise ConfigError(
                f"The recipe is a JSON {type(values).__name__}, not an object.",
                'Write one like {"shrink": 4, "fine_tune_epochs": 30}.',
            )
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown(f"A recipe has no field {name!r}.", name, known)
        return cls(**values)


def _whole(least: int, most: float = float("inf")) -> tuple[Callable[[Any], bool], str]:
    def fits(value: Any) -> bool:
        return is_whole(value, least) and value <= most

    end = "at least {}" if most == float("inf") else "from {} to {}"
    return fits, f"a whole number {end.format(least, most)}"


def _one_of(*known: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: isinstance(value, str) and value in known), "one of: " + ", ".join(known)


_SHARE = (lambda value: is_number(value) and 0 <= value < 1), "a fraction from 0 to less than 1"
_POSITIVE = (
    (lambda value: is_number(value) and 0 < value < float("inf")),
    "a number greater than 0",
)
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "shrink": ((lambda value: is_number(value) and 1 < value < 1e6), "a number greater than 1"),
    "ratio": _SHARE,
    "importance": _one_of(*IMPORTANCES),
    "multiple_of": _whole(1),
    "round_epochs": _whole(1),
    "fine_tune_epochs": _whole(0),
    "temperature": _POSITIVE,
    "alpha": ((lambda value: is_number(value) and 0 <= value <= 1), "a fraction from 0 to 1"),
    "sparsity": _SHARE,
    "sparsity_pattern": _one_of(*PATTERNS),
    "sparsity_epochs": _whole(1),
    "clusters": _whole(2, 256),
    "clusters_per": _one_of(*GROUPS),
    "clustering_epochs": _whole(1),
    "quantize_epochs": _whole(0),
    "learning_rate": _POSITIVE,
    "batch_size": _whole(1),
    "validation_share": (
        (lambda value: is_number(value) and 0 < value < 1),
        "a fraction greater than 0 and less than 1",
    ),
    "seed": _whole(0, 2**32 - 1),
}
