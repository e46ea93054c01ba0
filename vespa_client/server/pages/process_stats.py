"""What this process takes of the machine, as far as the system tells: all of it on Linux, and less elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["ProcessStats", "process_stats"]


class ProcessStats(NamedTuple):
    """CPU in seconds, memory in bytes; None where the system doesn't tell."""

    cpu: float
    threads: int
    resident: int | None
    virtual: int | None
    open_files: int | None
    most_files: int | None


def process_stats() -> ProcessStats:
    """Those of now."""
    virtual, resident = _memory()
    return ProcessStats(time.process_time(), threading.active_count(), resident, virtual, _open_files(), _most_files())


def _memory() -> tuple[int | None, int | None]:
    if sys.platform == "win32":
        return None, None
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()
        size = os.sysconf("SC_PAGE_SIZE")
        return int(pages[0]) * size, int(pages[1]) * size
    except (OSError, ValueError, IndexError):
        return None, None


def _open_files() -> int | None:
    for place in ("/proc/self/fd", "/dev/fd"):
        try:
            # Less the one by which they are listed.
            return sum(1 for _ in Path(place).iterdir()) - 1
        except OSError:
            continue
    return None


def _most_files() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft
