"""What the tests of translated answers send, and how they read what comes."""

from __future__ import annotations

import json
from typing import Any

from ...support.raw_worker import Peer, answer, chunk, post

__all__ = [
    "CHAT",
    "DIALECTS",
    "MESSAGES",
    "OLLAMA",
    "RESPONSES",
    "SSE",
    "asks",
    "chunks",
    "completion",
    "dechunked",
    "event",
    "events_of",
    "finish",
    "json_answer",
    "lines_of",
    "said_in",
    "text",
]

CHAT = "/v1/chat/completions"
RESPONSES, MESSAGES, OLLAMA = "/v1/responses", "/v1/messages", "/api/chat"
DIALECTS = (RESPONSES, MESSAGES, OLLAMA)
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_HELLO = [{"role": "user", "content": "Hello"}]
_BODIES: dict[str, dict[str, Any]] = {
    RESPONSES: {"model": "m", "input": "Hello"},
    MESSAGES: {"model": "m", "max_tokens": 9, "messages": _HELLO},
    OLLAMA: {"model": "m", "messages": _HELLO},
}


def asks(path: str, *lines: str, stream: bool = True, version: str = "1.1", **more: Any) -> bytes:
    """A request of that dialect, with these header lines."""
    body = json.dumps({**_BODIES[path.partition("?")[0]], "stream": stream, **more}).encode()
    return post(body, path, *lines, version=version)


def event(value: object) -> bytes:
    """An event of a backend's stream."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def text(words: str) -> bytes:
    """An event that brings words."""
    return event({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": words}}]})


def finish(reason: str = "stop") -> bytes:
    """The events at a stream's end."""
    return event({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}) + event(b"[DONE]")


def completion(words: str = "Hi") -> dict[str, Any]:
    """A plain chat completion."""
    message = {"role": "assistant", "content": words}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def json_answer(value: object, status: str = "200 OK", *lines: str) -> bytes:
    """A worker's plain answer."""
    return answer(json.dumps(value).encode(), status, "Content-Type: application/json", *lines)


def dechunked(data: bytes) -> tuple[bytes, bool]:
    """A chunked body's bytes, and whether it ended as a whole one does."""
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body, True
        body, data = body + rest[:length], rest[length + 2 :]
    return body, False


def said_in(client: Peer) -> tuple[bytes, bool]:
    """The chunked body up to the connection's end, and whether it is whole."""
    data, _ = client.ending()
    return dechunked(data)


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event; each must be whole, and comments are passed over."""
    assert data.endswith(b"\n\n")
    found = []
    for block in data.decode().split("\n\n"):
        lines = [line.removeprefix("data: ") for line in block.split("\n") if line.startswith("data: ")]
        found += [json.loads("".join(lines))] if lines else []
    return found


def lines_of(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each line."""
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines() if line]


def chunks(*pieces: bytes) -> bytes:
    """The pieces, each a chunk."""
    return b"".join(map(chunk, pieces))
