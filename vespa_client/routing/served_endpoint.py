"""An endpoint as requests see it: something that answers."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from ..account.fleet import Fleet, FleetView
from ..errors import VespaError
from ..journal.record import Record
from ..net.lifeline import Lifeline
from ..outbound.failures import TransportError
from ..payload.worker_request import WorkerRequest
from ..settings.table import Settings
from .autoscaler import Autoscaler
from .exchange import Exchange, WorkerAnswer
from .workers import Workers

if TYPE_CHECKING:
    from .endpoint_view import EndpointView

__all__ = ["ServedEndpoint"]

# A word of the autoscaler's is taken to hold for so long.
_CERTAIN_SECONDS = 30.0
_LOOK_SECONDS = 2.0


class ServedEndpoint:
    """One endpoint. Safe to share between threads: a request's own state is its :class:`Exchange`."""

    def __init__(self, autoscaler: Autoscaler, workers: Workers, fleet: Fleet, settings: Settings) -> None:
        self._autoscaler = autoscaler
        self._workers = workers
        self._fleet = fleet
        self._wait = settings.wait
        self._retries = settings.retries
        self._looking = threading.Lock()  # guards that one thread looks, and the next
        self._next_look = 0.0

    def view(self) -> EndpointView:
        """What is known of the endpoint now. Nobody is asked for it."""
        from .endpoint_view import AutoscalerView, EndpointView, KeyView

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

    def fleet(self, lifeline: Lifeline) -> FleetView:
        """The endpoint's workers as Vast.ai sees them; see :meth:`Fleet.look`."""
        return self._fleet.look(lifeline)

    def look_again(self, lifeline: Lifeline) -> None:
        """See whether the autoscaler can be reached, where it wasn't heard of lately, and for another key if that was refused.

        It connects, and asks for no worker: a /route/ call may wake one that costs money. One thread looks at a time, and not
        oftener than every few seconds; what it finds is in :meth:`view`. Raises :class:`ClientGone`.
        """
        if not self._looking.acquire(blocking=False):
            return
        try:
            if time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + _LOOK_SECONDS
            if not self._autoscaler.reach.is_certain(_CERTAIN_SECONDS):
                # VespaError: a proxy to go out by that is none.
                with contextlib.suppress(TransportError, VespaError):
                    self._autoscaler.connect(lifeline)
            with contextlib.suppress(VespaError):
                self._autoscaler.key.try_again()
        finally:
            self._looking.release()

    def answer(self, request: WorkerRequest, record: Record, lifeline: Lifeline) -> WorkerAnswer:
        """A worker's answer to the request, its body still to come.

        Raises :class:`VespaError`, and :class:`ClientGone` when the lifeline is cut.
        """
        self._workers.say_held_back(request, record)
        exchange = Exchange(request, record, lifeline, self._autoscaler, self._workers, wait=self._wait, retries=self._retries)
        return exchange.run()
