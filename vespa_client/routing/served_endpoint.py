"""An endpoint as requests see it: something that answers."""

from __future__ import annotations

from ..journal.record import Record
from ..net.lifeline import Lifeline
from ..payload.worker_request import WorkerRequest
from ..settings.table import Settings
from .autoscaler import Autoscaler
from .exchange import Exchange, WorkerAnswer
from .workers import Workers

__all__ = ["ServedEndpoint"]


class ServedEndpoint:
    """One endpoint. Safe to share between threads: a request's own state is its :class:`Exchange`."""

    def __init__(self, autoscaler: Autoscaler, workers: Workers, settings: Settings) -> None:
        self._autoscaler = autoscaler
        self._workers = workers
        self._wait = settings.wait
        self._retries = settings.retries

    def answer(self, request: WorkerRequest, record: Record, lifeline: Lifeline) -> WorkerAnswer:
        """A worker's answer to the request, its body still to come.

        Raises :class:`VespaError`, and :class:`ClientGone` when the lifeline is cut.
        """
        self._workers.say_held_back(request, record)
        exchange = Exchange(request, record, lifeline, self._autoscaler, self._workers, wait=self._wait, retries=self._retries)
        return exchange.run()
