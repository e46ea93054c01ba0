"""This process: the signals that end it, its limits, and what its terminal can show."""

from __future__ import annotations

import contextlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["raise_file_limit", "stop_signals", "write_what_can_be_shown"]

# Open files beside those of connections: listeners, kept connections, the log.
_SPARE_FILES = 256


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """What asks a process to end does what Ctrl-C does. What the caller had ignored stays so, as nohup wants it."""
    import signal

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def write_what_can_be_shown() -> None:
    """Have what a console or a pipe with an old code page can't show, such as a bullet, replaced and not refused."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
