"""Regenerate docs/reference/, numbers on other pages and the pictures; run by `make docs`.

    python docs/generate.py

api.md comes from the docstrings, cli.md from the command-line parser, operators.md from the
tuple OPERATORS and the tested Keras layers, stages.md from docs/stages.py, errors.md from the
classes and from errors that are provoked here, compression-measured.md from
benchmarks/compression/results/, and the pictures from docs/picture.py and docs/layers.py.
tests/docs fails if a file differs from what this writes.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import functools
import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import tflm_ext
from tflm_ext import errors, sense, store
from tflm_ext.bench.bench import Bench
from tflm_ext.bench.compare import Comparison
from tflm_ext.chosen import make_options
from tflm_ext.cli.parser import EXIT_CODES, make_parser
from tflm_ext.compression.result import CompressionReport
from tflm_ext.convert.remedies import _OPERATORS, UNROLL
from tflm_ext.doctor import Finding
from tflm_ext.document import entry, schema
from tflm_ext.emit.model import model_files
from tflm_ext.encoding import EncodingResult
from tflm_ext.frontend import input_ports, output_ports, read_graph
from tflm_ext.frontend.remedies import REMEDIES
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.kernels import KERNELS
from tflm_ext.ops import OPERATORS, Operator
from tflm_ext.opslib.base import no_inputs
from tflm_ext.options import UNSET, Budget
from tflm_ext.plan import make_plan
from tflm_ext.plan.budget import check_budget
from tflm_ext.plan.footprint import Footprint, arena_bytes, context_bytes
from tflm_ext.project import pio
from tflm_ext.project.write import _storage_errors
from tflm_ext.recheck import Recheck
from tflm_ext.replay import Event, Replay
from tflm_ext.report import Accuracy
from tflm_ext.report.commands import BoardPart, BuildPart, TestPart
from tflm_ext.report.parts import Envelope, ReportDocument
from tflm_ext.signals.calibration import Calibration, CurvePoint
from tflm_ext.store.duplicates import Duplicate
from tflm_ext.store.quality import ClassQuality, Quality, SegmentQuality
from tflm_ext.store.repair import Repaired
from tflm_ext.targets import cores, default_board
from tflm_ext.verify.compare import compare_tensors
from tflm_ext.verify.float_model import check_drop
from tflm_ext.verify.host import find_compiler
from tflm_ext.verify.vectors import make_vectors

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by docs/generate.py. Run `make docs` after changing the code. -->\n\n"


def of_checkout(module: str) -> Any:
    """A module of tests/, benchmarks/ or docs/, which are not installed."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(module)


def of_tests(module: str) -> Any:
    """A module of tests/."""
    return of_checkout(f"tests.{module}")


# ---------------------------------------------------------------- api.md


# In the order in which users need them.
COMPRESSION = (
    "compress",
    "Recipe",
    "CompressionResult",
    "CompressionReport",
    "CompressionStep",
    "prune_channels",
    "Distiller",
    "DistillationCallback",
    "TeacherOutputs",
    "quantize_aware",
    "strip",
    "SparsityCallback",
    "ClusteringCallback",
)
PIPELINE = (
    "show",
    "fitted",
    "features",
    "quantized",
    "recording",
    "labels",
    "dataset",
    "layer",
    "calibrated",
    "to_json",
    "from_json",
)
STORE = ("writer", "segments", "segment", "recordings", "labelled", "relabel", "repair")
SEGMENT = ("read", "pieces", "recordings")
STORED = ("split", "quality", "import_file", "export_npz", "export_file", "export_folder")
QUALITY = (Quality, SegmentQuality, ClassQuality, Duplicate)
ENCODING = ("encode", "EncodingResult", "EncodedTensor", "PlainTensor")


def api() -> str:
    """The public API, from its docstrings."""
    parts = [
        "# Python API\n\n",
        NOTE,
        (
            "`import tflm_ext` provides these names. It does not import TensorFlow until one of "
            "the names from compress to ClusteringCallback is used. Errors are on a separate page: "
            "[errors](errors.md).\n"
        ),
        _object("tflm_ext.export", tflm_ext.export, "##"),
        _object("tflm_ext.ExportResult", tflm_ext.ExportResult, "##"),
        _object("ExportResult.build", tflm_ext.ExportResult.build, "###"),
        _object("ExportResult.test", tflm_ext.ExportResult.test, "###"),
        _object("ExportResult.replay", tflm_ext.ExportResult.replay, "###"),
        _object("tflm_ext.Budget", tflm_ext.Budget, "##"),
        *(_object(f"tflm_ext.{name}", getattr(tflm_ext, name), "##") for name in COMPRESSION),
        *(_object(f"tflm_ext.{name}", getattr(tflm_ext, name), "##") for name in ENCODING),
        (
            "\n## tflm_ext.sense\n\n"
            "`from tflm_ext import sense` provides Pipeline and all [stages](stages.md). Of its "
            "methods, features(), fitted() and the other ones that compute in NumPy do not import "
            "TensorFlow.\n"
        ),
        _object("sense.Pipeline", sense.Pipeline, "###"),
        *(_object(f"Pipeline.{n}", getattr(sense.Pipeline, n), "###") for n in PIPELINE),
        _declared("Calibration", Calibration),
        _object("Calibration.picture", Calibration.picture, "###"),
        _declared("CurvePoint", CurvePoint),
        _object("Replay", Replay, "###"),
        _object("Replay.picture", Replay.picture, "###"),
        _declared("Event", Event),
        (
            "\n## tflm_ext.store\n\n"
            "`from tflm_ext.store import Store` provides recordings in a folder: "
            "[collect recordings](../how-to/collect-recordings.md).\n"
        ),
        _object("Store", store.Store, "###"),
        *(_object(f"Store.{name}", getattr(store.Store, name), "###") for name in STORE),
        _object("SegmentWriter", store.SegmentWriter, "###"),
        *(
            _object(f"SegmentWriter.{name}", getattr(store.SegmentWriter, name), "###")
            for name in ("write", "gap", "close")
        ),
        _object("Segment", store.Segment, "###"),
        *(_object(f"Segment.{name}", getattr(store.Segment, name), "###") for name in SEGMENT),
        _declared("Sensor", store.Sensor),
        _object("Sensor.of", store.Sensor.of, "###"),
        _declared("Description", store.Description),
        *(_object(name, getattr(store, name), "###") for name in STORED),
        _object("Split", store.Split, "###"),
        *map(_declared, ("Quality", "SegmentQuality", "ClassQuality", "Duplicate"), QUALITY),
        "\n## What build() and test() return\n",
        _object("BuildResult", pio.BuildResult, "###"),
        _object("TestResult", pio.TestResult, "###"),
        _object("TestCase", pio.TestCase, "###"),
    ]
    return "".join(parts)


def _object(name: str, thing: Any, heading: str) -> str:
    """A heading, the signature, and the docstring."""
    doc = inspect.getdoc(thing) or ""
    return f"\n{heading} {name}\n\n```python\n{_signature(name, thing)}\n```\n\n{_markdown(doc)}"


def _declared(name: str, thing: Any) -> str:
    """A heading, the docstring, and the attributes of a dataclass of entry() fields."""
    doc = (inspect.getdoc(thing) or "").split("\n\nAttributes:")[0]
    attributes = [
        f"- `{field.name}`: {field.metadata['entry'].description}\n"
        for field in dataclasses.fields(thing)
    ]
    return f"\n### {name}\n\n{_markdown(doc)}\n**Attributes**\n\n{''.join(attributes)}"


def _signature(name: str, thing: Any) -> str:
    called = inspect.signature(thing)
    parameters = [p for p in called.parameters.values() if p.name != "self"]
    rows, keyword_only = [], False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not keyword_only and not dataclasses.is_dataclass(thing):
            rows.append("*")
            keyword_only = True
        default = "" if p.default is p.empty else f" = {p.default!r}"
        stars = {p.VAR_KEYWORD: "**", p.VAR_POSITIONAL: "*"}.get(p.kind, "")
        keyword_only |= p.kind is p.VAR_POSITIONAL
        rows.append(f"{stars}{p.name}: {p.annotation}{default}")
    annotated = {"_P": "Pipeline"}.get(called.return_annotation, called.return_annotation)
    returned = "" if inspect.isclass(thing) else f" -> {annotated}"
    line = f"{name}({', '.join(rows)}){returned}"
    if len(line) <= 90:
        return line
    return f"{name}(\n" + "".join(f"    {row},\n" for row in rows) + f"){returned}"


def _markdown(doc: str) -> str:
    """A docstring in Google's style as Markdown."""
    # Markdown would interpret angle brackets as HTML.
    doc = "`".join(
        part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(doc.split("`"))
    )
    out: list[str] = []
    for block in re.split(r"\n\n(?=\S)", doc):
        section, _, body = block.partition("\n")
        if section not in ("Args:", "Attributes:", "Returns:", "Raises:", "Warns:", "Example:"):
            out.append(f"{block}\n")
            continue
        body = textwrap.dedent(body)
        title = {"Args:": "Arguments"}.get(section, section.rstrip(":"))
        if section == "Example:":
            out.append(f"**{title}**\n\n```python\n{body}\n```\n")
        elif section == "Returns:":
            out.append(f"**{title}** {_one_line(body)}\n")
        else:
            out.append(f"**{title}**\n\n" + "".join(_items(body)))
    return "\n".join(out)


def _items(body: str) -> Iterator[str]:
    """Entries "name: text" with their continuation lines, as a list."""
    for item in re.split(r"\n(?=\S)", body):
        name, _, text = item.partition(":")
        names = ", ".join(f"`{n.strip()}`" for n in name.split(","))
        yield f"- {names}: {_one_line(text)}\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- cli.md


def cli() -> str:
    """The command line, from its parser."""
    parser = make_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in commands._choices_actions}
    parts = [
        "# Command line\n\n",
        NOTE,
        (
            "`tflm-ext COMMAND [options]`. `tflm-ext --help` and `tflm-ext COMMAND --help` print "
            "the same text, `tflm-ext --version` prints the version.\n\n"
        ),
        "| command | |\n|---|---|\n",
        *(f"| [`{name}`](#tflm-ext-{name}) | {helps[name]} |\n" for name in commands.choices),
    ]
    for name, command in commands.choices.items():
        parts.append(f"\n## tflm-ext {name}\n\n{_sentence(helps[name] or '')}\n\n")
        parts.append(f"```\n{_usage(name, command)}\n```\n\n| | |\n|---|---|\n")
        parts += [_option(a) for a in command._actions if a.dest != "help"]
    parts.append("\n## Exit codes\n\n| code | |\n|---:|---|\n")
    for line in EXIT_CODES.splitlines()[1:]:
        code, text = line.split(None, 1)
        parts.append(f"| {code} | {text} |\n")
    parts.append(
        "\nAn error prints two lines on standard error: `error:` says what is wrong, `hint:` what "
        "to do. See [errors](errors.md).\n\n"
        "Progress is shown on a terminal only. `--json` prints one JSON document on standard "
        "output: for `export` and `inspect` that of [report.json](report.md).\n"
    )
    return "".join(parts)


def _usage(name: str, command: argparse.ArgumentParser) -> str:
    words = ["tflm-ext", name]
    for action in command._actions:
        if action.option_strings and action.required:
            words.append(f"{action.option_strings[0]} {action.metavar}")
        elif not action.option_strings:
            words.append(str(action.metavar))
    return " ".join([*words, "[options]"])


def _option(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    names = ", ".join(f"`{name}{value}`" for name in action.option_strings) or f"`{action.metavar}`"
    text = (action.help or "").replace("|", "\\|")
    if not text:
        raise SystemExit(f"docs/generate.py: the option {names} needs a help text.")
    if action.default not in (None, False, [], UNSET) and "default" not in text:
        text += f"; default: {action.default}"
    return f"| {names} | {text} |\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# ---------------------------------------------------------------- operators.md


def modules() -> dict[str, str]:
    """The module in ops/ of every operator, by the operator's name."""
    import tflm_ext.ops

    found = {}
    for info in pkgutil.iter_modules(tflm_ext.ops.__path__):
        operator = getattr(importlib.import_module(f"tflm_ext.ops.{info.name}"), "OPERATOR", None)
        if isinstance(operator, Operator):
            found[operator.name] = info.name
    return found


def count_of_operators() -> int:
    """Those of TensorFlow Lite; a negative code is that of our own operator."""
    return sum(operator.code >= 0 for operator in OPERATORS)


def operators() -> str:
    """The operators and the Keras layers that were tested."""
    places = modules()
    rows = []
    for operator in OPERATORS:
        module = importlib.import_module(f"tflm_ext.ops.{places[operator.name]}")
        said = _one_line((inspect.getdoc(module) or "").split("\n\n")[0])
        supported = said.removeprefix(operator.name).lstrip(":,").strip().rstrip(".")
        kernels = ", ".join(
            dict.fromkeys(  # two kernels may run the same C in different ways
                f"[`{k.name}`](../../templates/kernels/{k.header})" for k in KERNELS[operator.name]
            )
        )
        rows.append(
            f"| {operator.name} | {operator.max_version} | {supported} | "
            f"{operator.refuses} | {kernels} |\n"
        )
    layers = of_tests("keras_layers").ROWS
    exported = [row for row in layers if row.refused is None]
    refused = [row for row in layers if row.refused is not None]
    return "".join(
        [
            "# Operators and Keras layers\n\n",
            NOTE,
            (
                f"{count_of_operators()} operators are supported, in int8, with TensorFlow Lite "
                "Micro's exact arithmetic. Everything else is refused with an error that names the "
                "operator, the Keras layer if it is known, and a remedy.\n\n"
            ),
            (
                "Every operator refuses what TensorFlow Lite Micro refuses. In addition, it "
                "refuses activations of types other than int8, with one scale per channel, or "
                "with a zero point outside int8; inputs with a free size other than the batch; "
                "tensors of more than "
                "2^24 elements; and scales so different that 32-bit arithmetic would overflow. "
                "The column *refused* lists further restrictions.\n\n"
            ),
            "| operator | up to version | supported | refused | kernels |\n",
            "|---|---:|---|---|---|\n",
            *rows,
            (
                "\nTABLE is not included in the count and never comes from a file. It replaces a "
                "*float island*: a DEQUANTIZE, elementwise operators in float32, and a QUANTIZE, "
                "with one int8 input and one int8 output. TensorFlow Lite Micro computes its 256 "
                "results during the export.\n\n"
            ),
            (
                "DEQUANTIZE and QUANTIZE at inputs and outputs of the model are removed: the "
                "project's inputs and outputs are int8.\n\n"
            ),
            "## Integer inputs and outputs\n\n",
            (
                "An int32 input can give GATHER its positions, as for an Embedding. Before GATHER, "
                f"these operators may move its elements: {_moving()}. Their results may also be "
                "outputs of the model. All other operators on int32 are refused, and so are inputs "
                "and outputs of other integer types.\n\n"
                "Valid positions range from 0 to the size of the axis minus 1. For all others, "
                "TensorFlow Lite Micro fails or, in the Arduino library of 2023, reads outside the "
                "table; the project's `invoke` returns an error before it reads anything, with "
                "either runtime. If elements of an input are used with different tables, each "
                "element has limits that suit all tables that it is used with. Keras 3 counts "
                "positions below 0 from the end of the table, for which the converter writes LESS, "
                "ADD and SELECT around an Embedding. TensorFlow Lite Micro has no SELECT, so these "
                "three are removed.\n\n"
            ),
            (
                "## A free batch\n\n"
                "In a .tflite that was converted with a free batch size, Keras' layers compute "
                "shapes during inference (SHAPE, STRIDED_SLICE, PACK before a RESHAPE, and "
                "others). With batch size 1, their results are known: the export first replaces "
                "them with constants, and finds the sizes that the converter left open. "
                "A warning names the operators. The new .tflite is the one in the project; its "
                "outputs are compared with those of the original if TFLM can run the "
                "original.\n\n"
            ),
            (
                "## Around the int8 part\n\n"
                "A .tflite may begin and end in other types: a picture that is scaled in float32 "
                "before QUANTIZE, LOG_SOFTMAX after DEQUANTIZE, ARG_MAX. These operators are left "
                "out, and a warning names them for each input and output; the project's inputs and "
                "outputs are the int8 tensors next to them. A model is refused if an operator with "
                "trained weights is among them. Inputs that nothing reads are left out too.\n\n"
                "SPLIT, RESHAPE and other operators that only move values are moved to int8 where "
                "the converter left them in float32 between equal scales.\n\n"
            ),
            "## Keras layers\n\n",
            (
                "Models are converted as if every dtype policy were float32; a warning names "
                "layers with another policy. The wrappers of `prune_low_magnitude` and "
                "`cluster_weights` are removed, as `strip_pruning` and `strip_clustering` remove "
                "them, from live models and from files of tf_keras. A model that Keras has "
                "quantised with `model.quantize()` is refused: pass the float model.\n\n"
                "A fixed batch size becomes 1. An integer input of which the model only makes "
                "floats, like uint8 pictures before `Rescaling`, becomes an int8 input; pass "
                "integers as data. Normalization, Rescaling and BatchNormalization at the head of "
                "a model are [computed before int8](../how-to/keep-accuracy.md"
                "#begin-the-model-with-normalization), unless `lift=False`. "
                "Masks are not supported: a model in which a mask is read is "
                "refused, and the error names the layer that computes it.\n\n"
            ),
            (
                "The test suite converts these layers (`tests/keras_layers.py`), each in three "
                f"shapes, and compares the C byte for byte. {len(exported)} cases are exported:\n\n"
            ),
            "| layer | operators |\n|---|---|\n",
            *(f"| {_layer(row)} | {_counts(row)} |\n" for row in exported),
            f"\nThese {len(refused)} cases end in an error with a remedy:\n\n",
            "| layer | what to do |\n|---|---|\n",
            *(f"| {_layer(row)} | {_remedy(row)} |\n" for row in refused),
        ]
    )


def _moving() -> str:
    """The operators that move int32, by name."""
    names = [op.name for op in OPERATORS if op.moves is not no_inputs]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _layer(row: Any) -> str:
    return row.name.replace("|", "\\|")


def _counts(row: Any) -> str:
    return ", ".join(f"{name} x{n}" if n > 1 else name for name, n in row.operators.items())


def _remedy(row: Any) -> str:
    """The hint of the row's error, as the reader or the converter gives it."""
    remedies = [REMEDIES[name] for name in row.operators if name in REMEDIES]
    assert row.refused is not None
    word = row.refused[1]
    for text in (*remedies, UNROLL, *_OPERATORS.values()):
        if word in text:
            return text
    if remedies:
        return remedies[0]
    raise SystemExit(f"docs/generate.py: no remedy for {row.name} has the word {word!r}.")


# ---------------------------------------------------------------- errors.md


def error_classes() -> str:
    """The classes of errors, each with the text of a real one."""
    examples = {type(error): error for error in map(_provoke, _PROVOCATIONS)}
    parts = [
        "# Errors\n\n",
        NOTE,
        (
            "Every error that tflm_ext raises on purpose is a `tflm_ext.TflmExtError`, with one "
            "line that says what is wrong (`problem`) and one that says what to do (`hint`). The "
            "command line prints both and exits with the class's exit code. The exit code is 130 "
            "after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP. A failed or interrupted export "
            "leaves nothing behind, and does not change an earlier project. Only the command line "
            "handles signals; in your own program you decide what they do.\n\nA limit of the "
            "computer (memory, processes, processor time, file sizes, a disk mounted noexec, a "
            "killed compiler or interpreter) is reported as a ToolError that names it, never as an "
            "UnsupportedModelError or a VerificationError.\n\n"
        ),
        "```\n",
        (inspect.getdoc(errors) or "").split("\n\n")[1].replace("\n    ", "\n").strip(),
        "\n```\n",
    ]
    for error in _subclasses(errors.TflmExtError):
        example = examples[error]
        doc = inspect.getdoc(error) or ""
        parts.append(
            f"\n## {error.__name__}\n\nExit code {error.exit_code}. {_markdown(doc)}\n"
            f"```\nerror: {example.problem}\nhint: {example.hint}\n```\n"
        )
    return "".join(parts)


def _subclasses(base: type[errors.TflmExtError]) -> Iterator[type[errors.TflmExtError]]:
    """The public classes: errors.py has them all; other modules only refine them."""
    for error in base.__subclasses__():
        if error.__module__ == errors.__name__:
            yield error
            yield from _subclasses(error)


def _provoke(action: Callable[[], object]) -> errors.TflmExtError:
    try:
        action()
    except errors.TflmExtError as error:
        return error
    raise SystemExit(f"docs/generate.py: {action.__name__} raised nothing.")


def _bad_name() -> None:
    make_options("../digits")


def _no_model() -> None:
    read_graph(b"not a model", "digits")


def _tile() -> None:
    b = of_tests("tflite_builder").ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    y = b.tensor((1, 8), scale=0.1, name="digits/repeat/Tile")
    b.operator("TILE", [x, b.constant([1, 2])], [y])
    read_graph(b.finish([x], [y]), "digits")


def _dense() -> bytes:
    b = of_tests("tflite_builder").ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    y = b.tensor((1, 2), scale=0.5, name="digits/dense/MatMul")
    weights = [[1, -2, 3, -4], [5, -6, 7, -8]]
    b.operator("FULLY_CONNECTED", [x, b.constant(_int8(weights), scale=0.02)], [y])
    return b.finish([x], [y])


def _int8(values: Any) -> Any:
    import numpy as np

    return np.array(values, np.int8)


def _budget() -> None:
    plan = make_plan(read_graph(_dense(), "digits"))
    limits = Budget(ram_bytes=8)
    needs = Footprint(plan.weight_bytes, plan.code_bytes, arena_bytes(plan), context_bytes(plan))
    check_budget(plan, needs, limits, default_board())


def _compiler() -> None:
    with mock.patch.dict(os.environ, {"PATH": ""}):
        os.environ.pop("CC", None)
        find_compiler()


def _wrong_weight() -> None:
    """A model whose C has one wrong weight."""

    def flip(match: re.Match[bytes]) -> bytes:
        return match[1] + str(int(match[2]) ^ 64).encode()

    model = _dense()
    graph = read_graph(model, "digits")
    plan = make_plan(graph)
    facts = ModelFacts(
        name="digits",
        library="Digits",
        sha256=hashlib.sha256(model).hexdigest(),
        weight_bytes=plan.weight_bytes,
        arena_bytes=arena_bytes(plan),
        macs=plan.macs,
        version="",
        command="",
        golden=(),
        inputs=input_ports(graph),
        outputs=output_ports(graph),
    )
    right = model_files(facts, plan)
    first = rb"(_weights\[\d+\] = \{\s*)(-?\d+)"
    wrong = [RenderedFile(f.path, re.sub(first, flip, f.content, count=1)) for f in right]
    assert wrong != list(right)
    compare_tensors(model, graph, facts, wrong, make_vectors(facts.inputs))


def _full_disk() -> None:
    with _storage_errors(Path("digits")):
        raise OSError(errno.ENOSPC, "No space left on device")


def _accuracy() -> None:
    score = Accuracy("accuracy", 400, 0.9925, 0.505, 0.505, 0.4875)
    check_drop("digits", [score], ["scores"], 0.02)


_PROVOCATIONS = (
    _bad_name,
    _no_model,
    _tile,
    _budget,
    _accuracy,
    _compiler,
    _wrong_weight,
    _full_disk,
)


# ---------------------------------------------------------------- report.md


_SCHEMA_NOTE = (
    " [report.schema.json](report.schema.json) is the exact definition, a JSON Schema of version "
    "2020-12.\n\nThe number under `schema` changes when a key is removed or changes its meaning. "
    "Newer versions read every older schema: [compatibility](compatibility.md).\n"
)


# Title, key of the content besides the envelope, and what is declared under it.
DOCUMENTS: tuple[tuple[str, str, Any], ...] = (
    ("compress", "compress", CompressionReport),
    ("encode", "encode", EncodingResult),
    ("bench", "bench", tuple[Bench, ...]),
    ("compare", "compare", Comparison),
    ("build", "build", BuildPart),
    ("test", "test", TestPart),
    ("verify", "verify", Recheck),
    ("recordings", "recordings", Quality),
    ("recordings --repair", "repaired", tuple[Repaired, ...]),
    ("recordings --export", "exported", tuple[str, ...]),
    ("doctor", "findings", tuple[Finding, ...]),
    ("boards", "boards", tuple[BoardPart, ...]),
)


def report_schema() -> dict[str, Any]:
    """The JSON Schema of all documents, from their declarations."""
    parts: dict[str, Any] = {}
    documents = [{"title": "report.json, export, inspect", **schema(ReportDocument, parts)}]
    for title, key, content in DOCUMENTS:
        fields = [(key, content, entry())]
        cls = dataclasses.make_dataclass(key, fields, bases=(Envelope,), frozen=True)
        documents.append({"title": title, **schema(cls, parts)})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tflm_ext report",
        "description": "report.json of an exported project, and what every command of tflm-ext "
        "prints with --json. Keys are sorted and sizes are in bytes. No document contains a time, "
        "a host name or an absolute path.",
        "oneOf": documents,
        "$defs": parts,
    }


def report() -> str:
    """The JSON documents, from their schema."""
    schema = report_schema()
    parts = [
        "# report.json\n\n",
        NOTE,
        schema["description"],
        _SCHEMA_NOTE,
    ]
    for document in schema["oneOf"]:
        parts.append(f"\n## {_document(document['title'])}\n\n")
        parts.append(_properties(document))
    parts.append("\n## Parts\n")
    for name, part in schema["$defs"].items():
        if part["type"] == "object":
            said = f"{part['description']}\n\n" if "description" in part else ""
            parts.append(f"\n### {name}\n\n{said}{_properties(part)}")
    return "".join(parts)


def _document(title: str) -> str:
    """The commands of a title, marked as such."""
    words = (w if w == "report.json" else f"`tflm-ext {w} --json`" for w in title.split(", "))
    return ", ".join(words)


def _properties(part: Any) -> str:
    rows = ["| key | type | |\n|---|---|---|\n"]
    for key, value in part["properties"].items():
        optional = "" if key in part["required"] else "; only when known"
        text = f"{value.get('description', '')}".rstrip(".") + optional
        rows.append(f"| `{key}` | {_type(value)} | {text.removeprefix('; ')} |\n")
    return "".join(rows)


_SCALARS = ("bytes", "environment", "path", "sha256", "shape")


def _type(value: Any) -> str:
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(v)}`" for v in value["enum"])
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return name if name in _SCALARS else f"[{name}](#{name})"
    if "properties" in value:
        return "{" + ", ".join(f"`{key}`" for key in value["properties"]) + "}"
    if "anyOf" in value:
        return " or ".join(map(_type, value["anyOf"]))
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    kinds = value["type"] if isinstance(value["type"], list) else [value["type"]]
    return " or ".join(kinds)


# ---------------------------------------------------------------- compression-measured.md


_DIFFERENCES = (
    "**A new network of the same size.** The difference of the int8 scores, seed by seed, with the "
    "95 % interval of its mean:"
)


def compression_measured() -> str:
    """What every technique costs and gains: the results of `make bench-compression`."""
    results = of_checkout("benchmarks.compression.results")
    parts = [
        "# Compression, measured\n\n",
        NOTE,
        (
            "`make bench-compression` repeats all of these measurements; it takes hours. Every row "
            "is the mean over its seeds; ± is half of the 95 % interval of the mean of the scores "
            "(Student's t; none for a single seed). *Float* is the Keras model, *int8* the same "
            "model in TensorFlow Lite Micro, on the same test data. "
            "Parameters are those of the Keras model; weights and RAM, in bytes, are what an "
            "export plans for a Cortex-M4; MACs are those of the .tflite. No ratio or number of "
            "epochs was chosen by looking at the test data. "
            "[Compression](../explanation/compression.md) explains the techniques and when to use "
            "them.\n"
        ),
    ]
    for result in results.read():
        picture = ROOT / "docs" / "images" / f"compression-{result['name']}.png"
        parts.append(f"\n## {result['title']}\n\n{result['about'].strip()}\n\n")
        parts.append(results.table(result))
        if compared := results.differences(result):
            parts.append(f"\n{_DIFFERENCES}\n\n{compared}")
        for more in sorted(results.RESULTS.glob(f"{result['name']}_*.md")):
            what = more.stem.removeprefix(f"{result['name']}_")
            parts.append(f"\n**{_sentence(what)}**\n\n{more.read_text('utf-8')}")
        if picture.exists():
            parts.append(f"\n![{result['title']}](../images/{picture.name})\n")
        versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
        parts.append(
            f"\nMeasured with {versions}: `python -m benchmarks.compression {result['name']}`.\n"
        )
    return "".join(parts)


# ---------------------------------------------------------------- stages.md


def stages() -> str:
    """The stages of pipelines, from their classes and examples."""
    return f"# Stages of pipelines\n\n{NOTE}{of_checkout('docs.stages').page(_markdown)}"


# ----------------------------------------------------------------


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api,
    "cli.md": cli,
    "compression-measured.md": compression_measured,
    "errors.md": error_classes,
    "operators.md": operators,
    "report.md": report,
    "stages.md": stages,
    "report.schema.json": lambda: json.dumps(report_schema(), indent=2) + "\n",
}


# ---------------------------------------------------------------- numbers on other pages


def _layers_of_costs() -> int:
    """Layers that the costs of kernels were fitted to, in round numbers."""
    costs = of_checkout("benchmarks.kernel_costs")
    return round(sum(sum(1 for _ in kind()) for kind in costs.KINDS), -1)


def _other_cores() -> str:
    """Cores besides that of the default board, in a word."""
    return ("no", "one", "two", "three", "four", "five", "six")[len(cores()) - 1]


def _refused_layers() -> int:
    """Cases of Keras layers that end in an error."""
    return sum(row.refused is not None for row in of_tests("keras_layers").ROWS)


def _measured(what: str) -> Callable[[], str]:
    """A function of docs/measured.py, which is imported when it is called."""
    return lambda: str(getattr(of_checkout("docs.measured"), what)())


_COSTS = "docs/how-to/choose-a-front-end.md"
_SCORES = (
    r"(?<=^\| method \| accuracy, float \| accuracy, int8 \|\n\|---\|---:\|---:\|\n)(?:\|.*\n)+"
)

COUNTS: tuple[tuple[str, str, Callable[[], int | str]], ...] = (
    (
        "README.md",
        r"(?<=\[)\w+(?= operators\]\(docs/reference/operators\.md\))",
        count_of_operators,
    ),
    ("docs/explanation/performance.md", r"(?<=over about )\w+(?= layers)", _layers_of_costs),
    ("docs/explanation/checked-and-not.md", r"(?<= )\w+(?= other cores)", _other_cores),
    (
        "docs/explanation/checked-and-not.md",
        r"(?<=and the )\w+(?=\s+that\s+are\s+refused)",
        _refused_layers,
    ),
    (
        "README.md",
        r"(?<=^exported to /home/you/digits\n)(?:.+\n)+?(?=```$)",
        _measured("printed"),
    ),
    (
        "README.md",
        r"(?<=^\|---\|---\|---:\|---:\|---:\|---:\|\n)(?:\|.*\n)+",
        _measured("compression"),
    ),
    *(
        (_COSTS, rf"(?<=^\|---\|---:\|---:\|---:\|\n)\| {first}.*\n(?:\|.*\n)*", write)
        for first, write in (
            (r"`LogMel", _measured("front_ends_of_sound")),
            (r"`Statistics", _measured("front_ends_of_motion")),
            (r"`HighPass", _measured("streams")),
        )
    ),
    (
        "docs/how-to/detect-events.md",
        r"(?<=^\|---\|---:\|\n)\| `Mahalanobis.*\n(?:\|.*\n)*",
        _measured("scores_and_alarm"),
    ),
    (
        "docs/explanation/performance.md",
        r"(?<=^\|---\|---\|---:\|---:\|\n)\| LogMel.*\n(?:\|.*\n)*",
        _measured("against_libraries"),
    ),
    (
        "docs/explanation/performance.md",
        r"(?<=CMSIS-DSP is commit )\w+",
        _measured("cmsis_commit"),
    ),
    ("docs/how-to/distil.md", _SCORES, _measured("distillation")),
    ("docs/how-to/quantize-aware.md", _SCORES, _measured("quantization_aware")),
)
"""A page, what surrounds a number or the rows of a table in it, and what it is."""


def counted(page: str) -> str:
    """A page that is written by hand, with its numbers as the code has them.

    Raises:
        ValueError: the page no longer has such a part, or has several.
    """
    text = (ROOT / page).read_text("utf-8")
    for name, pattern, count in COUNTS:
        if name == page:
            text, found = re.subn(pattern, str(count()), text, flags=re.MULTILINE)
            if found != 1:
                raise ValueError(f"{page} has {found} parts that match {pattern}")
    return text


PICTURES: dict[Path, str] = {
    ROOT / "docs" / "images" / "against-tflm.svg": "docs.picture",
    ROOT / "docs" / "images" / "layers.svg": "docs.layers",
}
"""Files, and the modules that draw them."""


def picture(path: Path) -> str:
    """One of the pictures."""
    return str(of_checkout(PICTURES[path]).picture())


def main() -> None:
    """Write every page, the numbers on others, and the pictures, if they changed."""
    files = {REFERENCE / name: write for name, write in PAGES.items()}
    for page in dict.fromkeys(page for page, _, _ in COUNTS):
        files[ROOT / page] = functools.partial(counted, page)
    for path in PICTURES:
        files[path] = functools.partial(picture, path)
    for path, write in files.items():
        text = write()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"Wrote {path.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
