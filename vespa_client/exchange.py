"""The life of one request: an assignment, the worker, and another worker if that one can't have run it.

The only place with a retry in it. What may have run is never sent again (design.md, "Retry only what cannot have run").
"""

from __future__ import annotations

import contextlib
import random
import time

from .autoscaler import Autoscaler
from .errors import AnswerTimeout, VespaError, WorkerAnswerBroken, WorkerError
from .heartbeat import Heartbeats
from .lifeline import Lifeline
from .log import log
from .record import Record
from .relay import relay
from .reply import Reply
from .request import ClientRequest
from .settings import Settings
from .transport import Answer, AnswerLate, CertificateRefused, ConnectTimedOut, HungUp, TransportError
from .worker import Workers

__all__ = ["Exchange"]

TURNED_AWAY = frozenset({429, 502, 503, 504})
"""Answers of a worker that did not take the request."""

_FIRST_PAUSE = 0.1
# Between two questions while the autoscaler offers a worker that was just seen dead.
_DEAD_PAUSE = 0.5
# How long one request avoids it. Others' tries keep it dead, and where all workers are, each request has to find out.
_MOST_AVOIDED = 2.0
_LONGEST_PAUSE = 5.0
# Each stale connection costs a try without being a worker's failure; there can't be many for one request.
_MOST_STALE = 8


class Exchange:
    """How an endpoint's requests are carried out. Safe to share between threads: a request's own state is its record."""

    def __init__(self, autoscaler: Autoscaler, workers: Workers, heartbeats: Heartbeats, settings: Settings) -> None:
        self._autoscaler = autoscaler
        self._workers = workers
        self._heartbeats = heartbeats
        self._wait = settings.wait
        self._retries = settings.retries

    def run(self, request: ClientRequest, reply: Reply, record: Record, lifeline: Lifeline) -> None:
        """Carry the request out and answer the client.

        Raises :class:`VespaError`, :class:`ClientGone`. If ``reply.started`` then, the client has seen the failure already.
        """
        with self._heartbeats.beating(reply) if request.streams else contextlib.nullcontext():
            answer = self._answer(request, record, lifeline)
        relay(answer, reply, record, lifeline)

    def _answer(self, request: ClientRequest, record: Record, lifeline: Lifeline) -> Answer:
        deadline = time.monotonic() + self._wait
        failures: list[str] = []
        timed_out = True
        avoid_until = 0.0
        stale = 0
        while True:
            assignment = self._autoscaler.assign(record, request.cost, deadline, lifeline)
            record.worker = assignment.url.partition("://")[2]
            now = time.monotonic()
            if self._workers.is_dead(assignment.url) and now < min(avoid_until or now + _MOST_AVOIDED, deadline):
                avoid_until = avoid_until or now + _MOST_AVOIDED
                log.debug("%s %s was just seen dead; asking again", record.name, record.worker)
                lifeline.wait(random.uniform(0.5, 1.0) * _DEAD_PAUSE)
                continue
            avoid_until = 0.0
            log.debug("%s sent to %s", record.name, assignment.url)
            try:
                answer = self._workers.send(request, assignment, lifeline)
            except TransportError as problem:
                if problem.may_have_run:
                    raise self._lost(problem, record) from problem
                if isinstance(problem, HungUp) and problem.stale and stale < _MOST_STALE:
                    stale += 1
                    log.debug("%s a kept connection to %s had gone stale", record.name, record.worker)
                    continue
                failures.append(f"{record.worker}: {problem}")
                timed_out = timed_out and isinstance(problem, ConnectTimedOut)
                if len(failures) > self._retries:
                    raise self._all_failed(failures, problem, 504 if timed_out else 502) from problem
                self._pause(record, failures, 0.0, lifeline)
                continue
            if answer.status_code not in TURNED_AWAY or len(failures) >= self._retries:
                return answer
            failures.append(f"{record.worker}: it answered {answer.status_code}")
            asked = answer.field("retry-after") or ""
            answer.close()
            self._pause(record, failures, float(asked) if asked.isascii() and asked.isdigit() else 0.0, lifeline)

    def _pause(self, record: Record, failures: list[str], asked: float, lifeline: Lifeline) -> None:
        record.retries += 1
        grown = _FIRST_PAUSE * 2 ** (len(failures) - 1)
        pause = min(max(grown * random.uniform(0.5, 1.0), asked), _LONGEST_PAUSE)
        log.info("%s %s; asking for another worker in %.1f s", record.name, failures[-1], pause)
        lifeline.wait(pause)

    @staticmethod
    def _lost(problem: TransportError, record: Record) -> VespaError:
        message = f"The worker {record.worker} took the request, and then: {problem}."
        if isinstance(problem, AnswerLate):
            return AnswerTimeout(message, hint="Raise --timeout if your model needs longer for its first byte.", retried=True)
        hint = "It may have run, so the proxy did not send it again. If it may run twice, send it again."
        return WorkerAnswerBroken(message, hint=hint)

    @staticmethod
    def _all_failed(failures: list[str], last: TransportError, status: int) -> WorkerError:
        hint = (
            "The workers that the autoscaler named may just have gone; try again in a moment. If you are behind an "
            "outbound proxy, it must let connections to high ports through, or be bypassed with NO_PROXY."
        )
        if isinstance(last, CertificateRefused):
            hint = "If your company inspects TLS, give its root with --ca-file PATH. Nothing is sent to a worker unverified."
        tries = "1 try" if len(failures) == 1 else f"{len(failures)} tries"
        message = f"No worker could be reached in {tries}. " + "; ".join(failures) + "."
        return WorkerError(message, hint=hint, status=status, retried=len(failures) > 1)
