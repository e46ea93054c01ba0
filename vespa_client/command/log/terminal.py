"""What a terminal can show: colours, signs beyond ASCII, how wide it is, and whether its lines can be drawn anew."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from typing import TextIO

__all__ = ["Terminal"]

_STYLES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
_SIGNS = "·…⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_NARROWEST = 40


class Terminal:
    """A stream, as far as it is one. ``NO_COLOR``, ``FORCE_COLOR`` (no-color.org, force-color.org) and ``TERM`` are heard."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self.stream = stream
        self._environ = environ
        is_dumb = environ.get("TERM", "") in ("dumb", "unknown") or (os.name == "posix" and not environ.get("TERM"))
        is_forced = environ.get("FORCE_COLOR", "") not in ("", "0", "false")
        self.is_one = stream.isatty()
        """Whether somebody looks at it."""
        self.is_drawn_on = self.is_one and not is_dumb
        """Whether a line can be drawn over."""
        self.has_colours = (is_forced or self.is_drawn_on) and not environ.get("NO_COLOR")
        self.has_signs = _can_show(stream, _SIGNS)
        """Whether it has more than ASCII."""

    @property
    def width(self) -> int:
        """How many columns a line of the log may take: as many as there are, unless that is too few to say anything."""
        return max(self.columns, _NARROWEST)

    @property
    def columns(self) -> int:
        """How many it has now: people resize it."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError):
            told = self._environ.get("COLUMNS", "")
            columns = int(told) if told.isascii() and told.isdigit() else 0
        return columns or 80

    def styled(self, text: str, style: str) -> str:
        """The text in that style, where there are any; an empty style is none."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and self.has_colours else text

    def wrapped(self, text: str, indent: int) -> str:
        """The text in lines that somebody can read, broken between words and indented from the second on."""
        if not self.is_one or len(text) <= self.width:
            return text
        return textwrap.fill(
            text,
            self.width,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )

    def shown(self, text: str) -> str:
        """Our own text without what it can't show."""
        return text if self.has_signs else text.replace("·", "|").replace("…", "...")


def _can_show(stream: TextIO, signs: str) -> bool:
    try:
        signs.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
