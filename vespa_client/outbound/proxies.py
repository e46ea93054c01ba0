"""The outbound proxies of the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``), read once.

requests asks anew for each request, and on some systems each question is a DNS look-up that can hang.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from ..errors import ConfigurationError
from ..net.addresses import is_loopback

__all__ = ["OutboundProxies"]

# Not urlsplit, which refuses some addresses that hold a password all the same.
_LOG_IN = re.compile(r"[^/]*//([^/]*)@")


class OutboundProxies:
    """Which proxy, if any, leads to a host."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` is what :func:`urllib.request.getproxies` gives, which is what counts where it is None."""
        found = urllib.request.getproxies() if settings is None else settings
        self._exceptions = [entry.strip().lower() for entry in found.get("no", "").split(",") if entry.strip()]
        self._by_scheme: dict[str, str] = {}
        for scheme in ("http", "https"):
            if proxy := found.get(scheme) or found.get("all"):
                self._by_scheme[scheme] = proxy if "://" in proxy else "http://" + proxy

    @property
    def passwords(self) -> list[str]:
        """The passwords in the proxies' URLs, as they stand there and decoded."""
        log_ins = [match[1] for url in self._by_scheme.values() if (match := _LOG_IN.match(url))]
        written = [log_in.partition(":")[2] or log_in for log_in in log_ins]
        return [*written, *map(unquote, written)]

    def for_host(self, scheme: str, host: str, port: int | None) -> str | None:
        """The proxy's URL, or None for the direct way. This machine itself is never behind one.

        Raises :class:`ConfigurationError` for a proxy of a kind that isn't spoken, or whose address is none.
        """
        proxy = self._by_scheme.get(scheme)
        if proxy is None or is_loopback(host.lower()):
            return None
        if any(_covers(entry, host.lower(), port) for entry in self._exceptions):
            return None
        kind = _kind(proxy)
        if kind not in ("http", "https"):
            raise ConfigurationError(
                f"The environment names an outbound proxy of the kind {kind!r}, which is not supported.",
                hint="Set HTTPS_PROXY to an http:// proxy, or except Vast.ai's hosts and workers with NO_PROXY.",
            )
        return proxy


def _kind(proxy: str) -> str:
    """The scheme of the proxy's URL."""
    try:
        parts = urlsplit(proxy)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        # Not shown: it may hold a password.
        raise ConfigurationError(
            "The environment names an outbound proxy whose address is none.",
            hint="Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to an address such as http://proxy.example:3128.",
        )
    return parts.scheme


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.partition(":")
    if colon and ":" not in number:
        if number != str(port):
            return False
        entry = name
    entry = entry.lstrip(".")
    return host == entry or host.endswith("." + entry)
