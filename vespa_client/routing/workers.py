"""One request to the worker that an assignment names (protocol.md, "Workers")."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import RedirectRefused
from ..http1.forwarding import held_back, worker_fields
from ..journal.log import log
from ..journal.record import Record
from ..net.addresses import leads_to_loopback
from ..net.lifeline import Lifeline
from ..outbound.answer import Answer
from ..outbound.call import OutboundRequest, TimeLimits
from ..outbound.failures import CertificateRefused, ConnectFailed
from ..outbound.transport import Transport
from ..outbound.trust import Trust
from ..payload.envelope import BODY_METHODS, sign_target, wrap
from ..payload.worker_request import WorkerRequest
from .autoscaler import Assignment
from .redirects import Redirects

__all__ = ["Workers"]

# How long a worker that could not be reached is avoided. Short, since an endpoint may have no other one.
_DEAD_SECONDS = 2.0
_MOST_TOLD = 10_000


class Workers:
    """The workers of one endpoint, whichever they are. Safe to share between threads."""

    def __init__(
        self,
        transport: Transport,
        trust: Trust,
        limits: TimeLimits,
        forwarded: tuple[str, ...] = (),
        redirects: Redirects | None = None,
        *,
        require_tls: bool = False,
    ) -> None:
        """``forwarded`` names headers to let through that would be held back as possible secrets. ``redirects`` says where
        an answer may lead: by default to the proxy alone.

        With ``require_tls``, a worker without TLS is no worker.
        """
        self._transport = transport
        self._trust = trust
        self._limits = limits
        self._forwarded = frozenset(name.lower() for name in forwarded)
        self._redirects = redirects or Redirects()
        self._require_tls = require_tls
        self._told_in_clear: set[str] = set()
        self._lock = threading.Lock()  # guards _dead_until
        self._dead_until: dict[str, float] = {}

    def is_dead(self, url: str) -> bool:
        """Whether the worker could not be reached a moment ago."""
        with self._lock:
            return time.monotonic() < self._dead_until.get(url, 0.0)

    def _note_dead(self, url: str) -> None:
        now = time.monotonic()
        with self._lock:
            # Most that die are never offered again, so that nobody else would have them forgotten.
            self._dead_until = {known: until for known, until in self._dead_until.items() if now < until}
            self._dead_until[url] = now + _DEAD_SECONDS

    def _say_in_clear(self, worker: str) -> None:
        """Raises :class:`ConnectFailed` where that isn't borne; else warns, once a worker."""
        if self._require_tls:
            raise ConnectFailed("it offers no TLS, and --require-tls is set")
        if worker not in self._told_in_clear:
            if len(self._told_in_clear) >= _MOST_TOLD:
                self._told_in_clear.clear()
            self._told_in_clear.add(worker)
            log.warning("The worker %s has no TLS: prompts and answers cross the internet in the clear.", worker)

    def dead(self) -> set[str]:
        """The addresses of the workers that could not be reached a moment ago."""
        now = time.monotonic()
        with self._lock:
            return {url.partition("://")[2] for url, until in self._dead_until.items() if now < until}

    def say_held_back(self, request: WorkerRequest, record: Record) -> None:
        """Have the log of the decisions name the headers that no worker gets since each could be somebody's key."""
        if not log.isEnabledFor(logging.DEBUG):
            return
        for name in held_back(request.fields, self._forwarded):
            said = "%s %s is held back as a possible secret; --forward-header %s lets it through"
            log.debug(said, record.name, name, name)

    def send(
        self,
        request: WorkerRequest,
        assignment: Assignment,
        lifeline: Lifeline,
        on_phase: Callable[[str], None] = lambda phase: None,
    ) -> Answer:
        """Send the client's request under the assignment, and return the answer's head, its body still to come.

        ``on_phase`` is told ``connecting`` where a new connection is made for it, and ``first_byte`` when there is one.
        Raises :class:`TransportError`, :class:`RedirectRefused`, and :class:`ClientGone`.
        """
        wrapped = request.method in BODY_METHODS
        outbound = OutboundRequest(
            request.method,
            assignment.url,
            request.target if wrapped else sign_target(request.target, assignment.auth),
            worker_fields(request.fields, self._forwarded, envelope=wrapped),
            wrap(request.payload, assignment.auth) if wrapped else None,
        )
        if assignment.url.startswith("https:"):
            self._trust.ready(lifeline)
        elif not leads_to_loopback(assignment.url):
            self._say_in_clear(assignment.url.partition("://")[2])
        try:
            answer = self._transport.send_once(outbound, self._limits, lifeline, on_phase)
        except CertificateRefused as refused:
            # Vast.ai may have changed its root. The next try is the exchange's to make, with an assignment of its own.
            self._trust.renew(lifeline)
            if self._trust.trouble:
                raise CertificateRefused(f"{refused} ({self._trust.trouble})") from refused
            raise
        except ConnectFailed:
            self._note_dead(assignment.url)
            raise
        try:
            answer.fields = self._redirects.settled(answer.status_code, answer.fields, assignment.url)
        except RedirectRefused:
            answer.close()
            raise
        return answer
