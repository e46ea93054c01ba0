"""How often a number of seconds was below each of a few bounds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["EVENT_BOUNDS", "SECONDS_BOUNDS", "Histogram"]

SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""From a kept connection on this machine to a cold start of half an hour."""
EVENT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a burst to a model that has stalled."""


class Histogram:
    """Counts by bounds, and the values' sum; the last count is of what is above all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS_BOUNDS) -> None:
        """``bounds`` rise; a value that equals one is below it."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The values' mean; None where there were none."""
        count = self.count
        return self.total / count if count else None

    def observe_all(self, values: Sequence[float]) -> None:
        """Count each of the values."""
        counts, bounds = self.counts, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.total += sum(values)

    def add(self, other: Histogram) -> None:
        """Count what the other one counted, by the same bounds."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def copy(self) -> Histogram:
        """Another one with the same counts."""
        copied = Histogram(self.bounds)
        copied.counts, copied.total = list(self.counts), self.total
        return copied

    def quantile(self, share: float) -> float | None:
        """About what so large a share of the values is below, as Prometheus reckons it; None where there were none.

        What is above all bounds counts as the last of them.
        """
        count = self.count
        if not count:
            return None
        rank, below = share * count, 0
        for index, here in enumerate(self.counts[:-1]):
            if here and below + here >= rank:
                low = self.bounds[index - 1] if index else 0.0
                # No value is above the sum of all: a single one is known exactly.
                return min(low + (self.bounds[index] - low) * (rank - below) / here, self.total)
            below += here
        return self.bounds[-1]
