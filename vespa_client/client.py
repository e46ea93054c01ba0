"""The proxy as an object: start it, take its ``url``, stop it."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .addresses import is_loopback, leads_to_loopback
from .autoscaler import Autoscaler
from .console import Console, Endpoint, find_endpoint
from .errors import ConfigurationError, ConsoleError
from .exchange import Exchange
from .heartbeat import Heartbeats
from .keyring import Keyring
from .log import log
from .proxies import OutboundProxies
from .redaction import redacted
from .server import ProxyServer
from .settings import NO_PROXY_KEY, Settings, replaced, resolve
from .transport import TimeLimits, Transport
from .trust import Trust
from .warmup import Warmup
from .worker import Workers

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .setting_keywords import SettingKeywords

__all__ = ["VastClient", "fetch_endpoint_key", "list_endpoints", "open_console", "settings_in_use"]


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
    def from_settings(cls, settings: Settings) -> Self:
        """A client with exactly these settings; nothing is taken from the environment."""
        client = cls.__new__(cls)
        client._set_up(settings)
        return client

    def _set_up(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()  # guards the fields below, and that start and stop come one after the other
        self._server: ProxyServer | None = None
        self._resources = contextlib.ExitStack()
        self._url: str | None = None
        self._endpoint_name = settings.endpoint
        self._proxy_key: str | None = None
        self._stopped = threading.Event()

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

        With an account key and no endpoint key, the endpoint key is fetched from the console first. Raises one of
        :mod:`vespa_client.errors`; nothing is left running then.
        """
        with self._lock, contextlib.ExitStack() as resources:
            if self._server is not None:
                return self
            settings = resources.enter_context(settings_in_use(self._settings))
            if settings.endpoint is None:
                raise ConfigurationError(
                    "No endpoint was named.",
                    hint="Name one with --endpoint or VAST_ENDPOINT; --list shows those of your account.",
                )
            if settings.debug:
                resources.callback(log.setLevel, log.level)
                log.setLevel(logging.DEBUG)
            proxy_key = _proxy_key(settings)
            server, warmup = _build(settings, proxy_key, resources)
            try:
                server.start()
                warmup.start()
            except BaseException:
                server.stop()
                raise
            self._server, self._url, self._proxy_key = server, _address(settings.host, server.port), proxy_key
            self._endpoint_name = settings.endpoint
            self._resources = resources.pop_all()
            self._stopped.clear()
        return self

    def stop(self, drain: float = 0.0) -> int:
        """Stop listening, let requests in progress finish for up to ``drain`` seconds, then cut them visibly.

        Ends all threads and closes all sockets. Harmless when it doesn't run. Returns how many requests were cut.
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


def list_endpoints(
    account_key: str | None = None,
    *,
    instance: str = "prod",
    console_url: str | None = None,
    ca_file: str | None = None,
) -> list[Endpoint]:
    """The endpoints of an account, in the console's order.

    ``account_key`` comes from the environment or the key files where it isn't given. Raises
    :class:`ConfigurationError`, :class:`AuthenticationError`, :class:`ConsoleError`, :class:`NetworkError`.
    """
    from .credentials import find_account

    settings = resolve({"account_key": account_key, "instance": instance, "console_url": console_url, "ca_file": ca_file})
    with open_console(settings) as console:
        return find_account(settings, console)[1]


def fetch_endpoint_key(
    account_key: str | None = None,
    endpoint_name: str | None = None,
    instance: str = "prod",
    *,
    console_url: str | None = None,
    ca_file: str | None = None,
) -> str:
    """The key of one endpoint of the account. Arguments and errors as in :func:`list_endpoints`, and
    :class:`EndpointNotFound`, :class:`NoEndpoints`.
    """
    name = endpoint_name or resolve({}).endpoint
    if name is None:
        raise ConfigurationError("No endpoint was named.", hint="Give endpoint_name, or set VAST_ENDPOINT.")
    endpoints = list_endpoints(account_key, instance=instance, console_url=console_url, ca_file=ca_file)
    key = find_endpoint(endpoints, name).api_key
    if key is None:
        raise ConsoleError(f"The console has no key for the endpoint {name!r}.")
    return key


@contextlib.contextmanager
def open_console(settings: Settings) -> Iterator[Console]:
    """The console of these settings; its connections are closed at the end of the block."""
    proxies = OutboundProxies()
    console, transport, _ = _open_console(settings, proxies)
    with contextlib.closing(transport), redacted([settings.api_key, settings.account_key, *proxies.passwords]):
        yield console


@contextlib.contextmanager
def settings_in_use(settings: Settings) -> Iterator[Settings]:
    """The settings; with ``sandbox``, a Vast.ai on loopback is up for as long as the block runs, and they point at it.

    Raises :class:`ConfigurationError` for a script that it can't follow.
    """
    if not settings.sandbox:
        yield settings
        return
    from .sandbox import ENDPOINTS, Sandbox, ScriptError

    names = list(dict.fromkeys([*filter(None, [settings.endpoint]), *ENDPOINTS]))
    try:
        sandbox = Sandbox(
            settings.sandbox_backend,
            endpoints=names,
            worker_kind="vespa" if settings.sandbox_worker == "vespa" else "pyworker",
            scenario=settings.sandbox_scenario or "warm",
            script=settings.sandbox_script,
        )
    except ScriptError as problem:
        raise ConfigurationError(f"--sandbox-script: {problem}") from None
    with sandbox:
        yield replaced(
            settings,
            console_url=sandbox.console_url,
            autoscaler_url=sandbox.autoscaler_url,
            account_key=sandbox.account_key,
            api_key=None,
            endpoint=settings.endpoint or sandbox.endpoints[0].name,
        )


def _open_console(settings: Settings, proxies: OutboundProxies) -> tuple[Console, Transport, Trust]:
    trust = Trust(settings.console, lambda lifeline: console.root_certificate(lifeline), settings.ca_file)
    transport = Transport(lambda: trust.public, proxies)
    console = Console(settings.console, settings.instance, transport)
    return console, transport, trust


def _proxy_key(settings: Settings) -> str | None:
    """The key to ask clients for: the one given, a new one where other machines could ask, or none."""
    if settings.proxy_key is not None:
        return None if settings.proxy_key.lower() == NO_PROXY_KEY else settings.proxy_key
    return None if is_loopback(settings.host.strip("[]").lower()) else secrets.token_hex(24)


def _build(settings: Settings, proxy_key: str | None, resources: contextlib.ExitStack) -> tuple[ProxyServer, Warmup]:
    """The endpoint's parts, put together, and the server in front of them, which listens already.

    ``resources`` closes what they hold, the server excepted.
    """
    assert settings.endpoint is not None
    proxies = OutboundProxies()
    console, transport, trust = _open_console(settings, proxies)
    resources.callback(transport.close)
    keys = [settings.api_key, settings.account_key, proxy_key, *proxies.passwords]
    redaction = resources.enter_context(redacted(keys))
    keyring = Keyring(settings, console, on_key=redaction.add)
    keyring.key()
    limits = TimeLimits(settings.connect_timeout, settings.timeout, settings.idle_timeout)
    to_workers = Transport(lambda: trust.workers, proxies)
    resources.callback(to_workers.close)
    _warn_in_clear(settings)
    workers = Workers(to_workers, trust, limits, settings.forward_header, require_tls=settings.require_tls)
    autoscaler = Autoscaler(settings.autoscaler, settings.endpoint, keyring, transport)
    heartbeats = Heartbeats(settings.heartbeat)
    resources.callback(heartbeats.close)
    server = ProxyServer(settings, Exchange(autoscaler, workers, heartbeats, settings), proxy_key)
    warmup = Warmup(autoscaler, trust, expects_tls=settings.autoscaler.startswith("https:"))
    resources.callback(warmup.close)
    return server, warmup


def _warn_in_clear(settings: Settings) -> None:
    for name, url in (("console", settings.console), ("autoscaler", settings.autoscaler)):
        if url.startswith("http:") and not leads_to_loopback(url):
            log.warning("The %s %s has no TLS: keys cross the network to it in the clear.", name, url)


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "localhost": "127.0.0.1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown and not shown.startswith("[") else f"http://{shown}:{port}"
