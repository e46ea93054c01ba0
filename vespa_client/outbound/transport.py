"""One request to one host, over requests and urllib3, with the bytes in our hands.

Console, autoscaler and workers are all spoken to through :class:`Transport`. Requests go out as they were written and
answers come in as they arrive; failures say how far the request had come (:mod:`.failures`).
"""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..net.lifeline import Lifeline
from .answer import Answer
from .call import Call, OutboundRequest, TimeLimits
from .failures import ConnectFailed, HungUp, TransportError, reason_for
from .idle import IdleConnections
from .pool import Pool, pools
from .proxies import OutboundProxies

__all__ = ["Transport"]

_Result = TypeVar("_Result")


class Transport(HTTPAdapter):
    """Kept connections to any number of hosts. Safe to share between threads."""

    def __init__(self, context: Callable[[], ssl.SSLContext], proxies: OutboundProxies) -> None:
        """``context`` is asked for when the first host with TLS is met, and must always return the same one."""
        self._context = context
        self._proxies = proxies
        self._idle = IdleConnections()
        self._turn = threading.Lock()  # guards that one small request is sent at a time: see Connection
        # To ask a manager means to build a key out of all that could tell two pools of one host apart. The managers hold the
        # pools, and forget those of the hosts that were met first: with more workers than that, a busy one is met anew.
        self._pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()
        # urllib3 2 lets a pool that falls out of this many go on serving whoever holds it; 10 (the default) is too few
        # where each worker is a host.
        super().__init__(pool_connections=1024, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = urllib3.PoolManager(connections, maxsize=maxsize)
        self.poolmanager.pool_classes_by_scheme = pools(self._idle, self._context)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        known: urllib3.ProxyManager | None = self.proxy_manager.get(proxy)
        if known is not None:
            return known
        manager = urllib3.ProxyManager(
            proxy,
            num_pools=1024,
            maxsize=1,
            proxy_ssl_context=self._context() if proxy.startswith("https:") else None,
            proxy_headers=self.proxy_headers(proxy),
        )
        manager.pool_classes_by_scheme = pools(self._idle, self._context)
        # Another thread may have met it meanwhile.
        shared: urllib3.ProxyManager = self.proxy_manager.setdefault(proxy, manager)
        return shared

    def connect(self, url: str, limits: TimeLimits, lifeline: Lifeline) -> None:
        """Have a connection ready for the next request to the host of ``url``, without a request.

        Raises :class:`TransportError`, and :class:`ClientGone` when the lifeline is cut.
        """
        self._carry_out(lambda call: self._pool(url).open_one(url, call), Call(limits, lifeline))

    def send_once(
        self,
        request: OutboundRequest,
        limits: TimeLimits,
        lifeline: Lifeline,
        on_phase: Callable[[str], None] = lambda phase: None,
    ) -> Answer:
        """Send the request and return its answer's head, the body still to come.

        ``on_phase`` is told ``connecting`` where a new connection is made for it, and ``first_byte`` when there is one.

        Raises :class:`TransportError`, and :class:`ClientGone` when the lifeline is cut.
        """
        self._idle.sweep()
        call = Call(limits, lifeline, on_phase, self._turn)
        answer = self._carry_out(lambda call: self.send(request, stream=True, timeout=call), call)  # type: ignore[arg-type]
        assert isinstance(answer, Answer)
        return answer

    def _carry_out(self, step: Callable[[Call], _Result], call: Call) -> _Result:
        try:
            return step(call)
        except TransportError as problem:
            if isinstance(problem, HungUp) and problem.unheard:
                self._idle.forget()
            call.lifeline.let_go()
            call.lifeline.check()
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            call.lifeline.let_go()
            call.lifeline.check()
            raise ConnectFailed(reason_for(problem)) from problem

    def ask(self, request: OutboundRequest, limits: TimeLimits, lifeline: Lifeline) -> Answer:
        """As :meth:`send_once`, for a request that stays good: a kept connection that had gone stale is passed over.

        It doesn't go by requests' own ``send``, which is a tenth of what asking costs.
        """
        assert request.url is not None
        pool = self._pool(request.url)
        call = Call(limits, lifeline, turn=self._turn)
        while True:
            self._idle.sweep()
            try:
                return Answer(self._carry_out(lambda call: pool.urlopen("", "/", headers=request.headers, timeout=call), call))
            except HungUp as problem:
                if not problem.stale:
                    raise

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> urllib3.HTTPConnectionPool:
        assert request.url is not None
        return self._pool(request.url)

    def _pool(self, url: str) -> Pool:
        pool = self._pools.get(url)
        if pool is None:
            parts = urlsplit(url)
            assert parts.hostname is not None
            proxy = self._proxies.for_host(parts.scheme, parts.hostname, parts.port)
            manager = self.proxy_manager_for(proxy) if proxy else self.poolmanager
            found = manager.connection_from_host(parts.hostname, parts.port, parts.scheme)
            assert isinstance(found, Pool)
            pool = self._pools[url] = found
        return pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        # Never sent: the connection writes the target as it was given.
        return "/"

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # requests would load its own bundle into the context; ours holds all that is trusted already.
        conn.cert_reqs = "CERT_REQUIRED"

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> Answer:
        return Answer(resp)
