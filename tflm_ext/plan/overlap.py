"""Proof that a kernel never reads what it has overwritten: its reads and writes, replayed."""

from __future__ import annotations

import numpy as np

from tflm_ext.kernels import Times


def first_clash(times: Times, output_at: int) -> int | None:
    """Replay a call whose output lies somewhere near its input.

    Args:
        times: of the kernel's reads and writes.
        output_at: address of output 0, counted from that of input 0; may be negative.

    Returns:
        The first byte of the input that is read after it was overwritten; None if there is none.
    """
    start = max(output_at, 0)
    stop = min(output_at + len(times.first_write), len(times.last_read))
    if start >= stop:
        return None
    written = times.first_write[start - output_at : stop - output_at]
    clashes = np.flatnonzero(times.last_read[start:stop] > written)
    return start + int(clashes[0]) if len(clashes) else None


def lead(times: Times) -> int:
    """How many bytes before the input the output must begin at least, to overlap with it.

    That is for kernels that write byte after byte; what lies behind is then overwritten only after
    it was read.
    """
    written = np.maximum.accumulate(times.first_write)
    if (written != times.first_write).any():
        raise ValueError("the output is not written from its first byte to its last")
    # For each byte of the input, how much of the output is written before it is read last.
    ahead = np.searchsorted(times.first_write, times.last_read, side="left")
    return max(0, int((ahead - np.arange(len(times.last_read))).max(initial=0)))
