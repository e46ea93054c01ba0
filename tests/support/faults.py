"""Faults on purpose: a server that breaks at a chosen place of its conversation, and a log that can be waited for.

Black holes, resets and broken TLS are made on loopback alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

import pytest

from .raw_worker import LONG, Message, Peer, answer, chunk
from .tls_material import Authority

REFUSES = "refuses"
BLACKHOLE = "blackhole"
TLS_FAILURE = "TLS failure"
RESET = "reset"
CLOSE = "orderly close"
SILENCE = "silence"
DRIP = "a byte a second"
GARBAGE = "garbage head"
HUGE = "head of 1 MB"
BUSY = "429"
LOADING = "503"
BAD_GATEWAY = "502"
GATEWAY_TIMEOUT = "504"
STATUS_INSIDE = "status line in the body"
FAULTS = (
    REFUSES,
    BLACKHOLE,
    TLS_FAILURE,
    RESET,
    CLOSE,
    SILENCE,
    DRIP,
    GARBAGE,
    HUGE,
    BUSY,
    LOADING,
    BAD_GATEWAY,
    GATEWAY_TIMEOUT,
    STATUS_INSIDE,
)

BEFORE = "before connecting"
SENDING = "while the request is sent"
WAITING = "before the head"
IN_HEAD = "in the head"
CHUNKED = "in the body (chunked)"
LENGTH = "in the body (length)"
UNTIL_CLOSE = "in the body (close)"
KEPT = "on an idle kept connection"
STAGES = (BEFORE, SENDING, WAITING, IN_HEAD, CHUNKED, LENGTH, UNTIL_CLOSE, KEPT)

DRIP_SECONDS = 0.01
"""A second of the byte a second: limits in these tests are as much shorter."""

_FAULTY_BODY = b"half of it, " + b"and a rest that is due"
_HALF = 12
_HEADS = {
    CHUNKED: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
    LENGTH: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(_FAULTY_BODY),
    UNTIL_CLOSE: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
}
_OPENING = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
_REFUSALS = {
    BUSY: "429 Too Many Requests",
    LOADING: "503 Service Unavailable",
    BAD_GATEWAY: "502 Bad Gateway",
    GATEWAY_TIMEOUT: "504 Gateway Timeout",
}
_STATUS_LINE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
# A TLS record whose contents nobody can have encrypted.
_BROKEN_RECORD = b"\x17\x03\x03\x00\x40" + b"?" * 64
# A filter of Linux's that lets no packet through: what is sent here is never acknowledged.
_SO_ATTACH_FILTER = 26
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


class Front:
    """Listens on loopback under TLS and serves well, but for one connection, on which it plays a fault.

    ``good`` makes the whole answer to a request. :meth:`arm` chooses the fault for the next connection (for KEPT: for the
    present one, once it has answered). ``requests`` are those that came whole, ``connections`` counts all.
    """

    def __init__(self, authority: Authority, good: Callable[[Message], bytes]) -> None:
        self._contexts = {"good": authority.server(), "bad": _stranger()}
        self._good = good
        self._over = threading.Event()
        self._lock = threading.Lock()  # guards the fields below
        self._peers: set[_Conversation] = set()
        self._armed: tuple[str, str] | None = None
        self.requests: list[Message] = []
        self.connections = 0
        self.struck = threading.Event()
        """Set when the fault has been played, or has begun to last."""
        self._now = threading.Event()
        self._fillers: list[socket.socket] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread: threading.Thread | None = self._accepting()

    def __enter__(self) -> Front:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._stop_listening()
        self.hang_up()

    def arm(self, fault: str, stage: str) -> None:
        """Play the fault at that stage of the next connection; there is no kept one after this."""
        self.hang_up()
        self.struck.clear()
        self._now.clear()
        with self._lock:
            self._armed = (fault, stage)
            self.requests, self.connections = [], 0
        if stage == BEFORE and fault == REFUSES:
            self._stop_listening()
        elif stage == BEFORE and fault == BLACKHOLE:
            self._stop_listening()
            self._listener = self._listen(self.port, backlog=0)
            # It takes the one place there is: whoever comes next is not answered.
            self._fillers.append(socket.create_connection(("127.0.0.1", self.port)))

    def strike(self) -> None:
        """Have the fault of a kept connection played now, and wait until it has been."""
        fault = (self._armed or ("", ""))[0]
        if fault == REFUSES:
            self._stop_listening()
        self._now.set()
        assert self.struck.wait(LONG), "the fault was not played"

    def mend(self) -> None:
        """Serve well from now on."""
        with self._lock:
            self._armed = None
        self.hang_up()
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        if self._thread is None or not self._thread.is_alive():
            self._listener.close()
            self._listener = self._listen(self.port)
            self._thread = self._accepting()

    def hang_up(self) -> None:
        """End every connection there is."""
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            peer.end()

    def _listen(self, port: int, backlog: int = 128) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Small, so that a large request is on its way for as long as nobody reads it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        listener.bind(("127.0.0.1", port))
        listener.listen(backlog)
        return listener

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._listener.close()
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()

    def _accepting(self) -> threading.Thread:
        thread = threading.Thread(target=self._accept, args=(self._listener,), name="front", daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock = listener.accept()[0]
                with self._lock:
                    self.connections += 1
                    armed = self._armed if self._armed and self.connections == 1 else None
                    conversation = _Conversation(self, sock, armed)
                    self._peers.add(conversation)
                conversation.start()

    def _forget(self, conversation: _Conversation) -> None:
        with self._lock:
            self._peers.discard(conversation)


class _Conversation(threading.Thread):
    """One connection: good answers, or the one fault."""

    def __init__(self, front: Front, sock: socket.socket, armed: tuple[str, str] | None) -> None:
        super().__init__(name="front-connection", daemon=True)
        self._front = front
        self._raw = sock
        self._raw.settimeout(LONG)
        self._fault, self._stage = armed or ("", "")
        self._over = threading.Event()
        self._tls: ssl.SSLSocket | None = None

    def end(self) -> None:
        """End it from outside, and wait for that."""
        self._over.set()
        self._front._now.set()
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)
        self.join(LONG)

    def run(self) -> None:
        try:
            self._converse()
        except (OSError, EOFError):
            pass  # the proxy has hung up
        finally:
            self._raw.close()
            if self._tls is not None:
                self._tls.close()
            self._front.struck.set()
            self._front._forget(self)

    def _converse(self) -> None:
        if self._stage == BEFORE and self._fault != TLS_FAILURE:
            self._raw.recv(1, socket.MSG_PEEK)  # the first byte of the handshake
            self._play(None)
            return
        context = self._front._contexts["bad" if self._stage == BEFORE else "good"]
        # The bare socket stays at hand for what TLS would not let through.
        self._tls = context.wrap_socket(self._raw.dup(), server_side=True)
        peer = Peer(self._tls)
        if self._stage == SENDING:
            peer.until(b"\r\n\r\n")
            self._play(peer)
            return
        while True:
            message = peer.message()
            self._front.requests.append(message)
            if self._stage in ("", KEPT):
                peer.send(self._front._good(message))
            if self._stage == KEPT:
                self._front._now.wait(LONG)
            if self._stage:
                self._begin(peer)
                self._play(peer)
                return

    def _begin(self, peer: Peer) -> None:
        """What comes in good order before the fault."""
        if self._stage == IN_HEAD:
            peer.send(_OPENING)
        elif self._stage == CHUNKED:
            peer.send(_HEADS[CHUNKED] + chunk(_FAULTY_BODY[:_HALF]))
        elif self._stage in (LENGTH, UNTIL_CLOSE):
            peer.send(_HEADS[self._stage] + _FAULTY_BODY[:_HALF])

    def _play(self, peer: Peer | None) -> None:
        fault = self._fault
        send = peer.send if peer else self._raw.sendall
        if fault == RESET or (fault == REFUSES and self._stage == KEPT):
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if fault == CLOSE:
            self._say_goodbye()
        elif fault == BLACKHOLE:
            swallow(self._raw)
        elif fault == TLS_FAILURE:
            self._raw.sendall(_BROKEN_RECORD)
        elif fault == GARBAGE:
            send(b"\x00\xff SSH-2.0-OpenSSH_9.6 \r\n\r\n")
        elif fault == HUGE:
            head = b"" if self._stage == IN_HEAD else b"HTTP/1.1 200 OK\r\n"
            with contextlib.suppress(OSError):
                send(head + b"X-Long: " + b"y" * (1 << 20) + b"\r\n\r\n")
        elif fault in _REFUSALS:
            send(answer(b"busy", _REFUSALS[fault], "Connection: close"))
        elif fault == STATUS_INSIDE:
            send(_STATUS_LINE)
        if fault != DRIP:
            self._front.struck.set()
        if fault == DRIP:
            self._drip(peer)
        elif fault in (BLACKHOLE, SILENCE):
            self._over.wait(LONG) if self._stage in (SENDING, KEPT) or fault == BLACKHOLE else self._drain()
        else:
            self._drain()

    def _say_goodbye(self) -> None:
        if self._tls is not None:
            self._tls.settimeout(0.0)
            with contextlib.suppress(OSError):
                self._tls.unwrap()  # it would wait for the other side's goodbye
        self._raw.shutdown(socket.SHUT_WR)

    def _drip(self, peer: Peer | None) -> None:
        if self._stage == SENDING:
            while not self._over.wait(DRIP_SECONDS) and self._tls is not None and self._tls.recv(1):
                pass
            return
        rest = _FAULTY_BODY[_HALF:]
        dripped = {
            BEFORE: b"\x16\x03\x03\x40\x00" + bytes(10_000),
            WAITING: b"\r\n" * 10_000,
            IN_HEAD: b"X-Slow: " + b"y" * 10_000,
            CHUNKED: chunk(rest) + chunk(b""),
            KEPT: b"HTTP/1.1 408 " + b"y" * 10_000,
        }.get(self._stage, rest)
        for place in range(len(dripped)):
            if self._over.wait(DRIP_SECONDS):
                return
            one = dripped[place : place + 1]
            peer.send(one) if peer else self._raw.sendall(one)
            self._front.struck.set()
        if self._stage == UNTIL_CLOSE:
            self._say_goodbye()
        self._drain()

    def _drain(self) -> None:
        """Read until the proxy hangs up: closing on unread bytes would be a reset."""
        with contextlib.suppress(OSError):
            while self._raw.recv(1 << 16):
                pass


def swallow(sock: socket.socket) -> None:
    """From now on nothing that is sent to this connected socket arrives, nor is it acknowledged. Linux alone."""
    program = ctypes.create_string_buffer(_DROP_ALL)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))


def _stranger() -> ssl.SSLContext:
    return Authority("Somebody else's root").server()


class Log(logging.Handler):
    """The lines that the proxy has logged, and a way to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._told = threading.Condition()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self._told:
            self.lines.append(record.getMessage())
            self._told.notify_all()

    def wait_for(self, text: str, seconds: float = LONG) -> str:
        """The first line with that text in it, waited for."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self._told:
            line = self._told.wait_for(found, seconds)
            assert line is not None, f"no line has {text!r} in it: {self.lines}"
            return line

    def clear(self) -> None:
        """Forget the lines so far."""
        with self._told:
            self.lines.clear()


@pytest.fixture
def proxy_log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """What the proxy logs, each decision included."""
    heard = Log()
    logger = logging.getLogger("vespa_client")
    caplog.set_level(logging.DEBUG, logger.name)
    logger.addHandler(heard)
    yield heard
    logger.removeHandler(heard)
