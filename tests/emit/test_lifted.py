"""The C that normalises real values before it quantises them equals NumPy bit for bit."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.emit.test_port_names import facts_of, header, named
from tests.emit.test_style import complaints, sources
from tests.facts import int8_port
from tests.ops.core_firmware import run_on_core
from tflm_ext.ir.affine import Affine, Layer
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.targets import board
from tflm_ext.verify.vectors import quantize

SHAPE = (1, 4, 3)
SIZE = 12
RNG = np.random.default_rng(7)
NORMALIZATION = (Layer("normalization", "Normalization"),)

PROGRAM = """
#include "net_model.h"
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    float real[NET_INPUT0_SIZE];
    int16_t raw[NET_INPUT0_SIZE];
    int8_t quantized[NET_INPUT0_SIZE];

    while (fread(real, sizeof real, 1, stdin) == 1) {
        net_quantize_input0_array(quantized, real, NET_INPUT0_SIZE);
        fwrite(quantized, sizeof quantized, 1, stdout);
        for (size_t i = 0; i < NET_INPUT0_SIZE; ++i) {
            if (net_quantize_input0(real[i]INDEX) != quantized[i]) {
                abort();
            }
        }
    }
    for (unsigned bits = 0; bits < 16; ++bits) {
        for (int first = -32768; first < 32768; first += (int)NET_INPUT0_SIZE) {
            for (size_t i = 0; i < NET_INPUT0_SIZE; ++i) {
                raw[i] = (int16_t)(first + (int)i > 32767 ? 32767 : first + (int)i);
            }
            net_quantize_input0_array_int16(quantized, raw, NET_INPUT0_SIZE, bits);
            fwrite(quantized, sizeof quantized, 1, stdout);
        }
    }
    return 0;
}
"""
COMPILERS = {
    "gcc": ["gcc", "-std=c99", "-O2", "-fsanitize=undefined", "-fno-sanitize-recover=all"],
    "gcc, gnu, this processor": ["gcc", "-std=gnu11", "-O3", "-march=native"],
    "gcc, contracted": ["gcc", "-O3", "-march=native", "-ffp-contract=fast"],
    "clang": ["clang", "-std=c99", "-O3", "-march=native", "-ffp-contract=fast"],
    "g++": ["g++", "-std=c++14", "-O2", "-x", "c++"],
}


def affine(count: int) -> Affine:
    mean = RNG.normal(0, 100, count) * RNG.choice([0, 1, 1e4], count)
    deviation = RNG.lognormal(0, 4, count) * RNG.choice([-1, 1], count)
    kind = {1: (), 3: SHAPE[-1:], SIZE: SHAPE}[count]
    return Affine.of(mean.reshape(kind), deviation.reshape(kind), SHAPE, NORMALIZATION)


def facts_with(found: Affine, scale: float, zero_point: int) -> ModelFacts:
    port = replace(int8_port("x", SHAPE, scale, zero_point), affine=found)
    return facts_of([port], [int8_port("y", (1, 3), 1 / 256, -128)])


def values(port: Port) -> np.ndarray:
    """Samples near every step and its halves, anywhere, and at the ends of float32."""
    found, q = port.affine, port.quantization
    assert found is not None and q is not None
    steps = RNG.integers(-300, 300, (4000, *SHAPE)) / 2 * q.scale
    mean = np.resize(np.float32(found.mean), SHAPE[-1:] if found.count == 3 else SHAPE)
    deviation = np.resize(np.float32(found.deviation), mean.shape)
    near = (mean + steps * deviation).astype(np.float32)
    near = np.where(RNG.random(near.shape) < 0.5, near, np.nextafter(near, np.float32(np.inf)))
    wide = RNG.standard_normal((4000, *SHAPE)) * 10.0 ** RNG.integers(-44, 38, (4000, 1, 1, 1))
    ends = [np.finfo(np.float32).max, np.finfo(np.float32).tiny, 1e-45, 0.0, -0.0, np.inf]
    edges = RNG.choice(np.float32([*ends, *(-e for e in ends)]), (100, *SHAPE))
    return np.concatenate([near, wide.astype(np.float32), edges])


def run(facts: ModelFacts, folder: Path, command: list[str], given: np.ndarray) -> np.ndarray:
    (folder / "net_model.h").write_text(header(facts), "ascii")
    index = ", i" if facts.inputs[0].affine.count > 1 else ""  # type: ignore[union-attr]
    (folder / "main.c").write_text(PROGRAM.replace("INDEX", index), "ascii")
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
    subprocess.run([*command, *flags, "main.c", "-o", "program"], cwd=folder, check=True)
    done = subprocess.run(
        [folder / "program"], input=given.tobytes(), check=True, capture_output=True
    )
    return np.frombuffer(done.stdout, np.int8).reshape(-1, *SHAPE)


@pytest.mark.tool("gcc", "clang", "g++")
@pytest.mark.parametrize("count", [1, 3, SIZE])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_equals_numpy(compiler: str, count: int, tmp_path: Path) -> None:
    """Floats at any of the compiler's liberties, and all int16 at all fraction bits."""
    facts = facts_with(affine(count), float(np.float32(RNG.lognormal(-3, 1))), -7)
    (port,) = facts.inputs
    assert port.affine is not None and port.affine.count == count
    real = values(port)
    found = run(facts, tmp_path, COMPILERS[compiler], real)
    (wanted,) = quantize([port], [real])
    np.testing.assert_array_equal(found[: len(real)], wanted)
    assert len(np.unique(wanted)) == 256
    rows = -(-65536 // SIZE)
    raw = np.minimum(np.arange(rows * SIZE) - 32768, 32767)
    reals = np.concatenate([raw / 2.0**bits for bits in range(16)]).astype(np.float32)
    (wanted,) = quantize([port], [reals.reshape(-1, *SHAPE)])
    np.testing.assert_array_equal(found[len(real) :], wanted)


CORE_PROGRAM = """
#include "net_model.h"
#include <unistd.h>

static float real[NET_INPUT0_SIZE];
static int8_t quantized[NET_INPUT0_SIZE];

int main(void)
{
    for (int sample = 0; sample < SAMPLES; ++sample) {
        for (size_t at = 0; at < sizeof real;) {
            const ssize_t got = read(0, (char *)real + at, sizeof real - at);
            if (got <= 0) {
                return 1;
            }
            at += (size_t)got;
        }
        net_quantize_input0_array(quantized, real, NET_INPUT0_SIZE);
        for (size_t at = 0; at < sizeof quantized;) {
            const ssize_t put = write(1, quantized + at, sizeof quantized - at);
            if (put <= 0) {
                return 2;
            }
            at += (size_t)put;
        }
    }
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.parametrize("name", ["nano33ble_sense", "raspberry_pi_pico", "nucleo_f767zi"])
def test_equals_numpy_on_the_core(name: str, tmp_path: Path) -> None:
    """With and without a unit for floats, with the flags of each board."""
    facts = facts_with(affine(3), 0.02, 3)
    real = values(facts.inputs[0])[::3]
    (tmp_path / "net_model.h").write_text(header(facts), "ascii")
    program = CORE_PROGRAM.replace("SAMPLES", str(len(real)))
    (tmp_path / "main.c").write_text(program, "ascii")
    found = np.frombuffer(run_on_core(tmp_path, real.tobytes(), board(name)), np.int8)
    np.testing.assert_array_equal(found.reshape(real.shape), quantize(facts.inputs, [real])[0])


@pytest.mark.tool("gcc")
def test_fast_math_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net_model.h").write_text(header(facts_with(affine(3), 0.1, 0)), "ascii")
    command = ["gcc", "-ffast-math", "-fsyntax-only", "-x", "c", "net_model.h"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and "without -ffast-math" in done.stderr


@pytest.mark.tool("gcc")
def test_not_a_number_becomes_the_mean(tmp_path: Path) -> None:
    facts = facts_with(affine(3), 0.1, 5)
    found = run(facts, tmp_path, COMPILERS["gcc"], np.full((1, *SHAPE), np.nan, np.float32))
    assert (found[0] == 5).all()


def test_the_most_compact_form_is_chosen() -> None:
    mean = np.arange(12.0).reshape(4, 3)
    ones = np.ones(())
    assert Affine.of(mean, ones, (4, 3), ()).count == 12
    assert Affine.of(mean[0], ones, (4, 3), ()).count == 3
    assert Affine.of(mean[:1] * 0 + 2, ones, (4, 3), ()).mean == (2.0,)
    assert Affine.of(mean[:, :1], ones, (4, 3), ()).count == 12
    assert Affine.of(np.ones((1, 1)), ones, (4, 3), ()).count == 1
    assert Affine.of(ones, ones, (), ()).count == 1


@pytest.mark.parametrize(
    ("mean", "deviation"),
    [
        ((), ()),
        ((1.0,), (1.0, 2.0)),
        ((1.0,), (0.0,)),
        ((1.0,), (1e-50,)),
        ((float("nan"),), (1.0,)),
        ((1.0,), (float("inf"),)),
        ((1e39,), (1.0,)),
        ((0.1,), (1.0,)),
    ],
)
def test_numbers_that_are_refused(mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"float32|one mean"):
        Affine(mean, deviation)


def test_macros_and_names_by_number() -> None:
    ports = named(
        "input",
        [
            replace(int8_port("a", (1, 4), 0.1, 0), affine=Affine((2.0,), (0.5,), NORMALIZATION)),
            int8_port("b", (1, 2), 0.5, 1),
            replace(int8_port("c", SHAPE, 1, 2), affine=affine(3)),
        ],
        "image",
        "plain",
        "sensors",
    )
    text = header(facts_of(ports, [int8_port("y", (1, 3), 1 / 256, -128)]))
    for line in (
        "#define NET_INPUT_IMAGE_MEAN 2.0f",
        "#define NET_INPUT_IMAGE_DEVIATION 0.5f",
        "#define NET_INPUT_SENSORS_FEATURES 3U",
        "#define NET_INPUT0_MEAN NET_INPUT_IMAGE_MEAN",
        "#define NET_INPUT2_FEATURES NET_INPUT_SENSORS_FEATURES",
        "net_quantize_input_image(float value)",
        "net_quantize_input_plain(float value)",
        "net_quantize_input_sensors(float value, size_t index)",
    ):
        assert line in text
    assert "NET_INPUT_PLAIN_MEAN" not in text
    assert text.count("layers of the Keras model do: normalization (Normalization).") == 2
    defined = [line.split()[1] for line in text.splitlines() if line.startswith("#define")]
    assert len(defined) == len(set(defined))


@pytest.mark.tool("clang-format")
@pytest.mark.parametrize("count", [1, 3])
def test_it_is_formatted_for_names_of_every_length(count: int, tmp_path: Path) -> None:
    ports = [replace(int8_port(text, SHAPE, 0.1, 0), affine=affine(count)) for text in "ab"]
    for own in (1, 9, 16, 21, 22, 23, 25, 28, 34, 40):
        for length in (1, 11, 24):
            name = ("abcdefghij" * 4)[:own]
            inputs = named("input", ports, "x" * length, "y" * length)
            for number, some in enumerate((inputs, named("input", ports[:1], "x"))):
                text = header(facts_of(some, [int8_port("y", (1, 3), 0.5, 0)], name), name=name)
                (tmp_path / f"{name}_{length}_{number}.h").write_text(text, "ascii")
    assert not complaints(sources(tmp_path))


def test_a_layer_cannot_end_the_comment() -> None:
    evil = Affine((2.0,), (0.5,), (Layer("a */ int x; /* \n#error", "Rescaling"),))
    port = replace(int8_port("a", (1, 4), 0.1, 0), affine=evil)
    text = header(facts_of([port], [int8_port("y", (1, 3), 1 / 256, -128)]))
    assert "*/ int" not in text and "\n#error" not in text.replace('\n#error "Compile', "")
