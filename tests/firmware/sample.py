"""A model library written by hand: the C interface of generated code around a trivial sum.

Element i of an output is input 0's element i (modulo its size) + 1 + the output's index + the
number of inferences since the last reset, as int8 wraps around. So golden vectors, resets and
accidental second runs all show. With `state=False` the inferences do not count.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from tests.facts import int8_port, with_labels
from tflm_ext.emit.escape import c_comment, c_string
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.arduino import arduino_files
from tflm_ext.project.firmware import firmware_files
from tflm_ext.runtimes.compiled import compiled_parts

NASTY = ('say "hi"', "a */ b", "new\nline", "what??/", "grün 日本", "back\\slash", "%s%n", "</b>")
SHA256 = "0123456789abcdef" * 4


def sample_outputs(
    facts: ModelFacts, inputs: tuple[bytes, ...], runs: int = 0
) -> tuple[bytes, ...]:
    """What the sample model gives for these inputs after a number of other runs."""
    first = np.frombuffer(inputs[0], np.uint8)
    return tuple(
        (np.resize(first, port.size) + np.uint8(1 + index + runs)).astype(np.uint8).tobytes()
        for index, port in enumerate(facts.outputs)
    )


def sample_facts(
    name: str = "digits",
    inputs: tuple[tuple[int, ...], ...] = ((1, 8, 8, 1),),
    outputs: tuple[tuple[int, ...], ...] = ((1, 8),),
    labels: tuple[str, ...] = NASTY,
    vectors: int = 3,
) -> ModelFacts:
    """Facts of a sample model with right golden vectors."""
    rng = np.random.default_rng(1)
    facts = with_labels(
        ModelFacts(
            name=name,
            library=name.title().replace("_", ""),
            sha256=SHA256,
            inputs=tuple(
                int8_port(f"in*/{i}\n", shape, 1 / 255, -128) for i, shape in enumerate(inputs)
            ),
            outputs=tuple(
                int8_port(f"out{i}", shape, 1 / 256, -128) for i, shape in enumerate(outputs)
            ),
            weight_bytes=0,
            arena_bytes=sum(int(np.prod(shape)) for shape in (*inputs, *outputs)),
            macs=0,
            version="0.1.0",
            command="tflm-ext export model.tflite -o sample --labels 'a*/b'",
            golden=(),
        ),
        labels,
    )
    golden = []
    for _ in range(vectors):
        values = tuple(rng.integers(0, 256, b.size, np.uint8).tobytes() for b in facts.inputs)
        golden.append(GoldenVector(values, sample_outputs(facts, values)))
    return ModelFacts(
        **{slot: getattr(facts, slot) for slot in ModelFacts.__slots__ if slot != "golden"},
        golden=tuple(golden),
    )


def sample_library(facts: ModelFacts, *, state: bool = True) -> tuple[RenderedFile, ...]:
    """The C of the sample model, as the emitter gives it: paths relative to lib/<Name>/src/."""
    name, upper = facts.name, facts.upper
    ports = [(f"INPUT{i}", b) for i, b in enumerate(facts.inputs)]
    ports += [(f"OUTPUT{i}", b) for i, b in enumerate(facts.outputs)]
    macros = ""
    for prefix, port in ports:
        shape = ", ".join(str(size) for size in port.shape)
        macros += f"/* {c_comment(port.tensor_name)} */\n"
        macros += f"#define {upper}_{prefix}_SIZE {port.size}\n"
        macros += f"#define {upper}_{prefix}_RANK {len(port.shape)}\n"
        macros += f"#define {upper}_{prefix}_SHAPE {{{shape}}}\n"
        macros += f"#define {upper}_{prefix}_SCALE {np.float32(port.quantization.scale)!s}f\n"
        macros += f"#define {upper}_{prefix}_ZERO_POINT ({port.quantization.zero_point})\n"
    if facts.labels:
        labels = f"{upper}_OUTPUT0_LABELS" if len(facts.outputs) > 1 else f"{upper}_LABELS"
        macros += f"#define {labels} {{{', '.join(map(c_string, facts.labels))}}}\n"
    members = "".join(f"    int8_t {p.lower()}[{b.size}];\n" for p, b in ports)
    header = f"""/* SPDX-License-Identifier: 0BSD */
#ifndef {upper}_MODEL_H
#define {upper}_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{macros}
typedef struct {name}_context {{
    uint32_t magic;
    uint32_t runs;
{members}}} {name}_context_t;

typedef enum {{
    {upper}_OK = 0,
    {upper}_ERROR_NULL = -1,
    {upper}_ERROR_NOT_INITIALIZED = -2,
    {upper}_ERROR_RUNTIME = -3
}} {name}_status_t;

{name}_status_t {name}_init({name}_context_t *ctx);
{name}_status_t {name}_reset({name}_context_t *ctx);
int8_t *{name}_input({name}_context_t *ctx, size_t index);
const int8_t *{name}_output(const {name}_context_t *ctx, size_t index);
{name}_status_t {name}_invoke({name}_context_t *ctx);

{_dequantize(facts)}{_classify(facts)}
#ifdef __cplusplus
}}
#endif

#endif
"""
    inputs = "".join(f"    case {i}: return ctx->input{i};\n" for i in range(len(facts.inputs)))
    outputs = "".join(f"    case {i}: return ctx->output{i};\n" for i in range(len(facts.outputs)))
    sums = "".join(
        f"""    for (size_t i = 0; i < {upper}_OUTPUT{k}_SIZE; ++i) {{
        const uint32_t sum = (uint32_t)ctx->input0[i % {upper}_INPUT0_SIZE] + {k + 1}u + ctx->runs;
        const int32_t low = (int32_t)(sum & 0xFFu);
        ctx->output{k}[i] = (int8_t)(low < 128 ? low : low - 256);
    }}
"""
        for k in range(len(facts.outputs))
    )
    source = f"""/* SPDX-License-Identifier: 0BSD */
#include "{name}_model.h"

#define MAGIC 0x5A17u

{name}_status_t {name}_init({name}_context_t *ctx)
{{
    ctx->magic = MAGIC;
    return {name}_reset(ctx);
}}

{name}_status_t {name}_reset({name}_context_t *ctx)
{{
    ctx->runs = 0;
    return ctx->magic == MAGIC ? {upper}_OK : {upper}_ERROR_NOT_INITIALIZED;
}}

int8_t *{name}_input({name}_context_t *ctx, size_t index)
{{
    switch (index) {{
{inputs}    default: return NULL;
    }}
}}

const int8_t *{name}_output(const {name}_context_t *ctx, size_t index)
{{
    switch (index) {{
{outputs}    default: return NULL;
    }}
}}

{name}_status_t {name}_invoke({name}_context_t *ctx)
{{
    if (ctx->magic != MAGIC) {{
        return {upper}_ERROR_NOT_INITIALIZED;
    }}
{sums}    ctx->runs += {int(state)}u;
    ctx->input0[0] = 0; /* an input does not survive */
    return {upper}_OK;
}}
"""
    return (
        RenderedFile.text(f"{name}_model.h", header),
        RenderedFile.text(f"{name}_model.c", source),
    )


def _dequantize(facts: ModelFacts) -> str:
    """The functions that give the real values of outputs."""
    return "".join(
        f"""
static inline float {facts.name}_dequantize_output{k}(int8_t q)
{{
    return {facts.upper}_OUTPUT{k}_SCALE * (float)(q - {facts.upper}_OUTPUT{k}_ZERO_POINT);
}}
"""
        for k in range(len(facts.outputs))
    )


def _classify(facts: ModelFacts) -> str:
    """The functions that choose the classes of outputs which have some."""
    several = len(facts.outputs) > 1
    return "".join(
        f"""
static inline int32_t {facts.name}_classify{f"_output{k}" if several else ""}(
    const {facts.name}_context_t *ctx, float threshold)
{{
    const int8_t *const output = {facts.name}_output(ctx, {k});
    int32_t best = 0;
    for (int32_t i = 1; i < {port.size}; ++i) {{
        best = output[i] > output[best] ? i : best;
    }}
    return output[best] < threshold - 1000 ? -1 : best;
}}
"""
        for k, port in enumerate(facts.outputs)
        if port.classes
    )


def sample_firmware(facts: ModelFacts) -> tuple[RenderedFile, ...]:
    """src/ of the sample model."""
    return firmware_files(facts, compiled_parts(facts))


def sample_project(facts: ModelFacts, *, state: bool = True) -> tuple[RenderedFile, ...]:
    """src/, lib/ and arduino/ of the sample model."""
    library = sample_library(facts, state=state)
    return (*sample_firmware(facts), *arduino_files(facts, library, compiled_parts(facts)))


def write(files: Iterable[RenderedFile], folder: Path) -> Path:
    """Write files below a folder."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    return folder


def host_program(
    facts: ModelFacts, folder: Path, *, state: bool = True, edits: Mapping[str, str] | None = None
) -> Path:
    """The firmware of the sample model for this computer, with sanitizers.

    Args:
        edits: texts in the source of the model, and their replacements.
    """
    write(sample_project(facts, state=state), folder)
    model = folder / f"lib/{facts.library}/src/{facts.name}_model.c"
    for old, new in (edits or {}).items():
        assert old in model.read_text()
        model.write_text(model.read_text().replace(old, new))
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wcast-align"]
    flags += ["-Wundef", "-Werror", "-O1", "-g", "-fsanitize=address,undefined"]
    flags += ["-fno-sanitize-recover=all", f"-Ilib/{facts.library}/src"]
    subprocess.run(
        ["gcc", "-std=c99", *flags, "-c", model, "-o", "model.o"], cwd=folder, check=True
    )
    command = ["g++", "-std=c++14", *flags, "src/main.cpp", "model.o", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"
