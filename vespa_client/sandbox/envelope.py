"""What a Vespa worker reads from a request: the auth data and the payload (protocol.md, "Workers"). Pure."""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

__all__ = ["AUTH_FIELDS", "Envelope", "NotAnEnvelope", "read_envelope", "read_query"]

AUTH_FIELDS = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")

_PREFIX = "serverless_"
_NUMBERS = ("cost", "reqnum", "request_idx")
_SPACE = " \t\r\n"


class NotAnEnvelope(Exception):
    """The request is none that a worker takes. ``status`` is what it answers."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Envelope(NamedTuple):
    """``raw`` is the payload's bytes as they came; ``query`` is what of the query is the backend's."""

    auth_data: dict[str, Any]
    payload: Any
    raw: bytes
    query: str


def read_envelope(body: bytes, query: str) -> Envelope:
    """The envelope in a body. Raises :class:`NotAnEnvelope` with 422."""
    try:
        found = _read_members(body.decode())
    except (ValueError, IndexError, RecursionError) as problem:
        raise NotAnEnvelope(422, f"not JSON: {type(problem).__name__}") from None
    if "payload" not in found:
        raise NotAnEnvelope(422, "payload: missing parameter")
    auth_data = found.get("auth_data", (None, ""))[0]
    if not isinstance(auth_data, dict):
        raise NotAnEnvelope(422, "auth_data: missing parameter")
    for name in AUTH_FIELDS:
        if name not in auth_data:
            raise NotAnEnvelope(422, f"auth_data.{name}: missing parameter")
    payload, raw = found["payload"]
    return Envelope(auth_data, payload, raw.encode(), query)


def read_query(query: str) -> Envelope:
    """The auth data in the query of a GET, HEAD or DELETE. Raises :class:`NotAnEnvelope` with 400."""
    auth_data: dict[str, Any] = {}
    others = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if not name.startswith(_PREFIX):
            others.append(part)
            continue
        field = name.removeprefix(_PREFIX)
        if field not in AUTH_FIELDS or field in auth_data:
            raise NotAnEnvelope(400, f"{name}: unknown, or there twice")
        auth_data[field] = _read_number(name, unquote_plus(value)) if field in _NUMBERS else unquote_plus(value)
    for field in AUTH_FIELDS:
        if field not in auth_data:
            raise NotAnEnvelope(400, f"{_PREFIX}{field}: missing parameter")
    return Envelope(auth_data, None, b"", "&".join(others))


def _read_number(name: str, text: str) -> int | float:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise NotAnEnvelope(400, f"{name}: not a number")
    return value


def _read_members(text: str) -> dict[str, tuple[Any, str]]:
    """The members of the object at the top, each as its value and its text.

    The text is kept so that the payload goes to the backend as the client wrote it, whatever Python makes of it.
    ValueError or IndexError for what is no JSON object.
    """
    decode = json.JSONDecoder().raw_decode
    members: dict[str, tuple[Any, str]] = {}
    at = _expect(text, _skip(text, 0), "{")
    more = text[at] != "}"
    while more:
        name, at = scanstring(text, _expect(text, at, '"'))
        at = _expect(text, _skip(text, at), ":")
        at = _skip(text, at)
        value, end = decode(text, at)
        members[name] = (value, text[at:end])
        at = _skip(text, end)
        more = text[at] == ","
        if more:
            at = _skip(text, at + 1)
    at = _expect(text, at, "}")
    if text[at:].strip(_SPACE):
        raise ValueError("more behind the object")
    return members


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, wanted: str) -> int:
    if text[at] != wanted:
        raise ValueError(f"no {wanted} at {at}")
    return _skip(text, at + 1) if wanted == "{" else at + 1
