"""What a worker takes (protocol.md, "Workers"): the envelope around a body, or the assignment inside a query. Pure."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple
from urllib.parse import quote

from .errors import BadRequest, UnsupportedBody
from .json_walk import walk

__all__ = [
    "AUTH_FIELDS",
    "BODY_METHODS",
    "QUERY_METHODS",
    "Envelope",
    "JSONNumber",
    "Payload",
    "check_body",
    "json_text",
    "sign_target",
    "wrap",
]

AUTH_FIELDS = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")
"""What of an assignment a worker wants to see, exactly as the autoscaler sent it."""

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})

_BYTE_ORDER_MARK = codecs.BOM_UTF8
_UTF8_STEP = 1 << 20
# A body of more than this, with more values in it than that, would hold all other threads up by its decoding.
_LARGE, _MANY = 1 << 20, 100_000
_BINARY_TYPES = ("multipart/", "image/", "audio/", "video/", "application/octet-stream", "application/zip", "application/pdf")


class JSONNumber(str):
    """A number as its JSON text, so that ``500.0`` stays ``500.0``: the signature covers the text."""

    __slots__ = ()


class Envelope(NamedTuple):
    """An envelope in pieces, to be sent one after the other, so that a large body isn't copied into it."""

    before: bytes
    payload: bytes | bytearray
    after: bytes

    def __repr__(self) -> str:
        return f"<Envelope around {len(self.payload)} bytes>"  # it has a signature


class Payload(NamedTuple):
    """A body that is JSON, and whether it says ``"stream": true``."""

    json: bytes | bytearray
    streams: bool


def check_body(body: bytes | bytearray, content_type: str, content_encoding: str = "") -> Payload:
    """The client's body as a payload: itself if it is JSON, ``{}`` if it is empty.

    Raises :class:`BadRequest` with the place where it stops being JSON (RFC 8259), :class:`UnsupportedBody` where it
    wasn't meant to be. What the ``Content-Type`` says counts only then: ``curl -d`` calls its JSON a form.
    """
    if content_encoding.strip(" \t").lower() not in ("", "identity"):
        raise UnsupportedBody(
            f"A body with Content-Encoding {content_encoding!r} can't be put into a worker's envelope.",
            hint="Send the JSON uncompressed.",
        )
    if not body:
        return Payload(b"{}", streams=False)
    if body.startswith(_BYTE_ORDER_MARK):
        body = body[len(_BYTE_ORDER_MARK) :]
    try:
        streams = _check_json(body)
    except BadRequest as problem:
        kind = content_type.partition(";")[0].strip(" \t").lower()
        if kind.startswith(_BINARY_TYPES):
            raise UnsupportedBody(
                f"A worker takes JSON, and this body is {kind}.",
                hint="Send files inside the JSON, as base64 text or as a URL, in the form your model server expects.",
            ) from problem
        raise
    return Payload(body, streams)


def wrap(payload: bytes | bytearray, assignment: Mapping[str, Any]) -> Envelope:
    """The envelope for POST, PUT and PATCH, the payload in it byte for byte."""
    return Envelope(b'{"auth_data": ' + _auth_json(assignment).encode() + b', "payload": ', payload, b"}")


def sign_target(target: str, assignment: Mapping[str, Any]) -> str:
    """The target for GET, HEAD and DELETE: the assignment behind the query, which stays as the client wrote it."""
    added = "&".join(f"serverless_{name}={_quoted(assignment[name])}" for name in AUTH_FIELDS)
    _, mark, query = target.partition("?")
    # A question mark at the end of the query belongs to its last value.
    joint = "?" if not mark else "&" if query and not query.endswith("&") else ""
    return target + joint + added


def _auth_json(assignment: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f'"{name}": {json_text(assignment[name])}' for name in AUTH_FIELDS) + "}"


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


def _check_json(body: bytes | bytearray) -> bool:
    """Whether the body, which has to be JSON, says ``"stream": true``. Raises :class:`BadRequest`."""
    try:
        text = _as_characters(body)
        if len(body) > _LARGE and any(_has_many(text, sign) for sign in ",[{"):
            return walk(text)
        parsed = _DECODER.decode(text)
        return isinstance(parsed, dict) and parsed.get("stream") is True
    except json.JSONDecodeError as problem:
        raise BadRequest(
            f"The body is not JSON: {problem.msg} at byte {problem.pos} (line {problem.lineno}, column {problem.colno}).",
            hint="Workers take JSON alone. Check quotes and commas there; in a shell, put the body in single quotes.",
        ) from None
    except RecursionError:
        raise BadRequest("The body's JSON is nested too deeply.") from None


def _has_many(text: str, sign: str) -> bool:
    # Each look is fast where there are few: in text, and in files as base64.
    position = -1
    for _ in range(_MANY):
        position = text.find(sign, position + 1)
        if position < 0:
            return False
    return True


def _as_characters(body: bytes | bytearray) -> str:
    """The body, each byte a character: JSON's grammar is ASCII.

    As what it means, text with a single emoji in it would take four bytes for each of its characters.
    """
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        _check_utf8(body)
        return body.decode("latin-1")


def _check_utf8(body: bytes | bytearray) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    start = 0
    try:
        for start in range(0, len(body), _UTF8_STEP):
            decoder.decode(view[start : start + _UTF8_STEP], final=start + _UTF8_STEP >= len(body))
    except UnicodeDecodeError as problem:
        raise BadRequest(
            f"The body is not UTF-8 near byte {start + problem.start}.", hint="JSON is sent as UTF-8 (RFC 8259, 8.1)."
        ) from None


def _refuse_constant(name: str) -> Any:
    raise BadRequest(f"The body is not JSON: {name} is no JSON number.", hint="Send null, or leave the field out.")


# float() for whole numbers, since int() refuses more than 4,300 digits.
_DECODER = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
