"""The lines of the log on a terminal, above the live one."""

from __future__ import annotations

import contextlib
import logging

from ...journal.log import LogLines, LogWriter
from ...journal.record import Record
from .live_line import LiveLine
from .request_line import request_line
from .terminal import Terminal

__all__ = ["TerminalHandler", "TerminalLines"]

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}
# As far as the time of day.
_INDENT = 9


class TerminalHandler(LogWriter):
    """Writes above the live line."""

    def __init__(self, live: LiveLine | None) -> None:
        super().__init__()
        self._live = live

    def emit(self, record: logging.LogRecord) -> None:
        if self._live and getattr(record, "is_shown_live", False):
            return
        with self._live.out_of_the_way() if self._live else contextlib.nullcontext():
            super().emit(record)


class TerminalLines(LogLines):
    """Requests' lines aligned; all others with the time of day, and by their level in colour."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def format(self, record: logging.LogRecord) -> str:
        exchange = getattr(record, "exchange", None)
        if isinstance(exchange, Record):
            return request_line(exchange, self._terminal)
        line, *traceback = super().format(record).split("\n")
        text = "\n".join([self._terminal.wrapped(line, _INDENT), *traceback])
        return self._terminal.styled(text, _STYLES.get(record.levelno, ""))
