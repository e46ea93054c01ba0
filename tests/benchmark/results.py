"""All that a run has measured, round by round, and its JSON."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from .figures import MEASURES, YARDSTICK, Figure
from .measured import Measured

__all__ = ["DIRECT", "OURS", "Results"]

DIRECT = "direct"
OURS = "ours"

_FORMAT = 1
_Rounds = list[list[float]]


class Results:
    """Of each target and figure, the values of each round; there are several where it was measured beside several proxies."""

    def __init__(self, about: dict[str, Any], targets: dict[str, str]) -> None:
        """``about`` tells the machine, the versions and the date; ``targets`` what each of them is."""
        self.about = about
        self.targets = targets
        self.yardstick: list[float] = []
        """Of each round, the milliseconds of the fixed computation."""
        self.errors: dict[str, dict[str, list[Counter[str]]]] = {}
        """By target and measure, for each round: what went wrong, counted by kind."""
        self.failures: dict[str, dict[str, list[str]]] = {}
        """By target and measure, for each round: why there are no figures; empty where there are."""
        self._values: dict[str, dict[str, dict[str, _Rounds]]] = {}

    @property
    def rounds(self) -> int:
        """How many have begun."""
        return len(self.yardstick)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured, nor failed."""
        return not self._values and not self.failures

    def begin_round(self, yardstick: float) -> None:
        """What is added from now on belongs to the next round."""
        self.yardstick.append(yardstick)

    def add(self, target: str, measure: str, measured: Measured) -> None:
        """What was measured in this round, that of the direct path included."""
        self._place(self.errors, target, measure, Counter())[-1] += measured.errors
        self._place(self.failures, target, measure, "")
        for name, figures in ((target, measured.figures), (DIRECT, measured.direct)):
            for figure, value in figures.items():
                if value is not None:
                    of_measure = self._values.setdefault(name, {}).setdefault(measure, {})
                    rounds = of_measure.setdefault(figure, [])
                    rounds += [[] for _ in range(self.rounds - len(rounds))]
                    rounds[-1].append(value)

    def fail(self, target: str, measure: str, reason: str) -> None:
        """There are no figures of this measure in this round."""
        self._place(self.errors, target, measure, Counter())
        self._place(self.failures, target, measure, "")[-1] = reason

    def _place(self, table: Any, target: str, measure: str, empty: Any) -> Any:
        rounds = table.setdefault(target, {}).setdefault(measure, [])
        rounds += [type(empty)(empty) for _ in range(self.rounds - len(rounds))]
        return rounds

    def figures(self, target: str, measure: str) -> list[Figure]:
        """Those that there are values of, in the catalogue's order."""
        known = self._values.get(target, {}).get(measure, {})
        return [figure for figure in MEASURES[measure].figures if figure.name in known]

    def values(self, target: str, measure: str, figure: str) -> list[float]:
        """One for each round in which it was measured."""
        return [value for value in self._by_round(target, measure, figure) if value is not None]

    def comparable(self, target: str, measure: str, figure: Figure) -> list[float]:
        """The same, each divided by what the machine gave in its round (:attr:`Figure.per`)."""
        values = self._by_round(target, measure, figure.name)
        if not figure.per:
            return [value for value in values if value is not None]
        if figure.per == YARDSTICK:
            measures: list[float | None] = [*self.yardstick]
        else:
            measures = self._by_round(DIRECT, measure, figure.per)
        return [value / by for value, by in zip(values, measures, strict=False) if value is not None and by]

    def _by_round(self, target: str, measure: str, figure: str) -> list[float | None]:
        rounds = self._values.get(target, {}).get(measure, {}).get(figure, [])
        return [statistics.median(values) if values else None for values in rounds]

    def save(self, path: Path) -> None:
        """Write it all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {
            "format": _FORMAT,
            "about": self.about,
            "targets": self.targets,
            "yardstick_ms": self.yardstick,
            "values": self._values,
            "errors": self.errors,
            "failures": self.failures,
        }
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Results:
        """What :meth:`save` wrote. Raises OSError, and ValueError for what it didn't write."""
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError(f"{path} is no result of this benchmark")
        results = cls(data["about"], data["targets"])
        results.yardstick = data["yardstick_ms"]
        results._values = data["values"]
        results.failures = data["failures"]
        results.errors = {
            target: {measure: [Counter(kinds) for kinds in rounds] for measure, rounds in of_target.items()}
            for target, of_target in data["errors"].items()
        }
        return results
