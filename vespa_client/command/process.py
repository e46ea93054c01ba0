"""This process: its streams, the signals that end it, its limits."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

__all__ = ["StopSignals", "let_go_of_output", "open_streams", "raise_file_limit"]

# Open files beside those of connections: listeners, kept connections, the log.
_SPARE_FILES = 256
# A terminal that is closed hangs up on a program itself and by its shell; process managers signal a group and its leader.
_ECHO_SECONDS = 0.5


class StopSignals:
    """As long as the block runs, what asks a process to end does what Ctrl-C does.

    What the caller had ignored stays so, as nohup wants it. As process 1 of a container, a process is deaf to signals for
    which it has no handler: so the block is to begin as early as can be.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """The signal that came; None before."""
        self._came = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        with contextlib.suppress(ValueError):  # in a thread of somebody's program, which has its own ideas of signals
            for number in numbers:
                # None is a handler that wasn't set from Python, and couldn't be set again.
                if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                    signal.signal(number, self._interrupt)
                    self._before[number] = handler
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal has come: where it was raised just then, it may have been lost."""
        if self.number is not None:
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """The one by which shells know what ended a process: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.number or signal.SIGINT)

    def _interrupt(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        is_echo = number == self.number != signal.SIGINT and now - self._came < _ECHO_SECONDS
        if not is_echo:
            self.number, self._came = number, now
            raise KeyboardInterrupt


def raise_file_limit(connections: int) -> None:
    """Let this process have files enough for so many connections: macOS starts programs with 256. Windows has no limit."""
    if sys.platform == "win32":
        return
    import resource

    from ..journal.log import log

    wanted = 2 * connections + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    possible = wanted if hard == unlimited else min(wanted, hard)
    if soft != unlimited and soft < possible:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
            soft = possible
    if soft != unlimited and soft < wanted:
        log.warning("Only %d files may be open at a time, enough for %d connections.", soft, (soft - _SPARE_FILES) // 2)


def open_streams() -> None:
    """Have standard streams that can be used, whatever this process was started with.

    Service managers, cron, ``pythonw`` and ``<&-`` leave some of them closed: such a stream is None in Python, and its number
    goes to the next file or socket, into which others then write. What a code page can't show, such as a bullet, is
    replaced and not refused.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # The lowest number that is free: this stream's own.
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(nowhere, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - to the process's end
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def let_go_of_output() -> None:
    """What is still buffered for a reader that has left would fail once more at the very end, and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
