"""Random networks: what is left computes what the whole one would without the channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tflm_ext

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The ratio is not reached")]

SEEDS = range(12)


class Grower:
    """Adds random layers to a random tensor of those that there are."""

    def __init__(self, seed: int) -> None:
        import keras

        self.layers = keras.layers
        self.rng = np.random.default_rng(seed)
        self.image = keras.Input((8, 8, int(self.rng.integers(1, 4))), name="image")
        self.tensors = [self.image]
        self.count = 0

    def grow(self) -> None:
        kinds = (self.conv, self.conv, self.group, self.depth, self.separable, self.merge)
        kinds += (self.merge, self.concatenate, self.normalise, self.pool, self.excite, self.slopes)
        new = kinds[self.rng.integers(len(kinds))]()
        if new is not None:
            self.tensors.append(new)

    def any(self) -> Any:
        """A recent tensor is more likely than an old one."""
        back = min(len(self.tensors), 1 + int(self.rng.geometric(0.5)))
        return self.tensors[-int(self.rng.integers(1, back + 1))]

    def name(self) -> str:
        self.count += 1
        return f"layer_{self.count}"

    def conv(self, x: Any = None, filters: int | None = None) -> Any:
        x = self.any() if x is None else x
        filters = filters or int(self.rng.choice([6, 8, 12, 16]))
        activation = self.rng.choice(["relu", "linear", "tanh"])
        size = int(self.rng.choice([1, 3]))
        return self.layers.Conv2D(
            filters, size, padding="same", activation=activation, name=self.name()
        )(x)

    def group(self) -> Any:
        x = self.any()
        possible = [g for g in (2, 3, 4, 6) if x.shape[-1] % g == 0]
        if not possible:
            return None
        groups = int(self.rng.choice(possible))
        filters = groups * int(self.rng.integers(1, 4))
        return self.layers.Conv2D(filters, 3, padding="same", groups=groups, name=self.name())(x)

    def depth(self) -> Any:
        multiplier = int(self.rng.integers(1, 3))
        return self.layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=multiplier, name=self.name()
        )(self.any())

    def separable(self) -> Any:
        return self.layers.SeparableConv2D(
            int(self.rng.choice([8, 12])), 3, padding="same", name=self.name()
        )(self.any())

    def merge(self) -> Any:
        x = self.any()
        others = [t for t in self.tensors if t.shape == x.shape and t is not x]
        y = others[self.rng.integers(len(others))] if others else self.conv(x, x.shape[-1])
        kind = self.rng.choice(["Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"])
        return getattr(self.layers, kind)()([x, y])

    def concatenate(self) -> Any:
        x = self.any()
        y = self.any()
        return self.layers.Concatenate()([x, y]) if x.shape[:3] == y.shape[:3] else None

    def normalise(self) -> Any:
        return self.layers.BatchNormalization(name=self.name())(self.any())

    def slopes(self) -> Any:
        return self.layers.PReLU(shared_axes=[1, 2], name=self.name())(self.any())

    def pool(self) -> Any:
        x = self.any()
        return self.layers.MaxPooling2D()(x) if x.shape[1] > 2 else None

    def excite(self) -> Any:
        x = self.any()
        y = self.layers.GlobalAveragePooling2D()(x)
        y = self.layers.Dense(8, activation="relu", name=self.name())(y)
        y = self.layers.Dense(x.shape[-1], activation="sigmoid", name=self.name())(y)
        return self.layers.Multiply()([x, self.layers.Reshape((1, 1, -1))(y)])

    def model(self) -> Any:
        import keras

        flat = [self.layers.Flatten()(self.tensors[-1])]
        flat += [self.layers.GlobalAveragePooling2D()(t) for t in self.tensors[-3:-1]]
        x = self.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
        x = self.layers.Dense(12, activation="relu", name="hidden")(x)
        return keras.Model(self.image, self.layers.Dense(3, name="head")(x))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks(seed: int) -> None:
    from tests.compress import channel_nets as nets

    grower = Grower(seed)
    for _ in range(12):
        grower.grow()
    model = nets.with_random_weights(grower.model(), seed)
    x = nets.samples(model, 4)
    ratio = float(np.random.default_rng(seed).uniform(0.2, 0.8))
    pruned, report = tflm_ext.prune_channels(model, ratio=ratio, multiple_of=2, report=True)
    found, expected = np.asarray(pruned(x)), nets.masked_outputs(model, pruned, x)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert report.removed_channels <= ratio * report.prunable_channels
    assert 0 < report.removed_channels == sum(row.before - row.after for row in report.layers)
    assert pruned.count_params() < model.count_params()
