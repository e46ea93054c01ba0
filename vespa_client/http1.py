"""HTTP/1.1 messages as bytes: heads and framing. No I/O here; the client's side and the worker's side share it.

Strict by RFC 9112 where leniency has let one message be read as two: lines end in CRLF alone, a field's name touches its
colon, nothing is folded, lengths are digits, and a message has one way to end.

Header fields are ``(name, value)`` pairs in the order they came, with the case they had; text is Latin-1, so that every
byte survives the round trip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import NamedTuple

__all__ = [
    "CHUNKED",
    "MAX_HEAD",
    "NO_BODY",
    "UNTIL_CLOSE",
    "Fields",
    "Framing",
    "MessageError",
    "ReceivedFields",
    "RequestHead",
    "ResponseHead",
    "host_of",
    "keeps_alive",
    "length_of",
    "list_items",
    "parse_request_head",
    "parse_response_head",
    "request_framing",
    "request_hosts",
    "response_framing",
    "values_of",
]

Fields = list[tuple[str, str]]

MAX_HEAD = 64 * 1024
"""The largest head in bytes, start line included."""

MAX_FIELDS = 100
_MAX_LENGTH_DIGITS = 18

_HTTP2_PREFACE = "PRI * HTTP/2.0"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# All of a head's fields at once: one look for each line would cost more than the whole rest of reading it.
_FIELD = rf"{_TOKEN}:[^\x00-\x08\x0a-\x1f\x7f]*"
_FIELDS = re.compile(rf"{_FIELD}(?:\r\n{_FIELD})*")
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")
# RFC 3986, 3.3 and 3.4: pchar, "/" and "?"; a percent sign only with its two digits.
_ORIGIN_FORM = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_ABSOLUTE_FORM = re.compile(r"https?://([^/?]*)(/.*|\?.*|)", re.IGNORECASE)
# RFC 9110, 4.2 and 7.2, of RFC 3986's names those alone that the DNS, hosts files and containers have.
_AUTHORITY = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")


class MessageError(ValueError):
    """The bytes are no HTTP/1.1 message.

    ``status`` is the answer that suits a client that sent them, ``fields`` are those of a head in which only the target is
    at fault, ``decoded`` is what a body brought before the fault.
    """

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status
        self.decoded = b""
        self.fields: Fields = ReceivedFields([])


class ReceivedFields(Fields):
    """A head's fields as they came, not to be changed: ``by_name`` has each name's values, the names in lower case."""

    __slots__ = ("by_name",)

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.by_name: dict[str, list[str]] = {}
        for name, value in fields:
            self.by_name.setdefault(name.lower(), []).append(value)


class RequestHead(NamedTuple):
    """A request's head. ``target`` is in origin form, byte for byte as sent, or ``*``; ``minor`` is HTTP/1's minor version.

    ``authority`` is what stood before the path of a target in absolute form; None for one in origin form.
    """

    method: str
    target: str
    minor: int
    fields: Fields
    authority: str | None = None


class ResponseHead(NamedTuple):
    """A response's head."""

    minor: int
    status: int
    reason: str
    fields: Fields


class Framing(NamedTuple):
    """How a body ends: after ``length`` bytes, with the last chunk, or with the connection."""

    kind: str
    length: int = 0


NO_BODY = Framing("length", 0)
CHUNKED = Framing("chunked")
UNTIL_CLOSE = Framing("close")


def parse_request_head(block: bytes) -> RequestHead:
    """Read a request's head.

    ``block`` is all bytes up to the empty line, without it. Raises :class:`MessageError` (RFC 9112, 3 and 5).
    """
    line, separator, rest = block.decode("latin-1").partition("\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if not match:
        if line.startswith("\x16\x03"):
            raise MessageError("This port speaks plain HTTP, and a TLS handshake came: use http:// in the address.")
        raise MessageError("The request line is not of the form 'METHOD /path HTTP/1.1'.")
    method, target, major, minor = match.groups()
    if line == _HTTP2_PREFACE:
        raise MessageError("This port speaks HTTP/1.1, and HTTP/2 came unasked: turn it off in the client.")
    if major != "1":
        raise MessageError(f"HTTP/{major}.{minor} isn't spoken here; use HTTP/1.1.", 505)
    fields = _parse_fields(rest) if separator else ReceivedFields([])
    try:
        authority, target = _split_target(method, target)
    except MessageError as malformed:
        malformed.fields = fields
        raise
    return RequestHead(method, target, 0 if minor == "0" else 1, fields, authority)


def parse_response_head(block: bytes) -> ResponseHead:
    """Read a response's head.

    ``block`` is all bytes up to the empty line, without it. Raises :class:`MessageError` (RFC 9112, 4 and 5).
    """
    line, separator, rest = block.decode("latin-1").partition("\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if not match:
        raise MessageError("the first line is no HTTP/1.1 status line")
    minor, status, reason = match.groups()
    fields = _parse_fields(rest) if separator else ReceivedFields([])
    return ResponseHead(0 if minor == "0" else 1, int(status), reason or "", fields)


def request_hosts(head: RequestHead) -> list[str]:
    """Whom the request is for, without ports: its ``Host``, and the authority of a target in absolute form.

    Empty for HTTP/1.0 without a ``Host``. Raises :class:`MessageError` where there is no or more than one ``Host``, or one
    that is no name (RFC 9112, 3.2).
    """
    authorities = list(values_of(head.fields, "host"))
    if len(authorities) > 1 or (not authorities and head.minor >= 1):
        raise MessageError("A request names its Host once.")
    if head.authority is not None:
        authorities.append(head.authority)
    return [host_of(authority) for authority in authorities]


def host_of(authority: str) -> str:
    """The host of ``host:port``, brackets included. Raises :class:`MessageError`."""
    match = _AUTHORITY.fullmatch(authority)
    try:
        if match and match["ipv6"]:
            IPv6Address(match["ipv6"])
    except ValueError:
        match = None
    if not match:
        raise MessageError("The request's host is no name and port.")
    return match[1]


def request_framing(head: RequestHead) -> Framing:
    """How the request's body ends (RFC 9112, 6.3). Raises :class:`MessageError` for what could be read in two ways."""
    codings, lengths = _codings(head.fields), values_of(head.fields, "content-length")
    if codings:
        if lengths:
            raise MessageError("Content-Length and Transfer-Encoding came together; send one of the two.")
        if head.minor == 0:
            raise MessageError("HTTP/1.0 knows no Transfer-Encoding; send a Content-Length.")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MessageError("The only Transfer-Encoding understood here is 'chunked', once.")
        return CHUNKED
    if not lengths:
        return NO_BODY
    if len(lengths) > 1:
        raise MessageError("Content-Length came more than once.")
    return Framing("length", length_of(lengths[0]))


def response_framing(head: ResponseHead, method: str) -> Framing:
    """How the answer to a ``method`` request ends (RFC 9112, 6.3). Raises :class:`MessageError`."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return NO_BODY
    codings, lengths = _codings(head.fields), values_of(head.fields, "content-length")
    if codings:
        if lengths or head.minor == 0 or [coding.lower() for coding in codings] != ["chunked"]:
            raise MessageError("the answer's Transfer-Encoding leaves open where it ends")
        return CHUNKED
    if not lengths:
        return UNTIL_CLOSE
    if len(set(lengths)) > 1:
        raise MessageError("the answer has two different lengths")
    return Framing("length", length_of(lengths[0]))


def keeps_alive(minor: int, fields: Fields) -> bool:
    """Whether the connection outlives this message (RFC 9112, 9.3)."""
    options = {option.lower() for option in list_items(fields, "connection")}
    if "close" in options:
        return False
    return minor >= 1 or "keep-alive" in options


def values_of(fields: Fields, name: str) -> Sequence[str]:
    """Each value of that name (in lower case), in their order."""
    if isinstance(fields, ReceivedFields):
        return fields.by_name.get(name, ())
    return [value for field, value in fields if field.lower() == name]


def list_items(fields: Fields, name: str) -> list[str]:
    """The members of a comma-separated header, over all its lines (RFC 9110, 5.6.1). ``name`` is in lower case."""
    values = values_of(fields, name)
    return [item for value in values for part in value.split(",") if (item := part.strip(" \t"))]


def _split_target(method: str, target: str) -> tuple[str | None, str]:
    """The authority, where the target has one, and the path and query."""
    if method == "CONNECT":
        raise MessageError("CONNECT asks for a tunnel, and this proxy leads to one endpoint alone.")
    if target == "*" and method == "OPTIONS":
        return None, target
    authority = None
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute:
        # RFC 9112, 3.2.2: served as if it had come in origin form; where it points to is never followed.
        authority, rest = absolute.groups()
        host_of(authority)
        target = rest if rest.startswith("/") else "/" + rest
    if not _ORIGIN_FORM.fullmatch(target):
        raise MessageError("The request target is no path and query by RFC 3986; percent-encode what isn't allowed in one.")
    return authority, target


def _parse_fields(text: str) -> ReceivedFields:
    if text.count("\r\n") >= MAX_FIELDS:
        raise MessageError(f"The head has more than {MAX_FIELDS} lines.", 431)
    if not _FIELDS.fullmatch(text):
        raise MessageError("A line of the head is no 'Name: value'.")
    parts = [line.partition(":") for line in text.split("\r\n")]
    return ReceivedFields([(name, value.strip(" \t")) for name, _, value in parts])


def _codings(fields: Fields) -> list[str]:
    # Not list_items(): an empty member is one that others may read as something.
    values = values_of(fields, "transfer-encoding")
    return [coding.strip(" \t") for value in values for coding in value.split(",")]


def length_of(value: str) -> int:
    """The number that a Content-Length says (RFC 9110, 8.6). Raises :class:`MessageError`."""
    if not value.isascii() or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise MessageError("The Content-Length is not a plain number.")
    return int(value)
