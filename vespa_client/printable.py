"""Text from elsewhere, made safe to show: on a terminal and in a log it can't move the cursor, hide, or forge a line. Pure."""

from __future__ import annotations

import logging

__all__ = ["PrintableLog", "printable"]


def printable(text: str) -> str:
    """The text with what is not to be seen written out: controls, line breaks, bidirectional and zero-width marks.

    They stand there as Python writes them, such as ``\\x1b`` and ``\\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class PrintableLog(logging.Filter):
    """A filter for a logger, by which each record is one line; a traceback's lines are indented below it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        text = record.getMessage()
        if not text.isprintable():
            record.msg, record.args = printable(text), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = "\n".join(f"    {printable(line)}" for line in record.exc_text.split("\n"))
        return True
