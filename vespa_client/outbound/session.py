"""A session of requests for what brings its own HTTP, as an exporter of traces does: one that can be ended, and forked beside.

Environment, redirects and proxies are as requests has them. It is for one request at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from ..net.dialing import dial
from ..net.forks import close_in_children
from ..net.lifeline import Lifeline, SecondHandle
from .failures import ConnectFailed, TransportError, reason_for

__all__ = ["Session"]

# Where the caller has set no limit.
_CONNECT_SECONDS = 10.0


class Session(requests.Session):
    """``trouble`` says, for people, why the last request failed; empty where it didn't."""

    def __init__(self, shunned: Collection[int]) -> None:
        """``shunned`` are ports of this machine that it must not talk to. Whoever made it may change them later."""
        super().__init__()
        self.trouble = ""
        self._lifeline = Lifeline()
        adapter = _Adapter(self._lifeline, shunned)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As requests has it. Raises :class:`ConnectFailed` for a port that is shunned, and :class:`ClientGone` once cut."""
        try:
            answer = super().send(request, **kwargs)
        except (requests.RequestException, TransportError) as problem:
            self.trouble = _reason(problem)
            raise
        self.trouble = "" if answer.ok else f"it answered {answer.status_code}"
        return answer

    def cut(self) -> None:
        """End what it does, and let it begin nothing more. For any thread."""
        self._lifeline.cut()


class _Connection(HTTPConnection):
    def __init__(self, lifeline: Lifeline, shunned: Collection[int], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lifeline, self._shunned = lifeline, shunned

    def _new_conn(self) -> Any:
        seconds = self.timeout if isinstance(self.timeout, int | float) else _CONNECT_SECONDS
        sock = dial(self._dns_host, self.port, seconds, self._lifeline)
        here, there = sock.getsockname(), sock.getpeername()
        if there[0] == here[0] and there[1] in self._shunned:
            sock.close()
            raise ConnectFailed("it is the proxy itself")
        return sock

    def connect(self) -> None:
        super().connect()
        # TLS inside a proxy's TLS is an object of urllib3's around the socket.
        sock = self.sock.socket if isinstance(self.sock, SSLTransport) else self.sock
        close_in_children(sock)
        self._lifeline.hold(sock)


class _SecureConnection(_Connection, HTTPSConnection):
    def _new_conn(self) -> Any:
        return self._handle.hold(super()._new_conn())

    def connect(self) -> None:
        with SecondHandle(self._lifeline) as self._handle:
            super().connect()


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection

    def __init__(self, lifeline: Lifeline, shunned: Collection[int], *args: Any, **kwargs: Any) -> None:
        self.ConnectionCls = partial(type(self).ConnectionCls, lifeline, shunned)  # type: ignore[assignment]
        super().__init__(*args, **kwargs)


class _SecurePool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def __init__(self, lifeline: Lifeline, shunned: Collection[int]) -> None:
        self._kinds: dict[str, Any] = {
            "http": partial(_Pool, lifeline, shunned),
            "https": partial(_SecurePool, lifeline, shunned),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._kinds

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._kinds
        return manager


def _reason(problem: Exception) -> str:
    cause = _cause(problem)
    # The words of requests itself quote addresses and headers, which may hold a key.
    if isinstance(cause, requests.RequestException):
        return type(cause).__name__
    return str(cause) if isinstance(cause, TransportError) else reason_for(cause)


def _cause(problem: Exception) -> Exception:
    """What requests and urllib3 have wrapped."""
    wrapped = (getattr(problem, "reason", None), *problem.args)
    return next((_cause(one) for one in wrapped if isinstance(one, Exception)), problem)
