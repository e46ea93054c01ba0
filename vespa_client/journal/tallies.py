"""Sums by worker and by error, of the ones that were met last. Not safe to share between threads by themselves."""

from __future__ import annotations

from .histogram import Histogram
from .record import Record

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


class WorkerTallies:
    """The workers met last."""

    def __init__(self) -> None:
        self._known: dict[str, WorkerTally] = {}

    def __len__(self) -> int:
        return len(self._known)

    def all(self) -> list[WorkerTally]:
        """The one met last comes last."""
        return list(self._known.values())

    def add(self, record: Record, *, failed: bool) -> None:
        """An exchange has ended."""
        for retry in record.retries:
            self._met(retry.worker, record).failed_tries += 1
        if record.worker is None:
            return
        tally = self._met(record.worker, record)
        tally.requests += 1
        tally.errors += failed
        tally.tokens_out += record.tokens_out or 0
        if record.first_byte is not None:
            tally.first_byte.observe(record.first_byte)

    def _met(self, address: str, record: Record) -> WorkerTally:
        tally = self._known.pop(address, None) or WorkerTally(address)
        if len(self._known) >= _MOST_WORKERS:
            del self._known[next(iter(self._known))]
        self._known[address] = tally
        tally.last_seen = record.started_at + record.total
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
        tally.last_at, tally.last_number = record.started_at + record.total, record.number
