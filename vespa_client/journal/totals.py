"""The sums over all exchanges of one proxy: what pages, metrics and the library read. Bounded, however long it runs.

What an exchange does is in its :class:`.record.Record`, which readers look at as it is. Those that are over are summed up some
at a time, or when somebody reads: code and sums that are warm from the one before take a third of the time, and few requests
the lock.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus

from .changes import Changes, Readers
from .log import log
from .record import Record
from .sums.histogram import EVENT_BOUNDS, Histogram
from .sums.series import Series
from .sums.tallies import ErrorTallies, WorkerTallies

__all__ = ["RECENT", "RequestLabels", "Totals"]

RECENT = 200
"""How many exchanges that are over are kept."""

# How many wait to be summed up.
_BATCH = 32
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUSES = {int(status): str(int(status)) for status in (*HTTPStatus, 499)}

RequestLabels = tuple[str, str, str, str]
"""What requests are counted by: method, route class, status, outcome. Each is one of a few words, whatever clients say."""


class Totals:
    """One proxy's. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """``clock`` tells the time of day."""
        self.started_at = clock()
        self._clock = clock
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._pages = itertools.count(1)
        self._readers: Readers[Record] = Readers()
        self._listeners: tuple[Callable[[Record], object], ...] = ()
        self.in_progress: dict[int, Record] = {}
        self._ended: deque[Record] = deque()
        """Those that are over and not summed up yet."""
        self._lock = threading.Lock()  # guards that one thread sums up, and all below: see settled()
        self.recent: deque[Record] = deque(maxlen=RECENT)
        self.requests: dict[RequestLabels, int] = {}
        self.retries: dict[str, int] = {}
        self.histograms = {name: Histogram() for name in ("wait", "route", "connect", "first_byte", "duration")}
        self.histograms["between_events"] = Histogram(EVENT_BOUNDS)
        self.tokens_in = self.tokens_out = 0
        self.bytes_in = self.bytes_out = 0
        self.failures = 0
        self.series = Series()
        self.workers = WorkerTallies()
        self.errors = ErrorTallies()

    def begin(self, method: str, path: str) -> Record:
        """The record of an exchange that begins now."""
        number = next(self._numbers)
        record = Record(
            number, method, path, request_id=f"{self._run}-{number}", started_at=self._clock(), readers=self._readers
        )
        self.in_progress[number] = record
        for reader in self._readers.all:
            reader.note(record)
        return record

    def begin_page(self, method: str, path: str) -> Record:
        """The record of a visit to one of the proxy's own pages, which is no exchange and is in no sum."""
        record = Record(0, method, path, request_id=f"{self._run}-p{next(self._pages)}")
        record.is_page = True
        return record

    def request_id_of(self, number: int) -> str:
        """The id of the exchange of that number."""
        return f"{self._run}-{number}"

    def new_request_id(self) -> str:
        """An id for what can't be understood as a request."""
        return self.request_id_of(next(self._numbers))

    def finish(self, record: Record) -> None:
        """The exchange is over. Listeners are told, and whoever reads changes."""
        self._ended.append(record)
        record.enter("done")
        del self.in_progress[record.number]
        if len(self._ended) >= _BATCH:
            with self._lock:
                self._settle()
        for listener in self._listeners:
            try:
                listener(record)
            except Exception:  # noqa: BLE001 - a mistake in a listener costs nobody's request
                log.exception("Whoever listens for exchanges failed.")

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """As long as the block runs, the sums are complete and stay as they are."""
        with self._lock:
            self._settle()
            yield

    def running(self) -> list[Record]:
        """The exchanges in progress, the oldest first."""
        return [record for record in list(self.in_progress.values()) if not record.is_done]

    def _settle(self) -> None:
        while self._ended and self._ended[0].is_done:
            self._sum_up(self._ended.popleft())

    def _sum_up(self, record: Record) -> None:
        status = record.status
        shown = "none" if status is None else _STATUSES.get(status) or f"{status // 100}xx"
        method = record.method if record.method in _METHODS else "other"
        labels = (method, record.route, shown, record.outcome)
        failed = record.is_failure
        duration = record.now[1] - record.started
        ended_at = record.started_at + duration
        self.recent.append(record)
        self.requests[labels] = self.requests.get(labels, 0) + 1
        self.failures += failed
        self.bytes_in += record.request_bytes
        self.bytes_out += record.answer_bytes
        if record.tokens_from:
            self.tokens_in += record.tokens_in or 0
            self.tokens_out += record.tokens_out or 0
        self._observe(record, duration)
        self.series.add(record, ended_at, failed)
        self.workers.add(record, ended_at, failed)
        for retry in record.retries:
            self.retries[retry.kind] = self.retries.get(retry.kind, 0) + 1
        if record.problem is not None:
            self.errors.add(record, ended_at)

    def _observe(self, record: Record, duration: float) -> None:
        histograms, seconds = self.histograms, record.seconds
        histograms["duration"].observe(duration)
        # Most exchanges have no wait and make no connection, which are no zeros either.
        if spent := seconds["routing"]:
            histograms["route"].observe(spent)
        if spent := seconds["waiting"]:
            histograms["wait"].observe(spent)
        if spent := seconds["connecting"]:
            histograms["connect"].observe(spent)
        if record.first_byte is not None and record.worker is not None:
            histograms["first_byte"].observe(record.first_byte)
        if record.gaps is not None:
            histograms["between_events"].add(record.gaps)

    def listen(self, listener: Callable[[Record], object]) -> Callable[[], None]:
        """Have ``listener`` called with each exchange that is over, by its own thread. Returns what ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return lambda: self._forget(listener)

    def _forget(self, listener: Callable[[Record], object]) -> None:
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    @contextlib.contextmanager
    def following(self) -> Iterator[Changes[Record]]:
        """As long as the block runs, the exchanges that change are noted there."""
        changes = self._readers.add()
        try:
            yield changes
        finally:
            self._readers.remove(changes)

    @property
    def followers(self) -> int:
        """How many follow the changes."""
        return len(self._readers.all)
