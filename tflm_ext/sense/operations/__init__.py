"""Stages that compute in integers, as TensorFlow operations with the same values.

Items are int64 tensors (clips, items, ...). Integers are exact in eager mode, in a tf.function and
in XLA, which float32 is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tflm_ext.arithmetic.features import RISING
from tflm_ext.ir import DType
from tflm_ext.sense.operations import features, images, spectrum, streams
from tflm_ext.sense.operations.log_mel import log_mel
from tflm_ext.sense.operations.rising import Rising, joined
from tflm_ext.signals.biquad import BiquadBlock
from tflm_ext.signals.concat import ConcatBlock, ToFloat
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.image import CropBlock, PixelsBlock
from tflm_ext.signals.image_resize import ResizeBlock
from tflm_ext.signals.log_mel_block import LogMelBlock
from tflm_ext.signals.mfcc import MFCCBlock
from tflm_ext.signals.microfrontend import MicrofrontendBlock
from tflm_ext.signals.raw import RawBlock
from tflm_ext.signals.remove_gravity import RemoveGravityBlock
from tflm_ext.signals.resample import ResampleBlock
from tflm_ext.signals.spectrum import SpectrumBlock
from tflm_ext.signals.stage import Block
from tflm_ext.signals.statistics import StatisticsBlock
from tflm_ext.signals.to_int8 import ToInt8
from tflm_ext.signals.zscore import ZscoreBlock


def has_operations(blocks: Sequence[Block]) -> bool:
    """Whether computed() can compute blocks that follow one another."""
    return all(type(own) in _OPERATIONS and _is_integer(own) for own in blocks)


def computed(blocks: Sequence[Block], items: Any) -> Any:
    """Return what blocks that follow one another make of items, which may be Rising."""
    for block in blocks:
        items = _OPERATIONS[type(block)](block, items)
    return items


def _is_integer(block: Any) -> bool:
    if isinstance(block, ConcatBlock):
        return all(map(has_operations, block.branches))
    if isinstance(block, BiquadBlock):
        return block.words is not None
    if isinstance(block, SpectrumBlock):
        return block.out.dtype is DType.INT16
    return not isinstance(block, StatisticsBlock) or set(block.measures) <= set(RISING)


def _concat(block: ConcatBlock, items: Any) -> Any:
    found = [computed(branch, items) for branch in block.branches]
    return joined(found) if isinstance(found[0], Rising) else tf.concat(found, axis=2)


_OPERATIONS: Mapping[type[Any], Callable[[Any, Any], Any]] = {
    BiquadBlock: streams.biquad,
    ConcatBlock: _concat,
    CropBlock: images.crop,
    FramesBlock: streams.frames,
    LogMelBlock: log_mel,
    MFCCBlock: features.mfcc,
    MicrofrontendBlock: log_mel,
    PixelsBlock: images.pixels,
    RawBlock: features.raw,
    RemoveGravityBlock: streams.remove_gravity,
    ResampleBlock: streams.resample,
    ResizeBlock: images.resize,
    SpectrumBlock: spectrum.levels,
    StackBlock: features.stack,
    StatisticsBlock: features.statistics,
    ToFloat: features.to_float,
    ToInt8: features.to_int8,
    ZscoreBlock: features.zscore,
}
