"""A small threaded HTTP/1.1 server that the sandbox's components stand on.

One thread accepts; each connection has a thread of its own, which reads a request, asks the component for an answer,
writes it, and reads the next. ``stop()`` shuts the sockets, which wakes every thread that reads, writes or pauses.
:mod:`http.server` isn't used because it looks its own name up in the DNS, queues five connections, parses heads with
the :mod:`email` package, and can't tell a handler that its client has gone.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable

from .connection import Connection
from .messages import Answer, Request

__all__ = ["Server"]


class Server:
    """Serves ``handle`` on a free loopback port. ``tls`` makes it https. Restartable; each start takes a new port."""

    def __init__(self, name: str, handle: Callable[[Request], Answer]) -> None:
        self.name = name
        self.tls: ssl.SSLContext | None = None
        self.stopping = threading.Event()
        self._handle = handle
        self._port: int | None = None
        self._acceptor: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self._lock = threading.Lock()  # guards _connections
        self._connections: dict[Connection, threading.Thread] = {}

    @property
    def url(self) -> str:
        """The address, without a path. RuntimeError before the first start."""
        if self._port is None:
            raise RuntimeError("The sandbox has not been started.")
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listening when it returns. Harmless twice."""
        if self._acceptor is not None:
            return
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1024)
            listener.setblocking(False)
            waker, self._wake = socket.socketpair()
        except OSError:
            listener.close()
            raise
        self._port = int(listener.getsockname()[1])
        self.stopping = threading.Event()
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener, waker, self.stopping), name=f"sandbox-{self.name}", daemon=True
        )
        self._acceptor.start()

    def stop(self, timeout: float = 0.8) -> int:
        """End threads and sockets. Returns how many threads were still running after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        self.stopping.set()
        if self._acceptor is None or self._wake is None:
            return 0
        # Its other end becomes readable; a byte could find the acceptor gone already, and a forked child may have a copy.
        with contextlib.suppress(OSError):
            self._wake.shutdown(socket.SHUT_RDWR)
        self._wake.close()
        self._acceptor.join()
        self._acceptor = self._wake = None
        with self._lock:
            running = list(self._connections.items())
        for connection, _ in running:
            connection.shut()
        for _, thread in running:
            # At the interpreter's end, one that was about to begin never does, and can't be joined.
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return sum(thread.is_alive() for _, thread in running)

    def _accept(self, listener: socket.socket, waker: socket.socket, stopping: threading.Event) -> None:
        with listener, waker, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(waker, selectors.EVENT_READ)
            while not stopping.is_set():
                selector.select()
                try:
                    while not stopping.is_set():
                        self._welcome(listener.accept()[0])
                except BlockingIOError:
                    pass
                except ConnectionError:
                    pass  # gone before it was accepted
                except (OSError, RuntimeError):
                    stopping.wait(0.05)  # out of descriptors or threads: don't spin

    def _welcome(self, sock: socket.socket) -> None:
        connection = Connection(sock, self._handle, self.tls, self.stopping)
        name = f"sandbox-{self.name}-connection"
        thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
        with self._lock:
            self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError:
            self._forget(connection)
            raise

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._connections.pop(connection, None)
