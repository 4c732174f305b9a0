"""Compares the C of a single block with its NumPy, for tests of stages."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import verbatim
from tflm_ext.emit.sense_calls import c_value, number_lines
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals.spec import Form
from tflm_ext.signals.stage import Array, Block, SignalCall
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c

_MAIN = """
int main(void)
{{
    static const tflm_ext_{name}_t op = {{ {fields} }};
    uint32_t count;
{starts}
    while (fread(&count, sizeof count, 1U, stdin) == 1U) {{
        {source} *input = malloc(count * {size}U * sizeof *input + 1U);
        {target} *output = malloc({room} * {out_size}U * sizeof *output + 1U);
        if (fread(input, {size}U * sizeof *input, count, stdin) != count) {{
            return 4;
        }}
{body}
        free(input);
        free(output);
    }}
    return 0;
}}
"""
_STREAM = """        count = tflm_ext_{name}({arguments});
        (void)fwrite(output, {out_size}U * sizeof *output, count, stdout);"""
_ITEMS = """        for (uint32_t i = 0U; i < count; ++i) {{
            tflm_ext_{name}({arguments});
        }}
        (void)fwrite(output, {out_size}U * sizeof *output, count, stdout);"""
_GATE = """        for (uint32_t i = 0U; i < count; ++i) {{
            if (tflm_ext_{name}({arguments})) {{
                (void)fwrite(&input[i * {size}U], {size}U * sizeof *input, 1U, stdout);
            }}
        }}"""


def assert_block(block: Block, items: Array, *, seed: int = 0, growth: int = 1) -> Array:
    """NumPy gives the same for any cut of the items, and C at -O0 with sanitizers and at -O2, too.

    Args:
        items: (items, *block.source.shape).
        growth: the most items that a stream gives for one.

    Returns:
        What the block gives.
    """
    random = np.random.default_rng(seed)
    items = np.ascontiguousarray(items, block.source.dtype.numpy)
    whole, _ = block.run(items, block.start())
    assert whole.dtype == block.out.dtype.numpy
    assert whole.shape[1:] == block.out.shape
    pieces = _pieces(items, random)
    state, parts = block.start(), []
    for piece in pieces:
        part, state = block.run(piece, state)
        parts.append(part)
    np.testing.assert_array_equal(_bits(np.concatenate(parts)), _bits(whole))
    np.testing.assert_array_equal(_bits(run_c_of(block, pieces, growth)), _bits(whole))
    return whole


def _bits(values: Array) -> Array:
    return values.view(np.uint32) if values.dtype == np.float32 else values


def _pieces(items: Array, random: np.random.Generator) -> list[Array]:
    cuts = sorted(random.integers(0, len(items) + 1, 6).tolist())
    edges = [0, *cuts, len(items)]
    return [items[a:b] for a, b in itertools.pairwise(edges)]


def run_c_of(block: Block, pieces: list[Array], growth: int = 1) -> Array:
    """What the C of a block gives for pieces that follow one another."""
    text = c_program(block, block.lower(), growth)
    data = b"".join(
        np.uint32(len(piece)).tobytes() + np.ascontiguousarray(piece).tobytes() for piece in pieces
    )
    outputs = []
    with scratch_folder() as root:
        (root / "tflm_ext").mkdir()
        for name, path in with_included([block.lower().header], ("signals", "kernels")):
            (root / "tflm_ext" / name).write_bytes(verbatim(path))
        Path(root, "block.c").write_text(text, "utf-8")
        for number, flags in enumerate((("-O0", *SANITIZE), ("-O2",))):
            options = ("-std=c99", *flags, *WARNINGS, "-I", ".")
            program = f"block{number}"
            compile_c((find_compiler(), *options, "block.c", "-o", program), root)
            outputs.append(run_c((str(root / program),), data, 60.0))
    assert outputs[0] == outputs[1]
    return np.frombuffer(outputs[0], block.out.dtype.numpy).reshape(-1, *block.out.shape)


def c_program(block: Block, call: SignalCall, growth: int) -> str:
    """A program that reads items and writes what the block gives."""
    stream = block.source.form is Form.STREAM
    source, out = block.source, block.out
    tables = [f"table_{const.role}" for const in call.tables]
    memory = [f"memory_{own.role}" for own in (*call.state, *call.scratch)]
    # The same table may be passed twice.
    declared = [
        f"static const {const.dtype.c} {name}[] = {{\n"
        f"{number_lines(const.dtype, np.frombuffer(const.data, const.dtype.numpy).tolist())}\n}};"
        for name, const in dict(zip(tables, call.tables, strict=True)).items()
    ]
    declared += [
        f"static {own.ctype} {name}[{own.count}];"
        for own, name in zip((*call.state, *call.scratch), memory, strict=True)
    ]
    starts = [
        f"    for (size_t i = 0U; i < {own.count}U; ++i) {{ memory_{own.role}[i] = {own.start}; }}"
        for own in call.state
    ]
    if stream:
        arguments = ["&op", "input", "count", *tables, *memory, "output"]
    else:
        step = f"&input[i * {source.size}U]", f"&output[i * {out.size}U]"
        given = [step[0]]
        if getattr(block, "sees_input", False):
            given.append(f"&input[i * {source.size}U + {source.size // 2}U]")
        arguments = ["&op", *given, *tables, *memory, step[1]]
    if call.gate:
        arguments.pop()
    values = {
        "name": call.name,
        "fields": ", ".join(f".{name} = {c_value(value)}" for name, value in call.fields),
        "starts": "\n".join(starts),
        "source": source.dtype.c,
        "target": out.dtype.c,
        "size": source.size,
        "out_size": out.size,
        "room": f"(count * {growth}U + {growth}U)",
        "arguments": ", ".join(arguments),
    }
    body = _STREAM if stream else _GATE if call.gate else _ITEMS
    values["body"] = body.format(**values)
    includes = ["#include <stdint.h>", "#include <stdio.h>", "#include <stdlib.h>"]
    includes.append(f'#include "tflm_ext/{call.header}"')
    return "\n".join([*includes, *declared]) + _MAIN.format(**values)
