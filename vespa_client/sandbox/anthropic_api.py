"""The built-in model's answers in the shape of Anthropic's Messages API, plain and streamed. Pure."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from .reply import BadRequest, Cue, Part, Token, cut, read_whole
from .speech.messages_prompt import read_messages
from .speech.prompt import Prompt, read_stops, read_switch

__all__ = ["Message", "count_input"]


def count_input(body: dict[str, Any]) -> int:
    """How many tokens the request's system text, messages and tools are."""
    return read_messages(body).tokens


class Message:
    """``POST /v1/messages``. ``write`` makes the parts of the answer to a prompt. Raises :class:`BadRequest`."""

    def __init__(self, body: dict[str, Any], write: Callable[[Prompt], list[Part]]) -> None:
        model = body.get("model")
        if not isinstance(model, str):
            raise BadRequest("'model' is required, and must be a string.", "model")
        limit = read_whole(body, "max_tokens", None)
        if limit is None:
            raise BadRequest("'max_tokens' is required.", "max_tokens")
        self.stream = read_switch(body, "stream")
        prompt = read_messages(body)
        self.reply = cut(write(prompt), limit, read_stops(body, "stop_sequences"))
        cached = prompt.cached_tokens
        self._usage = {
            "input_tokens": prompt.tokens - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
        }
        self._id = "msg_" + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
        self._model = model

    @property
    def longest(self) -> int:
        """How many tokens it takes."""
        return len(self.reply.tokens)

    @property
    def cues(self) -> list[Cue]:
        """What is to be done on the way."""
        return self.reply.cues

    def plain(self) -> dict[str, Any]:
        """The answer to a request that isn't streamed."""
        content = [self._block(list(tokens)) for _, tokens in itertools.groupby(self.reply.tokens, _block_of)]
        return self._message(content, self._stop_reason(), self.reply.stop, len(self.reply.tokens))

    def events(self, pace: Callable[[Cue | None], None]) -> Iterator[bytes]:
        """The stream's events, from ``message_start`` to ``message_stop``. ``pace`` is called before each token and cue."""
        yield _event("message_start", message=self._message([], None, None, 0))
        index, block = -1, None
        for step in self.reply.steps:
            if isinstance(step, Cue):
                if step.kind == "fail":
                    yield _event("error", **BadRequest(step.name, None, step.status).as_json())
                    return
                pace(step)
                continue
            if _block_of(step) != block:
                if block is not None:
                    yield from self._end_of(index, block)
                index, block = index + 1, _block_of(step)
                opening = self._block([Token("", step.kind, step.call)], opening=True)
                yield _event("content_block_start", index=index, content_block=opening)
                if not index:
                    yield _event("ping")
            pace(None)
            yield _event("content_block_delta", index=index, delta=_delta(step))
        if block is not None:
            yield from self._end_of(index, block)
        delta = {"stop_reason": self._stop_reason(), "stop_sequence": self.reply.stop}
        yield _event("message_delta", delta=delta, usage={**self._usage, "output_tokens": len(self.reply.tokens)})
        yield _event("message_stop")

    def _end_of(self, index: int, block: tuple[str, int]) -> Iterator[bytes]:
        if block[0] == "reasoning":
            yield _event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": self._signature})
        yield _event("content_block_stop", index=index)

    def _block(self, tokens: list[Token], opening: bool = False) -> dict[str, Any]:
        text, kind = "".join(token.text for token in tokens), tokens[0].kind
        if kind == "text":
            return {"type": "text", "text": text}
        if kind == "reasoning":
            return {"type": "thinking", "thinking": text, "signature": "" if opening else self._signature}
        call = self.reply.calls[tokens[0].call]
        try:
            given = json.loads(text or "{}")
        except ValueError:
            given = {}  # cut off by max_tokens
        return {"type": "tool_use", "id": f"toolu_{call.place}", "name": call.name, "input": given}

    @property
    def _signature(self) -> str:
        return self._id.removeprefix("msg_")

    def _stop_reason(self) -> str:
        if self.reply.finish != "stop":
            return {"length": "max_tokens", "tool_calls": "tool_use"}[self.reply.finish]
        return "end_turn" if self.reply.stop is None else "stop_sequence"

    def _message(
        self, content: list[dict[str, Any]], stop_reason: str | None, stop: str | None, output_tokens: int
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": stop,
            "usage": {**self._usage, "output_tokens": output_tokens},
        }


def _block_of(token: Token) -> tuple[str, int]:
    """The block that a token belongs to, told from the one before it."""
    return token.kind, token.call


def _delta(token: Token) -> dict[str, str]:
    if token.kind == "text":
        return {"type": "text_delta", "text": token.text}
    if token.kind == "reasoning":
        return {"type": "thinking_delta", "thinking": token.text}
    return {"type": "input_json_delta", "partial_json": token.text}


def _event(event: str, **fields: Any) -> bytes:
    return f"event: {event}\ndata: {json.dumps({'type': event, **fields}, separators=(',', ':'))}\n\n".encode()
