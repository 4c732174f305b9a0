"""The clock of a device while it is recorded: some times, and how regular all of them were."""

from __future__ import annotations

from fractions import Fraction

_MOST_MARKS = 64
_WRAP = 1 << 32  # of a counter of microseconds in 32 bits


class Clock:
    """Times of the first samples of blocks.

    Attributes:
        marks: sample of the segment and its time in microseconds: the first, the last, and some
            between them.
        jitter_us: largest difference of a time from what the block before and the rate say.
    """

    def __init__(self, rate: Fraction) -> None:
        self._period = 1_000_000 / rate
        self.marks: list[tuple[int, int]] = []
        self.jitter_us = 0
        self._last: int | None = None
        self._since = 0  # samples since the last time, with those that are missing
        self._skip, self._skipped = 1, 0

    def restarted(self) -> Clock:
        """Return the same clock for the next segment."""
        found = Clock(1_000_000 / self._period)
        found._last, found._since = self._last, self._since
        return found

    def count(self, samples: int) -> None:
        """Count samples that were taken, or are missing."""
        self._since += samples

    def mark(self, sample: int, time_us: int) -> None:
        """Note the time of the sample that comes next.

        Args:
            sample: its number in the segment.
            time_us: in microseconds; one of 32 bits may begin again.
        """
        if self._last is not None:
            time_us = _continued(self._last, time_us)
            expected = self._since * self._period
            self.jitter_us = max(self.jitter_us, round(abs(time_us - self._last - expected)))
        self._last, self._since = time_us, 0
        if self.marks and self.marks[-1][0] == sample:
            return
        # The last mark is always the newest; the others are thinned out as they become many.
        self._skipped += 1
        if len(self.marks) > 1 and self._skipped < self._skip:
            self.marks[-1] = (sample, time_us)
            return
        self._skipped = 0
        self.marks.append((sample, time_us))
        if len(self.marks) == _MOST_MARKS:
            self.marks = [*self.marks[:-1:2], self.marks[-1]]
            self._skip *= 2


def _continued(last: int, time_us: int) -> int:
    """Return a time of a counter of 32 bits as one that does not begin again."""
    if time_us < last and time_us < _WRAP:
        return last + (time_us - last) % _WRAP
    return time_us
