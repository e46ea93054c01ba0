"""What a run showed, row by row, and what of it must not be."""

from __future__ import annotations

from collections.abc import Mapping

from .proxy import Footprint

__all__ = ["Table", "counts", "words"]


class Table:
    """Rows of a name and what is to say. ``breaches`` are those that must not be, and what else there is to complain of."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self._rows: list[tuple[str, str]] = []

    def tell(self, name: str, what: object, *, is_bad: bool = False) -> None:
        """Add a row."""
        self._rows.append((name, f"{what} (!)" if is_bad else str(what)))
        if is_bad:
            self.breaches.append(f"{name}: {what}")

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._rows)
        return "\n".join(f"{name:<{width}}  {what}" for name, what in self._rows)


def counts(counter: Mapping[str, int]) -> str:
    """The largest first: ``90 plain, 70 stream``."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items(), key=lambda item: -item[1])) or "none"


def words(footprint: Footprint) -> str:
    """A footprint on one line."""
    megabytes = f"{footprint.memory / 2**20:.1f} MB"
    return f"{megabytes}, {footprint.threads} threads, {footprint.sockets} sockets, {footprint.ended} of them over"
