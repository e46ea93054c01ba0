"""A client's body, read whole before anything is asked of Vast.ai (design.md, "Route late")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import BadRequest
from ..http1.chunks import ChunkedDecoder
from ..http1.fields import list_items
from ..http1.framing import NO_BODY, Framing
from ..http1.heads import RequestHead
from ..http1.malformed import MessageError
from ..net.lifeline import ClientGone
from ..net.socket_reader import SocketReader
from ..settings.table import Settings
from .request_head import too_large

__all__ = ["read_client_body"]

_Read = TypeVar("_Read", bytes, int)

_READ_SIZE = 256 * 1024
_ROOM = bytes(1024 * 1024)


def read_client_body(
    head: RequestHead, framing: Framing, reader: SocketReader, settings: Settings, send_continue: Callable[[], None]
) -> bytes | bytearray:
    """The body. ``send_continue`` is called where the client waits for leave to send it (RFC 9110, 10.1.1).

    Raises :class:`BadRequest` where it is malformed, stops coming, or is to meet an expectation that can't be met,
    :class:`BodyTooLarge`, and :class:`ClientGone`.
    """
    if framing == NO_BODY:
        return b""
    if "expect" in head.fields.by_name and (asked := list_items(head.fields, "expect")):
        expectations = [item.lower() for item in asked]
        if set(expectations) != {"100-continue"}:
            raise BadRequest(f"The expectation {', '.join(expectations)!r} can't be met.", status=417)
        if head.minor >= 1 and not reader.buffered:
            send_continue()
    reader.limit(settings.body_timeout)
    try:
        if framing.kind == "chunked":
            return _read_chunks(reader, settings.max_body)
        return _read_length(reader, framing.length)
    except TimeoutError:
        problem = f"The body stopped coming for {settings.body_timeout:g} s."
        raise BadRequest(problem, status=408) from None
    except MessageError as malformed:
        raise BadRequest(f"The chunked body is malformed: {malformed}.") from None


def _read_length(reader: SocketReader, length: int) -> bytes | bytearray:
    first = _expected(reader.read_some, min(length, _READ_SIZE))
    if len(first) == length:
        return first
    body, count = bytearray(first), len(first)
    while count < length:
        # Room is made as bytes come: who announces a gigabyte has sent none yet.
        if count == len(body):
            body += _ROOM[: length - count]
        with memoryview(body) as whole, whole[count:] as room:
            count += _expected(reader.read_into, room)
    return body


def _read_chunks(reader: SocketReader, most: int) -> bytearray:
    body = bytearray()
    decoder = ChunkedDecoder()
    while not decoder.done:
        body += decoder.feed(_expected(reader.read_some, _READ_SIZE))
        if len(body) + decoder.left > most:
            raise too_large(most)
    reader.buffered = decoder.rest
    return body


def _expected(read: Callable[..., _Read], *arguments: Any) -> _Read:
    """What a read of the reader's returns, where an end is the client's leaving."""
    try:
        came = read(*arguments)
    except TimeoutError:
        raise
    except OSError as gone:
        raise ClientGone from gone
    if not came:
        raise ClientGone
    return came
