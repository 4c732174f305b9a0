"""Progress goes to a terminal, to a function of the user's, or nowhere."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tflm_ext
from tests.models import image_net
from tflm_ext.report.progress import in_notebook, show_progress


@pytest.mark.tool("cc")
def test_a_function_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.tflite").write_bytes(image_net())
    said: list[str] = []
    tflm_ext.export(tmp_path / "net.tflite", tmp_path / "net", progress=said.append)
    assert said[0] == "planning"
    assert "comparing with TensorFlow Lite Micro" in said
    assert said[-1] == "writing the project"
    assert capfd.readouterr() == ("", "")


def test_a_log_has_one_line_for_each_step(capfd: pytest.CaptureFixture[str]) -> None:
    with show_progress(True) as say:
        say("starting TensorFlow")
        for number in range(1, 4):
            say(f"calibrating: sample {number} of 1,000")
        say("round 1: planning")
        say("round 2: \x1b[2Jplanning")
        for file in "ab":
            say(f"compiling TensorFlow Lite Micro: {ord(file)} of 200, {file}.cc")
        say("writing the project")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "tflm_ext: starting TensorFlow",
        "tflm_ext: calibrating",
        "tflm_ext: round 1: planning",
        "tflm_ext: round 2: ?[2Jplanning",
        "tflm_ext: compiling TensorFlow Lite Micro",
        "tflm_ext: writing the project",
    ]


def test_progress_can_be_switched_off(capfd: pytest.CaptureFixture[str]) -> None:
    with show_progress(False) as say:
        say("something")
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_the_current_step(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As in Jupyter's kernel: IPython is imported, its shell has a kernel, widgets are there."""
    shown: list[Any] = []

    class Output:
        """A widget, which collects what is displayed inside it."""

        def __enter__(self) -> Output:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def clear_output(self, wait: bool = False) -> None:
            pass

        def close(self) -> None:
            pass

    shell = type("ZMQInteractiveShell", (), {"kernel": object()})()
    modules = {
        "IPython": {"get_ipython": lambda: shell},
        "IPython.display": {"display": shown.append},
        "ipywidgets": {"Output": Output},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content, __spec__=importlib.util.spec_from_loader(name, None))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    assert in_notebook()
    with show_progress(True) as say:
        say("starting TensorFlow")
        ended = time.monotonic() + 20
        while not shown and time.monotonic() < ended:  # another thread draws
            time.sleep(0.02)
    assert any(isinstance(one, Output) for one in shown)
    assert "tflm_ext:" not in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "ipywidgets")
    assert not in_notebook(), "without widgets, each step is a line"
