"""The rules on who may ask and for what, as the issue and the README have them, and what a worker gets to see. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from .heads import Fields, members_of, values_of

__all__ = ["FIRST_PAGE", "Reason", "cost_in", "head_reasons", "host_reasons", "is_open", "worker_view"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_APP_SCHEMES = ("app", "tauri", "vscode-webview", "vscode-file", "capacitor", "file")
_NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN_PORT = re.compile(r"(:[0-9]*)?")
_SAFE_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_HOP_BY_HOP = (
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
FIRST_PAGE = ("/_vespa", "/_vespa/")
"""Where the proxy shows what it does."""
_SECRETS = ("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key")
_PARTS_OF_SECRETS = ("key", "token", "secret", "auth", "pass", "cookie", "credential", "signature")
_FOR_THE_PROXY = ("host", "content-length", "expect", "x-serverless-cost")


class Reason(NamedTuple):
    """Why a request is refused, and with which status; with None it may as well be served."""

    status: int | None
    why: str


def head_reasons(method: str, target: str, fields: Fields, *, preflight: bool) -> list[Reason]:
    """What of the head is enough for a refusal."""
    hosts = values_of(fields, "host")[:1]
    reasons = [*(reason for host in hosts for reason in host_reasons(host)), *_origin_reasons(fields)]
    if preflight:
        return reasons
    if method not in METHODS:
        reasons.append(Reason(405, "an unknown method"))
    path = target.partition("?")[0]
    if path in FIRST_PAGE:
        reasons.append(Reason(None, "the proxy's own page, for some methods"))
    elif path.startswith("/_vespa/"):
        reasons += [Reason(404, "a page of the proxy's own"), Reason(405, "and another method than it has")]
    costs = values_of(fields, "x-serverless-cost")
    if len(costs) > 1 or (costs and not _NUMBER.fullmatch(costs[0])):
        reasons.append(Reason(400, "a cost that is no number"))
    elif costs and not _SAFE_NUMBER.fullmatch(costs[0]):
        if float(costs[0]) == float("inf"):
            reasons.append(Reason(400, "an infinite cost"))
        else:
            reasons.append(Reason(None, "a cost out of the ordinary"))
    return reasons


def cost_in(fields: Fields) -> str:
    """The workload that the autoscaler is told."""
    return next(iter(values_of(fields, "x-serverless-cost")), "1.0")


def worker_view(fields: Fields, *, envelope: bool, uncoded: bool = False) -> Fields:
    """The header lines that a worker is to see, those left out on which opinions may differ.

    ``uncoded``: a heartbeat may begin a stream, behind which no coded one could follow.
    """
    named = set(members_of(fields, "connection"))
    if uncoded:
        fields = [field for field in fields if field[0].lower() != "accept-encoding"] + [("Accept-Encoding", "identity")]
    kept = []
    for name, value in fields:
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in _SECRETS or lower in _FOR_THE_PROXY or lower in named:
            continue
        if not is_open(lower, envelope=envelope, is_named="content-type" in named):
            kept.append((name, value))
    return kept


def is_open(lower: str, *, envelope: bool, is_named: bool) -> bool:
    """Whether this header may be there or not.

    An envelope is JSON, whatever was in it. ``is_named``: Connection names the content's type, which it has no business to.
    """
    if lower not in _SECRETS and any(part in lower for part in _PARTS_OF_SECRETS):
        return True
    return lower == "content-encoding" or (lower == "content-type" and is_named) or (envelope and _is_of_the_body(lower))


def _is_of_the_body(lower: str) -> bool:
    return lower.startswith(("content-", "content_")) or "digest" in lower or lower in ("etag", "last-modified", "mime-version")


def host_reasons(authority: str) -> list[Reason]:
    """What of a Host, or of what an absolute target has in its place, is enough for a refusal."""
    name, port = _split_port(authority)
    if _is_loopback(name):
        if not _PLAIN_PORT.fullmatch(port):
            return [Reason(400, "a Host that is no name and port")]
        return [] if len(port) < 2 or int(port[1:10]) < 65536 else [Reason(None, "a port beyond all ports")]
    if _may_be_loopback(name):
        return [Reason(None, "a name that may mean this machine")]
    return [Reason(421, "a Host of somebody else"), Reason(400, "or none at all")]


def _origin_reasons(fields: Fields) -> list[Reason]:
    origins = values_of(fields, "origin")
    if not origins:
        sites = values_of(fields, "sec-fetch-site")
        welcome = not sites or [site.lower() for site in sites] in (["same-origin"], ["same-site"], ["none"])
        return [] if welcome else [Reason(403, "a page of another site, or of one that can't be told")]
    if len(origins) > 1:
        return [Reason(403, "several origins"), Reason(400, "several origins")]
    scheme, separator, rest = origins[0].partition("://")
    if separator and scheme.lower() in _APP_SCHEMES:
        if re.fullmatch(r"[!-~]*", rest):
            return [] if scheme in _APP_SCHEMES else [Reason(None, "a scheme in capitals")]
        return [Reason(403, "an origin with odd bytes")]
    if separator and scheme.lower() in ("http", "https"):
        name, port = _split_port(rest)
        if _is_loopback(name) and _PLAIN_PORT.fullmatch(port):
            return [] if origins[0] == origins[0].lower() else [Reason(None, "capitals in an origin")]
        if _may_be_loopback(name):
            return [Reason(None, "an origin that may be of this machine")]
    return [Reason(403, "an unwelcome origin")]


def _split_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        name, bracket, port = authority.partition("]")
        return name + bracket, port
    name, colon, port = authority.partition(":")
    return name, colon + port


def _is_loopback(name: str) -> bool:
    """Whether this is beyond doubt."""
    if name == "localhost" or re.fullmatch(r"([a-z0-9-]+\.)+localhost", name):
        return True
    if "%" in name:
        return False
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return False
    return address.is_loopback and (address.version == 6) == (bare != name) and str(address) == bare


def _may_be_loopback(name: str) -> bool:
    """Whether a lenient reader could take it for this machine."""
    lower = name.lower().strip("[]").rstrip(".")
    if lower.endswith("localhost") and re.fullmatch(r"([a-z0-9._-]*\.)?localhost", lower):
        return True
    try:
        address = ipaddress.ip_address(lower)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or bool(mapped and mapped.is_loopback)
