"""What one measure gives: figures by name, and what went wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["FULL", "QUICK", "Effort", "Failed", "Measured", "quantile"]


class Failed(Exception):
    """A measure that can't be made to its end, with the reason in words."""


@dataclass
class Measured:
    """The figures of one measure on one way; None is what can't be known here.

    ``direct`` has those of the direct path where it has to be measured in step. ``errors`` are counted by kind.
    """

    figures: dict[str, float | None] = field(default_factory=dict)
    direct: dict[str, float | None] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """For :meth:`from_json`."""
        # Not by asdict(), which counts a Counter's pairs.
        return {"figures": self.figures, "direct": self.direct, "errors": dict(self.errors)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Measured:
        """What :meth:`to_json` gave."""
        return cls(data["figures"], data["direct"], Counter(data["errors"]))


class Effort(NamedTuple):
    """How much is done for a figure: longer is steadier, and shows what shorter doesn't."""

    name: str
    unary_requests: int
    busy_seconds: float
    stream_events: int
    """Of the one stream at full speed."""
    streams_seconds: float
    """Of 50 and of 200 streams; 1000 streams of an event a second take twice as long."""
    uploads: int
    megabytes_up: float
    megabytes_down: float
    starts: int
    far_requests: int


FULL = Effort("full", 1500, 6.0, 30_000, 5.0, 3, 20.0, 200.0, 3, 20)
QUICK = Effort("quick", 400, 2.0, 10_000, 2.0, 1, 20.0, 200.0, 1, 6)


def quantile(values: list[float], share: float) -> float | None:
    """The value that ``share`` of them don't exceed; None where there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None
