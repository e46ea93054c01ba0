"""The heads of HTTP/1.1 messages (RFC 9112, 3 to 5), read strictly: lines end in CRLF alone, and nothing is folded."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import NamedTuple

from .fields import ReceivedFields
from .malformed import AnswerMalformed, MessageError, RequestMalformed

__all__ = [
    "MAX_HEAD",
    "RequestHead",
    "ResponseHead",
    "host_of",
    "parse_request_head",
    "parse_response_head",
    "request_hosts",
]

MAX_HEAD = 64 * 1024
"""The largest head in bytes, start line included."""

MAX_FIELDS = 100
"""The most lines of a request's head, without the first."""

MAX_ANSWER_FIELDS = 87
"""The most of an answer's: the proxy may add 12 for the client, and Python's http.client reads 99."""

_HTTP2_PREFACE = "PRI * HTTP/2.0"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# All of a head's fields at once: one look for each line would cost more than the whole rest of reading it.
_FIELD = rf"{_TOKEN}:[^\x00-\x08\x0a-\x1f\x7f]*"
_FIELDS = re.compile(rf"{_FIELD}(?:\r\n{_FIELD})*")
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~\x80-\xff]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")
# RFC 3986, 3.3 and 3.4: pchar, "/" and "?"; a percent sign only with its two digits.
_ORIGIN_FORM = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
# What the URL Standard has browsers, and others have curl, httpx and Go, leave as it is, and RFC 3986 has escaped. Nobody
# takes it for the end of a target or for a host: a space, a quote, "<", ">", "#" and a backslash some do.
_LEFT_BARE = re.compile(r"[\[\]{}|^`\x80-\xff]")
# Browsers leave this bare too; but readers don't agree on what it and the next two characters are.
_HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The second half of ASCII's controls, as Unicode has them.
_MORE_CONTROLS = re.compile(r"[\x80-\x9f]")
_ABSOLUTE_FORM = re.compile(r"https?://([^/?]*)(/.*|\?.*|)", re.IGNORECASE)
# RFC 9110, 4.2 and 7.2, of RFC 3986's names those alone that the DNS, hosts files and containers have.
_AUTHORITY = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")


class RequestHead(NamedTuple):
    """A request's head. ``minor`` is HTTP/1's minor version.

    ``target`` is in origin form, or ``*``: as sent, but with its brackets, braces, ``|``, ``^``, backticks and UTF-8
    percent-encoded where URL clients left that out.
    ``authority`` is what stood before the path of a target in absolute form; None for one in origin form.
    """

    method: str
    target: str
    minor: int
    fields: ReceivedFields
    authority: str | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class ResponseHead(NamedTuple):
    """A response's head."""

    minor: int
    status: int
    reason: str
    fields: ReceivedFields


def parse_request_head(block: bytes) -> RequestHead:
    """Read a request's head.

    ``block`` is all bytes up to the empty line, without it. Raises :class:`RequestMalformed` (RFC 9112, 3 and 5).
    """
    line, separator, rest = block.decode("latin-1").partition("\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if not match:
        if line.startswith("\x16\x03"):
            raise RequestMalformed("this port speaks plain HTTP, and a TLS handshake came: use http:// in the address")
        raise RequestMalformed("the request line is not of the form 'METHOD /path HTTP/1.1'")
    method, target, major, minor = match.groups()
    if line == _HTTP2_PREFACE:
        raise RequestMalformed("this port speaks HTTP/1.1, and HTTP/2 came unasked: turn it off in the client")
    if major != "1":
        raise RequestMalformed(f"HTTP/{major}.{minor} isn't spoken here; use HTTP/1.1", 505)
    fields = _parse_fields(rest, MAX_FIELDS, RequestMalformed) if separator else ReceivedFields([])
    try:
        authority, target = _split_target(method, target)
    except RequestMalformed as malformed:
        malformed.fields = fields
        raise
    return RequestHead(method, target, 0 if minor == "0" else 1, fields, authority)


def parse_response_head(block: bytes) -> ResponseHead:
    """Read a response's head.

    ``block`` is all bytes up to the empty line, without it. Raises :class:`AnswerMalformed` (RFC 9112, 4 and 5).
    """
    line, separator, rest = block.decode("latin-1").partition("\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if not match:
        raise AnswerMalformed("the first line is no HTTP/1.1 status line")
    minor, status, reason = match.groups()
    fields = _parse_fields(rest, MAX_ANSWER_FIELDS, AnswerMalformed) if separator else ReceivedFields([])
    return ResponseHead(0 if minor == "0" else 1, int(status), reason or "", fields)


def request_hosts(head: RequestHead) -> list[str]:
    """Whom the request is for, without ports: its ``Host``, and the authority of a target in absolute form.

    Empty for HTTP/1.0 without a ``Host``. Raises :class:`RequestMalformed` where there is no or more than one ``Host``, or one
    that is no name (RFC 9112, 3.2).
    """
    authorities = list(head.fields.by_name.get("host", ()))
    if len(authorities) > 1 or (not authorities and head.minor >= 1):
        raise RequestMalformed("a request names its Host once")
    if head.authority is not None:
        authorities.append(head.authority)
    return [host_of(authority) for authority in authorities]


def host_of(authority: str) -> str:
    """The host of ``host:port``, brackets included. Raises :class:`RequestMalformed`."""
    match = _AUTHORITY.fullmatch(authority)
    try:
        if match and match["ipv6"]:
            IPv6Address(match["ipv6"])
    except ValueError:
        match = None
    if not match:
        raise RequestMalformed("the request's host is no name and port")
    return match[1]


def _split_target(method: str, target: str) -> tuple[str | None, str]:
    """The authority, where the target has one, and the path and query."""
    if method == "CONNECT":
        raise RequestMalformed("CONNECT asks for a tunnel, and this proxy leads to one endpoint alone")
    if target == "*" and method == "OPTIONS":
        return None, target
    authority = None
    absolute = None if target.startswith("/") else _ABSOLUTE_FORM.fullmatch(target)
    if absolute:
        # RFC 9112, 3.2.2: served as if it had come in origin form; where it points to is never followed.
        authority, rest = absolute.groups()
        host_of(authority)
        target = rest if rest.startswith("/") else "/" + rest
    if not _ORIGIN_FORM.fullmatch(target):
        target = _escaped(target)
        if _HALF_ESCAPE.search(target):
            raise RequestMalformed("the request target has a percent sign without two digits; one by itself is written %25")
        if not _ORIGIN_FORM.fullmatch(target):
            raise RequestMalformed(
                "the request target is no path and query by RFC 3986; percent-encode what isn't allowed in one"
            )
    return authority, target


def _escaped(target: str) -> str:
    """The target with what URL clients leave bare percent-encoded. Raises :class:`RequestMalformed` for what is no UTF-8."""
    try:
        is_text = not _MORE_CONTROLS.search(target.encode("latin-1").decode("utf-8"))
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        raise RequestMalformed("the request target has bytes that are no UTF-8 text; percent-encode them")
    return _LEFT_BARE.sub(lambda bare: f"%{ord(bare[0]):02X}", target)


def _parse_fields(text: str, most: int, malformed: type[MessageError]) -> ReceivedFields:
    if text.count("\r\n") >= most:
        raise malformed(f"the head has more than {most} lines", 431)
    if not _FIELDS.fullmatch(text):
        raise malformed("a line of the head is no 'Name: value'")
    lines = text.split("\r\n")
    return ReceivedFields([(name, value.strip(" \t")) for line in lines for name, _, value in (line.partition(":"),)])
