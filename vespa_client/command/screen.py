"""What is shown on the terminal, and how."""

from __future__ import annotations

import contextlib
import sys

from ..journal.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import VespaError

__all__ = ["RULE", "endpoint_list", "say", "show_error", "tell"]

RULE = "=" * 60


def say(text: str = "", *, end: str = "\n") -> None:
    """Show a line on standard output. That it can't be shown, or its reader has left, is no failure: nothing hangs on it."""
    _write(text + end, error=False)


def tell(text: str) -> None:
    """The same on standard error, for what went wrong and what comes to an end."""
    _write(text + "\n", error=True)


def endpoint_list(names: Sequence[str]) -> str:
    """What ``--list`` prints."""
    return "\n".join([f"Available endpoints ({len(names)}):", *(f"  • {printable(name)}" for name in names)])


def show_error(problem: VespaError) -> None:
    """What happened and what to do, as seed.md shows it, on standard error."""
    text = f"ERROR: {problem.message}"
    if problem.hint:
        text += f"\n\nHINT: {problem.hint}"
    # A far side's words may be part of it; the line breaks are ours.
    tell("\n".join(printable(line) for line in text.split("\n")))


def _write(text: str, *, error: bool) -> None:
    from ..journal.streams import has_room  # here, since --help has to load this module

    stream = sys.stderr if error else sys.stdout
    with contextlib.suppress(OSError, ValueError):
        if has_room(stream):
            print(text, end="", file=stream, flush=True)
