"""What the records and their sums say at one moment, as objects that don't change: what pages and the library hand out.

Each field has its name in the JSON of ``/_vespa/status`` too. Times of day are seconds since 1970, all others are seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from .record import Record
from .sums.series import SLOT_SECONDS, Slot
from .sums.tallies import ErrorTally, WorkerTally
from .totals import Totals

__all__ = [
    "Error",
    "ErrorCount",
    "Exchange",
    "Retry",
    "Series",
    "SeriesSlot",
    "Sums",
    "Worker",
    "errors_of",
    "series_of",
    "sums_of",
]


@dataclass(frozen=True)
class Retry:
    """A worker that did not take the request. ``kind`` is ``unreachable``, ``hung_up`` or ``turned_away``."""

    worker: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Error:
    """An error of the proxy's own, as its client was told it."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, in progress or over."""

    number: int
    id: str
    """What the header ``X-Vespa-Request-Id`` says."""
    trace_id: str
    method: str
    path: str
    route: str
    model: str
    started: float
    """A time of day."""
    phase: str
    """One of :data:`.record.PHASES`, or ``done``."""
    phase_since: float
    """A time of day."""
    seconds: float
    """In all, so far."""
    phases: dict[str, float]
    """How long each phase took, the one that goes on up to now."""
    time_to_first_byte: float | None
    status: int | None
    outcome: str | None
    """None while it is in progress; else a word of :attr:`.record.Record.outcome`."""
    in_words: str
    failed: bool
    error: Error | None
    worker: str | None
    waiting_for: str
    """What the autoscaler last said of workers that aren't ready; empty where one was ready at once."""
    retries: list[Retry]
    bytes_in: int
    bytes_out: int
    tokens_in: int | None
    tokens_out: int | None
    tokens_from: str
    tokens_per_second: float | None
    events: int
    between_events_mean: float | None
    between_events_max: float | None

    @classmethod
    def of(cls, record: Record) -> Exchange:
        """What the record says now."""
        now = time.monotonic()
        phase, since = record.now
        phases = dict(record.seconds)
        done = phase == "done"
        if not done:
            phases[phase] += now - since
        gaps = record.gaps
        return cls(
            number=record.number,
            id=record.request_id,
            trace_id=record.trace_id,
            method=record.method,
            path=record.path,
            route=record.route,
            model=record.model,
            started=_rounded(record.started_at),
            phase=phase,
            phase_since=_rounded(record.started_at + since - record.started),
            seconds=_rounded((since if done else now) - record.started),
            phases={name: _rounded(spent) for name, spent in phases.items()},
            time_to_first_byte=_rounded_or_none(record.first_byte),
            status=record.status,
            outcome=record.outcome if done else None,
            in_words=record.in_words if done else "",
            failed=done and record.is_failure,
            error=Error(*record.problem) if record.problem else None,
            worker=record.worker,
            waiting_for=record.waiting_for,
            retries=[Retry(*retry) for retry in record.retries],
            bytes_in=record.request_bytes,
            bytes_out=record.answer_bytes,
            tokens_in=record.tokens_in,
            tokens_out=record.tokens_out,
            tokens_from=record.tokens_from,
            tokens_per_second=_rounded_or_none(record.tokens_per_second),
            events=record.events,
            between_events_mean=_rounded_or_none(gaps.mean if gaps else None),
            between_events_max=_rounded_or_none(record.longest_gap if gaps else None),
        )


@dataclass(frozen=True)
class Sums:
    """Over all exchanges since the proxy's start."""

    requests: int
    failures: int
    by_outcome: dict[str, int]
    retries: int
    tokens_in: int
    tokens_out: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class SeriesSlot:
    """What ended within one step of time."""

    at: int
    """A time of day: the step's beginning."""
    requests: int
    failures: int
    first_byte_p50: float | None
    first_byte_p95: float | None
    tokens_out: int
    tokens_per_second: float | None
    """Of one exchange, in the mean."""


@dataclass(frozen=True)
class Series:
    """The last 15 minutes; steps in which nothing ended are left out."""

    slot_seconds: int
    slots: list[SeriesSlot]


@dataclass(frozen=True)
class Worker:
    """A worker that was met, and what came of it."""

    address: str
    requests: int
    errors: int
    failed_tries: int
    first_byte_mean: float | None
    first_byte_p95: float | None
    tokens_out: int
    last_seen: float
    """A time of day."""
    dead: bool
    """Whether it could not be reached a moment ago, and is avoided."""

    @classmethod
    def of(cls, tally: WorkerTally, *, dead: bool) -> Worker:
        """What the tally says now."""
        return cls(
            address=tally.address,
            requests=tally.requests,
            errors=tally.errors,
            failed_tries=tally.failed_tries,
            first_byte_mean=_rounded_or_none(tally.first_byte.mean),
            first_byte_p95=_rounded_or_none(tally.first_byte.quantile(0.95)),
            tokens_out=tally.tokens_out,
            last_seen=_rounded(tally.last_seen),
            dead=dead,
        )


@dataclass(frozen=True)
class ErrorCount:
    """How often clients were told an error, and what the last of them was told."""

    code: str
    status: int | None
    count: int
    message: str
    hint: str
    last_at: float
    """A time of day."""
    last_number: int
    """The exchange's number."""

    @classmethod
    def of(cls, tally: ErrorTally) -> ErrorCount:
        """What the tally says now."""
        return cls(tally.code, tally.status, tally.count, tally.message, tally.hint, _rounded(tally.last_at), tally.last_number)


def sums_of(totals: Totals) -> Sums:
    """The sums, of totals that are settled."""
    by_outcome: dict[str, int] = {}
    for (_, _, _, outcome), count in totals.requests.items():
        by_outcome[outcome] = by_outcome.get(outcome, 0) + count
    return Sums(
        requests=sum(by_outcome.values()),
        failures=totals.failures,
        by_outcome=by_outcome,
        retries=sum(totals.retries.values()),
        tokens_in=totals.tokens_in,
        tokens_out=totals.tokens_out,
        bytes_in=totals.bytes_in,
        bytes_out=totals.bytes_out,
    )


def series_of(totals: Totals, now: float) -> Series:
    """The last 15 minutes before ``now``, of totals that are settled."""
    return Series(SLOT_SECONDS, [_slot(slot) for slot in totals.series.since(now)])


def errors_of(totals: Totals) -> list[ErrorCount]:
    """The errors, the last one first, of totals that are settled."""
    return [ErrorCount.of(tally) for tally in reversed(totals.errors.all())]


def _slot(slot: Slot) -> SeriesSlot:
    return SeriesSlot(
        at=slot.at,
        requests=slot.requests,
        failures=slot.failures,
        first_byte_p50=_rounded_or_none(slot.first_byte.quantile(0.5)),
        first_byte_p95=_rounded_or_none(slot.first_byte.quantile(0.95)),
        tokens_out=slot.tokens_out,
        tokens_per_second=_rounded_or_none(slot.tokens_out / slot.generating if slot.generating else None),
    )


def _rounded(seconds: float) -> float:
    return round(seconds, 4)


def _rounded_or_none(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
