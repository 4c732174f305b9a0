"""Front ends stay within their bars, and no figure of benchmarks/results.csv gets worse unseen."""

from __future__ import annotations

import pytest

from benchmarks.bench import FLAGS, read
from benchmarks.front_ends import FRONT_ENDS, OPTIMIZE, measured
from tflm_ext.bench.emulator import compiler_name

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]
ROWS = {row["model"]: row for row in read() if row["optimize"] == OPTIMIZE}


def test_every_front_end_has_a_row() -> None:
    assert {name: row["sha256"] for name, row in ROWS.items()} == {
        name: pipeline.sha256 for name, pipeline in FRONT_ENDS.items()
    }


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_no_figure_grows(name: str) -> None:
    found, row = measured(name)
    flash = int(row["weight_bytes"]) + int(row["code_bytes"])
    if name == "log_mel_512":
        # TensorFlow Lite Micro's signal library takes 89,800 instructions, and 1,483,680 at start.
        assert found.instructions <= 38_000
        assert found.init <= 2_500  # clears the context; no table is computed
        assert int(row["context_bytes"]) <= 2_500
        assert flash <= 6_000
    expected = ROWS[name]
    if expected["compiler"] != compiler_name(FLAGS):
        pytest.skip(f"the table was made with {expected['compiler']}")
    for figure in ("instructions", "cycles", "context_bytes", "stack_bytes"):
        assert int(row[figure]) <= 1.01 * int(expected[figure]), figure
    assert flash <= 1.01 * (int(expected["weight_bytes"]) + int(expected["code_bytes"]))
