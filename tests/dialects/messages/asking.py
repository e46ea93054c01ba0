"""Requests for Anthropic's Messages, put together by hand, and what they become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vespa_client.dialects.messages import Messages
from vespa_client.errors import Untranslatable

from ..chat_backend import IDENTITY

HELLO = [{"role": "user", "content": "Hello!"}]
PNG = "iVBORw0KGgo="
WEATHER = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object", "properties": {}}}
WEATHER_FUNCTION = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather.", "parameters": WEATHER["input_schema"]},
}
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def translated(messages: list[dict[str, Any]] | None = None, *, drop: bool = False, **fields: Any) -> dict[str, Any]:
    """The chat completions request for these messages."""
    request = {"model": "m", "max_tokens": 100, "messages": HELLO if messages is None else messages, **fields}
    return json.loads(Messages().translate(json.dumps(request).encode(), IDENTITY, drop_hosted_tools=drop).body)


def chat_messages(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return translated(list(messages), **fields)["messages"]


def user(*blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "content": [text(one) if isinstance(one, str) else one for one in blocks]}


def assistant(*blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {**user(*blocks), "role": "assistant"}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def use(id: str, name: str = "weather", **input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def result(id: str, content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **fields}


def image(data: str = PNG) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def refusal(**request: Any) -> Untranslatable:
    with pytest.raises(Untranslatable) as caught:
        translated(**request)
    return caught.value
