"""What a fuzzer found: the case, the promise that was not kept, and all it takes to see why."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Finding", "shown"]

_MOST_SHOWN = 1500


@dataclass
class Finding:
    """``case`` is what ``--case`` takes; ``details`` are names and what is to be shown under them."""

    case: str
    promise: str
    what: str
    details: list[tuple[str, object]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.case}: {self.promise}: {self.what}"]
        for name, value in self.details:
            lines.append(f"    {name}: {_text(value)[: _MOST_SHOWN * 3]}")
        return "\n".join(lines)


def _text(value: object) -> str:
    try:
        return shown(value) if isinstance(value, bytes) else str(value)
    except RecursionError:
        return "nested too deeply to be shown"


def shown(data: bytes) -> str:
    """Bytes as Python writes them, the middle of long ones left out."""
    if len(data) <= _MOST_SHOWN:
        return repr(data)
    half = _MOST_SHOWN // 2
    return f"{data[:half]!r} ... {len(data) - 2 * half} bytes ... {data[-half:]!r}"
