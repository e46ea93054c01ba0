"""Text from elsewhere, made safe to show: on a terminal and in a log it can't move the cursor, hide, or forge a line. Pure."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """The text with what is not to be seen written out: controls, line breaks, bidirectional and zero-width marks.

    They stand there as Python writes them, such as ``\\x1b`` and ``\\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
