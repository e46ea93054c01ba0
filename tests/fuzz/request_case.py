"""Grammatical requests, and connections full of them: what is then mutated. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from .conversation import Leaving, Piece
from .marks import Mark, cost_of
from .mutations import mutate, mutate_bytes
from .splitting import split
from .tokens import EOL, Token, Tokens, chunk_tokens, join, line_tokens

__all__ = ["RequestCase", "draw_request", "draw_request_case"]

_METHODS = {b"POST": 55, b"GET": 18, b"HEAD": 6, b"DELETE": 5, b"PUT": 4, b"PATCH": 4, b"OPTIONS": 4, b"PURGE": 1}
_HOSTS = (b"localhost", b"localhost:8010", b"127.0.0.1", b"127.0.0.1:80", b"[::1]", b"[::1]:8010", b"app.localhost:1")
_ORIGINS = (b"http://localhost:3000", b"https://127.0.0.1", b"app://x", b"vscode-webview://0a1b", b"http://[::1]:5173")
_QUERIES = (b"", b"", b"", b"?a=1&b=%20%2f", b"?", b"?a=?/:@!$&'()*+,;=", b"?serverless_cost=1&serverless_url=x", b"?&&")
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"User-Agent", b"fuzz/1.0 (seeded)"),
    (b"Accept", b"text/event-stream, */*;q=0.1"),
    (b"Content-Type", b"application/json; charset=utf-8"),
    (b"Content-Type", b"text/plain"),
    (b"Authorization", b"Bearer not-used"),
    (b"Cookie", b"a=b; c=d"),
    (b"x-api-key", b"sk-0"),
    (b"Connection", b"keep-alive"),
    (b"Connection", b"close"),
    (b"Connection", b"keep-alive, X-Hop"),
    (b"X-Hop", b"one"),
    (b"Expect", b"100-continue"),
    (b"TE", b"trailers"),
    (b"Sec-Fetch-Site", b"same-origin"),
    (b"X-Empty", b""),
    (b"X-Odd", b'\xe9\t"(;,)" ='),
    (b"X-Same", b"1"),
    (b"X-Same", b"2"),
    (b"Accept-Encoding", b"gzip, br"),
    (b"Content-Encoding", b"identity"),
    (b"X-Long", b"x" * 3000),
)
_TRAILERS = ((b"X-Trailer", b"dropped"), (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked"))


@dataclass
class RequestCase:
    """What one client sends on one connection. ``kinds`` names what was done to it."""

    number: int
    kinds: list[str]
    pieces: list[Piece]
    leaves: Leaving | None
    """How the client goes, without waiting for what it has asked for; most of them stay."""

    @property
    def data(self) -> bytes:
        """All of its bytes."""
        return b"".join(piece.data for piece in self.pieces)


def draw_request(mark: Mark, source: Random, method: bytes | None = None) -> Tokens:
    """A grammatical request that carries the mark in its target, a header, its cost and its body."""
    method = method or source.choices(list(_METHODS), list(_METHODS.values()))[0]
    version = b"HTTP/1.0" if source.random() < 0.1 else b"HTTP/1.1"
    lines = [(b"Host", source.choice(_HOSTS)), (b"X-Mark", bytes(mark)), (b"X-Serverless-Cost", cost_of(mark).encode())]
    lines += source.sample(_HEADERS, source.choice((0, 1, 1, 2, 3, 6)))
    if source.random() < 0.1:
        lines.append((b"Origin", source.choice(_ORIGINS)))
        if method == b"OPTIONS" and source.random() < 0.5:
            lines.append((b"Access-Control-Request-Method", b"POST"))
    body: Tokens = []
    if method in (b"POST", b"PUT", b"PATCH") or source.random() < 0.02:
        content = _body(mark, source)
        if version == b"HTTP/1.1" and source.random() < 0.4:
            lines.append((b"Transfer-Encoding", source.choice((b"chunked", b"chunked", b"Chunked"))))
            body = chunk_tokens(content, source, source.sample(_TRAILERS, 1) if source.random() < 0.15 else ())
        else:
            lines.append((b"Content-Length", b"%d" % len(content)))
            body = [Token("body", content)]
    elif source.random() < 0.05:
        lines.append((b"Content-Length", b"0"))
    if source.random() < 0.5:
        source.shuffle(lines)
    path = source.choice((b"/v1/", b"/", b"//a/../", b"/%2F;a=b/", b"/v1/chat%20/"))
    target = path + bytes(mark) + source.choice(_QUERIES)
    if source.random() < 0.05:
        target = source.choice((b"http://localhost", b"http://127.0.0.1:80", b"https://elsewhere.example:1")) + target
    start = [Token("method", method), Token("sp", b" "), Token("target", target), Token("sp", b" "), Token("version", version)]
    tokens = [*start, EOL]
    for name, value in lines:
        tokens += line_tokens(name, value)
    return [*tokens, EOL, *body]


def _body(mark: Mark, source: Random) -> bytes:
    kind = source.random()
    if kind < 0.03:
        return b""
    if kind < 0.06:
        return source.choice((b"{", b"NaN", b"\xff\xfe", b"[1,]", b'"\x01"', b"  ", b"\xef\xbb\xbf{}"))
    text = source.choice(("x", "é", "🦙", '"\\', "\r\n")) * source.choice((0, 1, 10, 100, 1000))
    content = json.dumps({"mark": str(mark), "stream": source.random() < 0.2, "n": 1.50, "text": text}, ensure_ascii=False)
    # What would be a request of its own if it were read as one.
    inner = f"GET /v1/{mark} HTTP/1.1\r\nHost: localhost\r\n\r\n" if source.random() < 0.1 else ""
    return (content + inner).encode() if kind > 0.97 else content.encode()


def draw_request_case(number: int, source: Random) -> RequestCase:
    """Some requests behind one another, of which one or two, or what is between them, has been made odd."""
    count = source.choice((1, 1, 1, 2, 2, 3, 4))
    requests = [draw_request(Mark("r", number, index), source) for index in range(count)]
    kinds: list[str] = []
    for _ in range(source.choice((0, 1, 1, 1, 1, 1, 2, 2, 3))):
        place = source.randrange(count)
        kind, requests[place] = mutate(requests[place], source)
        kinds.append(kind)
    if source.random() < 0.06:
        kinds.append("splice")
        other = draw_request(Mark("r", number, count), source)
        place = source.randrange(count)
        cut, join_at = source.randrange(len(requests[place]) + 1), source.randrange(len(other) + 1)
        requests[place] = requests[place][:cut] + other[join_at:]
    whole = [join(request) for request in requests]
    bounds = [sum(map(len, whole[:place])) for place in range(1, count)]
    data = b"".join(whole)
    if source.random() < 0.12:
        kind, data = mutate_bytes(data, source)
        kinds.append(kind)
    pieces = split(data, bounds, source)
    leaves: Leaving | None = None
    if source.random() < 0.04:
        leaves = source.choice(("end of sending", "close", "reset"))
        pieces = pieces[: source.randrange(len(pieces) + 1)]
    return RequestCase(number, kinds or ["as it should be"], pieces, leaves)
