"""The package's log: the logger ``vespa_client``, by whom each record is one line that can't be forged."""

from __future__ import annotations

import logging
import sys
import time

from .printable import printable
from .streams import has_room, is_on_disk

__all__ = ["LogLines", "LogWriter", "PrintableLog", "log"]


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


class LogLines(logging.Formatter):
    """The lines of the program's own log: time of day, level, message."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._shown = ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and behind it a traceback's."""
        line = f"{self.formatTime(record)} {record.levelname} {record.getMessage()}"
        return f"{line}\n{record.exc_text}" if record.exc_text else line

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The record's time of day, which is put into words once a second."""
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%H:%M:%S", time.localtime(second))
        return self._shown


class LogWriter(logging.Handler):
    """Writes lines to standard error, and lets nobody wait or fail for it.

    What its reader doesn't take at once, or who is gone, is left out; the next line that goes out says how much that was.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stream = sys.stderr
        self._never_waits = is_on_disk(self._stream)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line, if it can be written."""
        try:
            if self._never_waits or has_room(self._stream):
                lost = f"({self._lost} lines are missing here: they could not be written.)\n" if self._lost else ""
                self._stream.write(f"{lost}{self.format(record)}\n")
                self._stream.flush()
                self._lost = 0
            else:
                self._lost += 1
        except (OSError, ValueError):
            self._lost += 1


log = logging.getLogger("vespa_client")
# Without a handler, Python prints warnings of a library to the program's standard error.
log.addHandler(logging.NullHandler())
log.addFilter(PrintableLog())
