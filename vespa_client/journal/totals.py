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

from .changes import Changes, Reader, Readers
from .log import log
from .record import Record, worker_first_bytes
from .sums.histogram import EVENT_BOUNDS, Histogram
from .sums.series import Series
from .sums.tallies import ErrorTallies, WorkerTallies

__all__ = ["RECENT", "RequestLabels", "Totals"]

RECENT = 200
"""How many exchanges that are over are kept."""

# How many wait to be summed up.
_BATCH = 32
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUSES: dict[int | None, str] = {None: "none", **{int(status): str(int(status)) for status in (*HTTPStatus, 499)}}

_OBSERVED_PHASES = (("route", "routing"), ("wait", "waiting"), ("connect", "connecting"))

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
        self.holds_line: Callable[[Record, int], bool] | None = None
        """Whether the log's line of an exchange, which has that level, is held back; None where each has its line."""
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

    def request_id_of(self, number: int | str) -> str:
        """The id of the exchange of that number, or of the visit that the log names so."""
        return f"{self._run}-{number}"

    def new_request_id(self) -> str:
        """An id for what can't be understood as a request."""
        return self.request_id_of(next(self._numbers))

    def finish(self, record: Record) -> None:
        """The exchange is over. Listeners are told, and whoever reads changes."""
        self._ended.append(record)
        record.enter("done")
        del self.in_progress[record.number]
        # Where somebody reads, or sums up already, no request waits for that: the next one does it.
        if len(self._ended) >= _BATCH and self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()
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
        batch = []
        while self._ended and self._ended[0].is_done:
            batch.append(self._ended.popleft())
        if batch:
            self._sum_up(batch)

    def _sum_up(self, batch: list[Record]) -> None:
        self.recent.extend(batch)
        self._count(batch)
        self._observe(batch)
        self.series.add(batch)
        self.workers.add(batch)

    def _count(self, batch: list[Record]) -> None:
        requests = self.requests
        for record in batch:
            labels = _labels_of(record)
            requests[labels] = requests.get(labels, 0) + 1
            self.bytes_in += record.request_bytes
            self.bytes_out += record.answer_bytes
            if record.tokens_from:
                self.tokens_in += record.tokens_in or 0
                self.tokens_out += record.tokens_out or 0
            for retry in record.retries:
                self.retries[retry.kind] = self.retries.get(retry.kind, 0) + 1
            if record.problem is not None:
                self.errors.add(record)
            if record.is_failure:
                self.failures += 1

    def _observe(self, batch: list[Record]) -> None:
        histograms = self.histograms
        histograms["duration"].observe_all([record.now[1] - record.started for record in batch])
        for name, phase in _OBSERVED_PHASES:
            # Most exchanges have no wait and make no connection, which are no zeros either.
            histograms[name].observe_all([spent for record in batch if (spent := record.seconds[phase])])
        histograms["first_byte"].observe_all(worker_first_bytes(batch))
        for record in batch:
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
        changes: Changes[Record] = Changes()
        forget = self.watch(changes)
        try:
            yield changes
        finally:
            forget()

    def watch(self, reader: Reader[Record]) -> Callable[[], None]:
        """Have ``reader`` told of each change as it comes, by the exchange's own thread. Returns what ends that."""
        self._readers.add(reader)
        return lambda: self._readers.remove(reader)

    @property
    def followers(self) -> int:
        """How many are :meth:`following`."""
        return sum(isinstance(reader, Changes) for reader in self._readers.all)


def _labels_of(record: Record) -> RequestLabels:
    method = record.method if record.method in _METHODS else "other"
    status = _STATUSES.get(record.status) or f"{(record.status or 0) // 100}xx"
    return method, record.route, status, record.outcome
