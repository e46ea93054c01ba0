"""The connections to one host, and the choice of one for a request. urllib3 makes the pools, by host and outbound proxy."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any

import urllib3
from urllib3.util.proxy import connection_requires_http_tunnel

from .answer import AnswerBody
from .call import Call, HeadersOfCall
from .connection import Connection, SecureConnection
from .idle import IdleConnections

__all__ = ["Pool", "pools"]


class Pool(urllib3.HTTPConnectionPool):
    """The connections to one host; any number of them, and none is made before it is needed."""

    ConnectionCls = Connection

    def __init__(self, *args: Any, idle: IdleConnections, **kwargs: Any) -> None:
        self.QueueCls = idle.new_queue  # type: ignore[assignment]
        super().__init__(*args, **kwargs)

    def urlopen(self, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> AnswerBody:  # type: ignore[override]
        """One request, sent once: what requests calls, without urllib3's retries, redirects and look at each argument."""
        call = kwargs["timeout"]
        assert isinstance(headers, HeadersOfCall)
        assert isinstance(call, Call)
        scheme = _scheme_of(headers.request.url)
        connection = self._idle_connection(call) or self._connected(scheme, call)
        call.on_phase("first_byte")
        try:
            if self.proxy is not None and scheme == "http":
                headers.update(self.proxy_headers)
            connection.send_request(headers)
            return connection.read_answer(self._put_conn)
        except BaseException:
            connection.close()
            raise

    def _connected(self, scheme: str, call: Call) -> Connection:
        call.on_phase("connecting")
        return self._new_connection(scheme, call)

    def open_one(self, url: str, call: Call) -> None:
        """Have a connection ready for the next request to ``url``. Raises :class:`TransportError`."""
        connection = self._new_connection(_scheme_of(url), call)
        call.lifeline.let_go()
        self._put_conn(connection)

    def _idle_connection(self, call: Call) -> Connection | None:
        if self.pool is None:
            raise urllib3.exceptions.ClosedPoolError(self, "The pool is closed.")
        while True:
            try:
                connection: Connection = self.pool.get()
            except Empty:
                return None
            connection.was_idle = True
            connection.call = call
            if connection.is_usable():
                return connection
            connection.close()

    def _new_connection(self, scheme: str, call: Call) -> Connection:
        # The destination's scheme: what goes to an outbound proxy in the clear has a pool of the proxy's own, and its scheme.
        connection = self._new_conn()
        assert isinstance(connection, Connection)
        connection.call = call
        if connection_requires_http_tunnel(self.proxy, self.proxy_config, scheme):
            self._prepare_proxy(connection)
        else:
            connection.connect()
        return connection


class _SecurePool(Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = SecureConnection

    def __init__(self, *args: Any, context: Callable[[], ssl.SSLContext], **kwargs: Any) -> None:
        super().__init__(*args, ssl_context=context(), **kwargs)


def pools(idle: IdleConnections, context: Callable[[], ssl.SSLContext]) -> dict[str, Any]:
    """How a urllib3 pool manager makes the pools of a transport, by the scheme of their host."""
    return {"http": partial(Pool, idle=idle), "https": partial(_SecurePool, idle=idle, context=context)}


def _scheme_of(url: str | None) -> str:
    assert url is not None
    return "http" if url.startswith("http:") else "https"
