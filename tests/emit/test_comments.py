"""What generated C says about its data: names of tensors, bytes of the plan, layouts of tables."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.emit.test_c import NETS
from tests.harness import facts_for
from tests.tflite_builder import ModelBuilder
from tflm_ext.emit.model import model_files
from tflm_ext.emit.steps import ranges
from tflm_ext.frontend import read_graph
from tflm_ext.kernels import Scratch
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan

HOSTILE = "*/ int x, /* ??/\n" + "long/" * 60 + "tail"


def hostile_net() -> bytes:
    """Tensors with long names that try to end the comment, and an operator with two outputs."""
    generator = np.random.default_rng(5)
    b = ModelBuilder()
    x = b.tensor((1, 6, 6, 4), scale=0.02, name=HOSTILE)
    y = b.tensor((1, 6, 6, 8), scale=0.02, name=f"{HOSTILE};second/Name")
    weights = generator.integers(-127, 128, (8, 3, 3, 4), np.int8)
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    b.operator("CONV_2D", [x, b.constant(weights, scale=0.005)], [y], options)
    parts = [b.tensor((1, 6, 6, 4), scale=0.02, name=f"part {i}") for i in range(2)]
    split = schema.SplitOptionsT()
    split.numSplits = 2
    b.operator("SPLIT", [b.constant(np.array(3, np.int32)), y], parts, split)
    joined = b.tensor((1, 6, 6, 8), scale=0.02, name=";no first name")
    concatenation = schema.ConcatenationOptionsT()
    concatenation.axis = 3
    b.operator("CONCATENATION", parts[::-1], [joined], concatenation)
    return b.finish([x], [joined])


MODELS = {**NETS, "hostile": hostile_net}


def generated(name: str) -> tuple[Plan, dict[str, str]]:
    model = MODELS[name]()
    graph = read_graph(model, name)
    plan = make_plan(run_passes(graph).graph, Optimize.SPEED)
    files = model_files(facts_for(model, graph, plan, name), plan)
    return plan, {file.path: file.content.decode() for file in files}


@pytest.mark.parametrize("name", MODELS)
def test_every_pointer_into_the_arena_has_a_name_and_a_shape(name: str) -> None:
    plan, files = generated(name)
    lines = files[f"{name}_model.c"].splitlines()
    found: dict[int, set[str]] = {}
    for number, line in enumerate(lines):
        # Numbers are elements of arrays, each with a comment; everything else has a name.
        assert not re.search(r"&arena\[\d+\](?!, +/\*)", line)
        for offset in re.findall(r"(?:arena(?:\.bytes)?\[(?=\d)|^ +\w+ = )(\d+)[\],]", line):
            if line.startswith("        ."):
                continue  # a parameter of the kernel
            comments = re.findall(r"/\* (.*) \*/", line) or re.findall(
                r"^ +/\* (.*) \*/$", lines[number - 1]
            )
            assert len(comments) == 1, line
            found.setdefault(int(offset), set()).add(comments[0])
    graph = plan.graph
    for step in plan.steps:
        sizes = [a.bytes for a in step.call.arguments if isinstance(a, Scratch)]
        for offset, size in zip(step.scratch, sizes, strict=True):
            assert f"scratch, {size} bytes" in found[offset]
        for i in (*step.view.node.inputs, *step.view.node.outputs):
            if i in plan.offsets:
                shape = "x".join(map(str, graph.tensors[i].shape))
                own = [c for c in found[plan.offsets[i]] if c.endswith(f", {shape}")]
                assert own, (step.index, i)
                expected = graph.tensors[i].name.split(";")[0]
                if expected.isidentifier():
                    assert any(c.startswith(expected) for c in own)


def test_names_cannot_end_a_comment_and_are_cut_in_front() -> None:
    _, files = generated("hostile")
    source = files["hostile_model.c"]
    assert max(map(len, source.splitlines()[40:])) <= 100
    assert re.search(r"/\* \.\.\.[long/]+/tail, 1x6x6x8 \*/", source)
    assert "int x" not in re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    assert "??/" not in source
    assert re.search(r"/\* tensor \d+, 1x6x6x8 \*/", source)  # the one without a name
    assert "&arena[" in source and "second/Name" not in source


@pytest.mark.parametrize("name", MODELS)
def test_the_plan_lists_all_bytes_that_are_written(name: str) -> None:
    plan, files = generated(name)
    comment = files[f"{name}_model.c"].split("*/")[1]
    rows = [line[7:] for line in comment.splitlines() if line.startswith(" *     ")][3:]
    title, *rows = rows[-len(plan.steps) - 1 :]
    for step, row in zip(plan.steps, rows, strict=True):
        cells = {
            key: row[title.index(key) : title.index(after)].strip()
            for key, after in (("writes", "scratch"), ("scratch", "shapes"))
        }
        graph = plan.graph
        tensors = [graph.tensors[i] for i in step.view.node.outputs]
        tensors += [t for t in step.view.inputs if t.variable]
        written = {
            byte
            for t in tensors
            for byte in range(plan.offsets[t.index], plan.offsets[t.index] + t.bytes)
        }
        sizes = [a.bytes for a in step.call.arguments if isinstance(a, Scratch)]
        scratch = {
            byte
            for start, size in zip(step.scratch, sizes, strict=True)
            for byte in range(start, start + size)
        }
        assert listed(cells["writes"]) == written
        assert listed(cells["scratch"]) == scratch


def listed(cell: str) -> set[int]:
    """The bytes of "0..4, 8..12"."""
    pairs = re.findall(r"(\d+)\.\.(\d+)", cell)
    return {byte for start, end in pairs for byte in range(int(start), int(end))}


def test_ranges_are_joined_where_they_touch() -> None:
    assert ranges([(8, 4), (0, 4), (4, 2), (5, 1)]) == "0..6, 8..12"
    assert ranges([]) == ""


@pytest.mark.parametrize("name", MODELS)
def test_every_table_has_a_layout_and_every_term_is_explained(name: str) -> None:
    plan, files = generated(name)
    text = files[f"{name}_weights.c"]
    comments = re.findall(
        r"/\*((?:(?!\*/).)*?)\*/\n(?:[A-Z0-9_]+_WEIGHTS_ATTRIBUTE )const \w+ \w+\[(\d+)\] = \{",
        text,
        flags=re.DOTALL,
    )
    assert len(comments) == len(plan.tables)
    for comment, count in comments:
        uses = re.split(
            r"\w[\w ]* of operators? [\w ,]+:", " ".join(comment.replace(" * ", " ").split())
        )
        assert len(uses) > 1, comment
        for layout in (use.strip() for use in uses[1:]):
            dims = re.match(r"(?:for all outputs )?((?:\[[^]]+\])+)", layout)
            assert dims, comment
            sizes = re.findall(r"\[(?:[a-z]+ )?(\d+)(?::[^]]*)?\]", dims[1])
            if len(sizes) == dims[1].count("["):  # no packed words
                assert np.prod([int(size) for size in sizes]) == int(count), comment
            for term in re.findall(r"(?:pair|half|byte|requant|scale) words", layout):
                assert f"\n * {term}: " in text
