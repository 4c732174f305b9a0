"""ToInt8: maps features whose real range is known onto all int8 values, for a model's input.

Pipelines append it themselves; it is not something that users write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.spec import Spec, short_scale
from tflm_ext.signals.stage import Array, SignalCall, State

_STEPS = 256


@dataclass(frozen=True)
class ToInt8:
    """q = (256 * (value - low) + span / 2) / span - 128, clamped; divisions round down.

    Attributes:
        low: value that becomes -128.
        span: by how much the value that would become 128 is larger.
    """

    source: Spec
    low: int
    span: int

    @classmethod
    def of(cls, source: Spec) -> ToInt8:
        """Return the map for integer features with limits.

        Raises:
            ConfigError: their limits are not known.
        """
        if source.limits is None or source.dtype not in (DType.INT16, DType.INT32):
            raise ConfigError(
                f"The range of the features is not known ({source}), so they have no int8 form.",
                "Append sense.Zscore() as last stage, and fit the pipeline: "
                "pipeline.fitted(recordings).",
            )
        low, high = source.limits
        counts = [round(limit / source.scale) + source.zero_point for limit in (low, high)]
        if not 0 < counts[1] - counts[0] < 1 << 22:
            raise ConfigError(
                f"The range of the features, {low:g} to {high:g}, has "
                f"{counts[1] - counts[0]:,} steps.",
                "Pass other limits.",
            )
        return cls(source, counts[0], counts[1] - counts[0])

    @property
    def out(self) -> Spec:
        assert self.source.limits is not None  # of() checks
        low, high = self.source.limits
        scale = short_scale((high - low) / _STEPS)
        return replace(
            self.source,
            dtype=DType.INT8,
            scale=scale,
            zero_point=-128 - round(low / scale),
        )

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        above = np.clip(items.astype(np.int64) - self.low, 0, self.span)
        found = (above * _STEPS + self.span // 2) // self.span - 128
        return np.minimum(found, 127).astype(np.int8), state

    def lower(self) -> SignalCall:
        kind = self.source.dtype.value
        return SignalCall(
            name=f"{kind}_to_int8",
            header="to_int8.h",
            fields=(("count", self.source.size), ("low", self.low), ("span", self.span)),
        )
