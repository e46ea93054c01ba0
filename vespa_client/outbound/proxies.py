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

_Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
# An IPv6 address has brackets where a port follows. An empty one is none (RFC 3986, 3.2.3).
_WITH_PORT = re.compile(r"(\[[^]]*\]|[^:]*):([0-9]*)")
# Not urlsplit, which refuses some addresses that hold a password all the same.
_LOG_IN = re.compile(r"[^/]*//([^/]*)@")


class OutboundProxies:
    """Which proxy, if any, leads to a host."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` is what :func:`urllib.request.getproxies` gives, which is what counts where it is None."""
        found = urllib.request.getproxies() if settings is None else settings
        self._exceptions = [_Excepted(entry) for entry in re.split(r"[,;\s]+", found.get("no", "")) if entry]
        self._by_scheme: dict[str, str] = {}
        for scheme in ("http", "https"):
            if proxy := found.get(scheme, "").strip() or found.get("all", "").strip():
                kind, mark, rest = proxy.partition("://")
                self._by_scheme[scheme] = f"{kind.lower()}://{rest}" if mark else "http://" + proxy.lstrip("/")

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
        name = _comparable(host)
        if proxy is None or is_loopback(str(name)):
            return None
        if any(entry.covers(name, port or _DEFAULT_PORTS[scheme]) for entry in self._exceptions):
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
        whole = bool(re.fullmatch(r"\S+", parts.hostname or "")) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        # Not shown: it may hold a password.
        raise ConfigurationError(
            "The environment names an outbound proxy whose address is none.",
            hint="Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to an address such as http://proxy.example:3128.",
        )
    return parts.scheme


class _Excepted:
    """One entry of NO_PROXY, in any of the forms that curl, requests and Go take.

    A name, which stands for those below it too, with or without a dot or ``*.`` before it and a dot behind it; an address,
    IPv6 with or without brackets; either with a port; a network, with or without brackets too; ``*`` for everything.
    """

    def __init__(self, entry: str) -> None:
        self._network = _network(entry)
        match = _WITH_PORT.fullmatch(entry)
        self._port = int(match[2]) if match and match[2] else None
        name = match[1] if match else entry
        self._is_everything = name == "*"
        self._host = _comparable(name.removeprefix("*").lstrip("."))

    def covers(self, host: _Host, port: int) -> bool:
        """Whether the way to this host, in the form of :func:`_comparable`, is direct."""
        if self._network is not None:
            return not isinstance(host, str) and host in self._network
        if self._port not in (None, port):
            return False
        if self._is_everything or host == self._host:
            return True
        return isinstance(host, str) and isinstance(self._host, str) and bool(self._host) and host.endswith("." + self._host)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, length = entry.replace("[", "").replace("]", "").partition("/")
    try:
        found = ipaddress.ip_network(f"{address.partition('%')[0]}/{length}", strict=False) if slash else None
    except ValueError:
        return None
    mapped = getattr(found and found.network_address, "ipv4_mapped", None)
    return ipaddress.ip_network((mapped, found.prefixlen - 96)) if found and mapped and found.prefixlen >= 96 else found


def _comparable(host: str) -> _Host:
    """A name in small letters and without the dot at its end; an address by its value."""
    host = host.rstrip(".")
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host.lower()
    return getattr(address, "ipv4_mapped", None) or address
