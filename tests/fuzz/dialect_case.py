"""A request in a dialect, and what a worker that lacks its route makes of the chat completion. Pure."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from .answer_case import Script, plain_assignment
from .answer_oracle import LinkEnd, read_answer
from .arrival import Arrival
from .conversation import Piece
from .json_mutations import mutate_json
from .marks import Mark, cost_of
from .mutations import mutate_bytes
from .splitting import cut

__all__ = ["CHAT", "WORDS", "DialectCase", "draw_dialect_case"]

CHAT = "/v1/chat/completions"
WORDS = "fuzzed words"
"""What a good answer says."""

Expected = Literal["whole", "broken", "either"]
_Object = dict[str, Any]
_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_SCHEMA: _Object = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
_ROUTES = ("/v1/responses", "/v1/messages", "/v1/messages?beta=true", "/api/chat", "/api/generate", "/v1/messages/count_tokens")
_ERRORS = (400, 401, 404, 405, 413, 422, 429, 500, 501, 502, 503)
_ERROR_BODIES = (b"", b"oops", b'{"error": {"message": "odd", "code": 400}}', b'{"detail": [{"msg": "odd"}]}', b"[1")
_LARGE = b"data: " + b"x" * (5 << 20) + b"\n\n"


@dataclass
class DialectCase:
    """``expected`` is what the client's answer must be: ``whole``, or, where half of one came, ``broken``."""

    number: int
    kinds: list[str]
    path: str
    streams: bool
    request: bytes
    is_good: bool
    expected: Expected
    autoscaler: list[Script]
    missing: Script
    chat: Script

    @property
    def mark(self) -> Mark:
        """The request's."""
        return Mark("t", self.number, 0)

    def worker_script(self, arrival: Arrival, count: int) -> Script:
        """What the worker plays to its request."""
        return self.chat if arrival.target == CHAT else self.missing


def draw_dialect_case(number: int, source: Random, url: str) -> DialectCase:
    """``url`` is that of a worker of its own."""
    target = source.choice(_ROUTES)
    path = target.partition("?")[0]
    kinds = [path]
    body, streams = _draw_body(path, source)
    data = json.dumps(body).encode()
    luck, is_good = source.random(), True
    if luck < 0.35:
        for _ in range(source.choice((1, 1, 2, 4))):
            kind, body = mutate_json(body, source)
            kinds.append(f"asked: {kind}")
        data, is_good = json.dumps(body).encode(), False
    elif luck < 0.45:
        kind, data = mutate_bytes(data, source)
        kinds.append(f"asked: {kind}")
        is_good = False
    elif luck < 0.47:
        kinds.append("asked: nested deeply")
        data, is_good = data[:-1] + b', "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", False
    mark = Mark("t", number, 0)
    expected, chat = _draw_chat(kinds, streams, source)
    lines = (f"POST {target} HTTP/1.1", "Host: localhost", f"X-Mark: {mark}", f"X-Serverless-Cost: {cost_of(mark)}")
    more = ("Content-Type: application/json", f"Content-Length: {len(data)}", "", "")
    request = "\r\n".join([*lines, *more]).encode() + data
    missing = _script(_answer(source.choice((404, 405, 501)), b"404: Not Found", "text/plain"), "keep")
    assignment = plain_assignment(url, cost_of(mark), number)
    return DialectCase(number, kinds, path, streams, request, is_good, expected, [assignment], missing, chat)


def _draw_body(path: str, source: Random) -> tuple[_Object, bool]:
    """A request that is right, and whether it asks for a stream."""
    streams = source.random() < 0.6
    draw = {
        "/v1/responses": _responses,
        "/v1/messages": _messages,
        "/v1/messages/count_tokens": _messages,
        "/api/chat": _ollama_chat,
        "/api/generate": _ollama_generate,
    }
    body = draw[path](source)
    if path.startswith("/api/") and streams and source.random() < 0.5:
        return body, True
    return {**body, "stream": streams}, streams and not path.endswith("count_tokens")


def _some(source: Random, **members: Any) -> _Object:
    """A few of these members."""
    return {name: value for name, value in members.items() if source.random() < 0.3}


def _responses(source: Random) -> _Object:
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    turns = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": _PIXEL}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello", "annotations": []}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        call,
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        {"role": "user", "content": "And now?"},
    ]
    tool = {"type": "function", "name": "f", "parameters": _SCHEMA, "strict": True}
    custom = {"type": "custom", "name": "patch", "format": {"type": "text"}}
    return {
        "model": "m",
        "input": source.choice(["Hi", turns, turns[:1]]),
        **_some(
            source,
            instructions="Be brief.",
            tools=source.choice([[tool], [custom], [tool, custom]]),
            temperature=0.5,
            max_output_tokens=20,
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}},
            metadata={"a": "b"},
            parallel_tool_calls=True,
            store=True,
            user="u",
        ),
    }


def _messages(source: Random) -> _Object:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}, image]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "b"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "done", "is_error": True}]},
    ]
    return {
        "model": "m",
        "max_tokens": 20,
        "messages": source.choice([[{"role": "user", "content": "Hi"}], turns, turns[:1]]),
        **_some(
            source,
            system=[{"type": "text", "text": "Be brief."}],
            tools=[{"name": "f", "description": "d", "input_schema": _SCHEMA}],
            stop_sequences=["END"],
            temperature=0.5,
            metadata={"user_id": "u"},
            thinking={"type": "enabled", "budget_tokens": 1024},
        ),
    }


def _ollama_chat(source: Random) -> _Object:
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": _SCHEMA}}
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "images": ["iVBORw0KGgo="]}]
    more = _some(
        source, tools=[tool], format=_SCHEMA, options={"temperature": 0.5, "num_predict": 9}, think=True, keep_alive="5m"
    )
    return {"model": "m", "messages": source.choice([turns, turns[1:]]), **more}


def _ollama_generate(source: Random) -> _Object:
    return {
        "model": "m",
        "prompt": "Hi",
        **_some(source, system="Be brief.", format="json", options={"seed": 7, "stop": ["END"]}),
    }


def _draw_chat(kinds: list[str], streams: bool, source: Random) -> tuple[Expected, Script]:
    """What the worker answers to the chat completion."""
    luck = source.random()
    if luck < 0.12:
        kinds.append("error")
        kind = source.choice(("application/json", "text/plain"))
        answer = _answer(source.choice(_ERRORS), source.choice(_ERROR_BODIES), kind)
        return "broken", _script(answer, source.choice(("keep", "close")))
    if luck < 0.15:
        kinds.append("coded")
        coded = gzip.compress(json.dumps(_completion(source)).encode())
        return "either", _script(_answer(200, coded, "application/json", "Content-Encoding: gzip"), "keep")
    if luck < 0.25 or not streams:
        return _draw_plain(kinds, source)
    return _draw_stream(kinds, source)


def _draw_plain(kinds: list[str], source: Random) -> tuple[Expected, Script]:
    value: Any = _completion(source)
    data = json.dumps(value).encode()
    luck = source.random()
    if luck < 0.4:
        for _ in range(source.choice((1, 1, 3))):
            kind, value = mutate_json(value, source)
            kinds.append(f"plain: {kind}")
        return "either", _script(_answer(200, json.dumps(value).encode(), "application/json"), "keep")
    if luck < 0.55:
        kind, data = mutate_bytes(data, source)
        kinds.append(f"plain: {kind}")
        return "either", _script(_answer(200, data, "application/json"), "keep")
    answer = _answer(200, data, "application/json")
    if luck < 0.65:
        kinds.append("plain: half of it")
        return "broken", _script(answer[: -source.randrange(1, len(data))], source.choice(("close", "reset")))
    kinds.append("plain")
    return "whole", _script(answer, "keep")


def _draw_stream(kinds: list[str], source: Random) -> tuple[Expected, Script]:
    chunks: list[Any] = _chunks(source)
    luck = source.random()
    if luck < 0.4:
        for _ in range(source.choice((1, 1, 2, 4))):
            place = source.randrange(len(chunks))
            kind, chunks[place] = mutate_json(chunks[place], source)
            kinds.append(f"stream: {kind}")
    write = source.choice(_HABITS)
    events = [write(json.dumps(chunk).encode()) for chunk in chunks]
    finish = next((at for at, chunk in enumerate(chunks) if '"finish_reason": "' in json.dumps(chunk)), len(chunks))
    before = len(b"".join(events[:finish]))
    if source.random() < 0.8:
        events.append(write(b"[DONE]"))
    body = b"".join(events)
    if luck < 0.4:
        return "either", _stream_script(body, source)
    if luck < 0.5:
        kind, body = mutate_bytes(body, source)
        kinds.append(f"stream: {kind}")
        return "either", _stream_script(body, source)
    if luck < 0.51:
        kinds.append("stream: a large event")
        return "broken", _stream_script(_LARGE + body, source)
    if luck < 0.53:
        kinds.append("stream: an error in it")
        return "broken", _stream_script(body[:before] + write(_ERROR_BODIES[2]), source)
    if luck < 0.68:
        kinds.append("stream: half of it")
        return "broken", _stream_script(body[: source.randrange(before + 1)], source, source.choice(("close", "reset")))
    kinds.append("stream")
    return "whole", _stream_script(body, source)


def _stream_script(body: bytes, source: Random, end: LinkEnd = "keep") -> Script:
    """The body in a few chunks and pieces. It lacks its last chunk where the connection ends with it."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut(body, _places(body, source)) if piece)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    script = _script(head + chunks + (b"0\r\n\r\n" if end == "keep" else b""), end)
    pieces = cut(script.data, _places(script.data, source)[:5])
    script.pieces = [Piece(piece, source.choice((0.0, 0.0, 0.001))) for piece in pieces]
    return script


def _places(data: bytes, source: Random) -> list[int]:
    return [source.randrange(len(data) + 1) for _ in range(source.choice((0, 1, 3, 30)))]


def _completion(source: Random) -> _Object:
    message: _Object = {"role": "assistant", "content": WORDS, **_some(source, reasoning_content="Hm.", tool_calls=[_call()])}
    choice = {"index": 0, "message": message, "finish_reason": source.choice(("stop", "length"))}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [choice],
        **_some(source, usage=_usage()),
    }


def _chunks(source: Random) -> list[_Object]:
    deltas: list[_Object] = [{"role": "assistant", "content": ""}] if source.random() < 0.7 else []
    if source.random() < 0.3:
        deltas += [{"reasoning_content": word} for word in ("Hm", ".")]
    deltas += [{"content": WORDS[:6]}, {"content": WORDS[6:]}]
    if source.random() < 0.3:
        call = _call()
        function = {"name": "f", "arguments": ""}
        deltas.append({"tool_calls": [{"index": 0, **call, "function": function}]})
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in ('{"a": ', '"b"}')]
    reason = source.choice(("stop", "length", "tool_calls"))
    choices: list[list[_Object]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": reason}])
    chunks: list[_Object] = [{"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": one} for one in choices]
    if source.random() < 0.5:
        chunks.append({"id": "c", "choices": [], "usage": _usage()})
    return chunks


def _call() -> _Object:
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}


def _usage() -> _Object:
    return {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


_HABITS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"data: " + data + b"\n\n",
    lambda data: b"data:" + data + b"\r\n\r\n",
    lambda data: b": comment\n\ndata: " + data + b"\r\r",
    lambda data: b"event: message\nid: 7\nretry: 5\ndata: " + data + b"\n\n",
)


def _answer(status: int, body: bytes, kind: str, *lines: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def _script(data: bytes, end: LinkEnd) -> Script:
    return Script([Piece(data)], end, b"", read_answer(data, end, "POST"))
