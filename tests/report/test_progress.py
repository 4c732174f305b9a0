"""Progress goes to a terminal, to a function of the user's, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

import tflm_ext
from tests.models import image_net
from tflm_ext.report.progress import show_progress


@pytest.mark.tool("cc")
def test_a_function_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.tflite").write_bytes(image_net())
    said: list[str] = []
    tflm_ext.export(tmp_path / "net.tflite", tmp_path / "net", progress=said.append)
    assert said[0] == "planning"
    assert "comparing with TensorFlow Lite Micro" in said
    assert said[-1] == "writing the project"
    assert capfd.readouterr() == ("", "")


def test_nothing_is_shown_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for enabled in (True, False):
        with show_progress(enabled) as say:
            say("something")
    assert capfd.readouterr() == ("", "")
