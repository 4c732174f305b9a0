"""Names of several inputs and outputs in C; values and classes that the header computes."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.facts import int8_port, int32_port, with_labels
from tests.harness import facts_for
from tests.models import image_net, two_headed_net
from tflm_ext.arithmetic import inverse_of_scale, quantize_array
from tflm_ext.emit.model import model_files
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Quantization
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan
from tflm_ext.project.names import port_symbols

SCALES = [
    *(2.0**-7, 2.0**-8, 1 / 255, 0.1, 0.02, 3.0, 1e-9, 1e-12, 1e-20, 1e-38, 1000.0, 1e6, 1e12),
    *np.random.default_rng(5).lognormal(-4, 3, 8).tolist(),
]


@functools.cache
def planned(model: bytes, name: str) -> Plan:
    return make_plan(run_passes(read_graph(model, name)).graph)


def header(facts: ModelFacts, model: bytes = b"", name: str = "net") -> str:
    """The header of a net, with the ports of these facts."""
    files = model_files(facts, planned(model or image_net(), name))
    return next(f.content.decode("ascii") for f in files if f.path == f"{facts.name}_model.h")


def facts_of(
    inputs: list[Port], outputs: list[Port], name: str = "net", labels: tuple[str, ...] = ()
) -> ModelFacts:
    model = image_net()
    facts = facts_for(model, read_graph(model, name), planned(model, name), name)
    return with_labels(replace(facts, inputs=tuple(inputs), outputs=tuple(outputs)), labels)


def named(kind: str, ports: list[Port], *names: str) -> list[Port]:
    symbols = port_symbols(kind, names)
    return [
        replace(port, name=name, symbol=symbol)
        for port, name, symbol in zip(ports, names, symbols, strict=True)
    ]


@pytest.mark.parametrize(
    ("names", "symbols"),
    [
        (["image"], ["input0"]),
        (["image", "meta"], ["input_image", "input_meta"]),
        (["Image 1", "größe", "x/y:z"], ["input_image_1", "input_groe", "input_x_y_z"]),
        (["input_layer", "input_layer_1"], ["input_layer", "input_layer_1"]),
        (["input_1", "input_2"], ["input0", "input1"]),
        (["a", "A", "b"], ["input0", "input1", "input_b"]),
        (["", "模型", "x"], ["input0", "input1", "input_x"]),
        (["image", "image_array"], ["input_image", "input1"]),
        (["image", "image_array_int16"], ["input_image", "input1"]),
        (["x" * 60 + "1", "x" * 60 + "2"], ["input0", "input1"]),
        (["Identity", "Identity_1"], ["input0", "input1"]),
        (["int", "class"], ["input_int", "input_class"]),
    ],
)
def test_symbols(names: list[str], symbols: list[str]) -> None:
    assert list(port_symbols("input", names)) == symbols


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_symbols_are_valid_and_different(names: list[str]) -> None:
    found = port_symbols("output", names)
    assert len(set(found)) == len(names)
    assert all(s.isascii() and s.isidentifier() and "__" not in s for s in found)


@pytest.mark.tool("gcc", "g++")
def test_every_name_of_a_header_compiles(tmp_path: Path) -> None:
    """By name and by number, in C and in C++; no macro or function is defined twice."""
    inputs = named(
        "input",
        [int8_port("a", (1, 4), 0.1, 0), int32_port("b", (1, 2), 0, 8), int8_port("c", (3,), 1, 2)],
        "image",
        "count",
        "image_size",
    )
    outputs = named(
        "output",
        [int8_port("d", (1, 3), 1 / 256, -128), int8_port("e", (1, 1), 0.5, 0)],
        "species",
        "",
    )
    facts = facts_of(inputs, outputs, labels=("cat", "dog", "cow"))
    text = header(facts)
    (tmp_path / "net_model.h").write_text(text, "ascii")
    code = """
#include "net_model.h"
int use(net_context_t *ctx, const float *real, const int16_t *raw);
int use(net_context_t *ctx, const float *real, const int16_t *raw)
{
    static const char *const labels[] = NET_OUTPUT_SPECIES_LABELS;
    static const char *const first[] = NET_LABELS;
    int8_t *image = (int8_t *)net_input(ctx, NET_INPUT_IMAGE_INDEX);
    int32_t *count = (int32_t *)net_input(ctx, NET_INPUT_COUNT_INDEX);
    net_quantize_input_image_array(image, real, NET_INPUT_IMAGE_SIZE);
    net_quantize_input_image_size_array_int16(image, raw, NET_INPUT_IMAGE_SIZE_SIZE, 15U);
    count[0] = NET_INPUT_COUNT_MAX - NET_INPUT1_MAX;
    image[0] = net_quantize_input0(NET_INPUT0_SCALE * NET_INPUT2_SCALE);
    image[1] = net_quantize_input_image(real[0]);
    return (int)net_classify_output_species(ctx, 0.5f) + (int)NET_INPUT_COUNT + labels[0][0] +
           first[NET_LABEL_COUNT - NET_OUTPUT_SPECIES_LABEL_COUNT][0] +
           (int)net_dequantize_output1(net_output(ctx, 1)[0]) + (int)sizeof NET_MODEL_SHA256 +
           (int)sizeof NET_MODEL_VERSION + (int)NET_OUTPUT_SPECIES_INDEX + NET_UNKNOWN +
           (int)NET_OUTPUT0_SIZE + (int)net_dequantize_output0((int8_t)NET_OUTPUT0_ZERO_POINT);
}
"""
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
    flags.append("-fsyntax-only")
    (tmp_path / "use.c").write_text(code, "ascii")
    for command in (["gcc", "-std=c99", "-Wcast-align"], ["g++", "-std=c++14", "-x", "c++"]):
        subprocess.run([*command, *flags, "use.c"], cwd=tmp_path, check=True)
    defined = [line.split()[1] for line in text.splitlines() if line.startswith("#define")]
    assert len(defined) == len(set(defined))


def test_one_input_has_its_number() -> None:
    text = header(facts_for_image())
    assert "NET_INPUT0_SIZE" in text
    assert "_INDEX" not in text
    assert "The same by number" not in text


def facts_for_image() -> ModelFacts:
    graph = read_graph(image_net(), "net")
    return facts_for(image_net(), graph, make_plan(run_passes(graph).graph), "net")


def test_identity() -> None:
    facts = replace(facts_for_image(), model_version="1.2.0-rc.1")
    text = header(facts)
    assert f'#define NET_MODEL_SHA256 "{facts.sha256}"' in text
    assert '#define NET_MODEL_VERSION "1.2.0-rc.1"' in text


PROGRAM = """
#include "net_model.h"
#include <stdio.h>
#include <stdlib.h>

static int16_t raw[65536];
static int8_t quantized[65536];
static float real[65536];

/* What the function that chooses a class reads. */
static int8_t values[8];
const int8_t *net_output(const net_context_t *ctx, size_t index)
{
    (void)index;
    return ctx == NULL ? NULL : values;
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        static net_context_t context;
        for (int i = 2; i < argc; ++i) {
            values[i - 2] = (int8_t)atoi(argv[i]);
        }
        printf("%d %d", (int)net_classify(&context, (float)atof(argv[1])),
               (int)net_classify(NULL, 0.0f));
        return 0;
    }
    for (int i = 0; i < 65536; ++i) {
        raw[i] = (int16_t)(i - 32768);
    }
    for (unsigned bits = 0; bits < 16; ++bits) {
        net_quantize_input0_array_int16(quantized, raw, 65536U, bits);
        fwrite(quantized, 1, sizeof quantized, stdout);
        for (int i = 0; i < 65536; ++i) {
            real[i] = (float)raw[i] / (float)(1L << bits);
        }
        net_quantize_input0_array(quantized, real, 65536U);
        fwrite(quantized, 1, sizeof quantized, stdout);
    }
    return 0;
}
"""


def compiled(facts: ModelFacts, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "net_model.h").write_text(header(facts), "ascii")
    (folder / "main.c").write_text(PROGRAM, "ascii")
    flags = ["-std=c99", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-Werror"]
    command = ["gcc", *flags, "-Wall", "-Wconversion", "main.c", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"


def nearest(value: int, bits: int, scale: float, zero_point: int) -> int:
    """value / 2**bits / scale as int8: the exact quotient, rounded half away from zero."""
    size = abs(value) / Fraction(np.float32(scale).item()) / 2**bits
    steps = int(size + Fraction(1, 2))
    return max(-128, min(127, (steps if value >= 0 else -steps) + zero_point))


@pytest.mark.tool("gcc")
@pytest.mark.parametrize("scale", SCALES)
def test_arrays_of_int16_and_float(scale: float, tmp_path: Path) -> None:
    """All samples of 16 bits and all fraction bits; near every step against exact fractions."""
    scale = np.float32(scale).item()
    port = int8_port("x", (1, 4), scale, 7)
    facts = facts_of([port], [int8_port("y", (1, 3), 1 / 256, -128)])
    out = subprocess.run([compiled(facts, tmp_path)], check=True, capture_output=True).stdout
    found = np.frombuffer(out, np.int8).reshape(16, 2, 65536)
    raw = np.arange(-32768, 32768)
    for bits in range(16):
        ours, real = found[bits].astype(int)
        reals = (raw / 2.0**bits).astype(np.float32)
        np.testing.assert_array_equal(real, quantize_array(reals, scale, 7))
        steps = np.flatnonzero(np.diff(ours))
        looked_at = {0, 1, 32767, 32768, 32769, 65535, *steps.tolist(), *(steps + 1).tolist()}
        for i in looked_at:
            assert ours[i] == nearest(int(raw[i]), bits, scale, 7), (bits, raw[i])
        assert (np.diff(ours) >= 0).all(), "so all others are right, too"
        assert np.abs(ours - real).max() <= 1


@given(st.floats(1e-30, 1e30), st.integers(0, 2**15), st.integers(0, 15))
def test_the_reciprocal_rounds_like_the_exact_quotient(scale: float, value: int, bits: int) -> None:
    scale = np.float32(scale).item()
    multiplier, shift = inverse_of_scale(scale)
    assert 0 < multiplier < 2**47 and 1 <= shift <= 47
    got = (value * multiplier + 2 ** (shift + bits - 1)) >> (shift + bits)
    assert got < 2**63
    wanted = int(Fraction(value) / 2**bits / Fraction(scale) + Fraction(1, 2))
    assert min(got, 1000) == min(wanted, 1000)


def test_halves_are_rounded_up_for_every_scale_that_has_some() -> None:
    """Quotients that are exactly a half, and those next to them."""
    rng = np.random.default_rng(0)
    for _ in range(3000):
        steps = int(rng.integers(0, 256))
        value, bits = int(rng.integers(1, 2**15 + 1)), int(rng.integers(0, 16))
        exact = Fraction(value) / 2**bits / (steps + Fraction(1, 2))
        for direction in (-np.inf, 0, np.inf):
            scale = np.float32(float(exact))
            scale = scale if direction == 0 else np.nextafter(scale, np.float32(direction))
            multiplier, shift = inverse_of_scale(float(scale))
            got = (value * multiplier + 2 ** (shift + bits - 1)) >> (shift + bits)
            assert got == int(Fraction(value) / 2**bits / Fraction(float(scale)) + Fraction(1, 2))


@pytest.mark.tool("gcc")
@pytest.mark.parametrize(
    ("labels", "size", "values", "threshold", "wanted"),
    [
        ((), 4, (-128, 5, 5, -1), 0.0, 1),
        ((), 4, (-128, -100, 127, -1), 0.9, 2),
        ((), 4, (-128, -100, 101, -1), 0.9, -1),
        (("a", "b", "c"), 3, (-128, -128, -128), 0.0, 0),
        (("a", "b", "c"), 3, (-1, -1, 0), 0.5, 2),
        (("no", "yes"), 1, (0,), 0.5, 1),
        (("no", "yes"), 1, (-1,), 0.5, 0),
        (("no", "yes"), 1, (-1,), 0.51, -1),
        (("no", "yes"), 1, (-128,), 0.999, 0),
        (("no", "yes"), 1, (127,), 0.999, -1),
        (("no", "yes"), 1, (127,), 0.99, 1),
    ],
)
def test_the_class(
    labels: tuple[str, ...],
    size: int,
    values: tuple[int, ...],
    threshold: float,
    wanted: int,
    tmp_path: Path,
) -> None:
    output = int8_port("y", (1, size), 1 / 256, -128)
    facts = facts_of([int8_port("x", (1, 4), 0.1, 0)], [output], labels=labels)
    program = compiled(facts, tmp_path)
    said = subprocess.run(
        [program, str(threshold), *map(str, values)], check=True, capture_output=True, text=True
    )
    assert said.stdout == f"{wanted} -1"


@pytest.mark.parametrize(
    ("port", "labels", "classes"),
    [
        (int8_port("y", (1, 3), 1 / 256, -128), (), 3),
        (int8_port("y", (1, 3), 0.1, 0), (), 0),
        (int8_port("y", (1, 3), 0.1, 0), ("a", "b", "c"), 3),
        (int8_port("y", (1, 2, 3), 1 / 256, -128), (), 0),
        (int8_port("y", (1, 1), 1 / 256, -128), (), 0),
        (int8_port("y", (1, 1), 1 / 256, -128), ("no", "yes"), 2),
        (int32_port("y", (1, 3)), ("a", "b", "c"), 0),
    ],
)
def test_which_outputs_choose_a_class(port: Port, labels: tuple[str, ...], classes: int) -> None:
    assert replace(port, labels=labels).classes == classes
    assert (
        "_classify(" in header(facts_of([int8_port("x", (1, 4), 1, 0)], [port], "net", labels))
    ) == (classes > 0)


def test_two_heads_by_number() -> None:
    """Names of tensors without meaning give numbers."""
    model = two_headed_net()
    graph = read_graph(model, "net")
    facts = facts_for(model, graph, make_plan(run_passes(graph).graph), "net")
    assert Quantization((1 / 256,), (-128,)) == facts.outputs[1].quantization
    assert "NET_INPUT1_SIZE" in header(facts, model)
