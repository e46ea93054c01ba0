"""What a worker takes (protocol.md, "Workers"): the envelope around a body, or the assignment inside a query. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any
from urllib.parse import quote

__all__ = ["AUTH_FIELDS", "BODY_METHODS", "Envelope", "JSONNumber", "json_text", "sign_target", "wrap"]

AUTH_FIELDS = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")
"""What of an assignment a worker wants to see, exactly as the autoscaler sent it."""

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class JSONNumber(str):
    """A number as its JSON text, so that ``500.0`` stays ``500.0``: the signature covers the text."""

    __slots__ = ()


class Envelope(tuple[bytes | bytearray, ...]):
    """An envelope in pieces, to be sent one after the other, so that a large body isn't copied into it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Envelope around {sum(map(len, self[1:-1]))} bytes>"  # it has a signature


def wrap(payload: Iterable[bytes | bytearray], assignment: Mapping[str, Any]) -> Envelope:
    """The envelope for POST, PUT and PATCH, the payload's pieces in it byte for byte."""
    before = b'{"auth_data": ' + _auth_json(assignment).encode() + b', "payload": '
    return Envelope((before, *payload, b"}"))


def sign_target(target: str, assignment: Mapping[str, Any]) -> str:
    """The target for GET, HEAD and DELETE: the assignment behind the query, which stays as the client wrote it."""
    added = "&".join(f"serverless_{name}={_quoted(assignment[name])}" for name in AUTH_FIELDS)
    _, mark, query = target.partition("?")
    # A question mark at the end of the query belongs to its last value.
    joint = "?" if not mark else "&" if query and not query.endswith("&") else ""
    return target + joint + added


def _auth_json(assignment: Mapping[str, Any]) -> str:
    return "{" + ", ".join([f'"{name}": {json_text(assignment[name])}' for name in AUTH_FIELDS]) + "}"


def json_text(value: Any) -> str:
    """The value as JSON, its :class:`JSONNumber` in the text they had."""
    if isinstance(value, JSONNumber):
        return value
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    return json.dumps(value)


def _quoted(value: Any) -> str:
    # JSON can hold half a character (a lone surrogate), a query can't.
    return quote(str(value) if isinstance(value, str) else json_text(value), safe="", errors="replace")
