"""The endpoint's log, as ``POST /get_endpoint_logs/`` gives it: four texts, from the coarsest to the finest."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Literal

__all__ = ["Activity", "Level"]

Level = Literal["info0", "info1", "trace", "debug"]
_LEVELS: tuple[Level, ...] = ("info0", "info1", "trace", "debug")
_KEPT_LINES = 1000


class Activity:
    """What has happened. A line is in the text of its level and in those of the finer ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _lines
        self._lines: dict[Level, deque[str]] = {level: deque(maxlen=_KEPT_LINES) for level in _LEVELS}

    def note(self, level: Level, text: str) -> None:
        """Add a line, with the time before it."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {text}"
        with self._lock:
            for finer in _LEVELS[_LEVELS.index(level) :]:
                self._lines[finer].append(line)

    def read(self, tail: int | None = None) -> dict[str, str]:
        """Each level's text: the last ``tail`` lines, or all that are kept."""
        with self._lock:
            return {level: "\n".join(list(lines)[-tail if tail else 0 :]) for level, lines in self._lines.items()}
