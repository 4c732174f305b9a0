"""The costs of docs/how-to/choose-a-front-end.md are those of its front ends."""

from __future__ import annotations

import pytest

from benchmarks.bench import FLAGS
from docs import front_ends
from tflm_ext.bench.emulator import compiler_name

ROWS = front_ends.read()


def test_the_file_has_the_front_ends_of_the_page() -> None:
    """Those of this version: their digests depend on all options."""
    found = {(row.table, row.front_end): row.sha256 for row in ROWS}
    names = [(table, name) for table, own in front_ends.FRONT_ENDS.items() for name in own]
    assert list(found) == names
    assert found == {key: front_ends.pipeline(*key).sha256 for key in names}


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
@pytest.mark.parametrize("number", [0, 6, 14, 21])
def test_measured_again(number: int) -> None:
    """A figure may not grow unseen; `python -m docs.front_ends` writes all of them again."""
    row = ROWS[number]
    if row.compiler != compiler_name(FLAGS):
        pytest.skip(f"the table was made with {row.compiler}")
    found = front_ends.measure(row.table, row.front_end)
    for name in ("instructions", "cycles", "stage", "ram", "flash"):
        assert getattr(found, name) <= 1.02 * getattr(row, name), name
