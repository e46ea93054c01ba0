"""The line at the foot of a terminal while requests are in progress: what they wait for, how long, and what is said of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...journal.printable import printable
from ...journal.record import Record
from ...journal.streams import has_room
from ...journal.totals import Totals
from .request_line import bytes_shown, seconds_shown, shortened
from .terminal import Terminal

__all__ = ["LiveLine", "live_line"]

_SPINNER, _PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
# A window may become narrower at any moment, and many terminals break the line into several then: the cursor stays where it
# begins, so that all that is behind the cursor is the line.
_NO_WRAP, _WRAP, _ERASE = "\x1b[?7l", "\x1b[?7h", "\r\x1b[J"
_STEP = 0.1
_IDLE_STEP = 0.25


class _Phase(NamedTuple):
    """What is said of one request in that phase, and of several; and after how many seconds it is worth a line."""

    name: str
    one: str
    several: str
    patience: float = 1.0


# Where several go on at once, the one that people wait for most has the line.
_PHASES = (
    _Phase("waiting", "waits for a worker", "wait for a worker", 0.3),
    _Phase("retrying", "waits for its next try", "wait for their next try"),
    _Phase("first_byte", "waits for the first byte", "wait for the first byte"),
    _Phase("connecting", "waits for a connection", "wait for a connection"),
    _Phase("routing", "waits for the autoscaler", "wait for the autoscaler"),
    _Phase("streaming", "is being answered", "are being answered"),
    _Phase("reading", "is still being sent", "are still being sent"),
)


class LiveLine:
    """A thread that draws it. Whoever else writes to the terminal does so inside :meth:`out_of_the_way`."""

    def __init__(self, terminal: Terminal, totals: Totals) -> None:
        self._terminal = terminal
        self._totals = totals
        self._lock = threading.RLock()  # guards what is written to the terminal, and the next two
        self._is_drawn = False
        """Whether anything stands at the foot."""
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
        while not self._ending.wait(_STEP if self._is_drawn else _IDLE_STEP):
            running = self._totals.running()
            if running or self._is_drawn:
                self._draw(running)

    def _draw(self, running: Sequence[Record]) -> None:
        signs = _SPINNER if self._terminal.has_signs else _PLAIN_SPINNER
        with self._lock:
            self._erase()
            if self._is_drawn or not has_room(self._terminal.stream):
                return
            self._turn += 1
            line = live_line(running, time.monotonic(), signs[self._turn % len(signs)], self._terminal)
            if line:
                self._is_drawn = True
                self._write(f"{_NO_WRAP}{self._terminal.styled(line, 'yellow')}{_WRAP}\r")

    def _erase(self) -> None:
        if self._is_drawn and has_room(self._terminal.stream):
            self._is_drawn = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
            self._terminal.stream.write(text)
            self._terminal.stream.flush()


def live_line(running: Sequence[Record], now: float, sign: str, terminal: Terminal) -> str:
    """One line for all that are in progress, narrower than the terminal; empty where none takes long enough to be worth one."""
    at = [(record, *record.now) for record in running]
    for phase in _PHASES:
        there = [(record, since) for record, name, since in at if name == phase.name and now - since > phase.patience]
        if there:
            return _fitting(_ways(phase, there, len(running), now, terminal), sign, terminal)
    return ""


def _ways(phase: _Phase, there: list[tuple[Record, float]], running: int, now: float, terminal: Terminal) -> list[str]:
    """Ways to say it, the longest first. Where there is no room, the cause counts for more than the path."""
    first, since = min(there, key=lambda one: one[1])
    seconds = seconds_shown(first.seconds[phase.name] + now - since)
    if len(there) > 1:
        long = f"{len(there)} requests {phase.several}, the first for {seconds}"
        short = f"{len(there)} {phase.several}, {seconds}"
    else:
        path = shortened(printable(first.path), 30, terminal)
        long = f"{first.name} {printable(first.method)} {path} {phase.one}, {seconds}"
        short = f"{first.name} {phase.one}, {seconds}"
    cause = printable(_cause(phase.name, [record for record, _ in there]))
    rest = running - len(there)
    others = f"{rest} more in progress" if rest else ""
    # The autoscaler's words are of workers already.
    shortest = short.replace(" for a worker", "", 1)
    ways = [(long, cause, others), (short, cause, others), (short, cause), (shortest, cause)]
    return [" · ".join(filter(None, way)) for way in ways]


def _cause(phase: str, there: list[Record]) -> str:
    """What is known of why it takes long, or of how far it is."""
    last = there[-1]
    if phase == "waiting":
        return last.waiting_for or there[0].waiting_for
    if phase == "retrying" and last.retries:
        return f"{last.retries[-1].worker}: {last.retries[-1].reason}"
    if phase == "streaming":
        events = sum(record.events for record in there)
        return ", ".join([*([f"{events} events"] if events else []), bytes_shown(sum(record.answer_bytes for record in there))])
    is_at_one = len(there) == 1 and phase in ("connecting", "first_byte")
    return (last.worker or "") if is_at_one else ""


def _fitting(ways: list[str], sign: str, terminal: Terminal) -> str:
    # As it is, however narrow: a line that is broken can't be drawn over.
    width, mark = terminal.columns - 1, terminal.shown("…")
    shown = [terminal.shown(f"{sign} {way}") for way in ways]
    return next((line for line in shown if len(line) <= width), (shown[-1][: max(width - len(mark), 0)] + mark)[:width])
