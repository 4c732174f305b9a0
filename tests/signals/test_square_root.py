"""The square root in C, whose first guess may be too small or too large, equals that of NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tflm_ext.arithmetic.signals import square_root
from tflm_ext.emit.render import templates_folder
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c

_PROGRAM = """
#include <stdio.h>
#include "signal_arithmetic.h"
int main(void)
{
    uint64_t x;
    while (fread(&x, sizeof x, 1U, stdin) == 1U) {
        const uint32_t root = tflm_ext_square_root(x);
        (void)fwrite(&root, sizeof root, 1U, stdout);
    }
    return 0;
}
"""


def test_roots_of_numbers_of_every_size(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    largest = 2**64 - 1
    any_size = random.integers(0, largest, 60_000, np.uint64, endpoint=True)
    any_size >>= random.integers(0, 64, len(any_size)).astype(np.uint64)
    roots = any_size[:20_000] >> np.uint64(32)
    near = [roots * roots + np.uint64(d) for d in (0, 1)] + [roots * roots - np.uint64(1)]
    halves = [roots * roots + roots, roots * roots + roots + np.uint64(1)]
    edges = np.array([0, 1, 2, 3, 2**32 - 1, 2**32, 2**62, 2**63, largest - 1, largest], np.uint64)
    # First guesses that are too large by 8 and too small by 26.
    far = np.array([0xED93AB7240DBCDE7, 0xFDF9D077CEB8ACA4, 0x348E6A02F], np.uint64)
    values = np.concatenate(
        [np.arange(5000, dtype=np.uint64), any_size, *near, *halves, edges, far]
    )
    (tmp_path / "root.c").write_text(_PROGRAM, "utf-8")
    flags = ("-std=c99", "-O1", *SANITIZE, *WARNINGS, "-I", str(templates_folder() / "signals"))
    compile_c((find_compiler(), *flags, "root.c", "-o", "root"), tmp_path)
    found = np.frombuffer(run_c((str(tmp_path / "root"),), values.tobytes(), 60.0), np.uint32)
    np.testing.assert_array_equal(found, square_root(values).astype(np.uint32))
