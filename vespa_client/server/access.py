"""Who may ask: which names the proxy answers to, which web pages, and who knows the key. Pure.

Every page in a person's browser can reach a port of their machine. What it can't do is choose the headers by which a
browser says where a request comes from and whom it takes the proxy for (Fetch Standard, "HTTP extensions"; RFC 6454).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from ..errors import BadRequest, ForbiddenOrigin, ProxyKeyMissing, UnknownHost
from ..http1.fields import Fields, ReceivedFields, field_value, values_of
from ..http1.forwarding import ERROR_HEADER, LOCAL_HEADER, REQUEST_ID_HEADER, TRANSLATED_HEADER
from ..http1.heads import RequestHead, host_of, request_hosts
from ..http1.malformed import MessageError
from ..net.addresses import is_loopback

__all__ = ["Access", "check_same_origin"]

# Pages that come out of an app on this machine: Electron, Tauri, editors, phones' web views, local files.
_APP_SCHEMES = ("app", "tauri", "vscode-webview", "vscode-file", "capacitor", "file")
_KEY_HEADERS = ("authorization", "x-api-key", "api-key")
_WILDCARDS = {"0.0.0.0", "::"}
_EXPOSED = ", ".join((ERROR_HEADER, LOCAL_HEADER, REQUEST_ID_HEADER, TRANSLATED_HEADER, "Retry-After", "x-should-retry"))
_TOKENS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, \t-]*")
# As --cors-origin takes it.
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[A-Za-z0-9._:\[\]-]{1,300}")
_PREFLIGHT_SECONDS = "600"
# What browsers say of a page that asks, and nobody else does.
_OF_PAGES = frozenset({"origin", "sec-fetch-mode"})
_FETCH_METADATA = frozenset({"sec-fetch-site", "sec-purpose"})


class Access:
    """The rules of one proxy. Safe to share between threads."""

    def __init__(
        self,
        host: str,
        *,
        allow_host: Sequence[str] = (),
        cors_origin: Sequence[str] = (),
        proxy_key: str | None = None,
        methods: Sequence[str] = (),
    ) -> None:
        """``host`` is the address bound; ``methods`` are what a preflight is told of."""
        self._hosts = {_bare(host)} - _WILDCARDS | {_bare(name) for name in allow_host}
        self._origins = [_origin_pattern(origin) for origin in cors_origin]
        self._key = proxy_key
        # The key wherever it stands by itself, such as in a cookie or a query; a short one may be part of many a word.
        self._key_as_word = re.compile(rf"(?<![A-Za-z0-9_-]){re.escape(proxy_key)}(?![A-Za-z0-9_-])") if proxy_key else None
        self._methods = ", ".join(methods)

    def answer_fields(self, asked: ReceivedFields) -> Fields:
        """What goes with every answer to a request with these fields, errors included: it lets a welcome page read it.

        An answer that a browser shows as a page gets no origin by it: under the proxy's own, a worker's page would be welcome.
        """
        own: Fields = []
        if _OF_PAGES.isdisjoint(asked.by_name):
            return own
        if "navigate" in values_of(asked, "sec-fetch-mode"):
            own.append(("Content-Security-Policy", "sandbox"))
        origins = values_of(asked, "origin")
        if len(origins) != 1 or not self._is_welcome(origins[0]):
            return own
        return [
            *own,
            ("Access-Control-Allow-Origin", origins[0]),
            ("Access-Control-Expose-Headers", _EXPOSED),
            ("Vary", "Origin"),
        ]

    def check(self, head: RequestHead, local_address: str) -> None:
        """Let the request in by where it comes from. ``local_address`` is this machine's address that it came to.

        Raises :class:`UnknownHost`, :class:`ForbiddenOrigin`, and :class:`MessageError` for a ``Host`` that is none.
        """
        self._check_host(head, local_address)
        origins = head.fields.by_name.get("origin")
        if not origins:
            _check_fetch_metadata(head)
        elif len(origins) > 1 or not self._is_welcome(origins[0]):
            raise _forbidden(origins)

    def preflight(self, head: RequestHead) -> Fields | None:
        """The answer to a preflight of a page that may ask, which the proxy gives itself; None for any other request."""
        if head.method != "OPTIONS" or not values_of(head.fields, "access-control-request-method"):
            return None
        if not values_of(head.fields, "origin"):
            return None
        asked = field_value(head.fields, "access-control-request-headers")
        fields = [("Access-Control-Allow-Methods", self._methods), ("Access-Control-Max-Age", _PREFLIGHT_SECONDS)]
        if asked and _TOKENS.fullmatch(asked):
            fields.append(("Access-Control-Allow-Headers", asked))
        if field_value(head.fields, "access-control-request-private-network").lower() == "true":
            fields.append(("Access-Control-Allow-Private-Network", "true"))
        return fields

    def without_key(self, head: RequestHead) -> RequestHead:
        """Let the request in by its key. Returns the head without the proxy's key, which is nobody else's business.

        Raises :class:`ProxyKeyMissing`, and :class:`BadRequest` where it would go on in the target.
        """
        if self._key is None or self._key_as_word is None:
            return head
        if not any(self._is_key(name, value) for name, value in head.fields):
            raise ProxyKeyMissing("This proxy asks for its key, and the request doesn't have it.")
        if self._key_as_word.search(head.target) or self._key_as_word.search(unquote(head.target, "latin-1")):
            raise BadRequest("The proxy's key stands in the address.", hint="Send it as api_key, and leave it out there.")
        kept = [field for field in head.fields if not self._key_as_word.search(field[1])]
        return head._replace(fields=ReceivedFields(kept))

    def _check_host(self, head: RequestHead, local_address: str) -> None:
        for host in request_hosts(head):
            name = _bare(host)
            if not (is_loopback(name) or name in self._hosts or name == _bare(local_address)):
                raise UnknownHost(
                    f"This proxy doesn't go by the name {name!r}.",
                    hint=f"If you call it so on purpose, as containers do, start it with --allow-host {name}.",
                )

    def _is_welcome(self, origin: str) -> bool:
        if any(pattern.fullmatch(origin.lower()) for pattern in self._origins):
            return True
        scheme, separator, rest = origin.partition("://")
        if not separator or not re.fullmatch(r"[!-~]*", rest):
            return False
        if scheme.lower() in _APP_SCHEMES:
            return True
        if scheme.lower() not in ("http", "https"):
            return False
        try:
            return is_loopback(_bare(host_of(rest)))
        except MessageError:
            return False

    def _is_key(self, name: str, value: str) -> bool:
        lower = name.lower()
        if lower not in _KEY_HEADERS or self._key is None:
            return False
        if lower == "authorization":
            scheme, _, value = value.partition(" ")
            if scheme.lower() != "bearer":
                return False
        return hmac.compare_digest(value.strip(" \t").encode("latin-1"), self._key.encode())


def check_same_origin(head: RequestHead) -> None:
    """Let in the proxy's own page, and programs that are no browser: for what changes something in the proxy.

    A page on another port of this machine may ask the endpoint, and may not do this. Raises :class:`ForbiddenOrigin`.
    """
    host = field_value(head.fields, "host").lower()
    origins = values_of(head.fields, "origin")
    sites = values_of(head.fields, "sec-fetch-site")
    is_own = all(origin.lower() in (f"http://{host}", f"https://{host}") for origin in origins)
    if not is_own or any(site.lower() != "same-origin" for site in sites):
        raise ForbiddenOrigin("Only the proxy's own page may do this.", hint="Do it there, or with a program such as curl.")


@lru_cache(maxsize=64)
def _bare(host: str) -> str:
    """A name or an address in the one way of writing it that is compared."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    # What comes by IPv4 to a socket of both families has such an address (RFC 4291, 2.5.5.2).
    return str(getattr(address, "ipv4_mapped", None) or address)


def _check_fetch_metadata(head: RequestHead) -> None:
    """Whether a request without an origin comes from a page of another site, by what the browser says of it."""
    if _FETCH_METADATA.isdisjoint(head.fields.by_name):
        return
    sites = [value.lower() for value in values_of(head.fields, "sec-fetch-site")] or ["none"]
    # What a page has the browser fetch in advance (speculation rules) is none of its requests, and says "none".
    in_advance = "prefetch" in field_value(head.fields, "sec-purpose").lower()
    welcome = ("same-origin", "same-site") if in_advance else ("same-origin", "same-site", "none")
    if len(sites) > 1 or sites[0] not in welcome:
        raise ForbiddenOrigin(
            "A web page of another site may not ask this.",
            hint="If it is yours, have it use fetch(), and start the proxy with --cors-origin and its origin.",
        )


def _forbidden(origins: Sequence[str]) -> ForbiddenOrigin:
    if len(origins) > 1 or not (origins[0] == "null" or _ORIGIN.fullmatch(origins[0])):
        return ForbiddenOrigin("The origin of the web page that asks can't be read.")
    if origins[0] == "null":
        hint = "Sandboxed frames and files opened in a browser have none: serve the page from http://localhost."
        return ForbiddenOrigin("A web page without an origin may not ask this.", hint=hint)
    return ForbiddenOrigin(
        f"The web page's origin {origins[0]} may not ask this.",
        hint=f"If the page is yours, start the proxy with --cors-origin {origins[0]}.",
    )


def _origin_pattern(origin: str) -> re.Pattern[str]:
    """``https://*.example.com`` as a pattern, in which ``*`` is one label or part of one."""
    return re.compile(re.escape(origin.lower()).replace(r"\*", "[a-z0-9-]+"))
