"""What the clients here send, as bytes, and where an answer ends. Pure."""

from __future__ import annotations

import json
from typing import NamedTuple

__all__ = [
    "BODY",
    "CHAT",
    "LAST_CHUNK",
    "ROUTE",
    "ROUTE_BODY",
    "Framing",
    "framing_of",
    "large_body",
    "request",
    "stream_body",
    "unchunked",
    "wrapped",
]

CHAT = "/v1/chat/completions"
ROUTE = "/route/"
ROUTE_BODY = b'{"endpoint": "lab", "cost": 1.0}'
BODY = json.dumps(
    {"model": "lab", "messages": [{"role": "user", "content": "Hello! " * 40}], "max_tokens": 100},
).encode()
"""A short chat."""
LAST_CHUNK = b"0\r\n\r\n"

_ENVELOPE = (
    b'{"auth_data": {"cost": 1.0, "endpoint": "lab", "reqnum": 1, "request_idx": 7, "signature": "c2ln", "url": "u"}, '
    b'"payload": %b}'
)
_PICTURE = b'{"model": "lab", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "%b"}}]}]}'


class Framing(NamedTuple):
    """What an answer's head says of its body. ``length`` is None where the body is chunked or lasts until the close."""

    status: int
    length: int | None
    is_chunked: bool
    closes: bool

    def ends(self, body: bytes) -> bool:
        """Whether what has come of the body is all of it, as far as the bytes tell; no chunk here ends as the last one does."""
        return body.endswith(LAST_CHUNK) if self.is_chunked else len(body) == self.length


def wrapped(body: bytes) -> bytes:
    """The body in an envelope, as a worker wants it from those who come without the proxy."""
    return _ENVELOPE % body


def stream_body(events: int, rate: float) -> bytes:
    """Asks the stand-in for so many events, ``rate`` of them a second, or as fast as they go for 0."""
    lab = {"events": events, "rate": rate}
    return json.dumps({"model": "lab", "stream": True, "messages": [], "lab": lab}).encode()


def large_body(size: int) -> bytes:
    """A chat of about that size, of which nearly all is one picture in base64."""
    return _PICTURE % (b"data:image/png;base64," + b"A" * size)


def request(method: str, target: str, host: str, body: bytes = b"", *, closes: bool = False) -> bytes:
    """A whole request."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    if closes:
        head.append("Connection: close")
    return "\r\n".join([*head, "", ""]).encode() + body


def framing_of(head: bytes) -> Framing:
    """The framing that a head (without the empty line behind it) tells. Raises ValueError for what is no head."""
    start, *lines = head.decode("latin-1").split("\r\n")
    if not start.startswith("HTTP/1."):
        raise ValueError(f"no HTTP: {start[:40]!r}")
    fields = {name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(":") for line in lines)}
    is_chunked = fields.get("transfer-encoding", "") == "chunked"
    length = None if is_chunked or "content-length" not in fields else int(fields["content-length"])
    closes = fields.get("connection") == "close" or (length is None and not is_chunked)
    return Framing(int(start.split(" ")[1]), length, is_chunked, closes)


def unchunked(body: bytes) -> bytes:
    """What the chunks hold. Raises ValueError where they aren't all there."""
    pieces: list[bytes] = []
    place = 0
    while True:
        end = body.index(b"\r\n", place)
        size = int(body[place:end], 16)
        if not size:
            return b"".join(pieces)
        place = end + 2 + size + 2
        if place > len(body):
            raise ValueError("a chunk is not whole")
        pieces.append(body[end + 2 : place - 2])
