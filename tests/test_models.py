"""The five models of MLPerf Tiny, if they are available: bit exact, and within their memory.

They are not part of the repository. TFLM_EXT_MODELS names their folder; otherwise it is
shared/models next to the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import assert_exact

FOLDER = Path(
    os.environ.get("TFLM_EXT_MODELS") or Path(__file__).resolve().parents[2] / "shared" / "models"
)

# Activations and scratch memory. The most activations alive at one operator, nothing in place, are
# 49152, 16000, 55296, 768 and 6656 bytes.
ARENA_BYTES = {
    "pretrainedResnet_quant": 50032,
    "kws_ref_model": 8856,
    "vww_96_int8": 47648,
    "ad01_int8": 2048,
    "str_ww_ref_model": 7204,
}


@pytest.mark.parametrize("name", ARENA_BYTES)
def test_exact_and_within_memory(name: str) -> None:
    path = FOLDER / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in {FOLDER}; set TFLM_EXT_MODELS to its folder")
    plan = assert_exact(path.read_bytes(), name=name.lower())
    assert plan.arena_bytes <= ARENA_BYTES[name]
