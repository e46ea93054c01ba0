"""A body of multipart/form-data (RFC 7578), cut into its parts.

Strict where leniency has let one body be read as two: lines end in CRLF alone, nothing is folded, the boundary stands in
no data, nothing comes before the first part or behind the last, and a part says once what it is. No byte of a part is
copied: its content is a view of the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ..errors import BadRequest

__all__ = ["MAX_PARTS", "MAX_PART_HEAD", "Part", "parse_multipart", "short"]

MAX_PARTS = 512
"""The most parts a body may have, files and texts together."""

MAX_PART_HEAD = 8 * 1024
"""The largest head of a part in bytes."""

_CHARSETS = ("utf-8", "utf8", "us-ascii")
_SHOWN = 60
# A search holds all other threads up; this much of a body takes it under a millisecond.
_SEARCH_STEP = 1 << 20

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 2046, 5.1.1: up to 70 characters, the last of which is no space.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*(\r\n|\Z)")
_FIELD = rf"{_TOKEN}:[^\x00-\x08\x0a-\x1f\x7f]*"
_FIELDS = re.compile(rf"{_FIELD}(?:\r\n{_FIELD})*")

# Browsers and urllib3 write a backslash as it is, and a quote as %22; Go, httpx and older curls put a backslash before the
# two. So a backslash is one, but before a second one, or before a quote that doesn't end the string.
_LAST_QUOTE = r'"(?=[ \t]*(?:;|\Z))'
_QUOTED = rf'(?:[^"\\]|\\(?:\\|(?!{_LAST_QUOTE})"|(?={_LAST_QUOTE})|(?!["\\])))*'
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_TOKEN})=(?:"({_QUOTED})"|([!#-+\--:<-~]+))')
_VALUE = re.compile(rf"[ \t]*({_TOKEN}(?:/{_TOKEN})?)")
_NO_MORE = re.compile(r"[ \t]*;?[ \t]*")
_PAIR = re.compile(r"\\([\\\"])")
# What WHATWG's form encoding and httpx escape; any other percent sign is one.
_ESCAPED = re.compile(r"%(22|[01][0-9A-F])")
# RFC 8187, 3.2: the charset, a language that doesn't matter here, and the text.
_EXTENDED = re.compile(r"utf-8'[0-9A-Za-z-]*'((?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*)", re.IGNORECASE)
_CONTROLS = bytes({*range(32), 127} - {*b"\t\r\n"})

_MADE_BY_HAND = "Let your HTTP library make the body and its Content-Type: it is wrong where the header is set by hand."


class _Malformed(ValueError):
    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


class Part(NamedTuple):
    """One part of a form. ``filename`` is None for a text, ``content_type`` is in lower case and without parameters."""

    name: str
    filename: str | None
    content_type: str
    content: memoryview

    def text(self) -> str:
        """The content as text. Raises :class:`BadRequest` where it is none (RFC 7578, 5.1.2: UTF-8)."""
        octets = bytes(self.content)
        try:
            if len(octets.translate(None, _CONTROLS)) == len(octets):
                return octets.decode()
        except UnicodeDecodeError:
            pass
        raise BadRequest(
            f"The form's field {short(self.name)} is no UTF-8 text.", hint="Send bytes as a file, with a filename."
        )


class _Delimiter(NamedTuple):
    """Where a delimiter begins, the CRLF before it excepted, and where the part behind it does."""

    start: int
    end: int
    is_last: bool


def parse_multipart(content_type: str, body: bytes | bytearray) -> list[Part]:
    """The parts of a body, in their order. ``content_type`` is the whole header with its boundary.

    Raises :class:`BadRequest` for what is no multipart/form-data by RFC 7578 and RFC 2046, 5.1.
    """
    try:
        return _parts(body, b"--" + _boundary(content_type))
    except _Malformed as malformed:
        raise BadRequest(f"The multipart body is malformed: {malformed}.", hint=malformed.hint) from None


def short(name: str) -> str:
    """A name out of a form, quoted and cut short for a message."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")


def _boundary(content_type: str) -> bytes:
    _, parameters = _value_and_parameters(content_type, "content-type")
    boundary = parameters.get("boundary")
    if boundary is None:
        raise _Malformed("its Content-Type names no boundary", _MADE_BY_HAND)
    if not _BOUNDARY.fullmatch(boundary):
        raise _Malformed("its boundary is none by RFC 2046, 5.1.1, of 1 to 70 plain characters", _MADE_BY_HAND)
    return boundary.encode("ascii")


def _parts(body: bytes | bytearray, dashed: bytes) -> list[Part]:
    parts: list[Part] = []
    view = memoryview(body)
    delimiters = _delimiters(body, dashed)
    opening = next(delimiters)
    for closing in delimiters:
        if len(parts) == MAX_PARTS:
            raise _Malformed(f"it has more than {MAX_PARTS} parts")
        # The CRLF before a delimiter is the delimiter's, the two of the blank line are the head's.
        content_end = closing.start - 2
        head_end = body.find(b"\r\n\r\n", opening.end, min(opening.end + MAX_PART_HEAD + 4, content_end))
        try:
            if head_end < 0:
                raise _Malformed(f"no blank line ends its head within {MAX_PART_HEAD} bytes")
            parts.append(_part(bytes(view[opening.end : head_end]), view[head_end + 4 : content_end]))
        except _Malformed as malformed:
            raise _Malformed(f"in part {len(parts) + 1}, {malformed}", malformed.hint) from None
        opening = closing
    return parts


def _delimiters(body: bytes | bytearray, dashed: bytes) -> Iterator[_Delimiter]:
    """The delimiters, from the first to the last one."""
    # Some clients begin each part with an empty line, and so the first.
    position = 2 if body.startswith(b"\r\n" + dashed) else 0
    if not body.startswith(dashed, position):
        raise _Malformed("it doesn't begin with the boundary that its Content-Type names", _MADE_BY_HAND)
    while True:
        line_end = _DELIMITER_END.match(body, position + len(dashed))
        if not line_end:
            raise _Malformed("its boundary is the beginning of a line in its data")
        delimiter = _Delimiter(position, line_end.end(), line_end[1] is not None)
        yield delimiter
        if delimiter.is_last:
            if delimiter.end != len(body):
                raise _Malformed("it goes on behind its last boundary")
            return
        position = _next_delimiter(body, dashed, delimiter.end)


def _next_delimiter(body: bytes | bytearray, dashed: bytes, start: int) -> int:
    """Where the next delimiter begins. In the midst of a line, the boundary is data (RFC 2046, 5.1.1)."""
    while True:
        position = _find(body, dashed, start)
        if position < 0:
            raise _Malformed("it ends without its last boundary", "It was cut short, or its sender forgot the end.")
        before = body[position - 2 : position]
        if before == b"\r\n":
            return position
        if before.endswith((b"\r", b"\n")):
            raise _Malformed("the line before a boundary doesn't end in CRLF")
        start = position + 1


def _find(body: bytes | bytearray, wanted: bytes, start: int) -> int:
    for begin in range(start, len(body), _SEARCH_STEP):
        position = body.find(wanted, begin, begin + _SEARCH_STEP + len(wanted) - 1)
        if position >= 0:
            return position
    return -1


def _part(head: bytes, content: memoryview) -> Part:
    fields = _head_fields(head)
    form, disposition = _value_and_parameters(fields.get("content-disposition", ""), "content-disposition")
    if form.lower() != "form-data":
        raise _Malformed("its Content-Disposition is not form-data")
    name, filename = _named(disposition, "name"), _named(disposition, "filename")
    if not name:
        raise _Malformed("its Content-Disposition has no name")
    kind, parameters = _value_and_parameters(fields.get("content-type", ""), "content-type")
    if kind.lower().startswith("multipart/"):
        raise _Malformed("its content is a multipart of its own", "Send several files as parts of the same name.")
    charset = parameters.get("charset", "utf-8")
    if filename is None and charset.lower() not in _CHARSETS:
        raise _Malformed(f"its charset is {short(charset)}", "Send text as UTF-8.")
    coding = fields.get("content-transfer-encoding", "binary")
    if coding.lower() not in ("7bit", "8bit", "binary"):
        raise _Malformed(f"its Content-Transfer-Encoding is {short(coding)}", "Send the bytes as they are.")
    return Part(name, filename, kind.lower(), content)


def _head_fields(head: bytes) -> dict[str, str]:
    """The fields, each of which may come once, by their names in lower case."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise _Malformed("its head is not UTF-8") from None
    if not _FIELDS.fullmatch(text):
        raise _Malformed("a line of its head is no 'Name: value'")
    lines = [line.partition(":") for line in text.split("\r\n")]
    fields = {name.lower(): value.strip(" \t") for name, _, value in lines}
    if len(fields) != len(lines):
        raise _Malformed("its head has a field twice")
    return fields


def _value_and_parameters(field: str, name: str) -> tuple[str, dict[str, str]]:
    """What stands before the first semicolon, and the parameters by their names in lower case; each may come once."""
    if not field:
        return "", {}
    value = _VALUE.match(field)
    position = value.end() if value else 0
    parameters: dict[str, str] = {}
    count = 0
    while parameter := _PARAMETER.match(field, position):
        parameter_name, quoted, plain = parameter.groups()
        parameters[parameter_name.lower()] = plain if quoted is None else _PAIR.sub(r"\1", quoted)
        position = parameter.end()
        count += 1
    if not value or len(parameters) != count or not _NO_MORE.fullmatch(field, position):
        raise _Malformed(f"its {name.title()} can't be read")
    return value[1], parameters


def _named(parameters: Mapping[str, str], parameter: str) -> str | None:
    """What ``name`` or ``filename`` says; first in the extended form (RFC 6266, 4.3), though RFC 7578 has no love for it."""
    extended = parameters.get(parameter + "*")
    if extended is None:
        plain = parameters.get(parameter)
        return None if plain is None else _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), plain)
    match = _EXTENDED.fullmatch(extended)
    octets = unquote_to_bytes(match[1]) if match else b"\xff"
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _Malformed(f"its {parameter}* is not UTF-8 by RFC 8187") from None
