"""Loopback servers in the places of the autoscaler and of workers, of raw sockets, that keep every byte they get."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from .arrival import Arrival, NotOurs, expected_length, read_arrival

__all__ = ["Link", "Upstream"]

_RECEIVE = 1 << 17
# Longer than any pause that the proxy or a busy machine makes inside one request.
_PATIENCE = 20.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection from the proxy, played by its own thread."""

    def __init__(self, sock: socket.socket, signed: bool, blame: Callable[[str, bytes], None]) -> None:
        self.sock = sock
        self._signed = signed
        self._blame = blame
        self._pending = bytearray()

    def next(self, names: tuple[str, ...]) -> Arrival | None:
        """The next request, for a host of one of these names.

        None at the end of the connection, and where what comes is no request, which is told to ``blame``.
        """
        self.sock.settimeout(None)
        try:
            if not self._pending and not self._more():
                return None
            self.sock.settimeout(_PATIENCE)
            while (end := self._pending.find(b"\r\n\r\n")) < 0:
                if not self._more():
                    raise NotOurs("half a head came")
            head = bytes(self._pending[:end])
            parts, fields, length = expected_length(head, names)
            while len(self._pending) < end + 4 + length:
                if not self._more():
                    raise NotOurs("half a request came")
            if len(self._pending) > end + 4 + length:
                raise NotOurs("bytes came behind a request, before it was answered")
            arrival = read_arrival(head, parts, fields, bytes(self._pending[end + 4 :]), signed=self._signed)
            self._pending.clear()
        except NotOurs as problem:
            self._blame(problem.args[0], bytes(self._pending))
        except TimeoutError:
            self._blame("a request stopped coming half way", bytes(self._pending))
        else:
            return arrival
        return None

    def _more(self) -> bool:
        data = self.sock.recv(_RECEIVE)
        self._pending += data
        return bool(data)

    def reset(self) -> None:
        """End it by a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.sock.close()


class Upstream:
    """Listens on loopback. ``serve`` plays a connection in a thread of its own, and closes nothing."""

    def __init__(self, name: str, serve: Callable[[Upstream, Link], None], *, signed: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.authority}"
        self.names: tuple[str, ...] = (self.authority,)
        """What its requests' ``Host`` may be."""
        self._serve = serve
        self._signed = signed
        self.faults: list[tuple[str, bytes]] = []
        """What came that must not have come, and its bytes."""
        self._lock = threading.Lock()  # guards _links
        self._links: dict[Link, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, name=f"fuzz-{name}")
        self._thread.start()

    def stop(self) -> None:
        """End it, and all of its connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            threads = list(self._links.values())
            for link in self._links:
                with contextlib.suppress(OSError):
                    link.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    @property
    def open_links(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._links)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(sock, self._signed, lambda what, raw: self.faults.append((what, raw)))
            thread = threading.Thread(target=self._run, args=(link,), name="fuzz-link")
            with self._lock:
                self._links[link] = thread
            thread.start()

    def _run(self, link: Link) -> None:
        try:
            with contextlib.suppress(OSError):
                self._serve(self, link)
        finally:
            with self._lock:
                link.sock.close()
                del self._links[link]
