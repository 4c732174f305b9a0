"""The command recordings: what it prints, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.store.motions import SOURCE, contents, drawn, record
from tests.store.test_kills import _killed
from tests.store.test_quality import quiet
from tests.store.test_recordings import PIPELINE, torn
from tflm_ext.cli import main
from tflm_ext.signals import Frames, Pipeline, Statistics, Zscore
from tflm_ext.store import Sensor, Store

SCHEMA = json.loads((ROOT / "docs" / "reference" / "report.schema.json").read_text("utf-8"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    found = Store("motions")
    record(found, "rest", quiet(0), "a")
    record(found, "wave", quiet(1), "a")
    (tmp_path / "pipeline.json").write_text(PIPELINE.to_json())
    return found


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["recordings", "motions", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    text = printed(capsys, *arguments, "--json")
    found: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    assert text == json.dumps(found, indent=2, sort_keys=True) + "\n"
    assert str(Path.cwd()) not in text
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    before = contents(Path())
    assert main(["recordings", *arguments]) == 2
    assert contents(Path()) == before
    error, hint = capsys.readouterr().err.splitlines()
    assert hint.startswith("hint: ")
    return error.removeprefix("error: ")


def test_the_list(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "rest/a-1        4.00        50      0" in printed(capsys)
    found = as_json(capsys)["recordings"]
    assert [one["name"] for one in found["segments"]] == ["rest/a-1", "wave/a-2"]
    assert found["segments"][0]["saturated"] is None
    only = as_json(capsys, "--label", "wave", "--check", "pipeline.json")["recordings"]
    assert [(one["name"], one["saturated"]) for one in only["segments"]] == [("wave/a-2", 0.0)]
    assert as_json(capsys, "--segment", "a-1")["recordings"]["segments"][0]["name"] == "rest/a-1"


def test_a_project_is_checked(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """As export() writes it: model/pipeline.json."""
    place = Path("project", "model", "pipeline.json")
    place.parent.mkdir(parents=True)
    fitted = Pipeline(SOURCE, Frames(10), Statistics("rms"), Zscore()).fitted([quiet(0)])
    place.write_text(fitted.to_json())
    record(store, "wave", quiet(3, spread=32000), "loud")
    assert "wave/loud-1: 100.0% of the features" in printed(capsys, "--check", "project")


def test_relabel(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--relabel", "wave/a-2", "rest")
    assert text.splitlines()[1].startswith("rest/a-2 ")
    assert sorted(contents(Path("motions"))) == [
        f"rest/a-{n}.{end}" for n in (1, 2) for end in ("json", "wav")
    ]


def test_repair(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with _killed(Path("motions"), 60).open("ab") as file:
        file.write(b"abc")
    assert "not complete" in printed(capsys)
    found = as_json(capsys, "--repair")["repaired"]
    assert found == [
        {"done": "kept 60 samples, removed 3 bytes of the next one", "name": "wave/a-3"}
    ]
    assert printed(capsys, "--repair") == "Nothing to repair.\n"


def test_export_and_import(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    torn(store)
    Path("key").write_text("secret\n")
    assert printed(capsys, "--export", "all.npz") == "Wrote all.npz.\n"
    assert as_json(capsys, "--export", "one.json", "--segment", "a-1", "--key", "key") == {
        "exported": ["one.json"],
        **{key: as_json(capsys)[key] for key in ("schema", "tool")},
    }
    assert printed(capsys, "--export", "x.npz", "--check", "pipeline.json").splitlines() == [
        "classes: 0 rest, 1 wave",
        "Wrote x.npz.",
    ]
    printed(capsys, "--export", "out", "--format", "json", "--label", "wave")
    assert len(contents(Path("out"))) == 4
    wanted = store.segment("rest/a-1").read()
    words = ("--import", "one.json", "--label", "jump", "--key", "key", "--check", "pipeline.json")
    printed(capsys, *words)
    assert np.array_equal(store.segment("jump/one-1").read(), wanted)
    before = {one.name for one in store.segments()}
    printed(capsys, "--import", "one.json", "out/wave.a-2.json", "--label", "x", "--session", "y")
    assert {one.name for one in store.segments()} - before == {"x/y-1", "x/y-2"}
    assert main(["recordings", "new", "--import", "all.npz"]) == 0
    assert len(Store("new").segments()) == 3
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["motion"], "There is no folder motion."),
        (["pipeline.json"], "pipeline.json/label cannot be written"),
        (["motions", "--label", "wav"], "motions has no label 'wav'."),
        (["motions", "--segment", "b-1"], "motions has no recording 'b-1'."),
        (["motions", "--relabel", "a-1", "../x"], "The label '../x' cannot be the name"),
        (["motions", "--relabel", "a-1"], "argument --relabel: expected 2 arguments."),
        (["motions", "--repair", "--export", "x"], "argument --export: not allowed with"),
        (["motions", "--export", "x.csv"], "x.csv can hold one recording without gaps"),
        (["motions", "--export", "x", "--format", "cvs"], "format='cvs' is not known."),
        (["motions", "--export", "x.npz", "--label", "jump"], "motions has no label 'jump'."),
        (["motions", "--format", "csv"], "--format does not fit what the command does here."),
        (["motions", "--session", "x"], "--session does not fit"),
        (["motions", "--key", "x"], "--key does not fit"),
        (["motions", "--repair", "--label", "x"], "--label does not fit"),
        (["motions", "--import", "pipeline.json", "--segment", "x"], "--segment does not fit"),
        (["motions", "--import", "pipeline.json", "--label", "x"], "pipeline.json is not a rec"),
        (["motions", "--import", "no.wav", "--label", "x"], "There is no recording no.wav."),
        (["motions", "--check", "motions"], "motions is not an exported project"),
        (["motions", "--check", "no.json"], "The pipeline no.json cannot be read."),
        (["motions", "--export", "x", "--key", "no"], "There is no file no with a key."),
        (["motions", "--export", "x", "--key", "empty"], "empty has no key."),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_mistakes(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    Path("empty").touch()
    try:
        problem = refused(capsys, *arguments)
    except SystemExit as ended:  # argparse
        assert ended.code == 2
        problem = capsys.readouterr().err.splitlines()[0].removeprefix("error: ")
    assert problem.startswith(why)


def test_text_of_files_cannot_control_a_terminal(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("motions/wave/a-2.json")
    content = json.loads(path.read_text())
    content["sensor"]["axes"] = ["x", "y", "\x1b[2J"]
    path.write_text(json.dumps(content))
    assert main(["recordings", "motions"]) == 2
    assert "\x1b" not in capsys.readouterr().err
    content["sensor"]["axes"] = ["x", "y", "z"]
    content["note"] = "[31m\u202e"
    path.write_text(json.dumps(content))
    assert main(["recordings", "motions"]) == 2
    assert "\u202e" not in capsys.readouterr().err


def test_tensorflow_is_not_imported(tmp_path: Path) -> None:
    record(Store(tmp_path), "wave", drawn(0, 9), sensor=Sensor.of(SOURCE))
    code = (
        "import sys; from tflm_ext.cli import main; main(['recordings', sys.argv[1]])\n"
        "print([m for m in ('tensorflow', 'keras', 'cbor2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
