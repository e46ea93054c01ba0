"""Puts the parts together: which object is made of which, for one proxy."""

from __future__ import annotations

import contextlib
import secrets
from typing import NamedTuple

from .account.endpoint_key import EndpointKey
from .account.endpoint_state import EndpointState
from .account.fleet import Fleet
from .account.lookup import make_console, with_an_endpoint
from .errors import ConfigurationError
from .journal.log import log
from .journal.redaction import redacted
from .journal.totals import Totals
from .net.addresses import is_loopback, leads_to_loopback
from .outbound.call import TimeLimits
from .outbound.proxies import OutboundProxies
from .outbound.transport import Transport
from .routing.autoscaler import Autoscaler
from .routing.redirects import Redirects
from .routing.served_endpoint import ServedEndpoint
from .routing.warmup import Warmup
from .routing.workers import Workers
from .server.proxy_server import ProxyServer
from .settings.table import NO_PROXY_KEY, Settings, replaced
from .tracing.switch import trace_exchanges

__all__ = ["Assembled", "assemble", "settings_in_use"]


class Assembled(NamedTuple):
    """A proxy's parts that are started and stopped, the key that its clients have to give, if any, and whom it serves."""

    server: ProxyServer
    warmup: Warmup
    proxy_key: str | None
    endpoint_name: str

    def __repr__(self) -> str:
        return f"<Assembled on port {self.server.port}>"


def assemble(settings: Settings, resources: contextlib.ExitStack, totals: Totals) -> Assembled:
    """The endpoint's parts, put together, and the server in front of them, which listens already.

    The endpoint key is fetched where it wasn't given, and an endpoint that wasn't named is the account's only one.
    ``resources`` closes what they hold, the server excepted; ``totals`` is where their exchanges are noted. Raises
    :class:`VespaError`.
    """
    settings = with_an_endpoint(settings)
    assert settings.endpoint is not None
    proxies = OutboundProxies()
    console, transport, trust = make_console(settings, proxies)
    resources.callback(transport.close)
    proxy_key = _proxy_key(settings)
    redaction = resources.enter_context(redacted([settings.api_key, settings.account_key, proxy_key, *proxies.passwords]))
    key = EndpointKey(settings, console, on_key=redaction.add)
    key.key()
    to_workers = Transport(lambda: trust.workers, proxies)
    resources.callback(to_workers.close)
    _warn_in_clear(settings)
    limits = TimeLimits(settings.connect_timeout, settings.timeout, settings.idle_timeout)
    workers = Workers(
        to_workers, trust, limits, settings.forward_header, Redirects(settings.allow_redirect), require_tls=settings.require_tls
    )
    autoscaler = Autoscaler(settings.autoscaler, settings.endpoint, key, EndpointState(settings, console), transport)
    fleet = Fleet(settings, console, transport, clean=redaction.clean)
    endpoint = ServedEndpoint(autoscaler, workers, fleet, settings)
    server = ProxyServer(settings, endpoint, proxy_key, totals)
    resources.callback(trace_exchanges(totals, settings.endpoint, server.port))
    warmup = Warmup(autoscaler, trust, expects_tls=settings.autoscaler.startswith("https:"))
    resources.callback(warmup.close)
    return Assembled(server, warmup, proxy_key, settings.endpoint)


def settings_in_use(settings: Settings, resources: contextlib.ExitStack) -> Settings:
    """The settings; with ``sandbox``, a Vast.ai on loopback is up until ``resources`` are closed, and they point at it.

    Raises :class:`ConfigurationError` for a script that it can't follow.
    """
    if not settings.sandbox:
        return settings
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
    # Not by a generator: a program that ends without a stop() ends those that are in the middle, and would wait for threads
    # that no longer run.
    resources.enter_context(sandbox)
    if sandbox.backend is not None and (trouble := sandbox.backend.trouble()):
        log.warning("Nothing answers at the sandbox's backend %s yet: %s.", sandbox.backend.url, trouble.rstrip("."))
    return replaced(
        settings,
        console_url=sandbox.console_url,
        autoscaler_url=sandbox.autoscaler_url,
        account_key=sandbox.account_key,
        api_key=None,
        endpoint=settings.endpoint or sandbox.endpoints[0].name,
    )


def _proxy_key(settings: Settings) -> str | None:
    """The key to ask clients for: the one given, a new one where other machines could ask, or none."""
    if settings.proxy_key is not None:
        return None if settings.proxy_key.lower() == NO_PROXY_KEY else settings.proxy_key
    return None if is_loopback(settings.host.strip("[]").lower()) else secrets.token_hex(24)


def _warn_in_clear(settings: Settings) -> None:
    for name, url in (("console", settings.console), ("autoscaler", settings.autoscaler)):
        if url.startswith("http:") and not leads_to_loopback(url):
            log.warning("The %s %s has no TLS: keys cross the network to it in the clear.", name, url)
