"""Stages bound to what they receive, one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tflm_ext.ir import DType
from tflm_ext.signals.frames import FramesBlock, Stack
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Block
from tflm_ext.signals.to_int8 import ToInt8

_PIECE_VALUES = 1 << 18  # of a recording that run at once


def bound(spec: Spec, stages: Sequence[Any]) -> list[Block]:
    """Return stages, bound one after another; with the map to int8 before a Stack."""
    found: list[Block] = []
    for stage in stages:
        wide = spec.form is Form.FEATURES and spec.dtype is not DType.INT8
        if isinstance(stage, Stack) and wide:
            found.append(ToInt8.of(spec))
            spec = found[-1].out
        found.append(_warm(stage.bind(spec), found))
        spec = found[-1].out
    return found


def _warm(block: Block, before: Sequence[Block]) -> Block:
    """Let frames begin when the filters before them have forgotten their start."""
    if not isinstance(block, FramesBlock):
        return block
    wait = 0
    for own in before:
        wait = math.ceil(wait * own.out.rate / own.source.rate) + getattr(own, "warm_up", 0)
    return replace(block, warm_up=wait)


def run_last(blocks: Sequence[Block], samples: Array) -> Array:
    """Return what the last of some blocks gives for a recording, of any length.

    It is computed in pieces, because the values in between take much more memory.
    """
    states = [block.start() for block in blocks]
    parts = []
    size = max(_PIECE_VALUES // max(samples[:1].size, 1), 1)
    for at in range(0, max(len(samples), 1), size):
        items = samples[at : at + size]
        for i, block in enumerate(blocks):
            items, states[i] = block.run(items, states[i])
        parts.append(items)
    return np.concatenate(parts)
