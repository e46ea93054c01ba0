"""What many values of one figure say: their middle and their spread, and whether another run's are better or worse. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = ["LEAST_CHANGE", "RULE", "Change", "Spread", "change", "spread"]

LEAST_CHANGE = 0.05

_LEAST_ROUNDS = 3

RULE = (
    "A figure is better or worse if the two runs' ranges, from the least to the largest of their rounds, don't overlap, and "
    f"the medians differ by {LEAST_CHANGE:.0%} of the earlier one or more, and by more than the figure's own grain (such as "
    "0.2 ms of an event's lateness, 1 MB of memory, or 1 ms beyond the round trips). Before that, each round's value is "
    "divided by what the machine gave in the same round: latencies and rates by the direct path's, CPU by the time of a fixed "
    "computation (the yardstick). Between two runs that don't differ, a figure's ranges lie apart by chance once in 126 times "
    f"with 5 rounds each, and once in 10 with 3; fewer than {_LEAST_ROUNDS} are not judged. A measure is worse, too, if more "
    "of its rounds had errors."
)


class Spread(NamedTuple):
    """The median of some values, the least and the largest of them, and of how many rounds they are."""

    median: float
    low: float
    high: float
    rounds: int


class Change(NamedTuple):
    """What became of a figure. ``factor`` is the later median over the earlier one; None where that one is 0."""

    verdict: Literal["better", "worse", "same", "too few rounds"]
    before: float
    now: float
    factor: float | None


def spread(values: Sequence[float]) -> Spread | None:
    """None where there are no values."""
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def change(before: Sequence[float], now: Sequence[float], better: str) -> Change | None:
    """By the :data:`RULE`; None where one of the runs has no value. ``better`` is "lower" or "higher"."""
    earlier, later = spread(before), spread(now)
    if earlier is None or later is None:
        return None
    difference = later.median - earlier.median
    factor = later.median / earlier.median if earlier.median else None
    if min(earlier.rounds, later.rounds) < _LEAST_ROUNDS:
        return Change("too few rounds", earlier.median, later.median, factor)
    is_apart = later.low > earlier.high or later.high < earlier.low
    if not is_apart or abs(difference) < LEAST_CHANGE * abs(earlier.median):
        return Change("same", earlier.median, later.median, factor)
    return Change("better" if (difference < 0) == (better == "lower") else "worse", earlier.median, later.median, factor)
