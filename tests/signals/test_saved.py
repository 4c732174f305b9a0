"""Saving what a device has learnt: the same bytes in C and NumPy, and every damage is detected."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tflm_ext.emit.render import templates_folder
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import Normal
from tflm_ext.signals.saved import load, save, saved_bytes
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import State
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c

SPEC = Spec(Form.FEATURES, DType.INT16, (5,), Fraction(2), Fraction(16_000))
DIGEST = bytes(range(100, 132))
OTHER = bytes(range(101, 133))
_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "save.h"
/* Reads size and contents of buffers; loads each one, then saves, and writes result and buffer. */
int main(void)
{
    static const uint8_t digest[8] = { 100, 101, 102, 103, 104, 105, 106, 107 };
    uint32_t size;
    while (fread(&size, sizeof size, 1U, stdin) == 1U) {
        int64_t sums[10];
        uint32_t learnt[1] = { 3U };
        const tflm_ext_saved_part_t parts[] = { { sums, sizeof sums }, { learnt, sizeof learnt } };
        uint8_t *content = malloc(size + 1U);
        uint8_t buffer[104];
        for (int32_t i = 0; i < 10; ++i) {
            sums[i] = i - 5;
        }
        if (fread(content, 1U, size, stdin) != size) {
            return 4;
        }
        const uint8_t loaded = tflm_ext_load(parts, 2U, digest, content, size) ? 1U : 0U;
        if (tflm_ext_save(parts, 2U, digest, buffer, sizeof buffer - 1U) != 0U) {
            return 5;
        }
        if (tflm_ext_save(parts, 2U, digest, buffer, sizeof buffer) != sizeof buffer) {
            return 6;
        }
        (void)fwrite(&loaded, 1U, 1U, stdout);
        (void)fwrite(buffer, 1U, sizeof buffer, stdout);
        free(content);
    }
    return 0;
}
"""
FACTORY: State = (np.arange(-5, 5).reshape(5, 2), np.array([3], np.uint32))
"""The state of the program before it loads anything."""


@dataclass(frozen=True)
class Device:
    """The program above."""

    path: Path

    def load_and_save(self, contents: list[bytes]) -> Iterator[tuple[bool, bytes]]:
        """For every buffer, whether it was loaded, and what is saved afterwards."""
        data = b"".join(struct.pack("<I", len(own)) + own for own in contents)
        said = run_c((str(self.path),), data, 60.0)
        assert len(said) == 105 * len(contents)
        for at in range(0, len(said), 105):
            yield bool(said[at]), said[at + 1 : at + 105]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "saved.c").write_text(_PROGRAM, "utf-8")
    flags = ("-std=c99", "-O1", *SANITIZE, *WARNINGS, "-I", str(templates_folder() / "signals"))
    compile_c((find_compiler(), *flags, "saved.c", "-o", "saved"), folder)
    return Device(folder / "saved")


@pytest.fixture(scope="module")
def states() -> list[State]:
    """What Normal has after 0, 1, 19 and 20 of 20 windows."""
    block = Normal(learn_windows=20).bind(SPEC)
    items = np.random.default_rng(0).integers(-32768, 32768, (20, 5)).astype(np.int16)
    return [block.run(items[:n], block.start())[1] for n in (0, 1, 19, 20)]


def refused(content: bytes) -> bool:
    """Whether NumPy refuses it."""
    try:
        load(FACTORY, DIGEST, content)
    except ConfigError:
        return True
    return False


def test_c_loads_and_saves_the_bytes_of_numpy(device: Device, states: list[State]) -> None:
    contents = [save(state, DIGEST) for state in (*states, FACTORY)]
    assert len({*contents}) == 5
    assert {*map(len, contents)} == {saved_bytes(FACTORY)}
    assert list(device.load_and_save(contents)) == [(True, content) for content in contents]
    for state, content in zip(states, contents, strict=False):
        for now, then in zip(state, load(FACTORY, DIGEST, content), strict=True):
            np.testing.assert_array_equal(now, then)


def test_learning_goes_on_after_loading(states: list[State]) -> None:
    block = Normal(learn_windows=20).bind(SPEC)
    items = np.random.default_rng(0).integers(-32768, 32768, (20, 5)).astype(np.int16)
    content = save(states[1], DIGEST)
    _, after = block.run(items[1:], load(block.start(), DIGEST, content))
    for now, then in zip(after, states[3], strict=True):
        np.testing.assert_array_equal(now, then)


def test_power_cut_at_every_byte(device: Device, states: list[State]) -> None:
    """The new buffer is written over an erased, an empty or an older one, up to some byte."""
    old, new = save(states[2], DIGEST), save(states[3], DIGEST)
    before = [b"\xff" * len(new), bytes(len(new)), old, b""]
    torn = [new[:at] + under[at:] for under in before for at in range(len(new))]
    kept = save(FACTORY, DIGEST)
    refusals = 0
    for content, (loaded, after) in zip(torn, device.load_and_save(torn), strict=True):
        assert after == (content if loaded else kept)
        assert refused(content) is not loaded
        # Either nothing was written yet that differs, or everything that does.
        assert not loaded or content in (old, new)
        refusals += not loaded
    same = sum(content in (old, new) for content in torn)
    assert refusals == len(torn) - same


def test_every_bit_matters(device: Device, states: list[State]) -> None:
    right = save(states[3], DIGEST)
    wrong = []
    for bit in range(8 * len(right)):
        content = bytearray(right)
        content[bit // 8] ^= 1 << bit % 8
        wrong.append(bytes(content))
    kept = save(FACTORY, DIGEST)
    assert list(device.load_and_save(wrong)) == [(False, kept)] * len(wrong)
    assert all(map(refused, wrong))


def test_other_pipelines_and_versions_are_refused(device: Device, states: list[State]) -> None:
    def signed(content: bytes) -> bytes:
        return content + zlib.crc32(content).to_bytes(4, "little")

    right = save(states[3], DIGEST)
    longer = right[:12] + struct.pack("<I", 92) + right[16:-4] + b"more" * 2
    wrong = [
        save(states[3], OTHER),
        signed(b"TXL2" + right[4:-4]),
        signed(right[:12] + struct.pack("<I", 83) + right[16:-4]),
        signed(longer),
        signed(b""),
        b"",
    ]
    assert [loaded for loaded, _ in device.load_and_save(wrong)] == [False] * len(wrong)
    for content in wrong:
        with pytest.raises(ConfigError, match=r"another pipeline|damaged or incomplete"):
            load(FACTORY, DIGEST, content)
    with pytest.raises(ConfigError, match="another pipeline"):
        load(FACTORY, DIGEST, wrong[1])


def test_bytes_after_the_saved_ones_are_ignored(device: Device, states: list[State]) -> None:
    right = save(states[3], DIGEST)
    assert list(device.load_and_save([right + b"\xff" * 100])) == [(True, right)]
    assert not refused(right + b"\xff" * 100)
