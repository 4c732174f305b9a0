"""The resolver and a model's operators, and models that the Arduino flavour must not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.frontend.models import edited
from tests.models import image_net, recurrent_net, two_headed_net
from tests.runtimes.tflm import nets
from tests.tflite_builder import ModelBuilder
from tflm_ext import export
from tflm_ext.errors import TflmExtError, UnsupportedOperatorError
from tflm_ext.frontend.parse import parse
from tflm_ext.ops import OPERATORS
from tflm_ext.runtimes.tflm import refuse_for_board, required
from tflm_ext.runtimes.tflm.operators import ARDUINO_VERSIONS

BUILTINS = {name for name in vars(schema.BuiltinOperator) if not name.startswith("_")}


def refusal(model: bytes) -> UnsupportedOperatorError:
    with pytest.raises(UnsupportedOperatorError) as caught:
        refuse_for_board(parse(model, "net"))
    return caught.value


def test_the_resolver_gets_exactly_the_operators_of_the_model() -> None:
    found = required(parse(image_net(), "net"))
    assert [(r.method, r.variant) for r in found] == [
        ("AddAveragePool2D", "Register_AVERAGE_POOL_2D_INT8"),
        ("AddConv2D", "Register_CONV_2D_INT8"),
        ("AddDepthwiseConv2D", "Register_DEPTHWISE_CONV_2D_INT8"),
        ("AddFullyConnected", "Register_FULLY_CONNECTED_INT8"),
        ("AddReshape", ""),
        ("AddSoftmax", "Register_SOFTMAX_INT8"),
    ]
    assert {r.header for r in found if r.variant} == {
        "conv.h",
        "depthwise_conv.h",
        "fully_connected.h",
        "pooling.h",
        "softmax.h",
    }


def test_names_that_are_no_camel_case() -> None:
    methods = {r.operator: r.method for r in required(parse(recurrent_net(), "net"))}
    assert methods["UNIDIRECTIONAL_SEQUENCE_LSTM"] == "AddUnidirectionalSequenceLSTM"
    assert required(parse(nets.product(), "net"))[0].method == "AddBatchMatMul"


def test_an_operator_that_also_works_in_float_is_registered_for_every_type() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    left, middle, right = (b.tensor((1, 4), dtype="float32") for _ in range(3))
    z = b.tensor((1, 4), scale=0.5)
    b.operator("MUL", [x, x], [y], schema.MulOptionsT())
    b.operator("DEQUANTIZE", [y], [left])
    b.operator("MUL", [left, left], [middle], schema.MulOptionsT())
    b.operator("NEG", [middle], [right])
    b.operator("QUANTIZE", [right], [z])
    found = {r.operator: r.variant for r in required(parse(b.finish([x], [z]), "net"))}
    assert found == dict.fromkeys(("DEQUANTIZE", "MUL", "NEG", "QUANTIZE"), "")


def test_every_name_is_one_of_the_schema() -> None:
    assert ARDUINO_VERSIONS.keys() <= BUILTINS


def test_every_operator_of_the_compiled_runtime_is_known() -> None:
    assert {op.name for op in OPERATORS if op.code >= 0} <= ARDUINO_VERSIONS.keys()


def test_what_tflm_does_not_have_at_all() -> None:
    with pytest.raises(UnsupportedOperatorError) as caught:
        required(parse(nets.tiles(), "net"))
    assert caught.value.problem == "TensorFlow Lite Micro does not have operator 0 TILE."
    assert "UpSampling2D" in caught.value.hint


@pytest.mark.parametrize(
    "model",
    [
        image_net(),
        two_headed_net(),
        recurrent_net(),
        nets.convolution(),
        nets.dense(channels=1),
        nets.pooling(batch=1),
        nets.reduction("REDUCE_MAX"),
        nets.addition((1, 3, 1, 2), (2,)),
        nets.addition((1, 1, 3, 1, 2), (1, 1, 3, 1, 2)),
    ],
)
def test_what_the_arduino_flavour_runs(model: bytes) -> None:
    refuse_for_board(parse(model, "net"))


def test_an_operator_that_the_arduino_flavour_lacks() -> None:
    error = refusal(nets.product())
    assert error.problem == (
        "The Arduino flavour of TensorFlow Lite Micro does not have operator 0 BATCH_MATMUL (Keras "
        "layer attention)."
    )
    assert error.hint == (
        "Use runtime='compiled' for the board, or pass tflm_source= with a current TensorFlow Lite "
        "Micro, to run it elsewhere."
    )


def test_a_version_that_the_arduino_flavour_lacks() -> None:
    error = refusal(nets.convolution(version=6))
    assert error.problem == (
        "The Arduino flavour of TensorFlow Lite Micro has operator 0 CONV_2D (Keras layer conv) up "
        "to version 5, but the model needs version 6."
    )


@pytest.mark.parametrize(
    ("model", "problem", "hint"),
    [
        (nets.convolution(groups=2), "does not support groups", "set groups=1."),
        (nets.convolution(bias=False), "crashes without a bias", "set use_bias=True."),
        (nets.dense(channels=3), "uses the first scale", "one scale for all weights"),
        (nets.pooling(batch=2), "computes only the first image of a batch", "with batch size 1."),
        (nets.reduction("MEAN"), "rounds differently", "AveragePooling2D"),
        (nets.reduction("SUM"), "rounds differently", "AveragePooling2D"),
        (
            nets.addition((1, 2, 1, 2, 2), (1, 1, 3, 1, 2)),
            "at most 4 dimensions",
            "reshape the tensor.",
        ),
        (nets.addition((1,) * 6, (1,) * 6), "at most", "reshape the tensor."),
    ],
)
def test_what_the_arduino_flavour_would_compute_wrongly(
    model: bytes, problem: str, hint: str
) -> None:
    error = refusal(model)
    assert "does not run operator 0 " in error.problem
    assert problem in error.problem
    assert hint in error.hint


def test_a_recurrent_layer_with_the_time_in_front() -> None:
    def change(_: Any, graph: Any) -> None:
        graph.operators[0].builtinOptions.timeMajor = True

    assert (
        "mistakes the time axis for the batch" in refusal(edited(change, recurrent_net())).problem
    )


def test_an_encoded_model() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.operator("NEG", [x], [y])

    def change(unpacked: Any, _: Any) -> None:
        (code,) = unpacked.operatorCodes
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = "TFLM_DECODE"

    model = edited(change, b.finish([x], [y]))
    (found,) = required(parse(model, "net"))
    assert (found.method, found.arduino) == ("AddDecode", False)
    error = refusal(model)
    assert "does not have operator 0 TFLM_DECODE " in error.problem
    assert error.hint == "For the board, pass the model from before tflm_ext.encode()."


@pytest.mark.parametrize("name", ["CUMSUM", "REVERSE_V2"])
def test_no_runtime_points_to_another_that_refuses_the_model(name: str, tmp_path: Path) -> None:
    """Operators that only a current TFLM has, or none."""
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.operator(name, [x], [y])
    (tmp_path / "net.tflite").write_bytes(b.finish([x], [y]))
    for runtime, other in (("compiled", "tflm"), ("tflm", "compiled")):
        with pytest.raises(TflmExtError) as caught:
            export(tmp_path / "net.tflite", tmp_path / "net", runtime=runtime, progress=False)
        assert f"runtime='{other}'" not in caught.value.hint


def test_the_way_out_of_a_model_that_only_tflm_runs() -> None:
    for model in (nets.product(), nets.convolution(version=6), nets.convolution(groups=2)):
        with pytest.raises(UnsupportedOperatorError) as caught:
            refuse_for_board(parse(model, "net"), compilable=False)
        assert caught.value.hint.startswith("Pass tflm_source= with a current TensorFlow Lite")
