"""A worker of raw sockets that a test plays step by step, and a client of raw sockets beside it.

One thread plays both sides: the sockets are the events. A step waits for the bytes it is about, for LONG seconds at most,
so that a test that can't go on fails where it stands.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

LONG = 10.0
"""Seconds: a bound on what happens at once unless something is wrong."""

_T = TypeVar("_T")
Fields = list[tuple[str, str]]

EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
"""Heads of answers, by what follows: chunks of events, chunks of text, and text up to the close."""
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


class Message(NamedTuple):
    """A request or an answer as it came over the wire. ``body`` is decoded; ``wire_body`` is as it was framed."""

    start: str
    fields: Fields
    body: bytes
    wire_body: bytes

    @property
    def method(self) -> str:
        """A request's method."""
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        """A request's target."""
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """An answer's status."""
        return int(self.start.split(" ")[1])

    @property
    def fields_but_id(self) -> Fields:
        """The headers of an answer without the proxy's name for the request, which is another one each time."""
        return [field for field in self.fields if field[0] != "X-Vespa-Request-Id"]

    @property
    def envelope(self) -> dict[str, Any]:
        """A request's body as JSON."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def payload(self) -> bytes:
        """The payload's bytes, behind the assignment, which the proxy writes."""
        return self.body.partition(b', "payload": ')[2][:-1]

    @property
    def error(self) -> dict[str, Any]:
        """The error object of one of the proxy's own answers."""
        answer = json.loads(self.body)
        assert answer["type"] == "error"
        error: dict[str, Any] = answer["error"]
        return error

    def all(self, name: str) -> list[str]:
        """Each value of that header, in the order they came."""
        return [value for given, value in self.fields if given.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """The only value of that header, or None where it isn't there."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Peer:
    """One end of a connection, played by the test."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(LONG)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._pending = bytearray()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send these bytes at once."""
        self._socket.sendall(data)

    def close(self) -> None:
        """End the connection in good order (FIN), if nothing that came is unread. Harmless twice."""
        self._socket.close()

    def reset(self, acknowledged: bool = True) -> None:
        """End the connection by a reset (RST), which by itself doesn't acknowledge what has come."""
        if acknowledged and hasattr(socket, "TCP_QUICKACK"):
            # Linux may hold an acknowledgement back for 40 ms.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def end_of_sending(self) -> None:
        """Send FIN, and go on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def until(self, ending: bytes) -> bytes:
        """What comes up to ``ending`` and with it."""
        while ending not in self._pending:
            self._more()
        return self._take(self._pending.index(ending) + len(ending))

    def exactly(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        while len(self._pending) < count:
            self._more()
        return self._take(count)

    def count(self, expected: int, byte: bytes) -> None:
        """Take the next ``expected`` bytes without keeping them; each must be ``byte``."""
        while expected:
            if not self._pending:
                self._more()
            taken = self._take(min(expected, len(self._pending)))
            assert taken.count(byte) == len(taken)
            expected -= len(taken)

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which must be an orderly one."""
        data, reset = self.ending()
        assert not reset, f"a reset came after {data!r}"
        return data

    def ending(self) -> tuple[bytes, bool]:
        """Everything up to the end of the connection, and whether that was a reset."""
        with contextlib.suppress(EOFError):
            try:
                while True:
                    self._more()
            except ConnectionResetError:
                return self._take(len(self._pending)), True
        return self._take(len(self._pending)), False

    def wait_gone(self, seconds: float = LONG) -> None:
        """Wait until the other side has ended the connection, by FIN or RST. Raises TimeoutError."""
        self._socket.settimeout(seconds)
        data, _ = self.ending()
        assert not data, f"bytes came instead of the end: {data[:200]!r}"

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for that long."""
        if self._pending:
            return False
        self._socket.settimeout(seconds)
        try:
            self._more()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(LONG)
        return False

    def head(self) -> tuple[str, Fields]:
        """The next head: its start line and its fields."""
        start, *lines = self.until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        return start, [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def message(self, bodiless: bool = False) -> Message:
        """The next message, its body read to the end. ``bodiless``: the answer to HEAD, a 204 or a 304."""
        start, fields = self.head()
        wanted = {name.lower(): value for name, value in fields}
        if bodiless:
            return Message(start, fields, b"", b"")
        if wanted.get("transfer-encoding") == "chunked":
            return Message(start, fields, *self._chunked())
        if "content-length" in wanted:
            body = self.exactly(int(wanted["content-length"]))
        else:
            body = self.rest() if start.startswith("HTTP/") else b""
        return Message(start, fields, body, body)

    def _chunked(self) -> tuple[bytes, bytes]:
        body = wire = b""
        while True:
            line = self.until(b"\r\n")
            piece = self.exactly(int(line, 16) + 2)
            assert piece.endswith(b"\r\n")
            body, wire = body + piece[:-2], wire + line + piece
            if len(piece) == 2:
                return body, wire

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise EOFError(f"the connection ended; unread: {bytes(self._pending[-200:])!r}")
        self._pending += data

    def _take(self, count: int) -> bytes:
        data = bytes(self._pending[:count])
        del self._pending[:count]
        return data


class RawWorker:
    """Listens on loopback. The test accepts each connection and plays the worker's side of it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LONG)
        self._peers: list[Peer] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.address = self.url.removeprefix("http://")

    def __enter__(self) -> RawWorker:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        for peer in self._peers:
            peer.close()
        self._listener.close()

    def accept(self) -> Peer:
        """The next connection that the proxy opens."""
        peer = Peer(self._listener.accept()[0])
        self._peers.append(peer)
        return peer

    def request(self) -> tuple[Peer, Message]:
        """The next connection, and the request that came on it."""
        peer = self.accept()
        return peer, peer.message()

    def was_left_alone(self) -> bool:
        """Whether no connection waits to be accepted."""
        self._listener.setblocking(False)
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return True
        finally:
            self._listener.settimeout(LONG)
        return False


def connect(url: str) -> Peer:
    """A client's connection to the proxy at ``url``."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return Peer(socket.create_connection((parts.hostname, parts.port)))


def post(body: bytes = b"{}", path: str = "/v1/x", *lines: str, version: str = "1.1") -> bytes:
    """A POST with a length, and with these header lines beside it."""
    head = [f"POST {path} HTTP/{version}", "Host: localhost", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def get(path: str = "/v1/x", *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body, and with these header lines."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: localhost", *lines, "", ""]).encode("latin-1")


def answer(body: bytes = b"ok", status: str = "200 OK", *lines: str) -> bytes:
    """A worker's answer with its length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def chunk(data: bytes) -> bytes:
    """One chunk; the last one, where there are no bytes in it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def asked(client: Peer, worker: RawWorker, request: bytes | None = None) -> Peer:
    """The worker's side of a request that it has read."""
    client.send(request or post())
    return worker.request()[0]


def swap(client: Peer, worker: RawWorker, request: bytes, answer: bytes, bodiless: bool = False) -> tuple[Message, Message]:
    """Send the request, have the worker give the answer and hang up. Returns both as they came out of the proxy."""
    client.send(request)
    peer, received = worker.request()
    with peer:
        peer.send(answer)
    return received, client.message(bodiless)


@contextlib.contextmanager
def background(function: Callable[[], _T]) -> Iterator[Future[_T]]:
    """Runs the function beside the block. What it raises is raised at the block's end."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function)
        yield future
        future.result(LONG)


@pytest.fixture
def only_worker(sandbox: Sandbox) -> Iterator[RawWorker]:
    """The only worker that the autoscaler knows. Test modules take it under the name ``worker``."""
    with RawWorker() as raw:
        sandbox.autoscaler.workers[:] = [raw.url]
        yield raw


@pytest.fixture
def raw_client(proxy: VastClient) -> Iterator[Peer]:
    """A client's connection to the proxy. Test modules take it under the name ``client``."""
    with connect(proxy.url) as peer:
        yield peer
