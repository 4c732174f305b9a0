"""Pipeline: from a source to a model's input and on to a decision, defined once."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from tflm_ext.document import from_json, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import saved
from tflm_ext.signals.bound import bound, run_last
from tflm_ext.signals.calibration import Calibration
from tflm_ext.signals.checks import as_quantization
from tflm_ext.signals.frames import Frames, FramesBlock, Stack, StackBlock
from tflm_ext.signals.given import as_recordings
from tflm_ext.signals.image import PixelsBlock
from tflm_ext.signals.recordings import read_recording
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Block, State
from tflm_ext.signals.to_int8 import ToInt8
from tflm_ext.signals.written import damaged, read_stage, written

FORMAT = "tflm_ext.sense"
VERSION = 1
_MOST_STAGES = 32
_P = TypeVar("_P", bound="Pipeline")


@dataclass(frozen=True, init=False)
class Pipeline:
    """A source, the stages that turn its samples into a model's input, and a decision.

    Attributes:
        source: what the sensor gives.
        stages: in order: stages of streams, Frames, stages of frames and features, Stack.
        score: turns the model's outputs into one number; None if `decide` takes the outputs, or if
            a stage computes a score without a model.
        decide: turns the model's outputs into events; None if the firmware uses the outputs.
        quantization: scale and zero point that a finished model gives to its input's bytes, if they
            are not those of the last stage; the bytes are the same. None for those.
        calibration: how the thresholds were chosen; None if the user passed them.
        recordings: samples that it was fitted on; not part of its JSON.
    """

    source: Any
    stages: tuple[Any, ...]
    score: Any = None
    decide: Any = None
    quantization: tuple[float, int] | None = None
    calibration: Calibration | None = None
    recordings: tuple[Array, ...] = field(default=(), compare=False, repr=False)

    def __init__(
        self,
        source: Any,
        *stages: Any,
        score: Any = None,
        decide: Any = None,
        quantization: tuple[float, int] | None = None,
    ) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "stages", tuple(stages))
        object.__setattr__(self, "score", score)
        object.__setattr__(self, "decide", decide)
        object.__setattr__(self, "quantization", as_quantization(quantization))
        object.__setattr__(self, "calibration", None)
        object.__setattr__(self, "recordings", ())
        self._check()

    def _check(self) -> None:
        if not isinstance(getattr(self.source, "spec", None), Spec):
            raise ConfigError(
                f"A pipeline begins with a source, not with {_called(self.source)}.",
                "Pass a source first, as in Pipeline(Microphone(16_000), ...).",
            )
        after = [stage for stage in (self.score, self.decide) if stage is not None]
        for stage in (*self.stages, *after):
            if not hasattr(stage, "bind") or isinstance(stage, type):
                raise ConfigError(
                    f"{_called(stage)} is not a stage.",
                    "Pass stages of tflm_ext.sense, with their arguments: Frames(480).",
                )
        if len(self.stages) > _MOST_STAGES:
            raise ConfigError(
                f"The pipeline has {len(self.stages)} stages.", f"Use at most {_MOST_STAGES}."
            )
        frames = sum(isinstance(stage, Frames) for stage in self.stages)
        if frames != 1 and self.source.spec.form is not Form.IMAGE:
            raise ConfigError(
                "A pipeline needs Frames exactly once.",
                "Put Frames(length, hop) between the stages of streams and those of frames.",
            )
        if sum(isinstance(stage, Stack) for stage in self.stages) > 1:
            raise ConfigError("There are two Stack in the pipeline.", "Keep one of them.")
        if self.is_fitted:
            self.blocks  # noqa: B018 - binds all stages
        else:
            bound(self.source.spec, self.stages[: self._first_unfitted])

    @property
    def _first_unfitted(self) -> int:
        """Number of the first stage whose numbers are not known; that of all stages if all are."""
        fitted = [
            getattr(stage, "is_fitted", True) or not getattr(stage, "MUST_FIT", True)
            for stage in self.stages
        ]
        return fitted.index(False) if False in fitted else len(fitted)

    @property
    def is_fitted(self) -> bool:
        """Whether all numbers that come from data are known."""
        return self._first_unfitted == len(self.stages)

    def fitted(self: _P, recordings: Any) -> _P:
        """Return the pipeline with the numbers that its stages take from data, like Zscore.

        Stages that are fitted already remain. The result remembers the recordings, so that
        export() can calibrate the model with them.

        Args:
            recordings: one or several: arrays, or paths of WAV, CSV or .npy files.

        Raises:
            ConfigError: a recording does not fit the source, or they are too short.
        """
        samples = [self.recording(own) for own in as_recordings(recordings, "recordings")]
        stages = list(self.stages)
        for number, stage in enumerate(stages):
            if getattr(stage, "is_fitted", True):
                continue
            blocks = bound(self.source.spec, stages[:number])
            spec = blocks[-1].out if blocks else self.source.spec
            items = np.concatenate([run_last(blocks, own) for own in samples])
            if not len(items):
                raise ConfigError(
                    f"The recordings are too short for {type(stage).__name__}: they give no frame.",
                    "Pass longer recordings.",
                )
            stages[number] = stage.fit(spec, items)
        found = self.with_(*stages, decide=self.decide)
        object.__setattr__(found, "recordings", tuple(samples))
        return found

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The stages, bound; with maps to int8 before a Stack and before the model.

        Raises:
            ConfigError: a stage cannot work on what it receives, or is not fitted.
        """
        found = bound(self.source.spec, self.stages)
        spec = found[-1].out if found else self.source.spec
        if spec.form is Form.FEATURES and spec.dtype is not DType.INT8:
            found.append(ToInt8.of(spec))
        if spec.form is Form.IMAGE and spec.dtype is DType.UINT8:
            found.append(PixelsBlock(spec, grey=False))
        return tuple(found)

    @property
    def has_score(self) -> bool:
        """Whether a stage computes a score, so that no model is needed."""
        return self.out.form is Form.SCORE

    def after(self, output: Spec | None) -> tuple[Block, ...]:
        """Return score and decision, bound to what they receive.

        Args:
            output: the first output of the model; None if a stage computes a score.

        Raises:
            ConfigError: they cannot work on it.
        """
        found: list[Block] = []
        spec = self.out if output is None else output
        if self.score is not None:
            if output is None:
                raise ConfigError(
                    "The pipeline has score=, but its last stage is a score already.",
                    "Leave out score=.",
                )
            seen = (self.out,) if getattr(self.score, "SEES_INPUT", False) else ()
            found.append(self.score.bind(spec, *seen))
            spec = found[-1].out
        if self.decide is not None:
            found.append(self.decide.bind(spec))
        return tuple(found)

    def model_output(self, size: int, scale: float, zero_point: int) -> Spec:
        """Return the specification of the int8 output of the model after the pipeline."""
        return Spec(
            Form.FEATURES,
            DType.INT8,
            (size,),
            self.out.rate,
            self.out.sampling,
            scale=scale,
            zero_point=zero_point,
        )

    @property
    def out(self) -> Spec:
        """What the model receives, or the score if a stage computes one."""
        last = self.blocks[-1].out
        if self.quantization is None or last.form is Form.SCORE:
            return last
        scale, zero_point = self.quantization
        return replace(last, scale=scale, zero_point=zero_point)

    @property
    def frame_rate(self) -> Fraction:
        """Frames or images per second."""
        frames = [block for block in self.blocks if isinstance(block, FramesBlock)]
        return frames[0].out.rate if frames else self.source.spec.rate

    @property
    def window(self) -> int:
        """Samples of the source's stream that one item of `out` sees, without filters' memory.

        One image, if the source gives images.
        """
        if self.source.spec.form is Form.IMAGE:
            return 1
        length, hop, frames = 0, 0, 1
        ratio = self.source.spec.rate
        for block in self.blocks:
            if block.source.form is Form.STREAM and block.out.form is Form.FRAME:
                length = block.out.shape[0]
                hop = round(block.source.rate / block.out.rate)
                ratio /= block.source.rate
            if isinstance(block, StackBlock):
                frames = block.frames
        return round((length + (frames - 1) * hop) * ratio)

    @property
    def warm_up(self) -> int:
        """Samples of the source before the first window, which filters need to settle."""
        frames = next((b for b in self.blocks if isinstance(b, FramesBlock)), None)
        if frames is None:
            return 0
        return math.ceil(frames.warm_up * self.source.spec.rate / frames.source.rate)

    @property
    def first_window(self) -> int:
        """Samples of the source that the first window takes, with the warm-up of filters."""
        return self.warm_up + self.window

    def window_ends(self, count: int) -> Array:
        """Return when the first `count` windows of a recording end, in seconds."""
        source = self.source.spec.rate
        return float(self.first_window / source) + np.arange(count) / float(self.out.rate)

    @property
    def _warming(self) -> str:
        return f" after {self.warm_up:,} in which filters settle" if self.warm_up else ""

    def start(self) -> tuple[State, ...]:
        """Return the state of every block before the first sample."""
        return tuple(block.start() for block in self.blocks)

    def run(
        self, samples: Array, states: Sequence[State]
    ) -> tuple[tuple[Array, ...], tuple[State, ...]]:
        """Compute what every block gives for the next samples of a recording.

        Args:
            samples: (samples, channels) of the source's type.
            states: as start() or the last run() returned them.

        Returns:
            For every block its items, and the new states.
        """
        items, outputs, new = samples, [], []
        for block, state in zip(self.blocks, states, strict=True):
            items, after = block.run(items, state)
            outputs.append(items)
            new.append(after)
        return tuple(outputs), tuple(new)

    def recording(self, given: Any) -> Array:
        """Return a recording as samples of the source: (samples, channels).

        Args:
            given: an array, or the path of a WAV, CSV or .npy file.

        Raises:
            ConfigError: it does not fit the source.
        """
        return read_recording(given, self.source)

    def quantized(self, recording: Any) -> Array:
        """Return the bytes that the model receives for a recording: (items, *shape), int8."""
        return run_last(self.blocks, self.recording(recording))

    def features(self, recording: Any) -> Array:
        """Return the model's inputs for a recording, as real values.

        They are (q - zero_point) * scale of the bytes q that the device computes.

        Args:
            recording: an array, or the path of a WAV, CSV or .npy file.

        Returns:
            (items, *shape), float32.

        Raises:
            ConfigError: the recording does not fit the source, or is shorter than a window.
        """
        found = self.quantized(recording)
        if len(found) == 0:
            raise ConfigError(
                f"The recording is shorter than a window of {self.window:,} samples"
                f"{self._warming}.",
                "Pass a longer recording, or use a smaller Stack or Frames.",
            )
        return self.real(found)

    def real(self, quantized: Array) -> Array:
        """Return the real values of a model's input bytes, float32."""
        spec = self.out
        return (quantized.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)

    @property
    def sha256(self) -> str:
        """Digest of its JSON, in hex, which the project and its C contain."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()

    def with_(self: _P, *stages: Any, decide: Any = None) -> _P:
        """Return the same pipeline with other stages and another decision."""
        options = {"score": self.score, "quantization": self.quantization}
        return type(self)(self.source, *stages, decide=decide, **options)

    def with_decision(self: _P, decide: Any, calibration: Calibration | None = None) -> _P:
        """Return the same pipeline with another decision, and how its thresholds were chosen."""
        found = self.with_(*self.stages, decide=decide)
        object.__setattr__(found, "recordings", self.recordings)
        object.__setattr__(found, "calibration", calibration)
        return found

    # ------------------------------------------------------------ what is learnt on the device

    @property
    def learnt_digest(self) -> bytes:
        """Tell which pipelines can load what a device has learnt: those with these stages."""
        stages = [written(stage) for stage in (self.source, *self.stages)]
        return hashlib.sha256(json.dumps(stages, sort_keys=True).encode("utf-8")).digest()[:8]

    def _learning(self) -> list[int]:
        return [i for i, b in enumerate(self.blocks) if getattr(b, "saves_state", False)]

    def save(self, states: Sequence[State]) -> bytes:
        """Return what the stages have learnt, as <name>_sense_save() writes it on the device.

        Args:
            states: as run() returned them.
        """
        parts = tuple(part for i in self._learning() for part in states[i])
        return saved.save(parts, self.learnt_digest)

    def load(self, states: Sequence[State], content: bytes) -> tuple[State, ...]:
        """Return states with what was saved, as <name>_sense_load() reads it on the device.

        Raises:
            ConfigError: it is damaged, or of a pipeline with other stages.
        """
        learning = self._learning()
        like = tuple(part for i in learning for part in states[i])
        parts = iter(saved.load(like, self.learnt_digest, content))
        return tuple(
            tuple(next(parts) for _ in state) if i in learning else state
            for i, state in enumerate(states)
        )

    # ------------------------------------------------------------ JSON

    def to_json(self) -> str:
        """Return the pipeline as JSON, from which from_json() makes an equal one."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "source": written(self.source),
            "stages": [written(stage) for stage in self.stages],
            "score": None if self.score is None else written(self.score),
            "decide": None if self.decide is None else written(self.decide),
        }
        if self.quantization is not None:
            content["quantization"] = list(self.quantization)
        if self.calibration is not None:
            content["calibration"] = to_json(Calibration, self.calibration)
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls: type[_P], text: str) -> _P:
        """Return the pipeline of a text that to_json() wrote, maybe an older version of it.

        Raises:
            ConfigError: it is damaged, or a newer version wrote it.
        """
        try:
            content = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise damaged("it is not JSON") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise damaged(f'it has no "format": "{FORMAT}"')
        version = content.get("version")
        if version != VERSION:
            raise ConfigError(
                f"The pipeline is of version {version!r:.20}; this is version {VERSION}.",
                "Install a newer tflm_ext.",
            )
        stages = content.get("stages")
        if not isinstance(stages, list):
            raise damaged("it has no list of stages")
        score, decide = (
            None if (own := content.get(key)) is None else read_stage(own)
            for key in ("score", "decide")
        )
        source = read_stage(content.get("source"))
        own = content.get("quantization")
        options = {"score": score, "decide": decide, "quantization": own}
        found = cls(source, *map(read_stage, stages), **options)
        try:
            calibration = from_json(Calibration | None, content.get("calibration"))
        except ValueError as error:
            raise damaged(f"calibration: {error}") from error
        return found.with_decision(decide, calibration)


def _called(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else f"{value!r:.60}"
