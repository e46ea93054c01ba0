"""Which lines go where: to the terminal, to a pipe, to a file. What only some of these need is loaded for them."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from ...errors import ConfigurationError
from ...journal.log import LogLines, LogWriter, log
from ...journal.totals import Totals
from ...settings.table import Settings
from .crowd import Crowd
from .terminal import Terminal

__all__ = ["logging_as_told"]

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
    from .live_line import LiveLine
    from .terminal_lines import TerminalHandler, TerminalLines

    live = None
    if terminal.is_drawn_on and not settings.quiet:
        live = LiveLine(terminal, totals)
        live.start()
        resources.callback(live.close)
    handler = TerminalHandler(live)
    handler.setFormatter(TerminalLines(terminal))
    return handler


def _plain(settings: Settings, totals: Totals) -> logging.Formatter:
    if settings.log_format != "json":
        return LogLines()
    from .json_lines import JsonLines

    return JsonLines(totals.request_id_of)


def _to_file(path: Path) -> logging.Handler:
    from .log_file import LogFile

    try:
        return LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as problem:
        raise ConfigurationError(
            f"The log file {path} can't be written: {problem.strerror}.", hint="Give a path with --log-file that can be."
        ) from None
