"""A small project, exported once, and copies to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.models import image_net
from tflm_ext import export


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    (folder / "net.tflite").write_bytes(image_net())
    net = folder / "net.tflite"
    return export(net, folder / "net", optimize="speed", progress=False).folder


@pytest.fixture
def project(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "net"))
