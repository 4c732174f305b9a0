"""Estimated cycles: counted instructions times the manual's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.models import image_net
from tflm_ext.bench import bench, cycles
from tflm_ext.bench.tools import run_tool
from tflm_ext.errors import ToolError
from tflm_ext.targets import core

pytestmark = pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")

MANUAL = core("cortex-m4").cycle_model

PROGRAM = """
        .syntax unified
        .thumb
        .text
start:  push {r4-r7, lr}
        ldr r0, [r1]
        ldr.w r2, [r1, #4]
        adds r0, r0, r2
        ldm r1, {r2, r3}
        ldrd r4, r5, [r1]
        str r0, [r1]
        udiv r0, r0, r2
        vldmia r1, {s0-s3}
loop:   subs r0, #1
        bne loop
        pop {r4-r7, pc}
"""
# start: 6 + 2 + 1 + 1 + 3 + 3 + 1 + 7 + 5; loop: 1 + 1, and 2 when taken; the end: 6, and 2.
START, LOOP, END = 29, 2, 6


def listing(folder: Path) -> tuple[Path, dict[str, int]]:
    """The program, and the address of each label and of the last instruction."""
    source, program = folder / "program.s", folder / "program.elf"
    source.write_text(PROGRAM)
    flags = ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-nostdlib")
    run_tool(("arm-none-eabi-gcc", *flags, "-Wl,-e,start", str(source), "-o", str(program)))
    said = run_tool(("arm-none-eabi-nm", str(program)))
    symbols = re.findall(r"^(\w+) t (start|loop)$", said, re.MULTILINE)
    return program, {name: int(address, 16) & ~1 for address, name in symbols}


def test_cycles_are_those_of_the_manual(tmp_path: Path) -> None:
    program, at = listing(tmp_path)
    start, loop = at["start"], at["loop"]
    lines = [
        *(f"{start:x} {start:x} 1 0", "mark"),  # before the first mark: not counted
        f"{start:x} {loop + 2:x} 1 1",
        f"{loop:x} {loop + 2:x} 9 8",
        f"{loop + 4:x} {loop + 4:x} 1 1",
        "mark",
        *(f"{loop:x} {loop + 2:x} 5 5", "mark"),
    ]
    first, second = cycles.read_intervals(program, "\n".join(lines), MANUAL)
    assert first == cycles.Interval(9 + 2 * 10 + 1, START + 10 * LOOP + 9 * 2 + END + 2)
    assert second == cycles.Interval(10, 5 * LOOP + 5 * 2)


def test_what_is_no_instruction_is_an_error(tmp_path: Path) -> None:
    program, _ = listing(tmp_path)
    with pytest.raises(ToolError, match="lists no instruction at 0x7fff0000"):
        cycles.read_intervals(program, "mark\n7fff0000 7fff0000 1 0\nmark\n", MANUAL)


def test_other_cores_have_other_cycles(tmp_path: Path) -> None:
    program, at = listing(tmp_path)
    start, manual = at["start"], core("cortex-m0plus").cycle_model
    line = f"mark\n{start:x} {start + 6:x} 1 1\nmark"  # push, ldr, ldr.w; a refill
    assert manual is not None and MANUAL is not None
    assert cycles.read_intervals(program, line, manual)[0].cycles == 6 + 2 + 2 + 1
    assert cycles.read_intervals(program, line, MANUAL)[0].cycles == 6 + 2 + 1 + 2


def test_plugin_and_timer_count_the_same(tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(image_net())
    found = bench(model)
    assert found.cycles is not None and not found.cycles_missing
    assert found.instructions < found.cycles < 3 * found.instructions
    by_operator = [row.cycles for row in found.operators if row.cycles is not None]
    assert len(by_operator) == len(found.operators)
    assert 0 <= sum(by_operator) - found.cycles < 1200
    least, most = found.milliseconds or (0, 0)
    assert least == round(found.cycles * 1.2 / 64e3, 3)
    assert most == round(found.cycles * 1.5 / 64e3, 3)


def test_without_a_plugin_the_column_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(image_net())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "false")
    found = bench(model)
    assert found.cycles is None and found.milliseconds is None
    assert "false failed" in found.cycles_missing and found.cycles_missing in str(found)
    monkeypatch.delenv("CC")
    monkeypatch.setenv("XDG_CACHE_HOME", str(model))  # a file
    assert "cannot be written" in bench(model).cycles_missing
    # A plugin that QEMU cannot load is not an error either.
    broken = tmp_path / "broken.so"
    broken.touch()
    monkeypatch.setattr("tflm_ext.bench.emulator.counting_plugin", lambda: broken)
    again = bench(model)
    assert (
        again.cycles is None
        and again.cycles_missing == "This version of QEMU does not support plugins."
    )
    assert again.instructions == found.instructions
