"""What a run showed: cases by kind and outcome, and what must not be."""

from __future__ import annotations

import threading
from collections import Counter

from .finding import Finding
from .known import known_as

__all__ = ["NAMES", "Report"]

_MOST_ALIKE = 3
_MOST_SHOWN = 20
NAMES = {"r": "requests", "a": "answers", "t": "translations"}


class Report:
    """Counts, and the findings. Safe to share between threads."""

    def __init__(self, *, excuses: bool = True) -> None:
        """``excuses``: what is known is counted by itself."""
        self._excuses = excuses
        self.findings: list[Finding] = []
        self.found = 0
        """How many there were; of those that are alike, the first few are kept."""
        self.known: Counter[str] = Counter()
        self.rows: list[tuple[str, str]] = []
        """What else there is to tell."""
        self._lock = threading.Lock()  # guards all of it
        self._cases: Counter[str] = Counter()
        self._kinds: dict[str, dict[str, Counter[str]]] = {"r": {}, "a": {}, "t": {}}
        self._outcomes: dict[str, Counter[str]] = {"r": Counter(), "a": Counter(), "t": Counter()}
        self._alike: Counter[str] = Counter()

    @property
    def cases(self) -> int:
        """How many there were."""
        return self._cases.total()

    def count(self, fuzzer: str, kinds: list[str], group: str, outcome: str) -> None:
        """A case that is over."""
        with self._lock:
            self._cases[fuzzer] += 1
            self._outcomes[fuzzer][outcome] += 1
            for kind in set(kinds):
                self._kinds[fuzzer].setdefault(kind, Counter())[group] += 1

    def find(self, finding: Finding) -> None:
        """Something that must not be."""
        with self._lock:
            name = known_as(finding) if self._excuses else ""
            if name:
                self.known[name] += 1
                return
            self.found += 1
            self._alike[finding.promise] += 1
            if self._alike[finding.promise] <= _MOST_ALIKE and len(self.findings) < _MOST_SHOWN:
                self.findings.append(finding)

    def __str__(self) -> str:
        blocks = [self._table(fuzzer) for fuzzer in NAMES if self._cases[fuzzer]]
        width = max((len(name) for name, _ in self.rows), default=0)
        lines = [f"{name:<{width}}  {what}" for name, what in self.rows]
        lines += [f"known, and not counted: {name}: {count}" for name, count in self.known.most_common()]
        return "\n\n".join([*blocks, "\n".join(lines)])

    def _table(self, fuzzer: str) -> str:
        kinds = self._kinds[fuzzer]
        groups = [group for group, _ in sum(kinds.values(), Counter[str]()).most_common()]
        width = max(len(kind) for kind in kinds)
        head = f"{NAMES[fuzzer] + ' (a case can be of several kinds)':<{width}}"
        lines = [f"{self._cases[fuzzer]} {head}", f"{'':<{width}}  " + "  ".join(f"{group:>10}" for group in groups)]
        for kind, counter in sorted(kinds.items(), key=lambda item: -item[1].total()):
            lines.append(f"{kind:<{width}}  " + "  ".join(f"{counter[group]:>10}" for group in groups))
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes[fuzzer].most_common())
        return "\n".join([*lines, outcomes])
