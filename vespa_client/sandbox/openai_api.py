"""The built-in model's answers in the shape of OpenAI's API: chat and completions, plain and streamed. Pure."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from .reply import BadRequest, Reply, count_tokens, read_whole, write_reply

__all__ = ["MODEL", "ChatCompletion", "Completion", "Generation", "content_text", "models", "read_inputs"]

_CHOICES_LIMIT = 128
MODEL = "sandbox"


def models() -> dict[str, Any]:
    """The list of models, in the fields of OpenAI and of Anthropic."""
    model = {
        "id": MODEL,
        "object": "model",
        "created": 0,
        "owned_by": "sandbox",
        "type": "model",
        "display_name": "The sandbox's stand-in",
        "created_at": "1970-01-01T00:00:00Z",
    }
    return {"object": "list", "data": [model], "has_more": False, "first_id": MODEL, "last_id": MODEL}


def content_text(content: Any, param: str) -> str:
    """A message's content as text: a string, or a list of parts, of which those that are no text give their type."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise BadRequest(f"'{param}' must be a string or a list of parts.", param)
    texts = []
    for part in content:
        text = part.get("text") if part.get("type") in ("text", "input_text") else f"[{part.get('type')}]"
        if not isinstance(text, str):
            raise BadRequest(f"'{param}' has a text part without text.", param)
        texts.append(text)
    return "\n".join(texts)


class Generation:
    """One request, read and answered: ``choices`` are the replies, in the order of their index."""

    kind = ""
    prefix = ""

    def __init__(self, body: dict[str, Any], questions: list[str], prompt_tokens: int, limit: int | None) -> None:
        model = body.get("model", MODEL)
        if not isinstance(model, str):
            raise BadRequest("'model' must be a string.", "model")
        stream = body.get("stream")
        if not isinstance(stream, (bool, type(None))):
            raise BadRequest("'stream' must be true or false.", "stream")
        options = body.get("stream_options")
        if options is not None and not (stream and isinstance(options, dict)):
            raise BadRequest("'stream_options' must be an object, and needs 'stream': true.", "stream_options")
        self.stream = bool(stream)
        self._with_usage = bool(options and options.get("include_usage"))
        count = read_whole(body, "n", 1, high=_CHOICES_LIMIT) or 1
        stops = _read_stops(body)
        self.choices = [write_reply(question, limit, stops) for question in questions for _ in range(count)]
        completion_tokens = sum(len(choice.tokens) for choice in self.choices)
        self.usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self._head = {"id": f"{self.prefix}-{digest[:24]}", "created": int(time.time()), "model": model}

    @property
    def longest(self) -> int:
        """How many tokens one after the other it takes: choices are generated side by side."""
        return max(len(choice.tokens) for choice in self.choices)

    def plain(self) -> dict[str, Any]:
        """The answer to a request that isn't streamed."""
        choices = [self._choice(index, choice) for index, choice in enumerate(self.choices)]
        return {**self._head, "object": self.kind, "choices": choices, "usage": self.usage}

    def events(self, pace: Callable[[], None]) -> Iterator[bytes]:
        """The stream's events. ``pace`` is called before each round of tokens, one for each choice."""
        for index in range(len(self.choices)):
            yield from self._opening(index)
        for at in range(self.longest):
            pace()
            for index, choice in enumerate(self.choices):
                if at < len(choice.tokens):
                    yield self._event([self._delta(index, choice.tokens[at])])
        for index, choice in enumerate(self.choices):
            yield self._event([self._delta(index, None, choice.finish)])
        if self._with_usage:
            yield self._event([], self.usage)
        yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "object": self._chunk_kind, "choices": choices}
        if self._with_usage:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    @property
    def _chunk_kind(self) -> str:
        return self.kind

    def _opening(self, index: int) -> Iterator[bytes]:
        yield from ()

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        raise NotImplementedError

    def _delta(self, index: int, token: str | None, finish: str | None = None) -> dict[str, Any]:
        raise NotImplementedError


class ChatCompletion(Generation):
    """``POST /v1/chat/completions``."""

    kind = "chat.completion"
    prefix = "chatcmpl"

    def __init__(self, body: dict[str, Any]) -> None:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise BadRequest("'messages' must be a list of at least one message.", "messages")
        for index, message in enumerate(messages):
            if not isinstance(message.get("role"), str):
                raise BadRequest(f"'messages[{index}].role' must be a string.", f"messages[{index}].role")
        texts = [content_text(message.get("content"), f"messages[{i}].content") for i, message in enumerate(messages)]
        asked = [text for message, text in zip(messages, texts, strict=True) if message["role"] == "user"]
        older = read_whole(body, "max_tokens", None)
        limit = read_whole(body, "max_completion_tokens", older)
        super().__init__(body, [(asked or texts)[-1]], count_tokens(texts), limit)

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk"

    def _opening(self, index: int) -> Iterator[bytes]:
        delta = {"role": "assistant", "content": ""}
        yield self._event([{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}])

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        return {"index": index, "message": message, "logprobs": None, "finish_reason": reply.finish}

    def _delta(self, index: int, token: str | None, finish: str | None = None) -> dict[str, Any]:
        delta = {} if token is None else {"content": token}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


class Completion(Generation):
    """``POST /v1/completions``: a prompt, or a list of them, as text or as token numbers."""

    kind = "text_completion"
    prefix = "cmpl"

    def __init__(self, body: dict[str, Any]) -> None:
        questions, count = read_inputs(body, "prompt")
        super().__init__(body, questions, count, read_whole(body, "max_tokens", None))

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        return self._delta(index, reply.text, reply.finish)

    def _delta(self, index: int, token: str | None, finish: str | None = None) -> dict[str, Any]:
        return {"index": index, "text": token or "", "logprobs": None, "finish_reason": finish}


def read_inputs(body: dict[str, Any], name: str) -> tuple[list[str], int]:
    """The texts in ``prompt`` or ``input``, and how many tokens they are together."""
    given = body.get(name)
    inputs = [given] if isinstance(given, str) or _are_tokens(given) else given
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest(f"'{name}' must be a string or a list that isn't empty.", name)
    texts, count = [], 0
    for item in inputs:
        if isinstance(item, str):
            texts.append(item)
            count += count_tokens([item])
        elif _are_tokens(item):
            texts.append("tokens " + " ".join(map(str, item)))
            count += len(item)
        else:
            raise BadRequest(f"'{name}' must hold strings, or lists of token numbers.", name)
    return texts, count


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _read_stops(body: dict[str, Any]) -> list[str]:
    stops = body.get("stop")
    stops = [] if stops is None else [stops] if isinstance(stops, str) else stops
    if not isinstance(stops, list) or len(stops) > 16 or not all(isinstance(stop, str) for stop in stops):
        raise BadRequest("'stop' must be a string or a list of strings.", "stop")
    return stops
