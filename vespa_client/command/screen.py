"""What is shown on the terminal, and how."""

from __future__ import annotations

import sys

from ..journal.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import VespaError

__all__ = ["RULE", "endpoint_list", "show_error"]

RULE = "=" * 60


def endpoint_list(names: Sequence[str]) -> str:
    """What ``--list`` prints."""
    return "\n".join([f"Available endpoints ({len(names)}):", *(f"  • {printable(name)}" for name in names)])


def show_error(problem: VespaError) -> None:
    """What happened and what to do, as seed.md shows it, on standard error."""
    text = f"ERROR: {problem.message}"
    if problem.hint:
        text += f"\n\nHINT: {problem.hint}"
    # A far side's words may be part of it; the line breaks are ours.
    print("\n".join(printable(line) for line in text.split("\n")), file=sys.stderr)
