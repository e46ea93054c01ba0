"""The proxy as an object: start it, take its ``url``, stop it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .assembly import assemble, settings_in_use
from .journal.log import log
from .journal.totals import Totals
from .net.real_threads import require_real_threads
from .server.proxy_server import ProxyServer
from .settings.table import Settings, resolve

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .journal.snapshot import Exchange
    from .server.pages.status import Status
    from .settings.keywords import SettingKeywords

__all__ = ["VastClient"]

_clients: weakref.WeakSet[VastClient] = weakref.WeakSet()


class VastClient:
    """A local HTTP proxy for one Vast.ai serverless endpoint, run by threads of its own.

    ::

        with VastClient("my-endpoint", account_key="…", port=0) as client:
            OpenAI(base_url=f"{client.url}/v1", api_key="not-used")

    Every setting of the command line is a keyword of the same name; the README's reference says what each means. What
    isn't given comes from the environment and the key files. Nothing is printed, and no signal handler is set: log
    records go to the logger ``vespa_client``.
    """

    def __init__(
        self, endpoint_name: str | None = None, api_key: str | None = None, **settings: Unpack[SettingKeywords]
    ) -> None:
        """Take the settings; nothing is opened yet. Raises :class:`ConfigurationError` for a value that can't work."""
        if endpoint_name is not None and settings.get("endpoint") is not None:
            raise TypeError("endpoint_name and endpoint are the same setting: give one of the two")
        given: dict[str, Any] = {"endpoint": endpoint_name, "api_key": api_key}
        given.update({name: value for name, value in settings.items() if value is not None})
        self._set_up(resolve(given))

    @classmethod
    def from_settings(cls, settings: Settings, totals: Totals | None = None) -> Self:
        """A client with exactly these settings; nothing is taken from the environment.

        ``totals`` is where its exchanges are noted, for whoever reads them beside it.
        """
        client = cls.__new__(cls)
        client._set_up(settings, totals)
        return client

    def _set_up(self, settings: Settings, totals: Totals | None = None) -> None:
        self._settings = settings
        self._be_stopped(totals)
        self._url: str | None = None
        self._endpoint_name = settings.endpoint
        self._proxy_key: str | None = None
        _clients.add(self)

    def _be_stopped(self, totals: Totals | None = None) -> None:
        """Have nothing that runs: at first, and in a forked child, where all of it is the parent's."""
        self._lock = threading.Lock()  # guards the fields below, and that start and stop come one after the other
        self._server: ProxyServer | None = None
        self._resources = contextlib.ExitStack()
        self._stopped = threading.Event()
        self._totals = totals or Totals()

    def __repr__(self) -> str:
        state = self._url if self._server else "stopped"
        return f"<VastClient {self._endpoint_name or '?'} {state}>"

    @property
    def url(self) -> str:
        """The proxy's address, without a path: ``http://127.0.0.1:8010``. Raises RuntimeError before :meth:`start`."""
        if self._url is None:
            raise RuntimeError("The proxy has no address yet: call start() first.")
        return self._url

    @property
    def endpoint_name(self) -> str | None:
        """The endpoint that requests go to, where it is known already."""
        return self._endpoint_name

    @property
    def proxy_key(self) -> str | None:
        """The key that clients have to give as their ``api_key``; None where the proxy asks for none.

        For a ``host`` beyond this machine, :meth:`start` makes one where none was given.
        """
        return self._proxy_key

    @property
    def is_running(self) -> bool:
        """Whether the proxy accepts requests."""
        return self._server is not None

    def start(self) -> Self:
        """Listen and serve; the proxy is ready when this returns. Harmless when it runs already. Returns itself.

        With an account key and no endpoint key, the endpoint key is fetched from the console first; where no endpoint was
        named, it is the account's only one. Raises one of :mod:`vespa_client.errors`; nothing is left running then.
        """
        with self._lock, contextlib.ExitStack() as resources:
            if self._server is not None:
                return self
            require_real_threads()
            settings = settings_in_use(self._settings, resources)
            if settings.debug:
                resources.callback(log.setLevel, log.level)
                log.setLevel(logging.DEBUG)
            server, warmup, proxy_key, endpoint_name = assemble(settings, resources, self._totals)
            try:
                server.start()
                warmup.start()
            except BaseException:
                server.stop()
                raise
            self._server, self._url, self._proxy_key = server, _address(settings.host, server.port), proxy_key
            self._endpoint_name = endpoint_name
            self._resources = resources.pop_all()
            self._stopped.clear()
        return self

    def stop(self, drain: float = 0.0) -> int:
        """Stop listening, let requests in progress finish for up to ``drain`` seconds, then cut them visibly.

        Ends all threads and closes all sockets. Harmless when it doesn't run, and in a child that was forked from the
        program that it runs in, which can use its address as before. Returns how many requests were cut.
        """
        with self._lock:
            server, self._server = self._server, None
            try:
                return server.stop(drain) if server is not None else 0
            except KeyboardInterrupt:
                # A second Ctrl-C ends the drain. What is cut by it is to be seen as cut all the same.
                if server is not None:
                    server.stop()
                raise
            finally:
                self._resources.close()
                self._stopped.set()

    def status(self) -> Status:
        """What the proxy does and has done, at this moment: what ``/_vespa/status`` shows, as objects.

        Nobody is asked for it. Raises RuntimeError where the proxy doesn't run.
        """
        server = self._server
        if server is None:
            raise RuntimeError("The proxy doesn't run: call start() first.")
        return server.pages.status()

    def on_exchange(self, callback: Callable[[Exchange], object]) -> Callable[[], None]:
        """Have ``callback`` called with each request that is over, from now on. Returns what ends that.

        It is called by the request's own thread, one of many; what it raises is logged, and costs nobody's request.
        """
        from .journal.snapshot import Exchange

        return self._totals.listen(lambda record: callback(Exchange.of(record)))

    def _repr_html_(self) -> str:
        from .server.pages.card import card_of, card_of_a_stopped

        server, url = self._server, self._url
        if server is None or url is None:
            return card_of_a_stopped(self._endpoint_name)
        return card_of(server.pages.status(), url)

    def run_forever(self) -> None:
        """Start, and return when :meth:`stop` is called from another thread, or on Ctrl-C in the main thread."""
        self.start()
        try:
            # In steps: on Windows, a wait without an end can't be interrupted.
            while not self._stopped.wait(1.0):
                pass
        except KeyboardInterrupt:
            log.info("Interrupted.")
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "localhost": "127.0.0.1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown and not shown.startswith("[") else f"http://{shown}:{port}"


def _forget_the_parents() -> None:
    for client in list(_clients):
        client._be_stopped()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget_the_parents)
