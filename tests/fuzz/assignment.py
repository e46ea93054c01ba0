"""The autoscaler's JSON, read as the protocol has it. Pure."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from .arrival import AUTH_FIELDS, parse_json

__all__ = ["AssignmentReading", "as_text", "good_assignment", "read_assignment"]

_ENDPOINT = "fuzz"
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_URL = re.compile(r"(https?)://(.*?)(:([0-9]*))?/?", re.IGNORECASE | re.DOTALL)
# How deep a reader has to follow is open; each follows so far.
_DEEP_ENOUGH = 50
_Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class AssignmentReading:
    """``assigned``: ``url`` is to be asked, ``auth`` is what it is to be shown; ``waiting``: no worker yet; ``illegal``."""

    verdict: Literal["assigned", "either", "waiting", "illegal"]
    why: str = ""
    url: str = ""
    auth: dict[str, Any] = field(default_factory=dict)


def good_assignment(url: str, cost: str, number: int) -> _Pairs:
    """The members of an assignment, names and values as JSON text."""
    return [
        ('"url"', json.dumps(url)),
        ('"endpoint"', json.dumps(_ENDPOINT)),
        ('"cost"', cost),
        ('"reqnum"', str(number)),
        ('"request_idx"', str(number + 1)),
        ('"signature"', '"c2lnbmF0dXJl=="'),
        ('"__request_id"', '"x"'),
    ]


def as_text(pairs: _Pairs) -> str:
    """The object."""
    return "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"


def read_assignment(status: int, body: bytes) -> AssignmentReading:
    """What a whole answer to /route/ says."""
    if status != 200:
        return AssignmentReading("waiting" if status in (401, 403, 429) or status >= 500 else "illegal", f"status {status}")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return AssignmentReading("either", "JSON in another encoding, or none")
    try:
        parsed = parse_json(text.removeprefix("\ufeff"))
    except RecursionError:
        return AssignmentReading("either", "nested too deeply for this reader")
    except ValueError:
        return AssignmentReading("waiting", "no JSON")
    if not isinstance(parsed, dict):
        return AssignmentReading("waiting", "no object")
    if _has_constant(parsed):
        return AssignmentReading("waiting", "NaN or Infinity, which is no JSON")
    url = parsed.get("url")
    if not url:
        return AssignmentReading("waiting", "no url, nested deeply" if _depth(parsed) > _DEEP_ENOUGH else "no url")
    why = _why_illegal(url)
    if why:
        return AssignmentReading("illegal", why)
    missing = [name for name in AUTH_FIELDS if name not in parsed and name != "request_idx"]
    if missing:
        return AssignmentReading("illegal", f"{missing} are missing")
    if any(isinstance(parsed.get(name), dict | list) for name in AUTH_FIELDS):
        return AssignmentReading("illegal", "a value that is none of text, number and the like")
    auth = {name: parsed.get(name, ("number", "0")) for name in AUTH_FIELDS}
    odd = text.startswith("\ufeff") or "request_idx" not in parsed or parsed["request_idx"] is None or not _is_plain(url)
    try:
        # Half a character is JSON, and has no place in a query.
        odd = odd or bool(re.search("[\ud800-\udfff]", json.dumps(parsed, ensure_ascii=False)))
    except RecursionError:
        odd = True
    if _depth(parsed) > _DEEP_ENOUGH:
        return AssignmentReading("either", "nested deeply", url, auth)
    return AssignmentReading("either" if odd else "assigned", "odd" if odd else "", url, auth)


def _why_illegal(url: Any) -> str:
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None:
        return "its url is no http(s)://host:port"
    host, port = match[2], match[4]
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return "its url has no IPv6 address in the brackets"
        if not host.endswith("]") or "%" in host:
            return "its url has no IPv6 address in the brackets"
    elif not _HOST.fullmatch(host):
        return "its url has no host"
    if match[3] and port and not 0 < int(port[-20:]) < 65536:
        return "its url has a port that there is none of"
    return ""


def _is_plain(url: str) -> bool:
    return re.fullmatch(r"http://(127\.0\.0\.1|localhost):[1-9][0-9]*/?", url) is not None


def _has_constant(value: Any) -> bool:
    level = [value]
    while level:
        if any(isinstance(item, tuple) and item[0] == "constant" for item in level):
            return True
        level = _members(level)
    return False


def _members(level: list[Any]) -> list[Any]:
    """What is inside of these, one level down."""
    return [
        item
        for outer in level
        for item in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
    ]


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest < 100:
        deepest += 1
        level = _members(level)
    return deepest
