"""The line at the foot of a terminal while requests wait for a worker: how long, and what the autoscaler says of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from ...journal.printable import printable
from ...journal.record import Record
from ...journal.streams import has_room
from ...journal.totals import Totals
from .request_line import seconds_shown, shortened
from .terminal import Terminal

__all__ = ["LiveLine", "waiting_line"]

_SPINNER, _PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_STEP = 0.1
_IDLE_STEP = 0.25
# A request that has a worker after all within this time has no line of its own.
_PATIENCE = 0.3


class LiveLine:
    """A thread that draws it. Whoever else writes to the terminal does so inside :meth:`out_of_the_way`."""

    def __init__(self, terminal: Terminal, totals: Totals) -> None:
        self._terminal = terminal
        self._totals = totals
        self._lock = threading.RLock()  # guards what is written to the terminal, and the next two
        self._drawn = 0
        """The columns of what stands at the foot; 0 where nothing does."""
        self._turn = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vespa-live-line", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, and leave nothing at the foot."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._erase()

    @contextlib.contextmanager
    def out_of_the_way(self) -> Iterator[None]:
        """As long as the block runs, nothing stands at the foot, and nobody else writes."""
        with self._lock:
            self._erase()
            yield

    def _run(self) -> None:
        step = _IDLE_STEP
        while not self._ending.wait(step):
            now = time.monotonic()
            waiting = [one for one in self._totals.running() if one.now[0] == "waiting" and now - one.now[1] > _PATIENCE]
            step = _STEP if waiting else _IDLE_STEP
            if waiting or self._drawn:
                self._draw(waiting, now)

    def _draw(self, waiting: list[Record], now: float) -> None:
        with self._lock:
            self._erase()
            if not waiting or self._drawn or not has_room(self._terminal.stream):
                return
            self._turn += 1
            signs = _SPINNER if self._terminal.has_signs else _PLAIN_SPINNER
            line = waiting_line(waiting, now, signs[self._turn % len(signs)], self._terminal)
            self._drawn = len(line)
            self._write(self._terminal.styled(line, "yellow"))

    def _erase(self) -> None:
        if not self._drawn or not has_room(self._terminal.stream):
            return
        # A window that has become narrower has broken the line into several.
        above = (self._drawn - 1) // self._terminal.width
        up = f"\x1b[{above}A" if above else ""
        self._drawn = 0
        self._write(f"\r{up}\x1b[J")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
            self._terminal.stream.write(text)
            self._terminal.stream.flush()


def waiting_line(waiting: list[Record], now: float, sign: str, terminal: Terminal) -> str:
    """One line for all that wait, narrower than the terminal."""
    first = min(waiting, key=lambda record: record.now[1])
    seconds = seconds_shown(first.seconds["waiting"] + now - first.now[1])
    said = printable(waiting[-1].waiting_for or first.waiting_for)
    path = shortened(printable(first.path), 30, terminal)
    # Where there is no room, what the autoscaler says counts for more than the path.
    names = [f"{first.name} {printable(first.method)} {path}", first.name]
    lines = [f"{sign} {name} waits for a worker, {seconds} · {said}" for name in names]
    if len(waiting) > 1:
        lines = [f"{sign} {len(waiting)} requests wait for a worker, the first for {seconds} · {said}"]
    width, mark = terminal.width - 1, terminal.shown("…")
    shown = [terminal.shown(line) for line in lines]
    return next((line for line in shown if len(line) <= width), shown[-1][: width - len(mark)] + mark)
