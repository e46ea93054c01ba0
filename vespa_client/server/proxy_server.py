"""The proxy's listeners, connections and threads.

The thread model. A thread for each listener accepts (:mod:`.listeners`). Each connection has a thread for itself, which
reads a request, carries it out and answers it, then reads the next one (:mod:`.handler`); so a slow client or a slow worker
costs a thread and holds nobody else up. A thread whose connection is over waits a while for another one (:mod:`.threads`).
One further thread watches the sockets of requests in progress for clients that leave (:mod:`.hangup`), one sends heartbeats
where they are asked for (:mod:`.heartbeats`), and one connects ahead of the first request
(:mod:`vespa_client.routing.warmup`). Threads are daemons: a program that forgets to stop the proxy still ends.
:meth:`ProxyServer.stop` ends them all, in bounded time. A forked child has none of them, and no socket of theirs
(:mod:`vespa_client.net.forks`).

Not attempted: HTTP/2, TLS towards the client, upgrades.
"""

from __future__ import annotations

import time

from ..journal.hints import Hints
from ..journal.totals import Totals
from ..routing.served_endpoint import ServedEndpoint
from ..settings.table import Settings
from .access import Access
from .connections import Connections
from .handler import ProxyHandler, Service
from .hangup import HangupWatcher
from .heartbeats import Heartbeats
from .listeners import listen
from .local.answers import LocalAnswers
from .local.models import KnownModels
from .pages.own_pages import OwnPages
from .request_head import METHODS
from .threads import ConnectionThreads
from .translation.translator import Translator

__all__ = ["ProxyServer"]

_JOIN_SECONDS = 2.0


class ProxyServer:
    """One proxy's side towards its clients."""

    def __init__(
        self, settings: Settings, endpoint: ServedEndpoint, proxy_key: str | None = None, totals: Totals | None = None
    ) -> None:
        """Listen at once. With ``proxy_key``, clients have to know it. ``totals`` has what is known of exchanges so far.

        Raises :class:`PortTaken`, :class:`ConfigurationError`.
        """
        access = Access(
            settings.host,
            allow_host=settings.allow_host,
            cors_origin=settings.cors_origin,
            proxy_key=proxy_key,
            methods=METHODS,
        )
        self._watcher = HangupWatcher()
        self._heartbeats = Heartbeats(settings.heartbeat)
        self._connections = Connections(settings.max_connections)
        totals = totals or Totals()
        captures = None
        if settings.capture:
            from .capture.captured import Captures

            captures = Captures(settings.capture)
        self.pages = OwnPages(settings, totals, endpoint, self._connections, needs_key=proxy_key is not None, captures=captures)
        models = KnownModels(settings.model, settings.endpoint or "")
        self._service = Service(
            settings=settings,
            access=access,
            endpoint=endpoint,
            watcher=self._watcher,
            heartbeats=self._heartbeats,
            connections=self._connections,
            totals=totals,
            pages=self.pages,
            local=LocalAnswers(settings, models, wants_key=proxy_key is not None),
            models=models,
            translator=Translator(settings),
            captures=captures,
            hints=Hints(),
        )
        self._threads = ConnectionThreads("vespa-connection")
        try:
            self._listeners = listen(settings.host, settings.port, ProxyHandler, self._service, self._threads)
        except BaseException:
            self._heartbeats.close()
            self._watcher.stop()
            raise
        self.port: int = self._listeners[0].server_address[1]
        self.pages.port = self.port

    def start(self) -> None:
        """Begin to accept."""
        self._watcher.start()
        for listener in self._listeners:
            listener.start()

    def stop(self, seconds: float = 0.0) -> int:
        """Accept no more, let what runs go on for ``seconds``, then cut it. Returns how many requests were cut."""
        self._service.stopping = True
        self.pages.stopping_since = time.time()
        for listener in self._listeners:
            listener.stop()
        cut, ended = self._connections.end(seconds)
        self._threads.close(_JOIN_SECONDS if ended else 0.0)
        self._heartbeats.close()
        self._watcher.stop()
        return cut
