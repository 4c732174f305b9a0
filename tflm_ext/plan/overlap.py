"""Proves that a kernel never reads a byte after overwriting it, by replaying reads and writes."""

from __future__ import annotations

import numpy as np

from tflm_ext.kernels import Times


def first_clash(times: Times, output_at: int) -> int | None:
    """Replay a call whose output may overlap with its input.

    Args:
        times: of the kernel's reads and writes.
        output_at: address of output 0 relative to input 0; may be negative.

    Returns:
        The first byte of the input that is read after being overwritten; None if there is none.
    """
    start = max(output_at, 0)
    stop = min(output_at + len(times.first_write), len(times.last_read))
    if start >= stop:
        return None
    written = times.first_write[start - output_at : stop - output_at]
    clashes = np.flatnonzero(times.last_read[start:stop] > written)
    return start + int(clashes[0]) if len(clashes) else None


def lead(times: Times) -> int:
    """Return how many bytes before the input the output must start, to overlap safely.

    The kernel must write its output from the first byte to the last. With this lead, or a larger
    one, every byte is read before it is overwritten.
    """
    written = np.maximum.accumulate(times.first_write)
    if (written != times.first_write).any():
        raise ValueError("the output is not written from its first byte to its last")
    # For each byte of the input: how much of the output is written before its last read.
    ahead = np.searchsorted(times.first_write, times.last_read, side="left")
    return max(0, int((ahead - np.arange(len(times.last_read))).max(initial=0)))
