"""A client's request, and what the autoscaler and the workers make of it. Pure."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from random import Random

from .answer_oracle import AnswerReading, LinkEnd, read_answer
from .arrival import Arrival
from .assignment import AssignmentReading, as_text, good_assignment, read_assignment
from .conversation import Piece
from .marks import Mark, cost_of
from .mutations import mutate, mutate_bytes
from .odd_assignments import draw_assignment
from .splitting import cut
from .tokens import EOL, Token, Tokens, chunk_tokens, join, line_tokens

__all__ = ["POISON", "TURNED_AWAY", "AnswerCase", "Script", "draw_answer_case", "plain_assignment"]

TURNED_AWAY = (429, 503)
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Mark: poison\r\n\r\npoisoned"
"""An answer that nobody asked for."""

_METHODS = {"POST": 50, "GET": 22, "HEAD": 14, "DELETE": 6, "PUT": 4, "PATCH": 4}
_STATUSES = (200,) * 30 + (
    201,
    202,
    204,
    204,
    206,
    301,
    302,
    304,
    304,
    307,
    400,
    404,
    405,
    410,
    422,
    500,
    500,
    502,
    504,
    *TURNED_AWAY,
)
_KINDS = (b"text/plain", b"application/json", b"text/event-stream", b"Text/Event-Stream; charset=utf-8", b"image/png")
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"Server", b"fuzz"),
    (b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    (b"Set-Cookie", b"a=b; Path=/"),
    (b"Set-Cookie", b"c=d"),
    (b"Content-Encoding", b"gzip"),
    (b"Content-Encoding", b"br"),
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Connection", b"close"),
    (b"Connection", b"keep-alive"),
    (b"Connection", b"X-Hop"),
    (b"X-Hop", b"one"),
    (b"Keep-Alive", b"timeout=5"),
    (b"Trailer", b"X-Trailer"),
    (b"X-Vespa-Error", b"forged"),
    (b"X-Vespa-Request-Id", b"forged"),
    (b"X-Vespa-Local", b"forged"),
    (b"Location", b"http://127.0.0.1:1/elsewhere"),
    (b"Retry-After", b"0"),
    (b"Vary", b"Origin"),
    (b"X-Odd", b'\xe9\t"(;,)" ='),
    (b"X-Long", b"x" * 3000),
)
_TRAILERS = ((b"X-Trailer", b"dropped"), (b"Content-Length", b"5"), (b"Set-Cookie", b"e=f"))
# What is sent in one call and is no longer than this is there as a whole, or not at all.
_ARRIVES_AT_ONCE = 30_000


@dataclass
class Script:
    """What an upstream does with one request. ``late`` comes behind its answer, when that has been read perhaps."""

    pieces: list[Piece]
    end: LinkEnd
    late: bytes
    reading: AnswerReading
    assignment: AssignmentReading | None = None

    @property
    def data(self) -> bytes:
        """All of the answer."""
        return b"".join(piece.data for piece in self.pieces)


@dataclass
class AnswerCase:
    """``follows``: a second request, in order, comes behind the first on the same connection."""

    number: int
    kinds: list[str]
    method: str
    minor: int
    request: bytes
    follows: bytes
    autoscaler: list[Script]
    workers: list[Script]

    @property
    def mark(self) -> Mark:
        """The first request's."""
        return Mark("a", self.number, 0)

    def worker_script(self, arrival: Arrival, count: int) -> Script:
        """What the worker plays to a request behind ``count`` others."""
        return self.workers[min(count, len(self.workers) - 1)]


def draw_answer_case(number: int, source: Random, url: str) -> AnswerCase:
    """Either the worker or the autoscaler is odd, seldom both. ``url`` is that of a worker of its own."""
    mark = Mark("a", number, 0)
    method = source.choices(list(_METHODS), list(_METHODS.values()))[0]
    minor = 0 if source.random() < 0.15 else 1
    at_worker = source.random() < 0.75
    kinds: list[str] = []
    autoscaler = []
    if not at_worker or source.random() < 0.05:
        autoscaler.append(_autoscaler_script(kinds, url, cost_of(mark), number, source))
    autoscaler.append(plain_assignment(url, cost_of(mark), number))
    workers = []
    if at_worker:
        workers.append(_worker_script(kinds, mark, method, source))
        if workers[0].reading.status in TURNED_AWAY:
            workers.append(_worker_script(kinds, mark, method, source))
    else:
        workers.append(_script(_draw_answer(mark, 200, method, source), "keep", method, source))
    request = _request(mark, method, minor, source)
    follows = b""
    if minor and source.random() < 0.5 and all(_is_followed_safely(script, method) for script in workers):
        follows = _request(Mark("a", number, 1), "POST", 1, source)
    return AnswerCase(number, kinds or ["as it should be"], method, minor, request, follows, autoscaler, workers)


def _is_followed_safely(script: Script, method: str) -> bool:
    """Whether nobody could take what the script does behind its answer for the answer to the next request.

    What ends a connection, or comes on it, in the moment in which the next request goes out there, can't be told from an
    answer to that.
    """
    if script.late or (script.reading.rest and len(script.data) > _ARRIVES_AT_ONCE):
        return False
    return script.end == "keep" or not read_answer(script.data, "keep", method).reusable


def _request(mark: Mark, method: str, minor: int, source: Random) -> bytes:
    lines = [f"{method} /v1/{mark} HTTP/1.{minor}", "Host: localhost", f"X-Serverless-Cost: {cost_of(mark)}"]
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        body = b'{"mark": "%b", "stream": %b}' % (bytes(mark), source.choice((b"true", b"false")))
        lines.append(f"Content-Length: {len(body)}")
    if minor == 0 and source.random() < 0.3:
        lines.append("Connection: keep-alive")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _draw_answer(mark: Mark, status: int, method: str, source: Random) -> Tokens:
    version = b"HTTP/1.0" if source.random() < 0.08 else b"HTTP/1.1"
    tokens: Tokens = []
    while source.random() < 0.06:
        interim = source.choice((b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 x"))
        tokens += [Token("version", b"HTTP/1.1"), Token("sp", b" "), Token("status", interim[:3]), Token("reason", interim[3:])]
        tokens += [EOL, *(line_tokens(b"Link", b"</x>") if source.random() < 0.5 else []), EOL]
    lines = [(b"X-Mark", bytes(mark)), (b"Content-Type", source.choice(_KINDS))]
    lines += source.sample(_HEADERS, source.choice((0, 0, 1, 2, 4)))
    content = _content(mark, source)
    body: Tokens = []
    framing = source.choice(("length", "length", "chunked", "chunked", "close"))
    if framing == "chunked" and version == b"HTTP/1.1":
        lines.append((b"Transfer-Encoding", b"chunked"))
        body = chunk_tokens(content, source, source.sample(_TRAILERS, 1) if source.random() < 0.1 else ())
    elif framing == "length":
        lines.append((b"Content-Length", b"%d" % len(content)))
        body = [Token("body", content)]
    else:
        body = [Token("body", content)]
    if method == "HEAD" or status in (204, 304):
        body = body if source.random() < 0.15 else []
    if source.random() < 0.3:
        source.shuffle(lines)
    tokens += [Token("version", version), Token("sp", b" "), Token("status", b"%d" % status), Token("sp", b" ")]
    tokens += [Token("reason", source.choice((b"OK", b"OK", b"", b"Not \xe9"))), EOL]
    for name, value in lines:
        tokens += line_tokens(name, value)
    return [*tokens, EOL, *body]


def _content(mark: Mark, source: Random) -> bytes:
    luck = source.random()
    if luck < 0.08:
        return b""
    if luck < 0.14:
        return gzip.compress(bytes(mark) * 100)[: source.choice((5, 1000))]
    piece = source.choice((b'data: {"mark": "%b"}\n\n', b"%b\r\n\r\n0\r\n\r\n", b"%b\x00\xff", b"%b HTTP/1.1 200 OK\r\n\r\n"))
    return (piece % bytes(mark)) * source.choice((1, 1, 2, 10, 100, 100, 8000 if luck > 0.97 else 1))


def _script(tokens: Tokens, end: LinkEnd, method: str, source: Random) -> Script:
    data = join(tokens)
    # An answer without a length ends with its connection.
    if read_answer(data, "close", method).until_close and end == "keep":
        end = "close"
    return Script(_pieces(data, len(data), source), end, b"", read_answer(data, end, method))


def _worker_script(kinds: list[str], mark: Mark, method: str, source: Random) -> Script:
    tokens = _draw_answer(mark, source.choice(_STATUSES), method, source)
    for _ in range(source.choice((0, 1, 1, 1, 1, 2, 2))):
        kind, tokens = mutate(tokens, source)
        kinds.append(kind)
    data = _odd_bytes(kinds, join(tokens), source)
    end: LinkEnd = source.choices(("keep", "close", "reset"), (70, 20, 10))[0]
    data, late = _more_behind(kinds, data, source)
    reading = read_answer(data, end, method)
    if end == "keep" and (reading.verdict == "broken" or reading.until_close):
        # The proxy would wait for its time limit, which each of a few may.
        end = "keep" if source.random() < 0.02 else source.choice(("close", "close", "reset"))
    elif end == "keep" and reading.verdict == "none" and source.random() > 0.05:
        end = source.choice(("close", "reset"))
    reading = read_answer(data, end, method)
    if late and not (reading.reusable and end == "keep" and reading.status not in TURNED_AWAY):
        late = b""
    if end != "keep":
        kinds.append("closed" if end == "close" else "reset")
    return Script(_pieces(data, len(data) - len(reading.rest), source), end, late, reading)


def _autoscaler_script(kinds: list[str], url: str, cost: str, number: int, source: Random) -> Script:
    kind, body = draw_assignment(url, cost, number, source)
    if source.random() < 0.35:
        body = as_text(good_assignment(url, cost, number)).encode()
        status = source.choice((200, 200, 200, 200, 401, 403, 400, 404, 302, 307, 429, 500, 503, 204, 201, 418))
        tokens: Tokens = [Token("version", b"HTTP/1.1"), Token("sp", b" "), Token("status", b"%d" % status), Token("sp", b" ")]
        tokens += [Token("reason", b"OK"), EOL, *line_tokens(b"Content-Type", b"application/json")]
        if source.random() < 0.5:
            tokens += [*line_tokens(b"Transfer-Encoding", b"chunked"), EOL, *chunk_tokens(body, source)]
        else:
            tokens += [*line_tokens(b"Content-Length", b"%d" % len(body)), EOL, Token("body", body)]
        for _ in range(source.choice((1, 1, 2))):
            kind, tokens = mutate(tokens, source)
            kinds.append(f"route: {kind}")
        odd: list[str] = []
        data = _odd_bytes(odd, join(tokens), source)
        kinds += [f"route: {name}" for name in odd]
    else:
        kinds.append(f"route: {kind}")
        data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    # All who ask the autoscaler share its connections. What ends one behind an answer that is in order could take
    # somebody else's question with it, so that one stays; any other ends, or the proxy would wait for its time limit.
    end: LinkEnd = source.choice(("close", "reset"))
    if read_answer(data, "keep", "POST").reusable:
        end = "keep"
    reading = read_answer(data, end, "POST")
    script = Script(_pieces(data, len(data) - len(reading.rest), source), end, b"", reading)
    if reading.verdict in ("good", "either"):
        script.assignment = read_assignment(reading.status, reading.body)
        if reading.verdict == "either" and script.assignment.verdict == "assigned":
            script.assignment = replace(script.assignment, verdict="either")
    else:
        script.assignment = AssignmentReading("waiting", reading.why)
    return script


def plain_assignment(url: str, cost: str, number: int) -> Script:
    """The autoscaler's answer, in order."""
    body = as_text(good_assignment(url, cost, number)).encode()
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    return Script([Piece(data)], "keep", b"", read_answer(data, "keep", "POST"), read_assignment(200, body))


def _odd_bytes(kinds: list[str], data: bytes, source: Random) -> bytes:
    luck = source.random()
    if luck < 0.15:
        kind, data = mutate_bytes(data, source)
        kinds.append(kind)
    elif luck < 0.16:
        kinds.append("interim flood")
        data = b"HTTP/1.1 103 Early Hints\r\n\r\n" * source.choice((20, 99, 100, 101, 5000)) + data
    elif luck < 0.17:
        kinds.append("huge head")
        name, _, rest = data.partition(b"\r\n")
        data = name + b"\r\n" + source.choice((b"X: " + b"y" * 1_000_000, b"X: y\r\n" * 100_000 + b"X: z")) + b"\r\n" + rest
    return data


def _more_behind(kinds: list[str], data: bytes, source: Random) -> tuple[bytes, bytes]:
    """Bytes that belong to no answer: at once, or later."""
    luck = source.random()
    if luck < 0.08 and len(data) < _ARRIVES_AT_ONCE // 2:
        kinds.append("more behind it")
        return data + source.choice((POISON, b"\r\n", b"x", POISON * 200)), b""
    if luck < 0.12:
        kinds.append("more later")
        return data, source.choice((POISON, b"\r\n", b"x"))
    return data, b""


def _pieces(data: bytes, end: int, source: Random) -> list[Piece]:
    """Cut anywhere, but what is behind the answer's end comes with its last piece."""
    luck = source.random()
    if luck < 0.5 or end < 2:
        return [Piece(data)]
    if luck < 0.58 and len(data) < 1000:
        places = list(range(1, end))
    else:
        places = [source.randrange(1, end) for _ in range(source.choice((1, 2, 4)))]
    pause = source.choice((0.0, 0.001, 0.003)) if len(places) < 10 else 0.0
    return [Piece(piece, pause) for piece in cut(data, places)]
