"""``--log-file``: a file that may be rotated while it is written."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from logging.handlers import WatchedFileHandler

from ...journal.log import log
from ...journal.streams import has_room

__all__ = ["LogFile"]


class LogFile(WatchedFileHandler):
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
