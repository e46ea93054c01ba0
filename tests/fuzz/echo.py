"""A worker's plain answer: it says what was asked, so that a client can tell whose answer it is. Pure."""

from __future__ import annotations

import zlib

__all__ = ["echo_answer", "echo_of"]

_HEADER = "X-Echo"


def echo_of(method: str, target: str, payload: bytes | None) -> str:
    """What is echoed of a request. ``payload`` is None where the method has none."""
    checksum = zlib.crc32(payload or b"", zlib.crc32(f"{method} {target} {payload is None}".encode("latin-1")))
    return f"{checksum:08x}-{len(payload or b'')}"


def echo_body(echo: str) -> bytes:
    """The answer's body: of lengths that differ, with what looks like the end of a message in it."""
    return b"%b\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" % echo.encode() * (1 + int(echo[:8], 16) % 40)


def echo_answer(method: str, target: str, payload: bytes | None) -> bytes:
    """The whole answer; its body is framed in one way or the other."""
    echo = echo_of(method, target, payload)
    body = echo_body(echo)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{_HEADER}: {echo}\r\n".encode()
    if int(echo[:8], 16) % 3:
        framed = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    else:
        half = len(body) // 2
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
        framed = b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    return head + (framed if method != "HEAD" else framed.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
