"""The grammar that heads have in common (RFC 9110, 5; RFC 9112, 2 to 5), read strictly. Pure.

Written from the RFCs, and from nothing in ``vespa_client``: what the proxy is held against must not be the proxy's own
idea of it.
"""

from __future__ import annotations

__all__ = [
    "LARGEST_HEAD",
    "MOST_LINES",
    "Fields",
    "Incomplete",
    "Malformed",
    "head_end",
    "is_text",
    "is_token",
    "members_of",
    "read_chunks",
    "read_lines",
    "values_of",
]

Fields = list[tuple[str, str]]

LARGEST_HEAD = 64 * 1024
MOST_LINES = 100
"""Limits that the issue sets. Whether terminators and the start line count is left open."""

_ALPHANUMERIC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
TOKEN_BYTES = frozenset(b"!#$%&'*+-.^_`|~" + _ALPHANUMERIC)
# HTAB, SP, VCHAR and obs-text.
TEXT_BYTES = frozenset({9, *range(0x20, 0x7F), *range(0x80, 0x100)})
_HEX = frozenset(b"0123456789abcdefABCDEF")
_LONGEST_CHUNK_LINE = 4096


class Malformed(Exception):
    """These bytes are no message, whatever may follow them."""


class Incomplete(Exception):
    """These bytes may be the beginning of a message."""


def is_token(text: bytes) -> bool:
    """RFC 9110, 5.6.2."""
    return bool(text) and TOKEN_BYTES.issuperset(text)


def is_text(text: bytes) -> bool:
    """What a field's value and a reason phrase are made of (RFC 9110, 5.5)."""
    return TEXT_BYTES.issuperset(text)


def head_end(data: bytes, start: int) -> int:
    """Where the empty line of the head at ``start`` begins. Raises :class:`Malformed`, :class:`Incomplete`."""
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        if len(data) - start > LARGEST_HEAD + 8:
            raise Malformed("the head is too long")
        raise Incomplete("the head is not complete")
    if end - start > LARGEST_HEAD + 8:
        raise Malformed("the head is too long")
    return end


def read_lines(block: bytes) -> tuple[bytes, Fields, bool]:
    """A head without its empty line: start line and fields, and whether it is so close to a limit that both are right.

    Raises :class:`Malformed`.
    """
    lines = block.split(b"\r\n")
    for line in lines:
        if b"\r" in line or b"\n" in line:
            raise Malformed("a bare CR or LF in the head")
    start, *rest = lines
    if len(rest) > MOST_LINES + 1:
        raise Malformed("the head has too many lines")
    open_to_both = len(rest) >= MOST_LINES or abs(len(block) - LARGEST_HEAD) <= 8
    return start, [_field(line) for line in rest], open_to_both


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not is_token(name):
        raise Malformed("a line of the head has no name in front of a colon")
    if not is_text(value):
        raise Malformed("a field's value has a control character")
    return name.decode("latin-1"), value.strip(b" \t").decode("latin-1")


def values_of(fields: Fields, name: str) -> list[str]:
    """Each value of that header (in lower case)."""
    return [value for given, value in fields if given.lower() == name]


def members_of(fields: Fields, name: str) -> list[str]:
    """The members of a header that is a list, in lower case, empty ones included (RFC 9110, 5.6.1)."""
    return [member.strip(" \t").lower() for value in values_of(fields, name) for member in value.split(",")]


def read_chunks(data: bytes, place: int) -> tuple[bytes, int, bool]:
    """A chunked body (RFC 9112, 7.1) from ``place`` on.

    Returns the body, where it ends, and whether it has something in it that a recipient may refuse. Raises
    :class:`Malformed` or :class:`Incomplete`, whose ``args[1]`` is the body up to there.
    """
    body = bytearray()
    try:
        return _chunks(data, place, body)
    except (Malformed, Incomplete) as problem:
        raise type(problem)(problem.args[0], bytes(body)) from None


def _chunks(data: bytes, place: int, body: bytearray) -> tuple[bytes, int, bool]:
    open_to_both = False
    while True:
        line, place = _chunk_line(data, place)
        digits = 0
        while digits < len(line) and line[digits] in _HEX:
            digits += 1
        if not digits:
            raise Malformed("a chunk's size is no hexadecimal number")
        open_to_both |= _check_extension(line[digits:]) or digits > 16 or len(line) > _LONGEST_CHUNK_LINE
        size = int(line[:digits], 16)
        if not size:
            break
        body += data[place : place + size]
        place += size
        if data[place : place + 2] != b"\r\n":
            if b"\r\n".startswith(data[place : place + 2]):
                raise Incomplete("a chunk is not complete")
            raise Malformed("a chunk is longer than its size says")
        place += 2
    begin = place
    while True:
        line, place = _chunk_line(data, place)
        if not line:
            return bytes(body), place, open_to_both or place - begin > LARGEST_HEAD
        open_to_both |= len(line) > _LONGEST_CHUNK_LINE
        _field(line)


def _chunk_line(data: bytes, place: int) -> tuple[bytes, int]:
    end = data.find(b"\r\n", place)
    line = data[place : end if end >= 0 else len(data)]
    if b"\n" in line or b"\r" in line[:-1] or (end >= 0 and b"\r" in line):
        raise Malformed("a bare CR or LF among the chunks")
    if end < 0:
        raise Incomplete("a line among the chunks is not complete")
    return line, end + 2


def _check_extension(text: bytes) -> bool:
    """Whether it may be refused: the grammar of extensions is strict, and few recipients are. Raises Malformed."""
    if not text:
        return False
    if not is_text(text) or not text.lstrip(b" \t").startswith(b";"):
        raise Malformed("something is behind a chunk's size that is no extension")
    return not _is_extension(text)


def _is_extension(text: bytes) -> bool:
    """``*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )``."""
    place = 0

    def skip(of: frozenset[int]) -> bytes:
        nonlocal place
        start = place
        while place < len(text) and text[place] in of:
            place += 1
        return text[start:place]

    blank = frozenset(b" \t")
    while place < len(text):
        skip(blank)
        if skip(frozenset(b";")) != b";":
            return False
        skip(blank)
        if not skip(TOKEN_BYTES):
            return False
        before = place
        skip(blank)
        if text[place : place + 1] != b"=":
            place = before
            continue
        place += 1
        skip(blank)
        if text[place : place + 1] == b'"':
            place += 1
            while text[place : place + 1] not in (b'"', b""):
                place += 2 if text[place : place + 1] == b"\\" else 1
            if place >= len(text):
                return False
            place += 1
        elif not skip(TOKEN_BYTES):
            return False
    return True
