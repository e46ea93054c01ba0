"""Sums by worker and by error, of the ones that were met last."""

from __future__ import annotations

from collections.abc import Sequence

from ..record import Record, worker_first_bytes
from .histogram import Histogram

__all__ = ["ErrorTallies", "ErrorTally", "WorkerTallies", "WorkerTally"]

_MOST_WORKERS = 256
_MOST_ERRORS = 100


class WorkerTally:
    """What one worker did. ``address`` is its host and port, ``last_seen`` a time in seconds since 1970."""

    __slots__ = ("address", "errors", "failed_tries", "first_byte", "last_seen", "requests", "tokens_out")

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests = 0
        self.errors = 0
        """Exchanges that ended in a failure with it."""
        self.failed_tries = 0
        """Requests that it did not take, for which another worker was asked for."""
        self.first_byte = Histogram()
        self.tokens_out = 0
        self.last_seen = 0.0

    def add(self, batch: Sequence[Record]) -> None:
        """These exchanges ended with it."""
        self.requests += len(batch)
        self.errors += sum([record.is_failure for record in batch])
        self.tokens_out += sum([record.tokens_out or 0 for record in batch])
        self.first_byte.observe_all(worker_first_bytes(batch))


class WorkerTallies:
    """The workers met last."""

    def __init__(self) -> None:
        self._known: dict[str, WorkerTally] = {}

    def __len__(self) -> int:
        return len(self._known)

    def all(self) -> list[WorkerTally]:
        """The one met last comes last."""
        return sorted(self._known.values(), key=lambda tally: tally.last_seen)

    def add(self, batch: Sequence[Record]) -> None:
        """These exchanges have ended, in this order."""
        by_worker: dict[str, list[Record]] = {}
        for record in batch:
            for retry in record.retries:
                self._met(retry.worker, record.ended_at).failed_tries += 1
            if record.worker is not None:
                by_worker.setdefault(record.worker, []).append(record)
        for worker, records in by_worker.items():
            self._met(worker, records[-1].ended_at).add(records)

    def _met(self, address: str, at: float) -> WorkerTally:
        tally = self._known.get(address)
        if tally is None:
            if len(self._known) >= _MOST_WORKERS:
                del self._known[self.all()[0].address]
            tally = self._known[address] = WorkerTally(address)
        tally.last_seen = at
        return tally


class ErrorTally:
    """How often clients were told one error, and what the last one of them was told, when."""

    __slots__ = ("code", "count", "hint", "last_at", "last_number", "message", "status")

    def __init__(self, code: str, status: int | None) -> None:
        self.code = code
        self.status = status
        self.count = 0
        self.message = self.hint = ""
        self.last_at = 0.0
        self.last_number = 0


class ErrorTallies:
    """The errors met last, by code and status."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], ErrorTally] = {}

    def all(self) -> list[ErrorTally]:
        """The one met last comes last."""
        return list(self._known.values())

    def add(self, record: Record) -> None:
        """An exchange has ended with an error that its client was told."""
        assert record.problem is not None
        code, message, hint = record.problem
        key = (code, record.status)
        tally = self._known.pop(key, None) or ErrorTally(code, record.status)
        if len(self._known) >= _MOST_ERRORS:
            del self._known[next(iter(self._known))]
        self._known[key] = tally
        tally.count += 1
        tally.message, tally.hint = message, hint
        tally.last_at, tally.last_number = record.ended_at, record.number
