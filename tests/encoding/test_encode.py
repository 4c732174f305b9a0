"""encode(): whole models, budgets, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

import tflm_ext
from tests.models import image_net, recurrent_net
from tests.tflite_builder import ModelBuilder
from tflm_ext import cli


def dense_net(*sizes: int, sparsity: float = 0.8, old: bool = False, shared: bool = False) -> bytes:
    """Dense layers with sparse weights; `shared` lets two layers read the same ones."""
    generator = np.random.default_rng(0)
    b = ModelBuilder()
    x = first = b.tensor((1, sizes[0]), scale=0.05, name="x")
    kernels: dict[tuple[int, int], int] = {}
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        weights = generator.integers(-127, 128, (outputs, inputs), np.int8)
        weights[generator.random(weights.shape) < sparsity] = 0
        key = (inputs, outputs) if shared else (i, i)
        if key not in kernels:
            kernels[key] = b.constant(weights, scale=0.01, name=f"w{i}")
        y = b.tensor((1, outputs), scale=0.1, name=f"y{i}")
        b.operator("FULLY_CONNECTED", [x, kernels[key]], [y], schema.FullyConnectedOptionsT())
        x = y
    model = b.finish([first], [x])
    if not old:
        return model
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    for code in tree.operatorCodes:
        code.builtinCode = 0  # as converters before 2020 wrote it
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def names(tensors: tuple[tflm_ext.EncodedTensor, ...]) -> dict[str, str]:
    return {tensor.name: tensor.method for tensor in tensors}


def test_every_sparse_kernel_is_encoded() -> None:
    model = dense_net(64, 64, 48, 4)
    result = tflm_ext.encode(model)
    assert set(names(result.tensors)) == {"w0", "w1"}
    assert [(row.name, row.reason.split(",")[1]) for row in result.plain] == [
        ("w2", " the best method")
    ]
    assert result.tflite_bytes == len(result.model) < len(model) == result.tflite_bytes_before
    kernel = result.tensors[0]
    assert (kernel.bytes_before, kernel.symbols) == (64 * 64, 64 * 64)
    assert 64 * 64 <= kernel.arena_growth_bytes < 64 * 64 + 512
    growths = [tensor.arena_growth_bytes for tensor in result.tensors]
    growth = result.arena_bytes - result.arena_bytes_before
    assert max(growths) <= growth < sum(growths)
    text = str(result)
    assert "w0      pruning" in text and "outputs equal on 64 inputs" in text


def test_weights_lie_at_multiples_of_16() -> None:
    """A Cortex-M4 stops at some reads of 8 bytes elsewhere."""
    model = tflm_ext.encode(dense_net(64, 64, 48, 4)).model
    tree = schema.Model.GetRootAs(model, 0)
    filled = [tree.Buffers(i) for i in range(tree.BuffersLength())]
    starts = [b._tab.Vector(b._tab.Offset(4)) for b in filled if b.DataLength()]
    assert len(starts) >= 5 and all(start % 16 == 0 for start in starts)


@pytest.mark.parametrize("method", ["huffman", "lut", "pruning"])
def test_one_method_for_all(method: str) -> None:
    result = tflm_ext.encode(dense_net(64, 64, 48, 4, sparsity=0.97), [method])
    assert set(names(result.tensors).values()) == {method}


def test_a_method_for_each_tensor() -> None:
    result = tflm_ext.encode(dense_net(64, 64, 64, 48), {"w1": "huffman", "w2": "lut"})
    assert names(result.tensors) == {"w1": "huffman"}
    reasons = {row.name: row.reason for row in result.plain}
    assert reasons["w0"] == "not requested"
    assert reasons["w2"].startswith("lut: 2") and "a table can have at most 128" in reasons["w2"]


def test_weights_that_two_layers_read_are_decoded_twice() -> None:
    result = tflm_ext.encode(dense_net(64, 64, 64, shared=True))
    (kernel,) = result.tensors
    assert kernel.symbols == 2 * 64 * 64


def test_files_of_old_converters() -> None:
    assert names(tflm_ext.encode(dense_net(64, 64, old=True)).tensors) == {"w0": "pruning"}


def test_per_channel_weights_of_convolutions() -> None:
    """Along the first axis, and for the depthwise one along the last."""
    model = image_net()
    constants = [t.name for t in tflm_ext.encode(model).plain if t.bytes in (72, 36)]
    result = tflm_ext.encode(model, dict.fromkeys(constants, "huffman"))
    assert len(result.tensors) == 2


def test_an_operator_that_needs_its_weights_early_keeps_them() -> None:
    """TFLM's LSTM for Cortex-M sums up its weights before anything is decoded."""
    result = tflm_ext.encode(recurrent_net(), {"huffman"})
    reasons = [row.reason for row in result.plain]
    assert reasons.count("UNIDIRECTIONAL_SEQUENCE_LSTM needs it as a constant") == 8


def test_ram_limits_what_is_decoded() -> None:
    model = dense_net(128, 64, 32)
    everything = tflm_ext.encode(model)
    assert set(names(everything.tensors)) == {"w0", "w1"}
    budget = tflm_ext.Budget(ram_bytes=everything.arena_bytes - 1)
    less = tflm_ext.encode(model, budget=budget)
    assert set(names(less.tensors)) == {"w1"} and less.arena_bytes <= budget.ram_bytes
    assert less.plain[-1].reason == "the budget is easier to meet without it"
    # The budget may be used up to its last byte.
    budget = tflm_ext.Budget(ram_bytes=everything.arena_bytes)
    assert tflm_ext.encode(model, budget=budget).tensors == everything.tensors


def test_no_more_is_encoded_than_flash_asks_for() -> None:
    model = dense_net(128, 64, 32)
    result = tflm_ext.encode(model, budget=tflm_ext.Budget(flash_bytes=len(model) - 100))
    assert set(names(result.tensors)) == {"w1"}
    exactly = tflm_ext.encode(model, budget=tflm_ext.Budget(flash_bytes=len(result.model)))
    assert exactly.tensors == result.tensors
    fits = tflm_ext.encode(model, budget=tflm_ext.Budget(flash_bytes=len(model)))
    assert fits.tensors == ()


def test_a_budget_that_cannot_be_kept() -> None:
    model = dense_net(128, 64, 32)
    arena = tflm_ext.encode(model, {"w1": "huffman"}).arena_bytes_before
    with pytest.raises(tflm_ext.BudgetError, match=r"bytes of flash \(the .tflite\), encoded"):
        tflm_ext.encode(model, budget=tflm_ext.Budget(flash_bytes=4000, ram_bytes=arena + 1))
    with pytest.raises(tflm_ext.BudgetError, match=r"bytes of RAM \(the arena\)"):
        tflm_ext.encode(model, budget=tflm_ext.Budget(ram_bytes=100))


@pytest.mark.parametrize(
    ("methods", "problem", "hint"),
    [
        ("zip", "There is no encoding 'zip'.", "Choose one of: auto, huffman, lut, pruning."),
        ([], "methods is empty.", "Choose one of: auto, huffman, lut, pruning."),
        (7, "There is no encoding 7.", "Choose one of: auto, huffman, lut, pruning."),
        ({"w9": "lut"}, "The model has no constant 'w9'.", "It has, for example: w0, w1."),
    ],
)
def test_methods_that_are_not_there(methods: object, problem: str, hint: str) -> None:
    with pytest.raises(tflm_ext.ConfigError) as caught:
        tflm_ext.encode(dense_net(64, 64, 48), methods)  # type: ignore[arg-type]
    assert (caught.value.problem, caught.value.hint) == (problem, hint)


def test_models_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(tflm_ext.UnsupportedModelError, match=r"not a valid \.tflite"):
        tflm_ext.encode(b"TFL3 or so")
    with pytest.raises(tflm_ext.ConfigError, match="cannot be read: No such file"):
        tflm_ext.encode(tmp_path / "missing.tflite")
    with pytest.raises(tflm_ext.ConfigError, match="already encoded"):
        tflm_ext.encode(tflm_ext.encode(dense_net(64, 64)).model)


def test_a_file_that_cannot_be_rewritten() -> None:
    """The strict reader has no use for signatures; the one that rewrites follows them."""
    model = bytearray(dense_net(64, 64))
    tree = schema.Model.GetRootAs(model, 0)
    place = tree._tab.Pos + tree._tab.Offset(6)  # operator codes
    codes = place + tree._tab.Get(flatbuffers.number_types.UOffsetTFlags, place)
    model[codes : codes + 4] = (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(tflm_ext.UnsupportedModelError):
        tflm_ext.encode(bytes(model))


def test_compiled_export_of_an_encoded_model_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(tflm_ext.encode(dense_net(64, 64)).model)
    with pytest.raises(tflm_ext.UnsupportedOperatorError) as caught:
        tflm_ext.export(tmp_path / "net.tflite", tmp_path / "net", progress=False)
    assert "before tflm_ext.encode()" in caught.value.hint


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, written = tmp_path / "net.tflite", tmp_path / "small.tflite"
    given.write_bytes(dense_net(64, 64))
    assert cli.main(["encode", str(given), "-o", str(written), "--methods", "lut,huffman"]) == 0
    assert "w0      huffman" in capsys.readouterr().out
    assert written.stat().st_size < given.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.tflite", "small.tflite"]
    assert cli.main(["encode", str(given), "-o", str(tmp_path / "x.bin")]) == 2
    assert "cannot be written as a model." in capsys.readouterr().err
