"""How h11 reads the bytes of a connection, as a server does that serves one request after the other."""

from __future__ import annotations

import re
from typing import NamedTuple

import h11

__all__ = ["Asked", "Reading", "read_by_h11"]

_PIECE = 4096
_EMPTY_LINES = re.compile(rb"\A(?:\r\n)*(?:\n(?:\r\n)*)?")


class Asked(NamedTuple):
    """A request that h11 has read to its end."""

    method: str
    target: str
    body: bytes


class Reading(NamedTuple):
    """The requests that were read, and why the one behind them was refused; None where there is none."""

    requests: list[Asked]
    refusal: str | None


def read_by_h11(data: bytes, *, forgive_empty_lines: bool = False) -> Reading:
    """Read all of it; the connection ends behind it.

    ``forgive_empty_lines``: take away those before a request line, one of LF alone among them, which h11 refuses (RFC 9112,
    2.2, lets them be).
    """
    requests: list[Asked] = []
    rest: bytes | None = data
    try:
        while rest is not None:
            if forgive_empty_lines:
                rest = _EMPTY_LINES.sub(b"", rest)
            rest = _read_request(rest, requests)
    except h11.RemoteProtocolError as refusal:
        return Reading(requests, str(refusal))
    return Reading(requests, None)


def _read_request(data: bytes, requests: list[Asked]) -> bytes | None:
    """Read one. Returns what is behind it; None at the connection's end."""
    server = h11.Connection(h11.SERVER)
    fed = 0

    def next_event() -> object:
        nonlocal fed
        # In pieces, since h11 bounds what is incomplete alone.
        while (event := server.next_event()) is h11.NEED_DATA:
            server.receive_data(data[fed : fed + _PIECE])
            fed += _PIECE
        return event

    head = next_event()
    if not isinstance(head, h11.Request):
        return None
    body = b""
    while not isinstance(event := next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        body += event.data
    requests.append(Asked(head.method.decode(), head.target.decode(), body))
    return server.trailing_data[0] + data[fed:] if _is_to_be_kept(head) else None


def _is_to_be_kept(head: h11.Request) -> bool:
    # h11 itself keeps no connection of HTTP/1.0, whatever the client asks for.
    options = [part.strip().lower() for name, value in head.headers if name == b"connection" for part in value.split(b",")]
    return b"close" not in options and (head.http_version >= b"1.1" or b"keep-alive" in options)
