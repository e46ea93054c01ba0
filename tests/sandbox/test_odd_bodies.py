"""Requests with something odd in any place: the model answers them or says what is wrong, and never stumbles."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.sandbox import Request
from vespa_client.sandbox.model import Model

IMAGE = "data:image/png;base64,AA=="
CALL: Any = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL: Any = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}}}
CHAT: Any = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "f"}, {"type": "image_url", "image_url": {"url": IMAGE}}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "r"},
        {"role": "user", "content": "f"},
    ],
    "tools": [{"type": "function", "function": TOOL}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"items": {"enum": [1, 2]}}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "n": 2,
    "stop": ["x"],
    "seed": 3,
    "max_tokens": 50,
    "logprobs": True,
    "top_logprobs": 2,
    "reasoning_effort": "low",
    "chat_template_kwargs": {"thinking": True},
}
SOURCE: Any = {"type": "base64", "media_type": "image/png", "data": "AA=="}
MESSAGES: Any = {
    "model": "m",
    "max_tokens": 50,
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "f"}, {"type": "image", "source": SOURCE}]},
        {"role": "assistant", "content": [{"type": "thinking"}, {"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled"},
    "stream": True,
    "stop_sequences": ["x"],
}
COMPLETION: Any = {"prompt": ["a", [1, 2]], "logprobs": 2, "n": 2, "stream": True, "seed": 1, "stop": "x", "max_tokens": 5}
BODIES = [
    ("/v1/chat/completions", CHAT),
    ("/v1/completions", COMPLETION),
    ("/v1/messages", MESSAGES),
    ("/v1/messages/count_tokens", MESSAGES),
]
ODD: Any = [
    *(None, True, False, 0, 1, -1, 1.5, 10**20, float("inf"), "", "x", "\ud800", "function"),
    *([], {}, [None], [{}], {"a": 1}, [[]], "error 400", "think"),
]


def mutated(value: Any, source: Random) -> Any:
    """The value, something odd in its place, or something odd in one of its own places."""
    if source.random() < 0.06:
        return source.choice(ODD)
    if isinstance(value, dict):
        return {key: mutated(member, source) for key, member in value.items() if source.random() > 0.03}
    return [mutated(item, source) for item in value] if isinstance(value, list) else value


@settings(max_examples=400)
@given(st.sampled_from(BODIES), st.integers(0, 2**32))
def test_odd_bodies_are_answered_or_refused(case: tuple[str, Any], seed: int) -> None:
    path, body = case
    answer = Model(0.0).respond(Request("POST", path, [], json.dumps(mutated(body, Random(seed))).encode()))
    if answer.status == 200:
        assert isinstance(answer.body, bytes) or b"".join(answer.body).endswith(b"\n\n")
    else:
        assert isinstance(answer.body, bytes)
        assert json.loads(answer.body)["error"]["message"]
