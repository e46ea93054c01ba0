"""The life of one request: an assignment, the worker, and another worker if that one can't have run it.

The only place with a retry in it. What may have run is never sent again (design.md, "Retry only what cannot have run").
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple

from ..http1.fields import field_value
from ..journal.log import log
from ..journal.record import Record
from ..net.lifeline import Lifeline
from ..outbound.answer import Answer
from ..outbound.failures import ConnectFailed, ConnectTimedOut, HungUp, TransportError
from ..payload.worker_request import WorkerRequest
from .autoscaler import Assignment, Autoscaler, Place
from .worker_errors import none_reached, was_lost
from .workers import Workers

__all__ = ["Exchange", "WorkerAnswer"]

TURNED_AWAY = frozenset({429, 503})
"""Answers of a worker that did not take the request. A 502 or 504 is a gateway's that had passed it on (RFC 9110, 15.6)."""

_FIRST_PAUSE = 0.1
# Between two questions while the autoscaler offers a worker that was just seen dead.
_DEAD_PAUSE = 0.5
# How long one request avoids it. Others' tries keep it dead, and where all workers are, each request has to find out.
_MOST_AVOIDED = 2.0
_LONGEST_PAUSE = 5.0
# Each stale connection costs a try without being a worker's failure; there can't be many for one request.
_MOST_STALE = 8


class WorkerAnswer(NamedTuple):
    """What a worker answered, its body still to come; which one; and whether others had been tried before."""

    answer: Answer
    worker: str
    retried: bool


class Exchange:
    """One request on its way to an answer: :meth:`run` goes from worker to worker until one's answer is to be had."""

    __slots__ = (
        "_autoscaler",
        "_deadline",
        "_failures",
        "_lifeline",
        "_place",
        "_record",
        "_request",
        "_retries",
        "_stale",
        "_timed_out",
        "_worker",
        "_workers",
    )

    def __init__(
        self,
        request: WorkerRequest,
        record: Record,
        lifeline: Lifeline,
        autoscaler: Autoscaler,
        workers: Workers,
        *,
        wait: float,
        retries: int,
    ) -> None:
        """``wait`` is how many seconds an assignment may be waited for, ``retries`` how many workers may fail."""
        self._request, self._record, self._lifeline = request, record, lifeline
        self._autoscaler, self._workers = autoscaler, workers
        self._deadline = time.monotonic() + wait
        self._retries = retries
        self._place = Place(request.cost)
        self._worker = ""
        self._failures: list[str] = []
        self._timed_out = True
        """Whether all that failed did so by not answering."""
        self._stale = 0

    def run(self) -> WorkerAnswer:
        """The answer. Raises :class:`VespaError`, and :class:`ClientGone` when the lifeline is cut."""
        while True:
            assignment = self._next_worker()
            answer = self._judge(self._try_it(assignment))
            if answer is not None:
                return WorkerAnswer(answer, self._worker, retried=bool(self._failures))

    def _next_worker(self) -> Assignment:
        """An assignment, if possible to a worker that wasn't seen dead a moment ago."""
        avoid_until = 0.0
        while True:
            assignment = self._autoscaler.assign(self._place, self._record, self._deadline, self._lifeline)
            self._worker = self._record.worker = assignment.url.partition("://")[2]
            now = time.monotonic()
            avoid_until = avoid_until or min(now + _MOST_AVOIDED, self._deadline)
            if now >= avoid_until or not self._workers.is_dead(assignment.url):
                return assignment
            log.debug("%s %s was just seen dead; asking again", self._record.name, self._worker)
            self._record.enter("retrying")
            self._lifeline.wait(random.uniform(0.5, 1.0) * _DEAD_PAUSE)

    def _try_it(self, assignment: Assignment) -> Answer | TransportError:
        log.debug("%s sent to %s", self._record.name, assignment.url)
        try:
            return self._workers.send(self._request, assignment, self._lifeline, self._record.enter)
        except TransportError as problem:
            return problem

    def _judge(self, outcome: Answer | TransportError) -> Answer | None:
        """The answer if it is to be had; None, after a pause, where another worker is to be tried. Raises what is final."""
        if isinstance(outcome, Answer):
            if outcome.status_code not in TURNED_AWAY or len(self._failures) >= self._retries:
                return outcome
            asked = field_value(outcome.fields, "retry-after")
            outcome.close()
            self._failures.append(f"{self._worker}: it answered {outcome.status_code}")
            self._record.retry(self._worker, "turned_away", f"it answered {outcome.status_code}")
            self._pause(float(asked) if asked.isascii() and asked.isdigit() else 0.0)
        elif outcome.may_have_run:
            raise was_lost(outcome, self._worker) from outcome
        elif isinstance(outcome, HungUp) and outcome.stale and self._stale < _MOST_STALE:
            self._stale += 1
            log.debug("%s a kept connection to %s had gone stale", self._record.name, self._worker)
        else:
            self._failures.append(f"{self._worker}: {outcome}")
            self._timed_out = self._timed_out and isinstance(outcome, ConnectTimedOut)
            if len(self._failures) > self._retries:
                raise none_reached(self._failures, outcome, 504 if self._timed_out else 502) from outcome
            kind = "unreachable" if isinstance(outcome, ConnectFailed) else "hung_up"
            self._record.retry(self._worker, kind, str(outcome))
            self._pause(0.0)
        return None

    def _pause(self, asked: float) -> None:
        self._record.enter("retrying")
        grown = _FIRST_PAUSE * 2 ** (len(self._failures) - 1)
        pause = min(max(grown * random.uniform(0.5, 1.0), asked), _LONGEST_PAUSE)
        log.info("%s %s; asking for another worker in %.1f s", self._record.name, self._failures[-1], pause)
        self._lifeline.wait(pause)
