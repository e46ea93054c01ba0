"""Whether a stream takes what is written to it at once. One that doesn't must hold nobody up."""

from __future__ import annotations

import select
import sys
from typing import TextIO

__all__ = ["has_room"]


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
