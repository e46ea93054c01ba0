"""How many tokens a request has, about: for who asks before anything is sent, and must not wake a worker for it."""

from __future__ import annotations

from math import ceil
from typing import Any

from ...errors import Untranslatable
from ..json_text import dump, load
from ..request_fields import read_request
from .request import chat_request

__all__ = ["count_tokens"]

_OF_A_MESSAGE = 4
_OF_AN_IMAGE = 1600


def count_tokens(body: bytes | bytearray) -> bytes:
    """The answer to ``POST /v1/messages/count_tokens``: ``{"input_tokens": N}``.

    N is an estimate, as the model's own tokens are known to the worker alone. It counts what the worker would be sent: a
    quarter of a token for each character, and three eighths for each byte that the character takes beyond one (so that a
    letter of ASCII is 0.25, one of Cyrillic 0.6, a Chinese character 1); 4 for each message, 1600 for each image; tools, a
    schema and the arguments of calls by their JSON text. Hosted tools count as none where there are others. Raises
    :class:`Untranslatable` as a request for a message does.
    """
    request = read_request(body)
    body = chat_request(request, drop_hosted_tools=True).body()
    try:
        chat = load(body)
    except ValueError as wrong:
        raise Untranslatable(f"The request can't be translated: {wrong}.") from None
    tokens = sum(map(_of_message, chat["messages"]))
    for name in ("tools", "response_format"):
        if name in chat:
            tokens += _of_text(dump(chat[name]).decode())
    return dump({"input_tokens": ceil(tokens)})


def _of_message(message: dict[str, Any]) -> float:
    content = message["content"] or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    tokens = _OF_A_MESSAGE + sum(_of_text(part["text"]) if part["type"] == "text" else _OF_AN_IMAGE for part in parts)
    tokens += _of_text(message.get("reasoning_content", ""))
    for call in message.get("tool_calls", ()):
        tokens += _of_text(call["function"]["name"]) + _of_text(call["function"]["arguments"])
    return tokens


def _of_text(text: str) -> float:
    size = len(text.encode("utf-8", "replace"))
    return len(text) / 4 + (size - len(text)) * 3 / 8
