"""Images without meaning, and a fit() that shows them to a model of either Keras library."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.random((64, 8, 8, 4), np.float32)
Y = RNG.integers(0, 5, 64)


def fit(model: Any, *callbacks: Any, epochs: int = 3, **options: Any) -> None:
    """Two batches an epoch."""
    options = {"x": X, "y": Y, "batch_size": 32, "verbose": 0} | options
    model.fit(epochs=epochs, callbacks=list(callbacks), **options)
