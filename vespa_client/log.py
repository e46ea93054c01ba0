"""The package's log: the logger ``vespa_client``, by whom each record is one line that can't be forged."""

from __future__ import annotations

import logging

from .printable import printable

__all__ = ["PrintableLog", "log"]


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


log = logging.getLogger("vespa_client")
# Without a handler, Python prints warnings of a library to the program's standard error.
log.addHandler(logging.NullHandler())
log.addFilter(PrintableLog())
