"""The square root of the C next to squares, where an estimate that is too large would show."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic.signals import square_root
from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import verbatim
from tflm_ext.scratch import scratch_folder
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c

_MAIN = """
#include <stdio.h>
#include "tflm_ext/signal_arithmetic.h"
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


def test_roots_next_to_squares() -> None:
    random = np.random.default_rng(0)
    q = (2 ** random.uniform(0, 32, 40_000)).astype(np.uint64)
    ends = np.array([1, 2, 3, 0xFFFF, 0x10000, 21076, 2**31, 2**32 - 2, 2**32 - 1], np.uint64)
    q = np.concatenate([q, ends])
    one = np.uint64(1)
    near = [q * q - one, q * q, q * q + one, q * q + q, q * q + q + one, q * q - q]
    values = np.concatenate([*near, np.array([0, 2**64 - 1], np.uint64)])
    with scratch_folder() as root:
        (root / "tflm_ext").mkdir()
        for name, path in with_included(["signal_arithmetic.h"], ("signals", "kernels")):
            (root / "tflm_ext" / name).write_bytes(verbatim(path))
        (root / "roots.c").write_text(_MAIN, "utf-8")
        options = ("-std=c99", "-O2", *SANITIZE, *WARNINGS, "-I", ".")
        compile_c((find_compiler(), *options, "roots.c", "-o", "roots"), root)
        found = run_c((str(root / "roots"),), values.tobytes(), 60.0)
    np.testing.assert_array_equal(np.frombuffer(found, np.uint32), square_root(values))
