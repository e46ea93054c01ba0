"""An endpoint as requests see it: something that answers."""

from __future__ import annotations

from ..journal.record import Record
from ..net.lifeline import Lifeline
from ..payload.worker_request import WorkerRequest
from ..settings.table import Settings
from .autoscaler import Autoscaler
from .endpoint_view import AutoscalerView, EndpointView, KeyView
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

    def view(self) -> EndpointView:
        """What is known of the endpoint now. Nobody is asked for it."""
        autoscaler = self._autoscaler
        state, looked_at = autoscaler.state.known
        key, reached = autoscaler.key.origin, autoscaler.reach.now
        return EndpointView(
            name=autoscaler.endpoint_name,
            state=state,
            state_looked_at=looked_at,
            key=KeyView(key.source, key.since, key.fetches, not key.trouble, key.trouble, key.trouble_since),
            autoscaler=AutoscalerView(autoscaler.url, reached.ok, reached.since, reached.trouble),
            dead_workers=sorted(self._workers.dead()),
        )

    def answer(self, request: WorkerRequest, record: Record, lifeline: Lifeline) -> WorkerAnswer:
        """A worker's answer to the request, its body still to come.

        Raises :class:`VespaError`, and :class:`ClientGone` when the lifeline is cut.
        """
        exchange = Exchange(request, record, lifeline, self._autoscaler, self._workers, wait=self._wait, retries=self._retries)
        return exchange.run()
