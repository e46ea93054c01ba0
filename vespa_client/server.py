"""The proxy's listeners, connections and threads.

The thread model. One thread accepts on all listeners. Each connection has a thread for itself, which reads a request,
carries it out and answers it, then reads the next one (:mod:`.inbound`); so a slow client or a slow worker costs a thread
and holds nobody else up. A thread whose connection is over waits a while for another one (:mod:`.connection_threads`). One
further thread watches the sockets of requests in progress for clients that leave (:mod:`.hangup`), one sends heartbeats
where they are asked for (:mod:`.heartbeat`), and one connects ahead of the first request (:mod:`.warmup`). Threads are
daemons: a program that forgets to stop the proxy still ends. :meth:`ProxyServer.stop` ends them all, in bounded time.

Not attempted: HTTP/2, TLS towards the client, upgrades.
"""

from __future__ import annotations

import errno
import itertools
import selectors
import socket
import threading
import time

from .access import Access
from .connection_threads import ConnectionThreads
from .hangup import HangupWatcher
from .inbound import ClientConnection, Runner, Service
from .listeners import Listener, listen
from .log import log
from .request import METHODS
from .settings import Settings

__all__ = ["ProxyServer"]

_JOIN_SECONDS = 2.0
# Each is a thread for as long as its client takes to send a head and to read the answer: more are closed without one.
_MOST_TURNED_AWAY = 64
# Each is a thread for as long as its client takes to go, two seconds at most: more are closed at once.
_MOST_LEAVING = 256
# Without a free file, accept() fails at once for as long as a connection waits: pause instead of spinning.
_OUT_OF_FILES_PAUSE = 0.2
_OUT_OF_FILES_LOG = 10.0


class ProxyServer:
    """One proxy's side towards its clients."""

    def __init__(self, settings: Settings, runner: Runner, proxy_key: str | None = None) -> None:
        """Listen at once. With ``proxy_key``, clients have to know it.

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
        self._service = Service(settings, access, runner, self._watcher, itertools.count(1))
        self._most = settings.max_connections
        self._connections: set[ClientConnection] = set()
        # Those with nothing left to be served: they take no place, however long their clients take to go.
        self._leaving: set[ClientConnection] = set()
        self._changed = threading.Condition()  # guards the two above; told when a connection ends
        self._told_out_of_files = -_OUT_OF_FILES_LOG
        self._threads = ConnectionThreads("vespa-connection")
        try:
            self._listeners = listen(settings.host, settings.port, self._serve, self._threads)
        except BaseException:
            self._watcher.stop()
            raise
        self.port: int = self._listeners[0].server_address[1]
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="vespa-accept", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._watcher.start()
        self._thread.start()

    def stop(self, seconds: float = 0.0) -> int:
        """Accept no more, let what runs go on for ``seconds``, then cut it. Returns how many requests were cut."""
        self._service.stopping = True
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        for listener in self._listeners:
            listener.server_close()
        self._woken.close()
        with self._changed:
            for connection in self._connections:
                connection.close_if_idle()
            self._changed.wait_for(lambda: not self._connections, min(seconds, threading.TIMEOUT_MAX))
            late = list(self._connections)
            for connection in late:
                connection.cut()
            ended = self._changed.wait_for(lambda: not self._connections, _JOIN_SECONDS)
            if not ended:
                # Their clients don't read what says that their answers break off.
                for connection in self._connections:
                    connection.abandon()
                ended = self._changed.wait_for(lambda: not self._connections, _JOIN_SECONDS)
        self._threads.close(_JOIN_SECONDS if ended else 0.0)
        if not ended:
            log.warning("%d connections were still open at the end.", len(self._connections))
        self._watcher.stop()
        # Asked when all is over: a client can have its whole answer before the thread that wrote it has noticed.
        return sum(connection.was_cut or connection in self._connections for connection in late)

    def _serve(self, sock: socket.socket) -> None:
        """A connection's whole life, in its own thread."""
        connection = ClientConnection(sock, self._service, self._let_go)
        with self._changed:
            is_one_too_many = len(self._connections) - len(self._leaving) >= self._most
            is_one_of_a_crowd = is_one_too_many and len(self._leaving) >= _MOST_TURNED_AWAY
            self._connections.add(connection)
            if is_one_too_many:
                self._leaving.add(connection)
        try:
            if is_one_too_many:
                if not is_one_of_a_crowd:
                    connection.turn_away()
            elif not self._service.stopping:
                connection.serve()
        finally:
            with self._changed:
                self._leaving.discard(connection)
                self._connections.discard(connection)
                self._changed.notify_all()

    def _let_go(self, connection: ClientConnection) -> bool:
        with self._changed:
            if len(self._leaving) >= _MOST_LEAVING:
                return False
            self._leaving.add(connection)
            return True

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while not self._service.stopping:
                for key, _ in selector.select():
                    if isinstance(key.fileobj, Listener):
                        self._accept_one(key.fileobj)

    def _accept_one(self, listener: Listener) -> None:
        try:
            sock, address = listener.get_request()
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                self._wait_for_files()
            return
        try:
            listener.process_request(sock, address)
        except RuntimeError:
            log.warning("No thread could be started for a new connection; it is refused.")
            listener.shutdown_request(sock)

    def _wait_for_files(self) -> None:
        now = time.monotonic()
        if now - self._told_out_of_files >= _OUT_OF_FILES_LOG:
            self._told_out_of_files = now
            log.warning("Out of open files; new connections wait. Raise the limit with: ulimit -n 65536")
        time.sleep(_OUT_OF_FILES_PAUSE)
