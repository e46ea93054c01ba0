"""A stand-in worker, of the Vespa kind, that does with each request what its plan says."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
import zlib
from typing import NamedTuple

from vespa_client.sandbox.autoscaler import signed_text
from vespa_client.sandbox.envelope import NotAnEnvelope, read_envelope, read_query
from vespa_client.sandbox.signing import SigningKey

from .ledger import Ledger, Run
from .plan import Plan, pieces_of

__all__ = ["BlackHole", "Worker"]

_TICK = 0.1
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_TURNED_AWAY = {429: "Too Many Requests", 503: "Service Unavailable"}


class _Died(Exception):
    """The worker is gone, in the middle of something."""


class _Left(Exception):
    """The proxy has hung up."""


class Worker:
    """One worker on an address of its own, which no other one ever has."""

    def __init__(self, host: str, ledger: Ledger, key: SigningKey) -> None:
        self._listener = socket.create_server((host, 0), backlog=256)
        self.url = "http://{}:{}".format(*self._listener.getsockname())
        self.ledger = ledger
        self.key = key
        self.died_at: float | None = None
        self.busy_until = 0.0
        self.ended: list[float] = []
        """When it ended connections."""
        self.faults: list[str] = []
        """What it was sent that it can't have been meant to get."""
        self._lock = threading.Lock()  # guards _connections
        self._connections: dict[_Connection, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, name=f"soak-worker-{self.url}")
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether it turns requests away at this moment."""
        return time.monotonic() < self.busy_until

    @property
    def running(self) -> int:
        """How many requests it is answering."""
        with self._lock:
            return sum(not connection.is_idle for connection in self._connections)

    def die(self) -> None:
        """Gone at once: refuses connections, resets those there are. Harmless when repeated."""
        if self.died_at is None:
            self.died_at = time.monotonic()
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def end_idle_connections(self) -> None:
        """Close what waits for its next request, as servers do after a while."""
        with self._lock:
            for connection in self._connections:
                connection.is_over = connection.is_idle

    def join(self) -> None:
        """Wait for its threads, after it died."""
        self._thread.join()
        with self._lock:
            threads = list(self._connections.values())
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = _Connection(sock, self)
            thread = threading.Thread(target=self._serve, args=(connection,), name=f"soak-connection-{self.url}")
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: _Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                self.ended.append(time.monotonic())
                connection.close()
                del self._connections[connection]


class BlackHole:
    """An address that swallows every attempt to connect: its queue is full, and nobody accepts."""

    def __init__(self, host: str) -> None:
        self._listener = socket.create_server((host, 0), backlog=0)
        self.url = "http://{}:{}".format(*self._listener.getsockname())
        self._fill = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self._listener.getsockname())
            self._fill.append(sock)

    def close(self) -> None:
        """From now on it refuses."""
        for sock in (*self._fill, self._listener):
            sock.close()


class _Request(NamedTuple):
    method: str
    target: str
    body: bytes


class _Connection:
    """One connection from the proxy, owned by its thread. Whether the worker has died it sees within a tick."""

    def __init__(self, sock: socket.socket, worker: Worker) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(_TICK)
        self._socket = sock
        self._worker = worker
        self._pending = b""
        self.is_idle = True
        """Whether it waits for a request."""
        self.is_over = False
        """Others may set this; where a request was faster, it is answered, and the connection is over then."""

    def close(self) -> None:
        self._socket.close()

    def serve(self) -> None:
        """Answer requests until one side ends it."""
        with contextlib.suppress(_Died, _Left, OSError):
            while not self.is_over and (request := self._read()) is not None and self._answer(request):
                self.is_idle = True
        if self._worker.died_at is not None:
            self._reset()

    def _read(self) -> _Request | None:
        while b"\r\n\r\n" not in self._pending:
            if not (data := self._receive()):
                return None
            self.is_idle = False
            self._pending += data
        head, _, rest = self._pending.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
        body = bytearray(rest[:length])
        self._pending = rest[length:]
        while len(body) < length:
            if not (data := self._receive()):
                raise _Left
            body += data
        method, target, _ = lines[0].split(" ")
        return _Request(method, target, bytes(body))

    def _receive(self) -> bytes:
        while True:
            if self._worker.died_at is not None:
                raise _Died
            if self.is_over and self.is_idle:
                return b""
            with contextlib.suppress(TimeoutError):
                return self._socket.recv(1 << 18)

    def _answer(self, request: _Request) -> bool:
        """Returns whether the connection goes on."""
        number = int(request.target.partition("?")[0].rpartition("/")[2])
        entry = self._worker.ledger.entry(number)
        if entry is None:
            self._worker.faults.append(f"request {number} came to {self._worker.url} when it was over")
            return False
        run = Run(self._worker)
        tries = sum(run.end == "turned away" for run in entry.runs)
        try:
            checksum = self._checked(request)
        except (NotAnEnvelope, ValueError) as problem:
            self._worker.faults.append(f"request {number} came to {self._worker.url} and is none: {problem}")
            return False
        entry.runs.append(run)
        status = entry.plan.turned_away[tries] if tries < len(entry.plan.turned_away) else 503 * self._worker.is_busy
        if status:
            run.finish("turned away")
            retry = "Retry-After: 1\r\n" if status == 503 and number % 2 else ""
            self._send(f"HTTP/1.1 {status} {_TURNED_AWAY[status]}\r\n{retry}Content-Length: 0\r\n\r\n".encode())
            return True
        try:
            return self._run(entry.plan, run, checksum)
        except _Died:
            run.finish("died")
            raise
        except (_Left, OSError):
            run.finish("died" if self._worker.died_at is not None else "left")
            raise
        finally:
            run.finish("broken")

    def _checked(self, request: _Request) -> int:
        """The checksum of what the client sent. Raises NotAnEnvelope, ValueError."""
        target, _, query = request.target.partition("?")
        envelope = read_envelope(request.body, query) if request.method == "POST" else read_query(query)
        if not self._worker.key.verify(signed_text(envelope.auth_data, "vespa"), envelope.auth_data["signature"]):
            raise ValueError("its signature is wrong")
        if envelope.auth_data["url"] != self._worker.url:
            raise ValueError("it is signed for another worker")
        return zlib.crc32(envelope.raw or f"{target}?{envelope.query}".encode())

    def _run(self, plan: Plan, run: Run, checksum: int) -> bool:
        self._pause(plan.think)
        if plan.fault in ("hang up", "reset at once"):
            if plan.fault == "reset at once":
                self._reset()
            return False
        if plan.fault == "garbage":
            self._send(b"I AM NO HTTP\r\n\r\n")
            return False
        self._send(self._head(plan, checksum))
        if plan.method == "HEAD" or plan.fault == "no words":
            run.finish("answered")
            return True
        breaks_at = max(plan.pieces // 2, 1) if plan.fault else -1
        for count, piece in enumerate(pieces_of(plan)):
            if count:
                self._pause(plan.pause)
            if count == breaks_at:
                self._break(plan, run, piece)
                return False
            self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if plan.framing == "chunked" else piece)
        self._send(b"0\r\n\r\n" if plan.framing == "chunked" else b"")
        run.finish("answered")
        return plan.framing != "close"

    def _head(self, plan: Plan, checksum: int) -> bytes:
        lines = [f"HTTP/1.1 {plan.status} Whatever", f"X-Soak-Number: {plan.number}", f"X-Soak-Request: {checksum:08x}"]
        lines.append(f"Content-Type: {'text/event-stream' if plan.events else 'text/plain'}")
        if plan.announces_close or plan.framing == "close":
            lines.append("Connection: close")
        if plan.fault == "no words":
            lines.append("Content-Length: 0")
        elif plan.framing == "length":
            lines.append(f"Content-Length: {sum(map(len, pieces_of(plan)))}")
        elif plan.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode()

    def _break(self, plan: Plan, run: Run, piece: bytes) -> None:
        half = piece[: len(piece) // 2]
        self._send(b"%x\r\n%b" % (len(piece), half) if plan.framing == "chunked" and plan.fault != "status line" else half[:0])
        if plan.fault == "status line":
            self._send(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
            run.finish("broken")
            with contextlib.suppress(_Left):
                self._pause(10.0)  # the socket stays open: what was sent has to be enough
        elif plan.fault == "reset":
            self._reset()
        run.finish("broken")

    def _pause(self, seconds: float) -> None:
        """Raises :class:`_Left` as soon as the proxy has hung up."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if self._worker.died_at is not None:
                raise _Died
            if poll.poll(min(left, _TICK) * 1000):
                raise _Left

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._worker.died_at is not None:
                raise _Died
            with contextlib.suppress(TimeoutError):
                view = view[self._socket.send(view) :]

    def _reset(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
