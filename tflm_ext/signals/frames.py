"""Frames and Stack: windows of samples, and windows of features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.signals.checks import expect, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered

_LONGEST = 1 << 16


@registered
@dataclass(frozen=True)
class Frames:
    """Cuts a stream into frames, each of which begins `hop` samples after the one before.

    Frames overlap if hop is smaller than length, and leave samples out if it is larger.
    """

    VERSION: ClassVar[int] = 1

    length: int = entry("Samples of a frame.")
    hop: int | None = entry(
        "Samples from the beginning of a frame to that of the next; by default, length.",
        default=None,
    )

    def __post_init__(self) -> None:
        whole("Frames.length", self.length, 1, _LONGEST)
        if self.hop is not None:
            whole("Frames.hop", self.hop, 1, 1 << 24)

    @property
    def step(self) -> int:
        """The hop."""
        return self.length if self.hop is None else self.hop

    def bind(self, source: Spec) -> FramesBlock:
        expect("Frames", source, Form.STREAM)
        return FramesBlock(source, self.length, self.step)


@dataclass(frozen=True)
class FramesBlock:
    """Frames of a stream.

    In C it has no function: the step function collects samples where the frame stages read them.

    Attributes:
        warm_up: samples before the first frame, which depend on how filters began; they are left
            out.
    """

    source: Spec
    length: int
    hop: int
    warm_up: int = 0

    @property
    def out(self) -> Spec:
        return replace(
            self.source,
            form=Form.FRAME,
            shape=(self.length, *self.source.shape),
            rate=self.source.rate / self.hop,
        )

    def start(self) -> State:
        """No samples, and those of the warm-up to leave out."""
        none = np.zeros((0, *self.source.shape), self.source.dtype.numpy)
        return none, np.array(self.warm_up, np.int64)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        kept, skip = state
        samples = np.concatenate([kept, items])
        skipped = min(int(skip), len(samples))
        samples = samples[skipped:]
        count = max((len(samples) - self.length) // self.hop + 1, 0)
        windows = (
            np.lib.stride_tricks.sliding_window_view(samples, (self.length, *self.source.shape))
            if len(samples) >= self.length
            else np.zeros((0, 1, self.length, *self.source.shape))
        )
        frames = windows.reshape(-1, self.length, *self.source.shape)[:: self.hop][:count]
        used = count * self.hop
        rest = samples[used:]
        missing = int(skip) - skipped + max(used - len(samples), 0)
        return (
            np.ascontiguousarray(frames, self.out.dtype.numpy),
            (rest.copy(), np.array(missing)),
        )

    def lower(self) -> SignalCall:
        raise AssertionError("the step function of emit/sense.py collects frames itself")


@registered
@dataclass(frozen=True)
class Stack:
    """The features of the last frames, the oldest first: what a network sees at once.

    A device computes only the features of the new frame. Nothing comes out until `frames` frames
    have come in; then one item comes out with every `every`-th frame.
    """

    VERSION: ClassVar[int] = 1

    frames: int = entry("Frames that are seen at once.")
    every: int = entry("Frames from one item to the next.", default=1)

    def __post_init__(self) -> None:
        whole("Stack.frames", self.frames, 1, _LONGEST)
        whole("Stack.every", self.every, 1, _LONGEST)

    def bind(self, source: Spec) -> StackBlock:
        expect("Stack", source, Form.FEATURES)
        if len(source.shape) != 1:
            raise ConfigError(
                f"Stack takes values in one row, but receives {source}.",
                "Use one Stack; with Raw, pass Raw(flat=True) before it.",
            )
        return StackBlock(source, self.frames, self.every)


@dataclass(frozen=True)
class StackBlock:
    """A ring of features; in C, the step function keeps it."""

    source: Spec
    frames: int
    every: int

    @property
    def out(self) -> Spec:
        return replace(
            self.source,
            shape=(self.frames, *self.source.shape),
            rate=self.source.rate / self.every,
        )

    def start(self) -> State:
        """No features; the next item comes with frame number `frames`."""
        return (
            np.zeros((0, *self.source.shape), self.source.dtype.numpy),
            np.array(self.frames, np.int64),
        )

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        kept, wait = state
        features = np.concatenate([kept, items])
        # The n-th item ends with new frame wait + n * every, counted from 1.
        ends = np.arange(int(wait), len(items) + 1, self.every)
        first = len(kept) - self.frames + ends
        stacked = features[first[:, np.newaxis] + np.arange(self.frames)]
        if len(ends):
            wait = np.array(ends[-1] + self.every - len(items))
        else:
            wait = wait - len(items)
        rest = features[max(len(features) - self.frames, 0) :]
        return stacked.astype(self.out.dtype.numpy), (rest.copy(), np.asarray(wait))

    def lower(self) -> SignalCall:
        raise AssertionError("the step function of emit/sense.py keeps the ring itself")
