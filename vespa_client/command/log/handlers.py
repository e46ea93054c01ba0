"""Which lines go where: to the terminal, to a pipe, to a file."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Iterator
from logging.handlers import WatchedFileHandler
from pathlib import Path

from ...errors import ConfigurationError
from ...journal.log import LogLines, LogWriter, log
from ...journal.record import Record
from ...journal.streams import has_room
from ...journal.totals import Totals
from ...settings.table import Settings
from .crowd import Crowd
from .json_lines import JsonLines
from .live_line import LiveLine
from .request_line import request_line
from .terminal import Terminal

__all__ = ["logging_as_told"]

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}
# As far as the time of day.
_INDENT = 9
# What no line of ours shows needn't be looked up for each (Python's logging HOWTO, "Optimization").
_UNUSED = {"logThreads": False, "logProcesses": False, "logMultiprocessing": False, "logAsyncioTasks": False, "_srcfile": None}


@contextlib.contextmanager
def logging_as_told(settings: Settings, totals: Totals) -> Iterator[None]:
    """As long as the block runs, the package's log is written to standard error and to the file, as the settings have it.

    Raises :class:`ConfigurationError` where the file can't be written.
    """
    with contextlib.ExitStack() as resources:
        level = logging.DEBUG if settings.debug else logging.INFO
        handlers: list[logging.Handler] = [_to_standard_error(settings, totals, resources)]
        handlers[0].setLevel(logging.WARNING if settings.quiet else level)
        if settings.log_file is not None:
            handlers.append(_to_file(Path(settings.log_file)))
            handlers[1].setFormatter(_plain(settings, totals))
            handlers[1].setLevel(level)
            resources.callback(handlers[1].close)
        resources.callback(log.setLevel, log.level)
        log.setLevel(min(handler.level for handler in handlers))
        before = {name: getattr(logging, name) for name in _UNUSED if hasattr(logging, name)}
        resources.callback(vars(logging).update, before)
        vars(logging).update({name: _UNUSED[name] for name in before})
        for handler in handlers:
            log.addHandler(handler)
            resources.callback(log.removeHandler, handler)
        if not settings.debug:
            crowd = Crowd()
            totals.holds_line = crowd.holds
            log.addFilter(crowd)
            resources.callback(log.removeFilter, crowd)
            # The first to be called at the end: it may have a last word to say.
            resources.callback(crowd.close)
        yield


def _to_standard_error(settings: Settings, totals: Totals, resources: contextlib.ExitStack) -> logging.Handler:
    terminal = Terminal(sys.stderr)
    if settings.log_format == "json" or not (terminal.is_one or terminal.has_colours):
        handler: logging.Handler = LogWriter()
        handler.setFormatter(_plain(settings, totals))
        return handler
    live = None
    if terminal.is_drawn_on and not settings.quiet:
        live = LiveLine(terminal, totals)
        live.start()
        resources.callback(live.close)
    handler = _TerminalHandler(live)
    handler.setFormatter(_TerminalLines(terminal))
    return handler


def _plain(settings: Settings, totals: Totals) -> logging.Formatter:
    return JsonLines(totals.request_id_of) if settings.log_format == "json" else LogLines()


def _to_file(path: Path) -> logging.Handler:
    try:
        return _LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as problem:
        raise ConfigurationError(
            f"The log file {path} can't be written: {problem.strerror}.", hint="Give a path with --log-file that can be."
        ) from None


class _LogFile(WatchedFileHandler):
    """A file that may be moved away while it is written: each line looks where the path leads now. For its owner alone.

    A line that can't be written, on a full disk, in a directory that is gone or to a pipe that nobody empties, is left out,
    and that is said once.
    """

    _lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        try:
            if self.stream and not has_room(self.stream):
                raise BlockingIOError(errno.EAGAIN, "its reader is behind")
            super().emit(record)
        except OSError:  # that, or of the look where the path leads
            self.handleError(record)
        if lost and lost == self._lost:
            self._lost = 0
            log.info("The log file %s is written again; %d lines are missing there.", self.baseFilename, lost)

    def handleError(self, record: logging.LogRecord) -> None:
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            super().handleError(record)
            return
        self._lost += 1
        if self._lost == 1:  # its own line comes here too, and is the second
            log.warning("The log file %s can't be written: %s.", self.baseFilename, problem.strerror)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()

    def _open(self):  # type: ignore[no-untyped-def]
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=opener)


class _TerminalHandler(LogWriter):
    """Writes above the live line."""

    def __init__(self, live: LiveLine | None) -> None:
        super().__init__()
        self._live = live

    def emit(self, record: logging.LogRecord) -> None:
        if self._live and getattr(record, "is_shown_live", False):
            return
        with self._live.out_of_the_way() if self._live else contextlib.nullcontext():
            super().emit(record)


class _TerminalLines(LogLines):
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
