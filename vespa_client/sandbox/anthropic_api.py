"""The built-in model's answers in the shape of Anthropic's Messages API, plain and streamed. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from .openai_api import content_text
from .reply import BadRequest, count_tokens, read_whole, write_reply

__all__ = ["Message", "count_input"]


def count_input(body: dict[str, Any]) -> int:
    """How many tokens the request's system text and messages are."""
    return count_tokens([content_text(body.get("system"), "system"), *(text for _, text in _read_messages(body))])


class Message:
    """``POST /v1/messages``."""

    def __init__(self, body: dict[str, Any]) -> None:
        model = body.get("model")
        if not isinstance(model, str):
            raise BadRequest("'model' is required, and must be a string.", "model")
        limit = read_whole(body, "max_tokens", None)
        if limit is None:
            raise BadRequest("'max_tokens' is required.", "max_tokens")
        stops = body.get("stop_sequences") or []
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            raise BadRequest("'stop_sequences' must be a list of strings.", "stop_sequences")
        stream = body.get("stream")
        if not isinstance(stream, (bool, type(None))):
            raise BadRequest("'stream' must be true or false.", "stream")
        messages = _read_messages(body)
        asked = [text for role, text in messages if role == "user"]
        self.stream = bool(stream)
        self.reply = write_reply((asked or [messages[-1][1]])[-1], limit, stops)
        self._input_tokens = count_input(body)
        self._id = "msg_" + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
        self._model = model

    @property
    def longest(self) -> int:
        """How many tokens it takes."""
        return len(self.reply.tokens)

    def plain(self) -> dict[str, Any]:
        """The answer to a request that isn't streamed."""
        content = [{"type": "text", "text": self.reply.text}]
        return self._message(content, self._stop_reason(), self.reply.stop, len(self.reply.tokens))

    def events(self, pace: Callable[[], None]) -> Iterator[bytes]:
        """The stream's events, from ``message_start`` to ``message_stop``. ``pace`` is called before each token."""
        yield _event("message_start", message=self._message([], None, None, 0))
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield _event("ping")
        for token in self.reply.tokens:
            pace()
            yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": token})
        yield _event("content_block_stop", index=0)
        delta = {"stop_reason": self._stop_reason(), "stop_sequence": self.reply.stop}
        yield _event("message_delta", delta=delta, usage={"output_tokens": len(self.reply.tokens)})
        yield _event("message_stop")

    def _stop_reason(self) -> str:
        if self.reply.finish == "length":
            return "max_tokens"
        return "end_turn" if self.reply.stop is None else "stop_sequence"

    def _message(
        self, content: list[dict[str, str]], stop_reason: str | None, stop: str | None, output_tokens: int
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": stop,
            "usage": {"input_tokens": self._input_tokens, "output_tokens": output_tokens},
        }


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n".encode()


def _read_messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Role and text of each message."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list of at least one message.", "messages")
    read = []
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise BadRequest(f"'messages[{index}]' must have a role: user or assistant.", f"messages.{index}.role")
        read.append((message["role"], content_text(message.get("content"), f"messages.{index}.content")))
    return read
