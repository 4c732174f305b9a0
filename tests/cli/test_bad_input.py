"""Bad input ends in one line of problem, one of remedy, its exit code, and nothing left behind."""

from __future__ import annotations

import json
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.cli.conftest import Run
from tests.models import image_net
from tests.tflite_builder import ModelBuilder
from tflm_ext.cli import main
from tflm_ext.cli.export import _labels

needs_compiler = pytest.mark.tool("cc")

AGAIN = "Export the model again, or pass the file that the converter wrote."
KINDS = "Pass a .keras, .h5 or int8 .tflite file, or a SavedModel folder."
NEW_TEXT = "a name consists of a-z, 0-9 and _, and begins with a letter"


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder, hidden ones included: content and time of the last change."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def _nothing_is_left_in_the_folder_for_temporary_files(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """Run a command in tmp_path; it prints exactly this, ends with this, and changes nothing."""
    monkeypatch.chdir(tmp_path)

    def check(code: int, problem: str, hint: str, *arguments: str) -> None:
        before = snapshot(tmp_path)
        folders = sorted(tmp_path.rglob("*"))
        assert main(arguments) == code
        captured = capsys.readouterr()
        assert captured.err == f"error: {problem}\nhint: {hint}\n"
        assert captured.out == ""
        assert snapshot(tmp_path) == before
        assert sorted(tmp_path.rglob("*")) == folders

    return check


# ---- the model file


@pytest.mark.parametrize("name", ["nowhere.tflite", "nowhere.keras", "nowhere"])
def test_no_model(refused: Callable[..., None], name: str) -> None:
    refused(2, f"There is no model at {name}.", KINDS, "export", name, "-o", "net")


def no_model(text: str) -> str:
    return f"net: not a valid .tflite file: {text}"


def relu(
    *,
    scale: float = 0.1,
    shape: tuple[int, ...] = (1, 4),
    operator: str = "RELU",
    output: int = 1,
    code: int = 0,
) -> bytes:
    """One operator, with one thing wrong."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    y = b.tensor(shape, scale=scale)
    b.operator(operator, [x], [output])
    b._operators[0].opcodeIndex = code
    return b.finish([x], [y])


def circle() -> bytes:
    """Two operators that wait for each other."""
    b = ModelBuilder()
    x, y, z = (b.tensor((1, 4), scale=0.1) for _ in range(3))
    b.operator("ADD", [x, z], [y], schema.AddOptionsT())
    b.operator("ADD", [x, y], [z], schema.AddOptionsT())
    return b.finish([x], [y])


def lying_buffer() -> bytes:
    """Weights that say to have more bytes than there are."""
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.1), b.tensor((1, 2), scale=0.1)
    w = b.constant(np.zeros((2, 4), np.int8), scale=0.1)
    b._tensors[w].shape = [2, 4000]
    b.operator("FULLY_CONNECTED", [x, w], [y], schema.FullyConnectedOptionsT())
    return b.finish([x], [y])


def scaled(text: str) -> str:
    return no_model(
        f"tensor 1 'net/layer1/Op' has the scale {text}, which is not positive and finite."
    )


HOSTILE = {
    "empty": (b"", no_model("it does not start with the identifier TFL3."), AGAIN),
    "random": (
        random.Random(1).randbytes(3000),
        no_model("it does not start with the identifier TFL3."),
        AGAIN,
    ),
    "zero scale": (relu(scale=0.0), scaled("0.0"), AGAIN),
    "no number": (relu(scale=math.nan), scaled("nan"), AGAIN),
    "negative scale": (relu(scale=-1.0), scaled("-1.0"), AGAIN),
    "endless scale": (relu(scale=math.inf), scaled("inf"), AGAIN),
    "huge shape": (
        relu(shape=(2**31 - 1, 2**31 - 1)),
        no_model("tensor 1 'net/layer1/Op' has the shape [2147483647, 2147483647]."),
        AGAIN,
    ),
    "dynamic shape": (
        relu(shape=(-1, 4)),
        "net: the shape of tensor 1 'net/layer1/Op' is not fixed: [-1, 4].",
        "Give the model's inputs fixed shapes and convert it with batch size 1.",
    ),
    "tensor out of range": (
        relu(output=77),
        no_model("an output of operator 0 is tensor 77, but the file has 2."),
        AGAIN,
    ),
    "operator out of range": (
        relu(code=9),
        no_model("operator 0 refers to operator code 9, but the file has 1."),
        AGAIN,
    ),
    "circle": (
        circle(),
        no_model("operator 0 ADD reads tensor 2 'net/layer2/Op', which has not been written."),
        AGAIN,
    ),
    "lying buffer": (
        lying_buffer(),
        no_model(
            "tensor 2 'net/layer2/Op' has 8 bytes of data, but its shape [2, 4000] needs 8000."
        ),
        AGAIN,
    ),
    "unsupported operator": (
        relu(operator="COS"),
        "net: operator 0 COS (Keras layer layer1) is not supported.",
        "Replace the layer with one listed in docs/reference/operators.md.",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("command", ["inspect", "export"])
def test_hostile_models(
    refused: Callable[..., None], tmp_path: Path, kind: str, command: str
) -> None:
    data, problem, hint = HOSTILE[kind]
    (tmp_path / "net.tflite").write_bytes(data)
    output = ["-o", "net"] if command == "export" else []
    refused(3, problem, hint, command, "net.tflite", *output)


@pytest.mark.parametrize("length", [4, 7, 8, 100, 500, 2000])
def test_a_truncated_model(tmp_path: Path, capsys: pytest.CaptureFixture[str], length: int) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(image_net()[:length])
    assert main(["export", str(path), "-o", str(tmp_path / "net")]) == 3
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: net: not a valid .tflite file: ")
    assert hint == f"hint: {AGAIN}"
    assert os.listdir(tmp_path) == ["net.tflite"]


LAMBDA = {
    "class_name": "Sequential",
    "config": {
        "name": "net",
        "layers": [{"class_name": "Lambda", "config": {"name": "trap"}}],
    },
}


def write_keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(LAMBDA))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("model.weights.h5", b"")


def write_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(LAMBDA)


@pytest.mark.parametrize("write", [write_keras, write_h5])
def test_a_lambda(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], None]
) -> None:
    suffix = write.__name__.removeprefix("write_")
    path = tmp_path / f"net.{suffix}"
    write(path)
    np.savez(tmp_path / "data.npz", x=np.zeros((100, 4)))
    arguments = ["export", str(path), "-o", str(tmp_path / "net")]
    assert main([*arguments, "--calibration", str(tmp_path / "data.npz")]) == 3
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem.startswith(f"error: net.{suffix} has a Lambda layer")
    assert "'trap'" in problem
    assert hint.startswith("hint: ")
    assert sorted(os.listdir(tmp_path)) == ["data.npz", f"net.{suffix}"]


# ---- names, labels, options


@pytest.mark.parametrize(
    ("name", "shown", "reason", "better"),
    [
        ("../x", "'../x'", NEW_TEXT, "x"),
        ("/etc/passwd", "'/etc/passwd'", NEW_TEXT, "etc_passwd"),
        ("int", "'int'", "C, C++ or the board's core already uses it", "model_int"),
        ("naïve", r"'na\xefve'", NEW_TEXT, "naive"),
        ("9lives", "'9lives'", NEW_TEXT, "model_9lives"),
        ("a\x1b[31m", r"'a\x1b[31m'", NEW_TEXT, "a_31m"),
        (
            "a__b",
            "'a__b'",
            "C++ reserves names with two _ in a row, and symbols append _ to the name",
            "a_b",
        ),
    ],
)
def test_names(
    refused: Callable[..., None], model: Path, name: str, shown: str, reason: str, better: str
) -> None:
    refused(
        2,
        f"{shown} is not a valid name for a model: {reason}.",
        f'Choose another name, for example name="{better}".',
        *("export", str(model), "-o", "net", f"--name={name}"),
    )


def test_a_folder_that_gives_no_name(refused: Callable[..., None], model: Path) -> None:
    refused(
        2,
        rf"No name for the model can be derived from '\u65e5\u672c': {NEW_TEXT}.",
        'Choose one, for example name="digits" or --name digits.',
        *("export", str(model), "-o", "日本"),
    )


def test_too_few_labels(refused: Callable[..., None], model: Path) -> None:
    refused(
        2,
        "labels has 2 names, but the first output has 3 values.",
        "Pass one name per class, in the order of the output.",
        *("export", str(model), "-o", "net", "--labels", "yes,no"),
    )


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["yes,no", "a=b"], "--labels yes,no does not begin with the name of an output."),
        (["a=b", "=c"], "--labels =c does not begin with the name of an output."),
        (["a=b", "c="], "--labels c= does not begin with the name of an output."),
        (["a=b", "@c=d"], "--labels @c=d does not begin with the name of an output."),
        (["a=b", "a=c"], "--labels is given twice for a."),
    ],
    ids=str,
)
def test_labels_of_several_outputs(
    texts: list[str], problem: str, refused: Callable[..., None], model: Path
) -> None:
    words = [word for text in texts for word in ("--labels", text)]
    twice = "twice" in problem
    refused(
        2,
        problem,
        "Pass it once for each output."
        if twice
        else "Pass --labels OUTPUT=A,B,... once for each output, or once without a name.",
        *("export", str(model), "-o", "net", *words),
    )


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["yes,no"], ["yes", "no"]),
        (["a=1,b=2"], ["a=1", "b=2"]),
        (["species=cat,dog"], {"species": ["cat", "dog"]}),
        (["species=a=1,b=2", "grown=no"], {"species": ["a=1", "b=2"], "grown": ["no"]}),
        (["@a=b.txt"], ["x", "y=1"]),
        (["species=@a=b.txt", "grown=@a=b.txt"], {"species": ["x", "y=1"], "grown": ["x", "y=1"]}),
    ],
    ids=str,
)
def test_how_labels_are_read(
    texts: list[str], labels: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.txt").write_text("\ufeffx\ny=1\n\n", "utf-8")
    assert _labels(texts) == labels


def test_no_file_of_labels(refused: Callable[..., None], model: Path) -> None:
    refused(
        2,
        "The labels in nowhere cannot be read: No such file or directory.",
        "Pass a text file in UTF-8 with one label per line.",
        *("export", str(model), "-o", "net", "--labels", "@nowhere"),
    )


def test_a_file_of_labels_that_is_not_text(
    refused: Callable[..., None], model: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels").write_bytes(b"na\xefve\nother\n")
    refused(
        2,
        "The labels in labels cannot be read: they are not UTF-8.",
        "Pass a text file in UTF-8 with one label per line.",
        *("export", str(model), "-o", "net", "--labels", "@labels"),
    )


@needs_compiler
def test_an_empty_file_of_labels(refused: Callable[..., None], tmp_path: Path, model: Path) -> None:
    (tmp_path / "labels.txt").touch()
    refused(
        2,
        "labels is empty.",
        "Pass one name per class, or leave it out.",
        *("export", str(model), "-o", "net", "--labels", "@labels.txt"),
    )


def test_hostile_labels_are_text(tmp_path: Path, model: Path, run: Run) -> None:
    """They get through the compiler with -Werror, and nothing of them commands a terminal."""
    labels = ['say "hi" */ int x = 1; /*', "??/\x1b[31m\\", "%s\\n\u202e日本${HOME}`id`"]
    (tmp_path / "labels.txt").write_text("\n".join(labels), "utf-8")
    done = run("export", model, "-o", "net", "--labels", "@labels.txt")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    report = json.loads((tmp_path / "net" / "report.json").read_text("utf-8"))
    assert report["model"]["labels"] == labels
    program = tmp_path / "labels.c"
    program.write_text(
        '#include <stdio.h>\n#include "net_model.h"\n'
        "static const char *const labels[] = NET_LABELS;\n"
        "int main(void)\n{\n    for (size_t i = 0; i < NET_LABEL_COUNT; ++i) {\n"
        "        puts(labels[i]);\n    }\n    return 0;\n}\n",
        "utf-8",
    )
    source = tmp_path / "net" / "lib" / "Net" / "src"
    command = ["cc", "-std=c99", "-trigraphs", "-Wall", "-Wno-trigraphs", "-Werror", "-I", source]
    subprocess.run([*command, program, "-o", tmp_path / "labels"], check=True)
    printed = subprocess.run([tmp_path / "labels"], capture_output=True, check=True).stdout
    assert printed.decode("utf-8").split("\n")[:-1] == labels


@pytest.mark.parametrize(
    ("option", "value", "problem", "hint"),
    [
        (
            "--board",
            "mars",
            "There is no board 'mars'.",
            (
                "Choose one of: nano33ble_sense, nucleo_f767zi, raspberry_pi_pico; or "
                "describe yours in a file, and pass --board FILE.toml; or pass --board none."
            ),
        ),
        ("--runtime", "java", "runtime='java' is not known.", "Choose one of: compiled, tflm."),
        (
            "--optimize",
            "fast",
            "optimize='fast' is not known.",
            "Choose one of: balanced, speed, size.",
        ),
        (
            "--max-ram-bytes",
            "-1",
            "Budget(ram_bytes=-1) is not a valid limit.",
            "Pass a whole number of at least 0, or None for no limit.",
        ),
        (
            "--data",
            "nowhere.npz",
            "There is no data file nowhere.npz.",
            "Write it with numpy.savez(path, x=samples, y=labels); x is an array, samples first.",
        ),
    ],
)
def test_options(
    refused: Callable[..., None], model: Path, option: str, value: str, problem: str, hint: str
) -> None:
    refused(2, problem, hint, "export", str(model), "-o", "net", f"{option}={value}")


def test_test_data_without_targets(
    refused: Callable[..., None], model: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 6, 6, 2)))
    refused(
        2,
        "x.npz has no targets.",
        "Store them under the key y, next to x.",
        *("export", str(model), "-o", "net", "--data", "x.npz"),
    )


def test_a_budget_that_is_exceeded(refused: Callable[..., None], model: Path) -> None:
    refused(
        4,
        "net needs 1,232 bytes of weights; the budget allows 1,000 (232 over). Largest in bytes: "
        "exponentials of layer softmax (1,024), weights of layer conv (112), weights of layer "
        "depthwise (36), bias of layer depthwise (16), multipliers of layer depthwise (16).",
        "Make the model smaller, for example with compress(model, ..., "
        "budget=Budget(weight_bytes=1_000)), or raise the limit.",
        *("export", str(model), "-o", "net", "--max-weight-bytes", "1000"),
    )


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        ([], "the following arguments are required: COMMAND.", "See tflm-ext --help."),
        (
            ["export", "net.tflite"],
            "the following arguments are required: -o/--output.",
            "See tflm-ext export --help.",
        ),
        (
            ["verify", "net", "--seed", "x"],
            "argument --seed: invalid int value: 'x'.",
            "See tflm-ext verify --help.",
        ),
    ],
)
def test_arguments(run: Run, arguments: list[str], problem: str, hint: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {problem}\nhint: {hint}\n"


# ---- folders


@needs_compiler
def test_a_folder_that_is_not_ours(
    refused: Callable[..., None], model: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "thesis"
    theirs.mkdir()
    (theirs / "chapter1.tex").write_text("precious", "utf-8")
    refused(
        2,
        "thesis is neither empty nor a project of tflm_ext.",
        "Choose a different folder, or empty this one.",
        *("export", str(model), "-o", "thesis", "--overwrite"),
    )


@needs_compiler
@pytest.mark.parametrize(
    "path", ["lib/Net/src/net_weights.c", "test/test_model/test_model.cpp", "model/net.tflite"]
)
def test_an_edited_file_that_matters(
    refused: Callable[..., None], model: Path, project: Path, path: str
) -> None:
    (project / path).write_bytes((project / path).read_bytes() + b"\n")
    refused(
        2,
        f"{project.resolve()}: {path} was edited since the last export.",
        "Save your changes elsewhere, then export with overwrite=True (--overwrite).",
        *("export", str(model), "-o", "project", "--name", "net"),
    )


@needs_compiler
@pytest.mark.parametrize("path", ["platformio.ini", "src/main.cpp", "README.md"])
def test_an_edited_file_of_the_user_is_kept(
    run: Run, model: Path, project: Path, path: str
) -> None:
    before = (project / path).read_bytes()
    (project / path).write_bytes(before + b"\n# mine\n")
    done = run("export", model, "-o", "project", "--name", "net", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"note: {path} was edited and is kept; the new version is {path}.new\n"
    assert (project / path).read_bytes() == before + b"\n# mine\n"
    assert (project / f"{path}.new").read_bytes() == before


@pytest.mark.parametrize("command", ["verify", "build", "test"])
def test_no_project(refused: Callable[..., None], tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    problem, hint = {
        "verify": (
            "empty is not a project of tflm-ext, or its report.json or model is damaged.",
            "Pass the folder of an exported project, or export the model again.",
        )
    }.get(
        command,
        (
            f"{tmp_path / 'empty'} has no platformio.ini.",
            "Pass the folder that tflm-ext export wrote.",
        ),
    )
    refused(2, problem, hint, command, "empty")


@needs_compiler
@pytest.mark.parametrize(
    "report",
    [
        "",
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": 0, "tool": {"name": "tflm_ext"}}',
        "[" * 100_000,
        '{"schema": 1, "tool": {"name": "tflm_ext"}, "model": {"name": "a", "sha256": 1}}',
    ],
)
def test_a_damaged_report(refused: Callable[..., None], project: Path, report: str) -> None:
    (project / "report.json").write_text(report, "utf-8")
    refused(
        2,
        "project is not a project of tflm-ext, or its report.json or model is damaged.",
        "Pass the folder of an exported project, or export the model again.",
        *("verify", "project"),
    )


# ---- disk, signals, tools


@needs_compiler
@pytest.mark.parametrize("over", [False, True], ids=["new", "over an older one"])
def test_a_full_disk(tmp_path: Path, model: Path, exported: Path, over: bool) -> None:
    """No file may grow beyond 8 KB: what the compiler and we write does."""
    if over:
        shutil.copytree(exported, tmp_path / "net")
        (tmp_path / "net" / "lib" / "Net" / "src" / "net_weights.c").write_text("", "utf-8")
    before = snapshot(tmp_path)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = subprocess.run(
        [sys.executable, "-m", "tflm_ext.cli", "export", "net.tflite", "-o", "net", "--overwrite"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=small_files,
    )
    assert done.returncode in (5, 7), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert snapshot(tmp_path) == before


@needs_compiler
def test_a_disk_that_is_full_when_the_project_is_written(
    refused: Callable[..., None], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(
        7,
        "net could not be written: No space left on device.",
        "Free some space, then export the model again.",
        *("export", str(model), "-o", "net"),
    )


def test_output_that_cannot_be_written(model: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tflm_ext.cli", "inspect", str(model)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 7
    assert done.stderr == (
        "error: The output could not be read or written: No space left on device.\n"
        "hint: Fix the permissions or free some space, then run the command again.\n"
    )


def test_a_reader_that_leaves_is_no_error(model: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m tflm_ext.cli inspect "$1" | true', sys.executable, str(model)],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def start(folder: Path, *variables: str) -> subprocess.Popen[str]:
    """An export whose compiler takes for ever."""
    slow = folder / "slow-cc"
    slow.write_text('#!/bin/sh\necho $$ > "$0.pid"\nexec sleep 600\n', "utf-8")
    slow.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "tflm_ext.cli", "export", "net.tflite", "-o", "net"],
        cwd=folder,
        env={**os.environ, "CC": str(slow)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (folder / "slow-cc.pid").exists() or not (folder / "slow-cc.pid").read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_ctrl_c(tmp_path: Path, model: Path) -> None:
    process = start(tmp_path)
    child = int((tmp_path / "slow-cc.pid").read_text())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert sorted(os.listdir(tmp_path)) == ["net.tflite", "slow-cc", "slow-cc.pid"]


@needs_compiler
def test_kill_9_in_the_middle_of_an_export_over_an_older_one(
    run: Run, tmp_path: Path, model: Path, exported: Path
) -> None:
    """At every one of its moves: the next command finds the old project or the new one, whole."""
    code = (
        "import os, signal, sys\n"
        "from tflm_ext.cli import main\n"
        "from tflm_ext.project import write\n"
        "moves, real = [], write._move\n"
        "def move(*arguments):\n"
        "    moves.append(1)\n"
        "    if len(moves) == int(sys.argv[1]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    real(*arguments)\n"
        "write._move = move\n"
        "sys.exit(main(['export', 'net.tflite', '-o', 'net', '--labels', 'a,b,c', '--quiet']))\n"
    )
    for at in (1, 8):
        shutil.rmtree(tmp_path / "net", ignore_errors=True)
        shutil.copytree(exported, tmp_path / "net")
        killed = subprocess.run([sys.executable, "-c", code, str(at)], cwd=tmp_path)
        assert killed.returncode == -signal.SIGKILL
        assert (tmp_path / "net" / ".tflm_ext" / "journal.json").is_file()
        done = run("verify", "net", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["verify"]["edited"] == []
        assert not (tmp_path / "net" / ".tflm_ext").exists()
        report = json.loads((tmp_path / "net" / "report.json").read_text("utf-8"))
        assert report["model"]["labels"] == ["a", "b", "c"]


@pytest.mark.parametrize("command", ["export", "verify"])
def test_no_compiler(run: Run, model: Path, project: Path, command: str) -> None:
    before = snapshot(project)
    arguments = ["net.tflite", "-o", "net"] if command == "export" else ["project"]
    done = run(command, *arguments, PATH="/nowhere", CC="")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        "error: No C compiler was found (looked for $CC, cc, gcc, clang).\n"
        "hint: Install one; on Debian and Ubuntu, run: sudo apt-get install gcc\n"
    )
    assert not (model.parent / "net").exists()
    assert snapshot(project) == before


def test_a_compiler_that_fails(run: Run, tmp_path: Path, model: Path) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'cannot find -lasan' >&2\nexit 1\n", "utf-8")
    broken.chmod(0o755)
    done = run("export", "net.tflite", "-o", "net", CC=str(broken))
    assert (done.returncode, done.stdout) == (5, "")
    first, command, said, hint = done.stderr.splitlines()
    assert first == f"error: {broken} failed: cannot find -lasan"
    assert command.startswith(f"  $ {broken} -std=c99 ")
    assert said == "  | cannot find -lasan"
    assert hint == "hint: Run tflm-ext doctor to see what is missing."
    assert not (tmp_path / "net").exists()


def test_a_compiler_on_a_full_disk(run: Run, tmp_path: Path, model: Path) -> None:
    full = tmp_path / "full-cc"
    full.write_text("#!/bin/sh\necho 'cc1: No space left on device' >&2\nexit 1\n", "utf-8")
    full.chmod(0o755)
    done = run("export", "net.tflite", "-o", "net", CC=str(full))
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == (
        f"error: The disk is full: {full} could not write its files.\n"
        "hint: Free some space, or set TMPDIR to a different folder.\n"
    )
    assert not (tmp_path / "net").exists()


def test_no_compiler_for_pio(run: Run, project: Path) -> None:
    done = run("build", "project", PATH="/nowhere")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        "error: gcc and g++ could not be found on the PATH.\n"
        "hint: Run: sudo apt-get install build-essential\n"
    )


def test_an_environment_that_is_not_there(run: Run, project: Path) -> None:
    done = run("build", "project", "-e", "mars")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: platformio.ini has no environment 'mars'.\n"
        "hint: Choose one of: native, cortex_m4, nano33ble.\n"
    )


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_pio_that_fails(run: Run, project: Path) -> None:
    main_cpp = project / "src" / "main.cpp"
    main_cpp.write_text(main_cpp.read_text("utf-8") + "\nint broken\n", "utf-8")
    done = run("build", "project")
    assert (done.returncode, done.stdout) == (5, "")
    lines = done.stderr.splitlines()
    assert re.match(r"error: pio run -e native failed: src/main\.cpp:\d+:\d+: error: ", lines[0])
    assert lines[1].startswith("  $ pio run -d ")
    assert 1 <= sum(line.startswith("  | ") for line in lines) <= 20
    assert lines[-1] == "hint: Its output names the cause; tflm-ext doctor checks the tools."


# ---- what reaches the terminal


def test_no_text_of_a_model_commands_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "x\x1b[31m\r\n\x07\u202e\x9b2J"
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1, name=evil)
    y = b.tensor((1, 4), scale=0.1, name=f"{evil}/dense/MatMul")
    b.operator("RELU", [x], [y])
    path = tmp_path / "net\x1b[31m.tflite"
    path.write_bytes(b.finish([x], [y]))
    assert main(["inspect", str(path)]) == 0
    path.write_bytes(b"TFL3" + relu(operator="COS")[4:])
    assert main(["inspect", str(path)]) == 3
    assert main(["inspect", f"{path}\n"]) == 2
    assert main(["verify", evil]) == 2
    captured = capsys.readouterr()
    for line in captured.out.split("\n") + captured.err.split("\n"):
        assert line.isprintable(), ascii(line)


@pytest.mark.slow
def test_compress_says_no_more_than_two_lines(run: Run) -> None:
    """TensorFlow, which it imports, says much on standard error."""
    done = run("compress", "net.keras", "--data", "train.npz", "-o", "small.keras")
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error == "error: There is no data file train.npz."
    assert hint.startswith("hint: Write it with numpy.savez(path, x=samples, y=labels)")
