"""How large numbers in a cascade become, and how long it remembers.

Everything is computed in float64, with operations whose results are the same on every computer: the
number of fraction bits in the firmware depends on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tflm_ext.arithmetic.filters import ANY
from tflm_ext.signals.biquad_design import Cascade, Section
from tflm_ext.signals.stage import Array

_SHORTEST, _LONGEST = 1 << 8, 1 << 18
_NODES = 5
_OUTPUT = 4


class Sums(NamedTuple):
    """Sums of magnitudes of an impulse response at every node of a section.

    They are the largest numbers that an input of magnitude 1 can cause there.
    """

    input: float
    high: float
    band: float
    low: float
    output: float


@functools.lru_cache(maxsize=64)
def inside(cascade: Cascade) -> tuple[Sums, ...] | None:
    """Return the sums of every section, for an impulse at the input of the first one.

    None if the impulse dies away too slowly.
    """
    found = []
    for last in range(len(cascade.sections)):
        own = [_magnitudes(cascade.sections[: last + 1], node, "input") for node in range(_NODES)]
        known = [value for value in own if value is not None]
        if len(known) < _NODES:
            return None
        found.append(Sums(*known))
    return tuple(found)


def balanced(cascade: Cascade) -> Cascade:
    """Return the same filter with numbers of about the same size in all sections.

    Coefficients as they are designed often have the whole gain in one section; integers in the
    others would be small, and lose bits. Outputs are multiplied by powers of two, whose product
    is 1.
    """
    largest = inside(cascade)
    if largest is None or cascade.kind != ANY:
        return cascade
    room = max(largest[0][:_OUTPUT])
    scales = [Fraction(1)]
    for own in largest[1:]:
        height = max(own[:_OUTPUT])
        scales.append(Fraction(2) ** (math.frexp(room / height)[1] - 1 if height else 0))
    scales.append(Fraction(1))
    sections = []
    for section, (before, after) in zip(cascade.sections, pairwise(scales), strict=True):
        mixes = (section.high_mix, section.band_mix, section.low_mix)
        scaled = (mix * after / before for mix in mixes)
        sections.append(Section(section.band_gain, section.low_gain, *scaled))
    return replace(cascade, sections=tuple(sections))


@functools.lru_cache(maxsize=256)
def onward(cascade: Cascade, first: int, place: str) -> float:
    """Return the sum at the output for an impulse in section `first`: its "input", "band" or "low".

    An impulse after the last section is 1 at the output. Infinite if it dies away too slowly.
    """
    if first == len(cascade.sections):
        return 1.0
    found = _magnitudes(cascade.sections[first:], _OUTPUT, place)
    return math.inf if found is None else found


def _magnitudes(sections: Sequence[Section], node: int, place: str) -> float | None:
    """Return the sum of magnitudes at a node of the last section, for an impulse in the first."""
    now, state = _step(sections, float(place == "input"), np.zeros(2 * len(sections)))
    if place != "input":
        now, state = np.zeros(_NODES), state * 0.0
        state[("band", "low").index(place)] = 1.0
    total = abs(float(now[node]))
    for rest in _decays(sections, node):
        later = np.abs(_combined(state, rest))
        half = len(later) // 2
        new = math.fsum(later[half:])
        if new <= 1e-4 * (total + math.fsum(later[:half]) + new):
            return total + math.fsum(later)
    return None


def settling(cascade: Cascade) -> int:
    """Return after how many samples the response to any constant int16 input stays within a count.

    The impulse response must be one that dies away, as inside() finds.
    """
    # From zero to the final state: only `low` of each section is not 0 then.
    state, level = np.zeros(2 * len(cascade.sections)), 1.0
    for i, section in enumerate(cascade.sections):
        state[2 * i + 1] = -level
        level *= float(section.low_mix)
    last = 0
    for response in _decays(cascade.sections, _OUTPUT):
        missing = np.abs(_combined(state, response)) * float(cascade.gain) * 2**15
        late = np.flatnonzero(missing > 0.5)
        last = int(late[-1]) + 1 if len(late) else 0
        if 2 * last <= len(missing):
            break
    return last


def _decays(sections: Sequence[Section], node: int) -> Iterator[Array]:
    """Yield the responses of a node of the last section to each number of the state.

    There is no input. The arrays, (states, steps), are each twice as long as the one before.
    """
    size = 2 * len(sections)
    first = [_step(sections, 0.0, unit) for unit in np.eye(size)]
    response = np.array([[nodes[node]] for nodes, _ in first])
    after = np.array([state for _, state in first])  # the state at the end, from each number
    while response.shape[1] < _LONGEST:
        later = np.stack([_combined(row, response) for row in after])
        response = np.concatenate([response, later], axis=1)
        after = np.stack([_combined(row, after) for row in after])
        if response.shape[1] >= _SHORTEST:
            yield response


def _combined(weights: Array, rows: Array) -> Array:
    """Return the sum of weighted rows, always added in the same order."""
    total = weights[0] * rows[0]
    for weight, row in zip(weights[1:], rows[1:], strict=True):
        total = total + weight * row
    return total


def _step(sections: Sequence[Section], x: float, state: Array) -> tuple[Array, Array]:
    """Return the nodes of the last section, and the state after a sample.

    Args:
        state: band and low of every section.
    """
    new = state.copy()
    nodes = np.zeros(_NODES)
    for i, section in enumerate(sections):
        band, low = state[2 * i], state[2 * i + 1]
        high = x - low - band
        y = float(section.high_mix) * high
        y = y + float(section.band_mix) * band + float(section.low_mix) * low
        new[2 * i] = band + float(section.band_gain) * high
        new[2 * i + 1] = low + float(section.low_gain) * new[2 * i]
        nodes[:] = x, high, band, low, y
        x = y
    return nodes, new
