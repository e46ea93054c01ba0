"""A body of application/x-www-form-urlencoded, read into the same parts as a multipart body (WHATWG URL, 5.1)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from ..errors import BadRequest
from .multipart import MAX_PARTS, Part

__all__ = ["parse_form"]

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_form(body: bytes | bytearray) -> list[Part]:
    """The body's fields as parts without a filename, in their order.

    Raises :class:`BadRequest` where a percent sign has no two digits, or a name isn't UTF-8, or there are too many.
    """
    escape = _BAD_ESCAPE.search(body)
    if escape:
        raise BadRequest(
            f"The form is malformed: the percent sign at byte {escape.start()} has no two hex digits behind it.",
            hint="Percent-encode the values; curl does with --data-urlencode.",
        )
    if body.count(b"&") >= MAX_PARTS:
        raise BadRequest(f"The form has more than {MAX_PARTS} fields.")
    return [_part(*field.partition(b"=")[::2]) for field in bytes(body).split(b"&") if field]


def _part(name: bytes, value: bytes) -> Part:
    try:
        decoded = _decoded(name).decode()
    except UnicodeDecodeError:
        raise BadRequest("The form is malformed: the name of a field is not UTF-8.") from None
    if not decoded:
        raise BadRequest("The form is malformed: a value has no name.")
    return Part(decoded, None, "", memoryview(_decoded(value)))


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
