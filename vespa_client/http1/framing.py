"""How a message's body ends (RFC 9112, 6): by a length, by its last chunk, or with the connection."""

from __future__ import annotations

from typing import NamedTuple

from .fields import ReceivedFields, list_items
from .heads import RequestHead, ResponseHead
from .malformed import AnswerMalformed, MessageError, RequestMalformed

__all__ = [
    "CHUNKED",
    "NO_BODY",
    "UNTIL_CLOSE",
    "Framing",
    "keeps_alive",
    "length_of",
    "request_framing",
    "response_framing",
]

_MAX_LENGTH_DIGITS = 18


class Framing(NamedTuple):
    """How a body ends: after ``length`` bytes, with the last chunk, or with the connection."""

    kind: str
    length: int = 0


NO_BODY = Framing("length", 0)
CHUNKED = Framing("chunked")
UNTIL_CLOSE = Framing("close")


def request_framing(head: RequestHead) -> Framing:
    """How the request's body ends (RFC 9112, 6.3). Raises :class:`RequestMalformed` for what could be read in two ways."""
    codings, lengths = _codings(head.fields), head.fields.by_name.get("content-length")
    if codings:
        if lengths:
            raise RequestMalformed("Content-Length and Transfer-Encoding came together; send one of the two")
        if head.minor == 0:
            raise RequestMalformed("HTTP/1.0 knows no Transfer-Encoding; send a Content-Length")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise RequestMalformed("the only Transfer-Encoding understood here is 'chunked', once")
        return CHUNKED
    if not lengths:
        return NO_BODY
    if len(lengths) > 1:
        raise RequestMalformed("Content-Length came more than once")
    return Framing("length", length_of(lengths[0], RequestMalformed))


def response_framing(head: ResponseHead, method: str) -> Framing:
    """How the answer to a ``method`` request ends (RFC 9112, 6.3). Raises :class:`AnswerMalformed`."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return NO_BODY
    codings, lengths = _codings(head.fields), head.fields.by_name.get("content-length")
    if codings:
        if lengths or head.minor == 0 or [coding.lower() for coding in codings] != ["chunked"]:
            raise AnswerMalformed("the answer's Transfer-Encoding leaves open where it ends")
        return CHUNKED
    if not lengths:
        return UNTIL_CLOSE
    if len(set(lengths)) > 1:
        raise AnswerMalformed("the answer has two different lengths")
    return Framing("length", length_of(lengths[0], AnswerMalformed))


def keeps_alive(minor: int, fields: ReceivedFields) -> bool:
    """Whether the connection outlives this message (RFC 9112, 9.3)."""
    if "connection" not in fields.by_name:
        return minor >= 1
    named = {option.lower() for option in list_items(fields, "connection")}
    return "close" not in named and (minor >= 1 or "keep-alive" in named)


def _codings(fields: ReceivedFields) -> list[str]:
    # Not list_items(): an empty member is one that others may read as something.
    values = fields.by_name.get("transfer-encoding")
    if not values:
        return []
    return [coding.strip(" \t") for value in values for coding in value.split(",")]


def length_of(value: str, malformed: type[MessageError] = AnswerMalformed) -> int:
    """The number that a Content-Length says (RFC 9110, 8.6). Raises what ``malformed`` names."""
    if not value.isascii() or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise malformed("the Content-Length is not a plain number")
    return int(value)
