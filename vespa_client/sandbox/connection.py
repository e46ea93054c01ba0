"""One client's connection: requests read, answers framed (RFC 9112), a client that hangs up noticed."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import BinaryIO, cast

from .messages import Answer, ClientGone, HangUp, Outcome, Request

__all__ = ["Connection"]

# The package's own: what is blotted out of its records isn't of those of a logger below it.
_log = logging.getLogger("vespa_client")

_LINE_LIMIT = 1 << 18
_FIELD_LIMIT = 1000
_ONE_WRITE = 1 << 16
_BODILESS = (204, 304)


class Connection:
    """One client's connection, owned by its thread; others may only call :meth:`shut`."""

    def __init__(
        self,
        sock: socket.socket,
        handle: Callable[[Request], Answer],
        tls: ssl.SSLContext | None,
        stopping: threading.Event,
    ) -> None:
        sock.setblocking(True)
        self._sock = sock
        # TLS sockets can't be peeked at: a second handle on the same socket can.
        self._bare = sock.dup() if tls else sock
        self._handle = handle
        self._tls = tls
        self._stopping = stopping

    def shut(self) -> None:
        """Wake whatever reads, writes or pauses on this connection."""
        with contextlib.suppress(OSError):
            self._bare.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; whatever its thread did not finish stays so."""
        self._bare.close()
        self._sock.close()

    def serve(self) -> None:
        """Answer requests until the client hangs up, an answer ends the connection, or the sandbox stops."""
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                self._sock = self._tls.wrap_socket(self._sock, server_side=True)
            with cast(BinaryIO, self._sock.makefile("rb", _ONE_WRITE)) as stream:
                while not self._stopping.is_set() and self._serve_one(stream):
                    pass
        except (OSError, ClientGone):
            pass  # a client that hung up, or that speaks no TLS
        except HangUp as end:
            if end.reset:
                with contextlib.suppress(OSError):
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except Exception:  # noqa: BLE001 - a test's script may raise anything
            _log.exception("The sandbox broke an answer off")

    def _serve_one(self, stream: BinaryIO) -> bool:
        """Read a request and answer it. False where the connection ends with it."""
        try:
            head = _read_head(stream)
            if head is None:
                return False
            start, headers = head
            method, target, version = start.split(" ")
            request = Request(method, target, headers, b"", connection=self)
            if (request.header("expect") or "").lower() == "100-continue":
                self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.body = _read_body(stream, request)
        except ValueError:
            self._sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        request.received_at = time.monotonic()
        asked = (request.header("connection") or "").lower()
        keep = asked == "keep-alive" if version == "HTTP/1.0" else asked != "close"
        outcome: Outcome = "broken"
        try:
            keep = self._answer(request, keep, chunks=version != "HTTP/1.0")
            outcome = "answered"
        except ClientGone:
            outcome = "cancelled"
            raise
        finally:
            request.end(outcome)
            request.connection = None
        return keep

    def _answer(self, request: Request, keep: bool, chunks: bool) -> bool:
        try:
            answer = self._handle(request)
        except (ClientGone, HangUp):
            raise
        except Exception:  # noqa: BLE001 - a test's script may raise anything
            _log.exception("The sandbox failed at %s %s", request.method, request.path)
            answer = Answer(500)
        request.status = answer.status
        headers = list(answer.headers)
        given = {name.lower(): value for name, value in headers}
        keep = keep and given.get("connection", "").lower() != "close" and not answer.until_close
        body = answer.body
        silent = request.method == "HEAD" or answer.status in _BODILESS
        framing = given.get("content-length", "")
        if isinstance(body, bytes):
            if not framing and not answer.until_close and answer.status not in _BODILESS:
                framing = str(len(body))
                headers.append(("Content-Length", framing))
            body = [body] if body else []
            return self._send(answer.status, headers, body, framing, keep, silent, together=True)
        if not framing and answer.status not in _BODILESS:
            framing = "chunked" if chunks and not answer.until_close else ""
            if framing:
                headers.append(("Transfer-Encoding", "chunked"))
            else:
                keep = False
        try:
            return self._send(answer.status, headers, body, framing, keep, silent, together=False)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _send(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: Iterable[bytes],
        framing: str,
        keep: bool,
        silent: bool,
        together: bool,
    ) -> bool:
        if not keep and not any(name.lower() == "connection" for name, _ in headers):
            headers.append(("Connection", "close"))
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if silent:
            self._write(head)
            return keep
        if not together:
            # The head at once: the first piece may be long in coming.
            self._write(head)
            head = b""
        sent = 0
        for piece in body:
            if piece:
                sent += len(piece)
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece
                if len(framed) < _ONE_WRITE:
                    self._write(head + framed)
                else:
                    self._write(head)
                    self._write(framed)
                head = b""
        self._write(head + (b"0\r\n\r\n" if framing == "chunked" else b""))
        return keep and (framing == "chunked" or framing == str(sent))

    def _write(self, data: bytes) -> None:
        try:
            if data:
                self._sock.sendall(data)
        except OSError:
            raise ClientGone from None

    def pause(self, seconds: float) -> None:
        """See :meth:`Request.pause`."""
        deadline = time.monotonic() + seconds
        # Peeking with a time limit is a sleep that the client's end-of-file interrupts.
        try:
            self._bare.settimeout(seconds)
            waiting = self._bare.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return
        except OSError:
            raise ClientGone from None
        finally:
            with contextlib.suppress(OSError):
                self._bare.settimeout(None)
        # What comes under TLS while an answer is due is the goodbye. In the clear, it is the next request, come early.
        if not waiting or self._tls or self._stopping.wait(max(0.0, deadline - time.monotonic())):
            raise ClientGone

    @contextlib.contextmanager
    def watched(self, when_gone: Callable[[], None]) -> Iterator[None]:
        """See :meth:`Request.watched`."""
        done, wake = socket.socketpair()

        def watch() -> None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._bare, selectors.EVENT_READ)
                selector.register(done, selectors.EVENT_READ)
                if any(key.fileobj is done for key, _ in selector.select()):
                    return
                try:
                    gone = not self._bare.recv(1, socket.MSG_PEEK) or self._tls
                except OSError:
                    gone = True
                if gone:
                    when_gone()

        with done, wake:
            watcher = threading.Thread(target=watch, name="sandbox-watcher", daemon=True)
            watcher.start()
            try:
                yield
            finally:
                wake.send(b"x")
                watcher.join()


def _read_head(stream: BinaryIO) -> tuple[str, list[tuple[str, str]]] | None:
    """Start line and headers, or None at the end of the stream. ValueError for what is no HTTP."""
    start = b"\r\n"
    while start == b"\r\n":  # RFC 9112, 2.2: an empty line before a request is skipped
        start = stream.readline(_LINE_LIMIT)
    if not start.endswith(b"\n"):
        return None
    headers: list[tuple[str, str]] = []
    while (line := stream.readline(_LINE_LIMIT)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not line.endswith(b"\n") or not colon or len(headers) > _FIELD_LIMIT:
            raise ValueError("a broken head")
        headers.append((name, value.strip()))
    return start.decode("latin-1").rstrip("\r\n"), headers


def _read_body(stream: BinaryIO, request: Request) -> bytes:
    if (request.header("transfer-encoding") or "").lower() == "chunked":
        return b"".join(_read_chunks(stream))
    length = int(request.header("content-length") or 0)
    body = stream.read(length) if length else b""
    if len(body) < length:
        raise ClientGone
    return body


def _read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline(_LINE_LIMIT).partition(b";")[0], 16):
        chunk = stream.read(size)
        if len(chunk) < size or stream.read(2) != b"\r\n":
            raise ClientGone
        yield chunk
    while stream.readline(_LINE_LIMIT) not in (b"\r\n", b"\n", b""):
        pass
