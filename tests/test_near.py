"""Suggestions in the hints of errors: names, options, commands and files that almost exist."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.models import image_net
from tflm_ext import ConfigError, Recipe, export, targets
from tflm_ext.chosen import make_options
from tflm_ext.cli import main
from tflm_ext.near import did_you_mean, did_you_mean_file, nearest, one_of, unknown

BOARDS = ["nano33ble_sense", "nucleo_f767zi", "raspberry_pi_pico"]


@pytest.mark.parametrize(
    ("given", "known", "found"),
    [
        ("nano33ble", BOARDS, "nano33ble_sense"),
        ("nano", BOARDS, "nano33ble_sense"),
        ("NANO33BLE-Sense", BOARDS, "nano33ble_sense"),
        ("raspberry pi pico", BOARDS, "raspberry_pi_pico"),
        ("nucleo_f776zi", BOARDS, "nucleo_f767zi"),
        ("--flash-byts", ["--flash-bytes", "--ram-bytes"], "--flash-bytes"),
        ("uno", BOARDS, None),
        ("na", BOARDS, None),
        ("", BOARDS, None),
        ("-", ["--output", "-o"], None),
        ("nano", [], None),
        (7, BOARDS, None),
        (None, BOARDS, None),
        ([], BOARDS, None),
    ],
)
def test_nearest(given: object, known: list[str], found: str | None) -> None:
    assert nearest(given, known) == found
    assert did_you_mean(given, known) == (f"Did you mean {found}? " if found else "")


def test_the_order_of_the_names_does_not_matter() -> None:
    assert nearest("nano", ["nano_b", "nano_a"]) == nearest("nano", ["nano_a", "nano_b"])


def test_unknown() -> None:
    error = unknown("There is no x 'bal'.", "bal", ("fast", "balanced"))
    assert isinstance(error, ConfigError)
    assert error.hint == "Did you mean balanced? Choose one of: fast, balanced."


@pytest.mark.parametrize("value", ["sped", 3, None, [], ["speed"], {"speed": 1}, b"speed"])
def test_one_of(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^optimize=.* is not known\.") as error:
        one_of("optimize", value, ("speed", "size"))
    assert error.value.hint.startswith("Did you mean speed? ") == (value == "sped")
    assert one_of("optimize", "speed", ("speed", "size")) == "speed"


# ---- files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with models, data and folders of them."""
    for name in ("gestures.keras", "gestures.npz", "notes.txt", "models/digits.tflite", "a.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gestures\n.keras").touch()
    (tmp_path / "saved").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


MODELS = (".keras", ".h5", ".tflite")


@pytest.mark.parametrize(
    ("path", "suffixes", "found"),
    [
        ("gesture.keras", MODELS, "gestures.keras"),
        ("./gesture.keras", MODELS, "gestures.keras"),
        ("GESTURES.KERAS", MODELS, "gestures.keras"),
        ("gestures.h5", MODELS, "gestures.keras"),
        ("gestures", MODELS, "gestures.keras"),
        ("gestures.kers", MODELS, "gestures.keras"),
        ("gesture.npz", (".npz",), "gestures.npz"),
        ("modles/digits.tflite", MODELS, "models/digits.tflite"),
        ("modles/digit.tflite", MODELS, "models/digits.tflite"),
        ("models/digit.tflite", MODELS, "models/digits.tflite"),
        ("savde", MODELS, "saved"),
        ("savde", (), "saved"),
        ("notes", MODELS, None),
        ("gesture.keras", (), None),
        ("b.toml", (".toml",), None),  # one letter of one
        ("modles/other.tflite", MODELS, None),
        ("no/such/gestures.keras", MODELS, None),
        ("gestures.keras/x.keras", MODELS, None),  # through a file
        ("x" * 300, MODELS, None),
        ("gestures\0.keras", MODELS, "gestures.keras"),
    ],
)
def test_files(folder: Path, path: str, suffixes: tuple[str, ...], found: str | None) -> None:
    hint = f"Did you mean {found}? " if found else ""
    assert did_you_mean_file(Path(path), suffixes) == hint
    hint = f"Did you mean {folder / found}? " if found else ""
    assert did_you_mean_file(folder / path, suffixes) == hint


def test_a_folder_that_cannot_be_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert did_you_mean_file(Path("gesture.keras"), MODELS) == ""


# ---- where they are used


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        ("exprot net.tflite -o net", "export"),
        ("Export net.tflite -o net", "export"),
        ("--verison", "--version"),
        ("export net.tflite --ouput net", "--output"),
        ("export net.tflite -output net", "--output"),
        ("export net.tflite -o net --calibraton x.npz", "--calibration"),
        ("export net.tflite -o net --max-falsh-bytes=3", "--max-flash-bytes"),
        ("export nte.tflite -o net", "net.tflite"),
        ("inspect nte.tflite", "net.tflite"),
        ("compare nte.tflite", "net.tflite"),
        ("export net.tflite -o net --calibration dat.npz", "data.npz"),
        ("export net.tflite -o net --data dat.npz", "data.npz"),
        ("export net.tflite -o net --board nano33ble", "nano33ble_sense"),
        ("export net.tflite -o net --board cortex_m4", "cortex-m4"),
        ("export net.tflite -o net --board min.toml", "mine.toml"),
        ("export net.tflite -o net --optimize sped", "speed"),
        ("export net.tflite -o net --runtime TFLM", "tflm"),
        ("export net.tflite -o net --runtime tflm --encoding hufman", "huffman"),
        ("export net.tflite -o net --runtime tflm --tflm-source projcet", "project"),
        ("export net.tflite -o net --labels @label.txt", "labels.txt"),
        ("encode nte.tflite -o out.tflite", "net.tflite"),
        ("encode net.tflite -o out.tflite --methods hufman", "huffman"),
        ("verify projekt", "project"),
        ("build projekt", "project"),
        ("test projekt", "project"),
        ("build project -e natvie", "native"),
        ("compress net.tflite --data data.npz -o x.keras --recipe balancd", "balanced"),
        ("compress net.tflite --data data.npz -o x.keras --recipe mein.json", "meine.json"),
        ("compress net.keras --data data.npz -o x.keras", "net.tflite"),
        ("compress net.keras --data dat.npz -o x.keras", "data.npz"),
    ],
)
def test_commands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    suggested: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(image_net())
    np.savez("data.npz", x=np.zeros((2, 6, 6, 2), np.float32), y=np.zeros(2))
    for name in ("mine.toml", "meine.json", "labels.txt"):
        (tmp_path / name).touch()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "platformio.ini").write_text("[env:native]\n")
    before = sorted(tmp_path.rglob("*"))
    try:
        code = main(words.split())
    except SystemExit as ended:  # argparse
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    problem, hint = printed.err.splitlines()
    assert (code, printed.out) == (2, "")
    assert problem.startswith("error: ")
    assert f"Did you mean {suggested}? " in hint.replace(f"{tmp_path}/", "")
    assert sorted(tmp_path.rglob("*")) == before


def test_values_of_options_are_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Words after --, and options that are abbreviated or joined with their value."""
    for words in (
        "export net.tflite --max-flash 3 -ofolder --name net extra",
        "export net.tflite -o net extra -- --ouput",
    ):
        with pytest.raises(SystemExit):
            main(words.split())
        assert capsys.readouterr().err.endswith("\nhint: See tflm-ext export --help.\n")


@pytest.mark.parametrize(
    ("call", "suggested"),
    [
        (lambda: export("net.tflite", "net", board="nano33ble"), "nano33ble_sense"),
        (lambda: export("net.tflite", "net", runtime="compild"), "compiled"),
        (lambda: export("net.tflite", "net", optimize="blanced"), "balanced"),
        (lambda: make_options("net", board="cortexm7"), "cortex-m7"),
        (lambda: Recipe.preset("smalest"), "smallest"),
        (lambda: Recipe.from_json('{"shrnik": 4}'), "shrink"),
    ],
)
def test_calls(call: Callable[[], object], suggested: str) -> None:
    with pytest.raises(ConfigError) as error:
        call()
    assert error.value.hint.startswith(f"Did you mean {suggested}? ")


@pytest.mark.parametrize("board", [5, b"none", ["nano33ble_sense"], object])
def test_a_board_that_is_no_name(board: object) -> None:
    with pytest.raises(ConfigError, match="is not the name of a board"):
        make_options("net", board=board)  # type: ignore[arg-type]


def test_a_key_of_a_board_file(tmp_path: Path) -> None:
    source = Path(inspect.getfile(targets)).parent / "boards" / "nano33ble_sense.toml"
    mine = tmp_path / "mine.toml"
    mine.write_text(source.read_text("utf-8").replace("stack_bytes", "stack_byte"), "utf-8")
    with pytest.raises(ConfigError, match="lacks the key stack_bytes, but has the unknown key sta"):
        make_options("net", board=str(mine))
