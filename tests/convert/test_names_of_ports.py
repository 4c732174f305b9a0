"""Names of inputs and outputs, from Keras and signatures to C, README and report."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext import export

LABELS = {"species": ["cat", "dog", "cow"], "grown": ["young", "old"]}


@pytest.fixture(scope="module")
def project(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two inputs and three outputs, one of which is a probability and one a number."""
    image = keras.Input((6, 6, 1), name="image")
    meta = keras.Input((3,), name="Meta data")
    hidden = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, activation="relu")(image))
    hidden = keras.layers.Concatenate()([hidden, meta])
    outputs = {
        "species": keras.layers.Dense(3, "softmax", name="a")(hidden),
        "grown": keras.layers.Dense(1, "sigmoid", name="b")(hidden),
        "weight": keras.layers.Dense(1, name="weight")(hidden),
    }
    keras.utils.set_random_seed(0)
    model = keras.Model({"image": image, "Meta data": meta}, outputs)
    data = np.random.default_rng(0)
    x = {
        "image": data.uniform(0, 1, (100, 6, 6, 1)).astype(np.float32),
        "Meta data": data.normal(size=(100, 3)).astype(np.float32),
    }
    y = {
        "species": data.choice(LABELS["species"], 100),
        "grown": data.choice(LABELS["grown"], 100),
        "weight": data.normal(size=100),
    }
    folder = tmp_path_factory.mktemp("names") / "two"
    return export(
        model, folder, x, test_data=(x, y), labels=LABELS, version="1.0.0", progress=False
    ).folder


def text(project: Path, pattern: str) -> str:
    return next(project.glob(pattern)).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.tool("gcc")
def test_the_snippet_of_the_readme_fills_all_inputs(project: Path, tmp_path: Path) -> None:
    readme = (project / "README.md").read_text("utf-8")
    (snippet,) = re.findall(r"```c\n(.*?)```", readme, re.DOTALL)
    for name in ("input_image", "input_meta_data"):
        assert f"sample_{name}, TWO_{name.upper()}_SIZE);" in snippet
    include, context, body = re.split(r"\n\n", snippet.strip(), maxsplit=2)
    code = f"{include}\n{context}\nvoid run(const float *, const float *);\n"
    code += "void run(const float *sample_input_image, const float *sample_input_meta_data)\n{\n"
    assert body.endswith("\n}")
    code += f"{body[:-1]}(void)best_output_species; (void)best_output_grown;"
    code += "(void)first_output_weight;\n}\n}\n"
    (tmp_path / "run.c").write_text(code, "utf-8")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    flags.append("-fsyntax-only")
    command = ["gcc", *flags, "-I", str(project / "lib/Two/src"), "run.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert re.search(r"Classes of output \d \(species\)", readme)
    assert "cat, dog, cow" in readme and "young, old" in readme


@pytest.mark.slow
def test_names_are_everywhere(project: Path) -> None:
    header, sketch = text(project, "lib/*/src/*_model.h"), text(project, "lib/*/examples/*/*.ino")
    for name in ("two_quantize_input_image", "two_quantize_input_meta_data_array_int16"):
        assert f"{name}(" in header
    assert "two_classify_output_species(" in header and "two_classify_output_grown(" in header
    assert "two_classify_output_weight" not in header
    assert "TWO_OUTPUT_SPECIES_LABELS" in sketch and "TWO_OUTPUT_GROWN_LABELS" in sketch
    for said in ('"species: "', '"grown: "', '"weight: "', "sample_input_meta_data"):
        assert said in sketch
    report = json.loads((project / "report.json").read_text("utf-8"))
    ports = {p["port_name"]: p for p in (*report["model"]["inputs"], *report["model"]["outputs"])}
    assert ports["Meta data"]["c_name"] == "input_meta_data"
    assert ports["species"]["labels"] == LABELS["species"]
    assert ports["grown"]["labels"] == LABELS["grown"]
    assert "labels" not in ports["weight"]
    others = report["accuracy_of_other_outputs"]
    assert {report["accuracy"]["output"], *(score["output"] for score in others)} == {0, 1, 2}
    properties = text(project, "lib/*/library.properties")
    assert "version=1.0.0\n" in properties and "two_quantize_input_image\tKEYWORD2" in text(
        project, "lib/*/keywords.txt"
    )


@pytest.mark.slow
def test_the_tflite_has_the_names_too(project: Path, tmp_path: Path) -> None:
    """In its signature, which LiteRT reads, and from which another export takes them."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(project / "model/two.tflite"))
    runner = interpreter.get_signature_runner()
    assert set(runner.get_input_details()) == {"image", "Meta data"}
    assert set(runner.get_output_details()) == {"species", "grown", "weight"}
    details = {name: d["shape"].tolist() for name, d in runner.get_input_details().items()}
    assert details == {"image": [1, 6, 6, 1], "Meta data": [1, 3]}
    other = export(project / "model/two.tflite", tmp_path / "other", progress=False).report.facts
    assert [port.symbol for port in other.inputs] == ["input_meta_data", "input_image"]
    assert {port.name for port in other.outputs} == {"species", "grown", "weight"}


def signed(names: dict[str, str]) -> bytes:
    """A net with two inputs, of these names in its signature."""
    b = ModelBuilder()
    x = [b.tensor((1, 4), scale=0.1, name=f"serving_default_{name}:0") for name in names]
    y = b.tensor((1, 4), scale=0.2, name="StatefulPartitionedCall:0")
    b.operator("ADD", x, [y], schema.AddOptionsT())
    ports = [*zip(names.values(), x, strict=True), ("sum", y)]
    return with_signature(b.finish(x, [y]), ports, 2)


def with_signature(data: bytes, ports: Sequence[tuple[str, int]], inputs: int) -> bytes:
    """A model with a signature.

    Args:
        ports: names and tensors.
        inputs: how many of the ports are inputs, the others being outputs.
    """
    tree = schema.ModelT.InitFromPackedBuf(data, 0)
    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    entries = []
    for name, tensor in ports:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, tensor
        entries.append(entry)
    signature.inputs, signature.outputs = entries[:inputs], entries[inputs:]
    tree.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.tool("cc")
@pytest.mark.parametrize(
    ("names", "symbols"),
    [
        ({"left": "left", "right": "right"}, ["input_left", "input_right"]),
        ({"left": "a", "right": "b"}, ["input_a", "input_b"]),
        ({"left": "x000", "right": "x001"}, ["input_left", "input_right"]),
        ({"left": "same", "right": "same"}, ["input0", "input1"]),
        ({"left": "\n*/", "right": "b" * 2000}, ["input0", "input_" + "b" * 24]),
    ],
)
def test_names_in_the_signature_of_a_file(
    names: dict[str, str], symbols: list[str], tmp_path: Path
) -> None:
    (tmp_path / "net.tflite").write_bytes(signed(names))
    facts = export(tmp_path / "net.tflite", tmp_path / "net", progress=False).report.facts
    assert [port.symbol for port in facts.inputs] == symbols
    assert facts.outputs[0].symbol == "output0"


@pytest.mark.tool("cc")
def test_the_next_export_knows_the_names(tmp_path: Path) -> None:
    """Those of float ports are not in the model of the project, whose data and labels have them."""
    (tmp_path / "net.tflite").write_bytes(with_float_ports())
    x = {name: np.linspace(-1, 1, 120, dtype=np.float32).reshape(30, 4) for name in ("a", "b")}
    y = {"difference": np.arange(30) % 4}
    labels = {"difference": list("wxyz")}
    for model in ("net.tflite", "net/model/net.tflite"):
        project = export(
            *(tmp_path / model, tmp_path / "net", x),
            test_data=(x, y),
            labels=labels,
            progress=False,
        )
        facts = project.report.facts
        assert [port.name for port in (*facts.inputs, *facts.outputs)] == [
            *("a", "b", "sum", "difference")
        ]
        assert [port.labels for port in facts.outputs] == [(), tuple("wxyz")]


def with_float_ports() -> bytes:
    """The sum and the difference of two float32 inputs, whose names only the signature has."""
    b = ModelBuilder()
    outer = [b.tensor((1, 4), dtype="float32", name=f"PartitionedCall:{i}") for i in range(4)]
    x = [b.tensor((1, 4), scale=0.1, name=f"x{i}") for i in range(2)]
    y = [b.tensor((1, 4), scale=0.2, name=f"y{i}") for i in range(2)]
    for i in range(2):
        b.operator("QUANTIZE", [outer[i]], [x[i]])
    b.operator("ADD", x, [y[0]], schema.AddOptionsT())
    b.operator("SUB", x, [y[1]], schema.SubOptionsT())
    for i in range(2):
        b.operator("DEQUANTIZE", [y[i]], [outer[2 + i]])
    ports = list(zip(("a", "b", "sum", "difference"), outer, strict=True))
    return with_signature(b.finish(outer[:2], outer[2:]), ports, 2)
