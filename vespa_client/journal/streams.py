"""Whether a stream takes what is written to it at once. One that doesn't must hold nobody up."""

from __future__ import annotations

import os
import select
import stat
import sys
from typing import TextIO

__all__ = ["has_room", "is_on_disk"]


def has_room(stream: TextIO) -> bool:
    """Whether a few lines go out without waiting: not into a pipe that nobody empties, or to a terminal that is held (Ctrl-S).

    Windows doesn't tell; what is no file, such as a notebook's output, has room.
    """
    if sys.platform == "win32":
        return True
    try:
        return bool(select.select([], [stream], [], 0)[1])
    except (OSError, ValueError, TypeError):
        return True  # writing to it will tell


def is_on_disk(stream: TextIO | None) -> bool:
    """Whether it is a file, which always takes what is written to it at once; False where the system doesn't tell."""
    try:
        return stream is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
