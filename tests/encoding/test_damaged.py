"""What TensorFlow Lite Micro does with damaged codes: documented in docs/how-to/encode.md."""

from __future__ import annotations

import numpy as np
import pytest

import tflm_ext
from tests.encoding.test_methods import showing
from tflm_ext.encoding.insert import insert
from tflm_ext.encoding.methods import METHODS
from tflm_ext.frontend.parse import parse
from tflm_ext.verify.tflm import run_tflm

WEIGHTS = np.random.default_rng(0).integers(-40, 41, (64, 64), np.int8)
WEIGHTS[np.random.default_rng(1).random(WEIGHTS.shape) < 0.5] = 0
MODEL = showing(WEIGHTS, None)
INPUTS = [np.zeros((1, 1, 4), np.int8)]
# What happened in all of many trials; the decoder checks the method and the version only.
EXPECTED = {
    "code": "wrong",
    "table": "wrong",
    "table of zeros": "wrong",
    "version": "refused",
    "method": "refused",
    "code cut": "wrong",
    "table cut": "wrong",
}
PLACES = {
    "code": lambda code, ancillary, rng: (_flipped(code, rng), ancillary),
    "table": lambda code, ancillary, rng: (
        code,
        ancillary[:16] + _flipped(ancillary[16:], rng),
    ),
    "table of zeros": lambda code, ancillary, rng: (
        code,
        ancillary[:16] + bytes(len(ancillary) - 16),
    ),
    "version": lambda code, ancillary, rng: (code, ancillary[:4] + b"\7" + ancillary[5:]),
    "method": lambda code, ancillary, rng: (code, b"\x50" + ancillary[1:]),
    "code cut": lambda code, ancillary, rng: (code[:8], ancillary),
    "table cut": lambda code, ancillary, rng: (code, ancillary[:20]),
}


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = np.frombuffer(data, np.uint8).copy()
    damaged[rng.integers(len(data), size=4)] ^= rng.integers(1, 256, 4, np.uint8)
    return damaged.tobytes()


def outcome(method: str, place: str, seed: int) -> str:
    encoded = METHODS[method](parse(MODEL, "model").tensors[1])
    both = PLACES[place](encoded.code, encoded.ancillary, np.random.default_rng(seed))
    try:
        outputs = run_tflm(insert(MODEL, {1: both}), INPUTS, 1, arena_bytes=50_000).outputs[0]
    except tflm_ext.UnsupportedModelError:
        return "refused"
    except tflm_ext.ToolError:
        return "crashed"
    return "same" if np.array_equal(outputs.ravel(), WEIGHTS.ravel()) else "wrong"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
def test_damage_is_seen_in_the_header_only(method: str, place: str) -> None:
    """TFLM runs in a child process here: elsewhere in memory the same damage may crash it."""
    assert outcome(method, place, 0) in (EXPECTED[place], "crashed")
