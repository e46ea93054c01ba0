"""An outbound proxy on loopback, as a company has one: tunnels by CONNECT, plain requests in absolute form (RFC 9112, 3.2)."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Asked", "OutboundProxy"]


class Asked(NamedTuple):
    """The head of a request that came to the proxy."""

    method: str
    target: str
    fields: list[tuple[str, str]]

    def field(self, name: str) -> str | None:
        """The first header of that name, in lower case, or None."""
        return next((value for field, value in self.fields if field.lower() == name), None)


class OutboundProxy:
    """Leads every host to 127.0.0.1, whatever its name. ``asked`` is what it was asked for.

    ``refuse`` returns a status line's rest (``403 Forbidden``) for a host and port it doesn't lead to, or None. With
    ``tls`` it is an https:// one.
    """

    def __init__(
        self, refuse: Callable[[str, int], str | None] = lambda host, port: None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self.asked: list[Asked] = []
        self._refuse = refuse
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()  # guards _sockets and _threads
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> OutboundProxy:
        self._begin(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets, threads = list(self._sockets), list(self._threads)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _begin(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name="outbound-proxy")
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                with self._lock:
                    self._sockets.append(client)
                self._begin(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as ending:
            ending.enter_context(contextlib.suppress(OSError, ValueError))
            ending.enter_context(client)
            if self._tls is not None:
                client = ending.enter_context(self._tls.wrap_socket(client, server_side=True))
                with self._lock:
                    self._sockets.append(client)
            head, rest = _read_head(client)
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ")
            fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
            self.asked.append(Asked(method, target, fields))
            parts = urlsplit("//" + target if method == "CONNECT" else target)
            host, port = parts.hostname or "", parts.port or 80
            refusal = self._refuse(host, port)
            if refusal:
                client.sendall(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                return
            with socket.create_connection(("127.0.0.1", port)) as far:
                with self._lock:
                    self._sockets.append(far)
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    far.sendall(rest)
                else:
                    kept = [line for line in lines[1:] if not line.lower().startswith("proxy-authorization:")]
                    origin = parts.path + (f"?{parts.query}" if parts.query else "")
                    # One request a connection: the next one may be for another host.
                    lines = [f"{method} {origin} HTTP/1.1", *kept, "Connection: close", "", ""]
                    far.sendall("\r\n".join(lines).encode("latin-1") + rest)
                _pump(client, far)


def _read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ValueError("it ended inside the head")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _pump(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65536)
                if not data:
                    return
                key.data.sendall(data)
