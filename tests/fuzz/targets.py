"""Request targets (RFC 9112, 3.2; RFC 3986), read strictly. Pure."""

from __future__ import annotations

import re
import unicodedata

from .access import Reason, host_reasons
from .heads import Malformed

__all__ = ["read_target"]

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_SUB_DELIMS = "!$&'()*+,;="
_PATH = frozenset(_UNRESERVED + _SUB_DELIMS + ":@/")
_QUERY = _PATH | {"?"}
# As browsers and others leave it; the issue has it taken.
_LEFT_BARE = "[]{}|^`"
_HEX = frozenset("0123456789abcdefABCDEF")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(:[0-9]*)?")
_DOUBTFUL_AUTHORITY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:\[\]%-]*")


def read_target(method: bytes, target: bytes, reasons: list[Reason]) -> str:
    """The target in origin form, or ``*``, as a worker gets it. What may be refused gets a reason.

    Raises :class:`Malformed`.
    """
    try:
        decoded = target.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("a target that is no UTF-8") from None
    if any(unicodedata.category(character) == "Cc" for character in decoded):
        raise Malformed("a control in the target")
    text = target.decode("latin-1")
    if method == b"CONNECT":
        raise Malformed("a tunnel, whose target is a host and a port")
    if text == "*" and method == b"OPTIONS":
        return text
    if not text.startswith("/"):
        text = _without_authority(text, reasons)
    path, mark, query = "".join(map(_escaped, text)).partition("?")
    _check(path, _PATH)
    _check(query, _QUERY)
    return path + mark + query


def _without_authority(text: str, reasons: list[Reason]) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise Malformed("a target of no form that is served")
    end = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    authority = rest[:end]
    if not _AUTHORITY.fullmatch(authority):
        if not _DOUBTFUL_AUTHORITY.fullmatch(authority):
            raise Malformed("an absolute target whose host is none")
        reasons.append(Reason(None, "a doubtful host in the target"))
    reasons += host_reasons(authority)
    if not scheme.islower():
        reasons.append(Reason(None, "a scheme in capitals"))
    rest = rest[end:]
    return rest if rest.startswith("/") else "/" + rest


def _escaped(character: str) -> str:
    return f"%{ord(character):02X}" if character in _LEFT_BARE or ord(character) > 127 else character


def _check(text: str, allowed: frozenset[str]) -> None:
    pieces = text.split("%")
    for piece in pieces[1:]:
        if len(piece) < 2 or not _HEX.issuperset(piece[:2]):
            raise Malformed("a percent sign without its two digits")
    if not allowed.issuperset("".join(pieces)):
        raise Malformed("a character in the target that must be percent-encoded")
