"""Many models of one operator in one program, run on this computer and on the emulated core.

Every model is planned alone, so that its tensors share bytes wherever the kernel allows it, and
the plans are put side by side: one program for all cases, and no search for the best arena of
hundreds of tensors that have nothing to do with each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.harness import facts_for, run_here
from tests.tflite_builder import ModelBuilder
from tflm_ext.bench.emulator import C_COMPILER, compile_all, machine_flags
from tflm_ext.bench.tools import run_tool
from tflm_ext.emit.model import model_files
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.kernels import KERNELS, kernels_for
from tflm_ext.ops import BY_NAME
from tflm_ext.ops.table import TableOptions
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, Step, make_plan
from tflm_ext.plan.arena import ALIGNMENT
from tflm_ext.programs import run_program
from tflm_ext.project.platformio_tree import STDIO_BYTES, emulator_files, qemu_arguments
from tflm_ext.scratch import scratch_folder
from tflm_ext.targets import Board
from tflm_ext.targets import board as find_board
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.host import WARNINGS, find_compiler

Array = np.ndarray[Any, Any]
Kernels = set[tuple[str, str]]
"""Operators with the kernels that ran them."""

_BOARD = find_board("nano33ble_sense")
_MEMORY_BYTES = 4 << 20  # the machine's whole memory
_SECONDS = 600.0

# Kernels that require aligned words, as documented in their headers.
_WORDS = {"limit"}

# read() and write() are the system's on this computer, and those of startup.c on the core.
_HARNESS = """
#include <stddef.h>
#include <unistd.h>

#include "net_model.h"

static net_context_t context;
static const size_t input_sizes[] = { %s };
static const size_t output_sizes[] = { %s };

int main(void)
{
    if (net_init(&context) != NET_OK) {
        return 1;
    }
    for (int vector = 0; vector < %d; ++vector) {
        for (size_t i = 0U; i < sizeof input_sizes / sizeof input_sizes[0]; ++i) {
            for (size_t at = 0U; at < input_sizes[i];) {
                const ssize_t got = read(0, net_input(&context, i) + at, input_sizes[i] - at);
                if (got <= 0) {
                    return 2;
                }
                at += (size_t)got;
            }
        }
        if (net_invoke(&context) != NET_OK) {
            return 3;
        }
        for (size_t i = 0U; i < sizeof output_sizes / sizeof output_sizes[0]; ++i) {
            for (size_t at = 0U; at < output_sizes[i];) {
                const ssize_t put = write(1, net_output(&context, i) + at, output_sizes[i] - at);
                if (put <= 0) {
                    return 4;
                }
                at += (size_t)put;
            }
        }
    }
    return 0;
}
"""


@dataclass(frozen=True)
class Firmware:
    """Several models, read and rewritten, and TensorFlow Lite Micro's results for them.

    Attributes:
        model: all of them in one file.
        graph: as read.
        parts: one graph for each model, in their order.
        labels: of the models, for messages.
        inputs, expected: by tensor number, the int8 values of all vectors.
    """

    model: bytes
    graph: Graph
    parts: tuple[Graph, ...]
    labels: tuple[str, ...]
    inputs: Mapping[int, Array]
    expected: Mapping[int, Array]


def assemble(
    models: Sequence[bytes], labels: Sequence[str], tables: Sequence[bool], seed: int = 0
) -> Firmware:
    """Read, check and rewrite models as one; UnsupportedModelError names the refused one.

    Args:
        tables: of each model, whether its operator becomes a TABLE, which no file can have.
    """
    for model, label in zip(models, labels, strict=True):
        read_graph(model, label, run=run_here)
    b = ModelBuilder()
    found = [b.include(model) for model in models]
    whole = b.finish([x for xs, _ in found for x in xs], [y for _, ys in found for y in ys])
    graph = read_graph(whole, "net", run=run_here)
    inputs = _vectors(graph, seed)
    outputs = run_here(whole, inputs, len(graph.outputs), arena_for(graph))
    rewritten = run_passes(graph).graph
    parts = [
        _part(rewritten, graph, *numbers, table)
        for numbers, table in zip(found, tables, strict=True)
    ]
    return Firmware(
        model=whole,
        graph=graph,
        parts=tuple(parts),
        labels=tuple(labels),
        inputs=dict(zip(graph.inputs, inputs, strict=True)),
        expected=dict(zip(graph.outputs, outputs, strict=True)),
    )


def _vectors(graph: Graph, seed: int) -> list[Array]:
    """Return vectors: all -128, all 127, the zero point, random limits, random values."""
    draw = np.random.default_rng(seed)
    columns = []
    for port in input_ports(graph):
        flat = [np.full(port.shape, n, np.int8) for n in (-128, 127, port.quantization.zero_point)]
        ends = draw.choice(np.array([-128, 127], np.int8), (2, *port.shape))
        anything = draw.integers(-128, 128, (3, *port.shape), np.int8)
        columns.append(np.concatenate([np.stack(flat), ends, anything]))
    return columns


def part_of(model: bytes, table: bool) -> Graph:
    """One model that is part of a firmware."""
    graph = read_graph(model, run=run_here)
    rewritten = run_passes(graph, prove=False).graph
    return _part(rewritten, graph, graph.inputs, graph.outputs, table)


def _part(
    rewritten: Graph, graph: Graph, inputs: Sequence[int], outputs: Sequence[int], table: bool
) -> Graph:
    """Return the operators that compute some outputs, without renaming inputs."""
    part = _cut(rewritten, inputs, outputs)
    if not part.nodes:
        part = _cut(graph, inputs, outputs)
    return _as_table(part) if table else part


def _cut(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    wanted, nodes = {graph.storage(i) for i in outputs}, []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            wanted |= {graph.storage(i) for i in node.inputs if i >= 0}
            nodes.append(node)
    used = {i for i in graph.tensors if graph.storage(i) in wanted}
    return Graph(
        graph.name,
        {i: graph.tensors[i] for i in sorted(used | set(inputs))},
        tuple(reversed(nodes)),
        tuple(inputs),
        tuple(outputs),
    )


def _as_table(part: Graph) -> Graph:
    """Replace the only operator of a part, a function of one value, with its 256 results."""
    (view,) = part.views()
    levels = np.arange(-128, 128).astype(np.int8)
    (results,) = BY_NAME[view.node.operator].reference(view, [levels])
    node = replace(view.node, operator="TABLE", options=TableOptions(results.tobytes()))
    return replace(part, nodes=(node,))


def alternatives(part: Graph) -> Iterator[dict[int, str]]:
    """Yield kernels for all operators of a part, until each suitable kernel has been used."""
    columns = [[(view.node.index, k.name) for k in kernels_for(view)] for view in part.views()]
    for row in zip_longest(*columns):
        yield dict(pair or column[0] for pair, column in zip(row, columns, strict=True))


@contextlib.contextmanager
def _only(part: Graph, kernels: Mapping[int, str]) -> Iterator[None]:
    """Make the operators use exactly these kernels, regardless of the planner."""
    forced = {}
    for operator in {node.operator for node in part.nodes}:
        forced[operator] = tuple(
            replace(
                k, applies=lambda view, k=k: kernels[view.node.index] == k.name and k.applies(view)
            )
            for k in KERNELS[operator]
        )
    with patch.dict(KERNELS, forced):
        yield


def plans(firmware: Firmware, odd: int) -> Iterator[tuple[str, dict[int, Plan], int]]:
    """What to run: a name, plans by the part's number, and the misalignment of inputs.

    First what the planner chooses, then every kernel that no such plan had. All tensors of
    generated code start at multiples of four in the context, and no caller can change that; kernels
    get pointers to int8, which promise less. For half of the plans, inputs start `odd` bytes later.
    """
    seen: dict[int, set[tuple[int, str]]] = {i: set() for i in range(len(firmware.parts))}
    had: set[object] = set()  # equal plans give equal code

    def record(chosen: dict[int, Plan]) -> dict[int, Plan]:
        for i, plan in chosen.items():
            seen[i] |= {(step.index, step.kernel.name) for step in plan.steps}
        return chosen

    for optimize, beside in (
        (Optimize.BALANCED, 0),
        (Optimize.SPEED, odd),
        (Optimize.SIZE, 0),
    ):
        chosen = {}
        for i, part in enumerate(firmware.parts):
            plan = make_plan(part, optimize)
            kernels = tuple((step.kernel.name, step.scratch) for step in plan.steps)
            same = (i, beside, kernels, tuple(plan.offsets.items()))
            if same not in had:
                had.add(same)
                chosen[i] = plan
        if chosen:
            yield optimize.value, record(chosen), beside
    left = {
        i: [row for row in alternatives(part) if not seen[i].issuperset(row.items())]
        for i, part in enumerate(firmware.parts)
    }
    for number, rows in enumerate(zip_longest(*left.values())):
        chosen = {}
        for i, row in zip(left, rows, strict=True):
            if row is not None:
                with _only(firmware.parts[i], row):
                    chosen[i] = make_plan(firmware.parts[i])
        yield f"kernels {number}", record(chosen), odd


def _side_by_side(firmware: Firmware, chosen: Mapping[int, Plan], beside: int) -> Plan:
    """Combine many plans into one; `beside` is the misalignment of the inputs, in bytes."""
    parts = [firmware.parts[i] for i in chosen]
    offsets: dict[int, int] = {}
    steps: list[Step] = []
    base = 0
    for plan in chosen.values():
        end = base + plan.arena_bytes
        offsets |= {i: base + at for i, at in plan.offsets.items()}
        if beside and not _WORDS.intersection(step.kernel.name for step in plan.steps):
            for source in plan.graph.inputs:
                names = [i for i in plan.offsets if plan.graph.storage(i) == source]
                offsets |= dict.fromkeys(names, end + beside)
                end += beside + plan.graph.tensors[source].bytes
                end = -(-end // ALIGNMENT) * ALIGNMENT
        steps += [
            replace(step, scratch=tuple(base + at for at in step.scratch)) for step in plan.steps
        ]
        base = end
    graph = Graph(
        "net",
        {i: tensor for part in parts for i, tensor in part.tensors.items()},
        tuple(node for part in parts for node in part.nodes),
        tuple(i for part in parts for i in part.inputs),
        tuple(i for part in parts for i in part.outputs),
    )
    return Plan(
        graph=graph,
        core=_BOARD.core,
        steps=tuple(steps),
        offsets=offsets,
        tables=tuple(table for plan in chosen.values() for table in plan.tables),
        arena_bytes=base,
        live_bytes=base,
    )


def run_everywhere(firmware: Firmware, odd: int) -> Kernels:
    """Run every plan on this computer and on the core, and compare with TensorFlow Lite Micro.

    Returns:
        The kernels that ran.
    """
    ran: Kernels = set()
    for name, chosen, beside in plans(firmware, odd):
        plan = _side_by_side(firmware, chosen, beside)
        facts = facts_for(firmware.model, plan.graph, plan, "net")
        files = model_files(facts, plan)
        vectors = [firmware.inputs[i] for i in plan.graph.inputs]
        data = b"".join(part.tobytes() for row in zip(*vectors, strict=True) for part in row)
        with scratch_folder() as folder:
            _write(folder, facts, files, len(vectors[0]))
            for place, run in (("this computer", _on_host), ("the core", run_on_core)):
                _compare(
                    firmware, chosen, run(folder, data), f"{name}, {beside} bytes off, on {place}"
                )
        ran |= {(step.view.node.operator, step.kernel.name) for step in plan.steps}
    return ran


def _compare(firmware: Firmware, chosen: Mapping[int, Plan], said: bytes, where: str) -> None:
    count = len(next(iter(firmware.inputs.values())))
    table = np.frombuffer(said, np.int8).reshape(count, -1)
    at = 0
    for part_number, plan in chosen.items():
        for i in firmware.parts[part_number].outputs:
            expected = firmware.expected[i].reshape(count, -1)
            got = table[:, at : at + expected.shape[1]]
            at += expected.shape[1]
            wrong = np.argwhere(got != expected)
            if len(wrong):
                vector, element = wrong[0].tolist()
                kernels = [step.kernel.name for step in plan.steps]
                raise AssertionError(
                    f"{firmware.labels[part_number]}, {kernels}, {where}: {len(wrong)} bytes "
                    f"differ; element {element} on vector {vector} is {got[vector, element]} "
                    f"instead of {expected[vector, element]}"
                )
    assert at == table.shape[1]


def _write(folder: Path, facts: ModelFacts, files: Sequence[RenderedFile], vectors: int) -> None:
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    sizes = [", ".join(f"{b.size}U" for b in port) for port in (facts.inputs, facts.outputs)]
    (folder / "harness.c").write_text(_HARNESS % (*sizes, vectors), "utf-8")


def _on_host(folder: Path, data: bytes) -> bytes:
    """Run the portable C with sanitizers; the tests of each operator run it optimised."""
    flags = ("-O0", *WARNINGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    units = [str(path) for path in folder.glob("*.c")]
    program = str(folder / "host")
    run_tool((find_compiler(), "-std=gnu99", *flags, "-I", str(folder), *units, "-o", program))
    return _run((program,), data)


def run_on_core(folder: Path, data: bytes, board: Board = _BOARD) -> bytes:
    """Run the C of a folder, compiled with the board's flags."""
    roomy = replace(
        board,
        flash_bytes=_MEMORY_BYTES,
        ram_bytes=_MEMORY_BYTES - board.stack_bytes - STDIO_BYTES,
        reserved_flash_bytes=0,
        reserved_ram_bytes=0,
    )
    units = [(path, ("-I", str(folder))) for path in sorted(folder.glob("*.c"))]
    core = folder / "core"
    core.mkdir()
    for file in emulator_files(roomy):
        if file.path.endswith((".c", ".ld")):
            (core / Path(file.path).name).write_bytes(file.content)
    objects = compile_all(board, [*units, (core / "startup.c", ())], core / "objects")
    program = str(core / "program.elf")
    link = (
        "-nostartfiles",
        "--specs=nano.specs",
        "-Wl,--gc-sections",
        "-T",
        str(core / "linker.ld"),
    )
    run_tool((C_COMPILER, *machine_flags(board, ()), *link, *map(str, objects), "-o", program))
    return _run(("qemu-system-arm", *qemu_arguments(board.core), "-kernel", program), data)


def _run(command: Sequence[str], data: bytes) -> bytes:
    done = run_program(command, seconds=_SECONDS, data=data)
    assert done.returncode == 0, (command[0], done.stdout[-300:], done.stderr.decode()[:3000])
    return done.stdout
