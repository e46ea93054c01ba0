"""Where an answer may send a client: to a path of the proxy, or to a host that was allowed (RFC 9110, 10.2.2). Pure.

Whoever follows a redirect takes the prompt and the key along: fetch, curl, requests and most SDKs do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import RedirectRefused
from ..http1.fields import Fields, ReceivedFields, has_any
from ..journal.printable import printable
from ..payload.envelope import AUTH_FIELDS

__all__ = ["Redirects"]

# Headers with an address in them that programs go to. Of its own accord a client goes to Location alone, whatever the number
# behind a status's 3 (curl), and a browser to Refresh.
_ADDRESSES = frozenset({"location", "content-location", "operation-location", "azure-asyncoperation", "link", "refresh"})
# Another place for all that is asked for here (RFC 7838).
_WITHHELD = frozenset({"alt-svc"})
_TELLING = _ADDRESSES | _WITHHELD

# What the readers of addresses don't agree on, such as a log-in or a backslash, matches neither of these. They pass over
# tabs wherever they stand, take a backslash for a slash, and need no slashes behind a scheme (WHATWG URL, 4.4).
_ABSOLUTE = re.compile(
    r"(?:([Hh][Tt]{2}[Pp][Ss]?):)?//([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?([/?#].*)?", re.DOTALL
)
_NOT_RELATIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[/\\]{2}")
_PASSED_OVER = re.compile(r"\A[^!-~]+|[\t\r\n]|\s+\Z")
_REFRESH = re.compile(r"(\s*[0-9.]*\s*[;,\s]\s*(?:url\s*=\s*)?[\"']?)(.*)", re.IGNORECASE | re.DOTALL)
_RELOAD = re.compile(r"[\s0-9.;,]*")
_LINK = re.compile(r"<([^>]*)>")

_ASSIGNMENT = re.compile(rf"(?<=[?&])serverless_(?:{'|'.join(AUTH_FIELDS)})=[^&#]*&?")
_LEFT_OVER = re.compile(r"[?&](?=#|\Z)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_SHOWN = 200


class _Place(NamedTuple):
    """A host, as it is compared, and a port."""

    host: str
    port: int | None


class Redirects:
    """Judges the addresses in workers' answers."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """``allowed`` are hosts, with a port or without one, that a redirect may lead to."""
        self._allowed = frozenset(_place(entry) for entry in allowed)

    def settled(self, status: int, fields: Fields, worker: str) -> Fields:
        """The answer's headers, with addresses of the worker's own as paths: there the client finds the proxy.

        ``worker`` is the worker's URL. Raises :class:`RedirectRefused` for a redirect that leads elsewhere.
        """
        if not has_any(fields, _TELLING):
            return fields
        kept = []
        for name, value in fields:
            lower = name.lower()
            if lower == "location" and 300 <= status < 400:
                kept.append((name, self._followed(status, value, worker)))
            elif lower == "refresh":
                kept += [(name, followed) for followed in self._refreshed(value, worker)]
            elif lower == "link":
                kept.append((name, _LINK.sub(lambda found: f"<{_own_path(found[1], worker) or found[1]}>", value)))
            elif lower in _ADDRESSES:
                kept.append((name, _own_path(value, worker) or value))
            elif lower not in _WITHHELD:
                kept.append((name, value))
        return ReceivedFields(kept)

    def _followed(self, status: int, value: str, worker: str) -> str:
        target = self._target(value, worker)
        if target is None:
            match = _ABSOLUTE.fullmatch(_PASSED_OVER.sub("", value))
            way = f" If they may go there, let it through with --allow-redirect {match[2]}." if match else ""
            raise RedirectRefused(
                f"The worker {worker.partition('://')[2]} answered {status} with a redirect to {_shown(value)}, "
                "which leads past the proxy.",
                hint=f"A client that follows it takes its key and its prompt along.{way}",
            )
        return target

    def _refreshed(self, value: str, worker: str) -> list[str]:
        """The value for the client; nothing where it leads elsewhere. The answer's body counts all the same."""
        if _RELOAD.fullmatch(value):
            return [value]
        match = _REFRESH.fullmatch(value)
        target = self._target(match[2], worker) if match else None
        return [] if match is None or target is None else [match[1] + target]

    def _target(self, value: str, worker: str) -> str | None:
        """The address as the client may have it; None where it leads elsewhere."""
        path = _own_path(value, worker)
        if path is not None:
            return path
        text = _PASSED_OVER.sub("", value)
        if _NOT_RELATIVE.match(text) and not self._is_allowed(text):
            return None
        return _without_assignment(value)

    def _is_allowed(self, text: str) -> bool:
        match = _ABSOLUTE.fullmatch(text)
        if match is None:
            return False
        # Without a scheme, it has the one by which the client speaks to the proxy.
        place = _Place(_comparable(match[2]), int(match[3]) if match[3] else _DEFAULT_PORTS[(match[1] or "http").lower()])
        return place in self._allowed or _Place(place.host, None) in self._allowed


def _own_path(value: str, worker: str) -> str | None:
    """The path in an address of the worker's own, so written that it can't be taken for a host; None for other addresses."""
    match = _ABSOLUTE.fullmatch(_PASSED_OVER.sub("", value))
    if match is None:
        return None
    own = urlsplit(worker)
    default = _DEFAULT_PORTS[own.scheme]
    # By either scheme, where the port is the same: behind a TLS of its own, a server takes itself for a plain one.
    port = int(match[3]) if match[3] else _DEFAULT_PORTS[match[1].lower()] if match[1] else default
    if _Place(_comparable(match[2]), port) != _Place(_comparable(own.hostname or ""), own.port or default):
        return None
    path = match[4] or "/"
    if path[0] != "/":
        path = "/" + path
    elif path[1:2] in ("/", "\\"):
        path = "/." + path  # RFC 3986, 4.2
    return _without_assignment(path)


def _without_assignment(address: str) -> str:
    """The address without what the proxy had put into the query: the next request gets an assignment of its own."""
    if "serverless_" not in address:
        return address
    return _LEFT_OVER.sub("", _ASSIGNMENT.sub("", address))


def _place(entry: str) -> _Place:
    host, colon, port = entry.rpartition(":")
    if (colon and ":" not in host.strip("[]")) or host.endswith("]"):
        return _Place(_comparable(host), int(port))
    return _Place(_comparable(entry), None)


def _comparable(host: str) -> str:
    host = host.strip("[]").lower().rstrip(".")
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return host


def _shown(value: str) -> str:
    """The address for people, without a log-in and without the query, in which there can be keys."""
    bare = re.sub(r"//[^/\\]*@", "//", re.split(r"[?#]", value, maxsplit=1)[0])
    return printable(bare)[:_LONGEST_SHOWN] or "nowhere"
