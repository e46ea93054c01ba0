"""A person's own model server behind the sandbox's worker (``--sandbox-backend``)."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from .component import json_answer
from .messages import Answer, ClientGone, HangUp, Request

__all__ = ["Backend"]

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 2
_BLOCK = 1 << 16
# RFC 9110, 7.6.1
_HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")


class Backend:
    """Passes requests on to the server at ``url`` (http or https; a path is put before each request's path).

    ValueError for a ``url`` that is none.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"The sandbox's backend must be an http:// or https:// URL with a host, not {url!r}.")
        self.url = url
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host = parts.hostname
        self._port = parts.port
        # People know their server by its base URL for SDKs, and clients of the proxy send the /v1 themselves.
        self._prefix = parts.path.rstrip("/").removesuffix("/v1")

    def __call__(self, request: Request) -> Answer:
        """The backend's answer, streamed as it comes. 500 where it can't be reached or answers no HTTP."""
        connection = self._connect(self._host, self._port, timeout=_CONNECT_SECONDS)
        gone = threading.Event()
        stack = contextlib.ExitStack()
        stack.callback(connection.close)
        try:
            connection.connect()
            sock = connection.sock
            sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stack.enter_context(request.watched(lambda: _shut(sock, gone)))
            headers = dict(request.headers)
            connection.request(request.method, self._prefix + request.target, request.body or None, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            stack.close()
            if gone.is_set():
                raise ClientGone from None
            return self._failed(problem)
        except BaseException:
            stack.close()
            raise
        fields = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        if request.method == "HEAD" or response.status in (204, 304):
            stack.close()
            return Answer(response.status, b"", fields)
        return Answer(response.status, _Stream(response, stack, gone), fields)

    def trouble(self) -> str:
        """Why nothing answers there at this moment; empty where something does. Nothing is asked of it."""
        connection = self._connect(self._host, self._port, timeout=_LOOK_SECONDS)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as problem:
            return str(getattr(problem, "strerror", None) or problem or type(problem).__name__)
        finally:
            connection.close()
        return ""

    def _failed(self, problem: Exception) -> Answer:
        # A real worker's 500 is empty. Here a person has mistyped a URL or forgotten to start a server.
        message = f"The sandbox's worker can't use the backend at {self.url}: {problem or type(problem).__name__}"
        error = {"message": message, "type": "backend_error", "param": None, "code": "backend_failed"}
        return json_answer(500, {"type": "error", "error": error})


class _Stream:
    """A response's body, piece by piece as it comes. Closing it ends the backend's connection, begun or not."""

    def __init__(self, response: http.client.HTTPResponse, stack: contextlib.ExitStack, gone: threading.Event) -> None:
        self._response = response
        self._stack = stack
        self._gone = gone

    def __iter__(self) -> Iterator[bytes]:
        try:
            while piece := self._response.read1(_BLOCK):
                yield piece
        except (OSError, ValueError, http.client.HTTPException):
            if not self._gone.is_set():
                raise HangUp from None  # half an answer must not look whole
        if self._gone.is_set():
            raise ClientGone

    def close(self) -> None:
        self._response.close()
        self._stack.close()


def _shut(sock: socket.socket, gone: threading.Event) -> None:
    gone.set()
    # Shut down, and not closed: that wakes the thread that reads from it.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
