"""What got better or worse from one run to another, or from one target to another in the same run. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .figures import MEASURES, Figure
from .judgement import Change, change
from .results import OURS, Results

__all__ = ["Comparison", "Side"]


class Side(NamedTuple):
    """A target in a run."""

    results: Results
    target: str = OURS

    def trouble(self, measure: str) -> float | None:
        """The share of the rounds in which something went wrong; None where it wasn't measured."""
        failures = self.results.failures.get(self.target, {}).get(measure)
        if failures is None:
            return None
        errors = self.results.errors[self.target][measure]
        return sum(bool(reason or kinds) for reason, kinds in zip(failures, errors, strict=True)) / len(failures)


class Comparison:
    """The one side's figures beside the other's, by :data:`.judgement.RULE`."""

    def __init__(self, before: Side, now: Side) -> None:
        self._before = before
        self._now = now
        self._lines = list(self._compare())

    @property
    def is_worse(self) -> bool:
        """Whether anything got worse."""
        return any(verdict == "worse" for verdict, _ in self._lines)

    def __str__(self) -> str:
        """What changed, a line each, and how many figures didn't."""
        counts = Counter(verdict for verdict, _ in self._lines)
        changed = [pair for wanted in ("worse", "better") for pair in self._lines if pair[0] == wanted]
        lines = [f"  {verdict:<7} {line}" for verdict, line in changed]
        rest = [f"{counts[verdict]} {verdict}" for verdict in ("better", "worse", "same", "too few rounds") if counts[verdict]]
        return "\n".join([*lines, f"  {', '.join(rest) or 'nothing to compare'}"])

    def _compare(self) -> Iterator[tuple[str, str]]:
        for measure in MEASURES.values():
            for figure in measure.figures:
                if figure.better and (found := self._change(measure.name, figure)):
                    yield found.verdict, f"{measure.title}: {_words(figure, found, self._medians(measure.name, figure))}"
            earlier, later = self._before.trouble(measure.name), self._now.trouble(measure.name)
            if earlier is not None and later is not None and earlier != later:
                line = f"{measure.title}: rounds with errors {earlier:.0%} → {later:.0%}"
                yield "worse" if later > earlier else "better", line

    def _change(self, measure: str, figure: Figure) -> Change | None:
        sides = (self._before, self._now)
        before, now = (side.results.comparable(side.target, measure, figure) for side in sides)
        found = change(before, now, figure.better)
        if found is None or found.verdict not in ("better", "worse"):
            return found
        earlier, later = self._medians(measure, figure)
        return found if abs(later - earlier) > figure.least else found._replace(verdict="same")

    def _medians(self, measure: str, figure: Figure) -> tuple[float, float]:
        """As measured, nothing divided."""
        earlier, later = (
            statistics.median(side.results.values(side.target, measure, figure.name)) for side in (self._before, self._now)
        )
        return earlier, later


def _words(figure: Figure, found: Change, medians: tuple[float, float]) -> str:
    earlier, later = (f"{value:.{figure.digits}f}" for value in medians)
    if found.factor is None:
        return f"{figure.title} {earlier} → {later}"
    by = {"": "", "yardstick": " of the yardstick"}.get(figure.per, " of direct")
    return f"{figure.title} {earlier} → {later} ({found.factor - 1:+.0%}{by and f', as a multiple{by}'})"
