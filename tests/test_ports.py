"""A model with a float port is exported without it, and says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext.api import export, inspect_model
from tflm_ext.errors import UnsupportedModelError


def ported(dtype: str, *, quantised: bool = True) -> bytes:
    """A dense layer in int8 between two conversions from and to another type."""
    b = ModelBuilder()
    outside = {"scale": 0.05, "zero_point": 128} if dtype == "uint8" else {}
    real_in = b.tensor((1, 4), dtype=dtype, name="sensor", **outside)
    x = b.tensor((1, 4), scale=0.05)
    w = b.constant(np.arange(-6, 6, dtype=np.int8).reshape(3, 4), scale=[0.1])
    y = b.tensor((1, 3), scale=0.1, name="net/dense/MatMul")
    real_out = b.tensor((1, 3), dtype=dtype, name="result", **outside)
    if quantised:
        b.operator("QUANTIZE", [real_in], [x], schema.QuantizeOptionsT())
    b.operator("FULLY_CONNECTED", [x, w], [y], schema.FullyConnectedOptionsT())
    leave = "DEQUANTIZE" if dtype == "float32" else "QUANTIZE"
    b.operator(leave, [y], [real_out], getattr(schema, f"{leave.title()}OptionsT")())
    return b.finish([real_in if quantised else x], [real_out])


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_port_is_taken_off_and_reported(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(ported(dtype))
    samples = np.linspace(-3, 3, 400, dtype=np.float32).reshape(100, 4)
    result = export(path, tmp_path / "net", calibration_data={"sensor": samples}, progress=False)
    said = (
        "is {} in the file; the project does not include this conversion, because its inputs and "
        "outputs are int8."
    )
    assert result.report.warnings[:2] == (
        f"input 0 'sensor' {said.format(dtype)}",
        f"output 0 'result' {said.format(dtype)}",
    )
    assert [s.view.node.operator for s in result.report.plan.steps] == ["FULLY_CONNECTED"]
    assert result.report.vectors is not None
    assert inspect_model(str(path)).warnings == result.report.warnings


def test_a_float_port_without_a_conversion_is_refused(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), dtype="float32")
    y = b.tensor((1, 4), dtype="float32")
    b.operator("RELU", [x], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(b.finish([x], [y]))
    with pytest.raises(UnsupportedModelError):
        export(path, tmp_path / "net", progress=False)
    assert not (tmp_path / "net").exists()
