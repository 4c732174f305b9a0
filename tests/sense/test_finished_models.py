"""examples/finished/: models of TFLM's own examples after pipelines, equal to its interpreter.

They are not part of the repository; see tests/test_models.py for their folder.
"""

from __future__ import annotations

import runpy
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_micro.python.tflite_micro import runtime

import tflm_ext
from tests.conftest import ROOT
from tests.signals.tflm_models import Tflm
from tests.test_models import FOLDER

MORE = FOLDER / "more"

pytestmark = pytest.mark.slow


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / f"examples/finished/{name}.py"))


def real_outputs(path: Path, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What TFLM's interpreter gives for int8 inputs, as real values."""
    interpreter = runtime.Interpreter.from_file(str(path))
    scale, zero_point = (
        interpreter.get_output_details(0)["quantization_parameters"][key][0]
        for key in ("scales", "zero_points")
    )
    found = []
    for own in inputs:
        interpreter.set_input(own[np.newaxis], 0)
        interpreter.invoke()
        found.append(interpreter.get_output(0)[0].astype(np.int32))
    return (np.array(found) - zero_point).astype(np.float32) * np.float32(scale)


def samples_of(path: Path) -> np.ndarray[Any, Any]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.mark.skipif(not MORE.is_dir(), reason=f"{MORE} does not exist")
def test_micro_speech(tmp_path: Path) -> None:
    """Front end and model of TFLM give the same bytes as ours, on host and core."""
    module = example("micro_speech")
    path = MORE / "micro_speech_quantized.tflite"
    recordings = [MORE / "yes_1000ms.wav", MORE / "no_1000ms.wav"]
    result = module["export"](path, recordings, tmp_path / "speech")
    front_end = Tflm((MORE / "audio_preprocessor_int8.tflite").read_bytes())
    both = np.concatenate([samples_of(own) for own in recordings])
    frames = np.lib.stride_tricks.sliding_window_view(both, 480)[::320]
    (rows,) = front_end(np.ascontiguousarray(frames).reshape(-1, 1, 480))
    windows = np.lib.stride_tricks.sliding_window_view(rows.reshape(-1, 40), (49, 40))[::6]
    expected = real_outputs(path, windows.reshape(-1, 49 * 40))
    assert len(expected) == 9
    for environment in ("native", "cortex_m4"):
        found = result.replay(both, environment)
        np.testing.assert_array_equal(found.outputs, expected)
    for own, label in zip(recordings, (2, 3), strict=True):
        (event,) = result.replay(own).events
        assert (event.label, event.name) == (label, module["LABELS"][label])


@pytest.mark.skipif(not MORE.is_dir(), reason=f"{MORE} does not exist")
def test_person_detect(tmp_path: Path) -> None:
    module = example("person")
    path = MORE / "person_detect.tflite"
    images = np.stack(
        [module["pixels"](MORE / name, True) for name in ("person.bmp", "no_person.bmp")]
    )
    assert images.shape == (2, 96, 96, 1)
    pipeline = module["pipeline_for"](images[0])
    result = tflm_ext.export(
        path, tmp_path / "person", pipeline=pipeline, labels=module["LABELS"], progress=False
    )
    assert result.report.pipeline is not None
    assert result.report.pipeline.frames >= 2000
    expected = real_outputs(path, (images ^ 0x80).view(np.int8))
    for environment in ("native", "cortex_m4"):
        found = result.replay(images, environment)
        np.testing.assert_array_equal(found.outputs, expected)
        assert [event.name for event in found.events] == ["person"]
        assert found.events[0].window == 0


def test_any_camera() -> None:
    """The pictures of cameras become square, small and grey."""
    module = example("person")
    for shape, names in (
        ((240, 320, 3), ["Crop", "Resize", "Grey"]),
        ((96, 96, 1), ["Grey"]),
        ((96, 128, 1), ["Crop", "Grey"]),
        ((200, 200, 3), ["Resize", "Grey"]),
    ):
        pipeline = module["pipeline_for"](np.zeros(shape, np.uint8))
        assert [type(stage).__name__ for stage in pipeline.stages] == names
        assert pipeline.out.shape == (96, 96, 1)
