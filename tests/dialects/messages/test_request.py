"""What else a request for Anthropic's Messages says, and what is refused by the name of its field."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from vespa_client.dialects.messages import Messages, count_tokens
from vespa_client.errors import Untranslatable

from ..chat_backend import IDENTITY
from ..mutations import json_values, mutated
from .asking import HELLO, WEATHER, WEATHER_FUNCTION, WEB_SEARCH, assistant, image, refusal, result, text, translated, use, user


def test_tools_are_functions() -> None:
    strict = {
        **WEATHER,
        "type": "custom",
        "strict": True,
        "cache_control": {"type": "ephemeral"},
        "eager_input_streaming": True,
    }
    chat = translated(tools=[WEATHER, strict, {"name": "bare", "input_schema": {"type": "object"}}])
    assert chat["tools"] == [
        WEATHER_FUNCTION,
        {"type": "function", "function": {**WEATHER_FUNCTION["function"], "strict": True}},
        {"type": "function", "function": {"name": "bare", "parameters": {"type": "object"}}},
    ]
    assert "tool_choice" not in chat


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_what_may_be_chosen(choice: dict[str, Any], chosen: Any) -> None:
    chat = translated(tools=[WEATHER], tool_choice=choice)
    assert chat["tool_choice"] == chosen
    assert "parallel_tool_calls" not in chat
    assert (
        translated(tools=[WEATHER], tool_choice={**choice, "disable_parallel_tool_use": True})["parallel_tool_calls"] is False
    )


def test_without_tools_there_is_no_choice() -> None:
    for choice in ("auto", "none"):
        assert "tool_choice" not in translated(tool_choice={"type": choice})


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_20250305",
        "computer_20250124",
        "text_editor_20250728",
        "bash_20250124",
        "code_execution_20250825",
        "mcp_toolset",
    ],
)
def test_a_hosted_tool_is_refused_by_its_field(kind: str) -> None:
    fault = refusal(tools=[WEATHER, {"type": kind, "name": "x"}])
    assert (fault.status, fault.param) == (400, "tools[1].type")
    assert kind in fault.message
    assert "--drop-hosted-tools" in fault.hint


def test_hosted_tools_are_dropped_where_functions_remain() -> None:
    chat = translated(drop=True, tools=[WEB_SEARCH, WEATHER], mcp_servers=[{"type": "url", "url": "https://x", "name": "x"}])
    assert chat["tools"] == [WEATHER_FUNCTION]
    assert refusal(drop=True, tools=[WEB_SEARCH]).param == "tools[0].type"
    chosen = {"type": "tool", "name": "web_search"}
    assert refusal(drop=True, tools=[WEB_SEARCH, WEATHER], tool_choice=chosen).param == "tool_choice.name"


# Everything else


def test_what_is_asked_of_the_sampler() -> None:
    asked: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"], "seed": 1, "min_p": 0.1}
    chat = translated(**asked)
    asked["stop"] = asked.pop("stop_sequences")
    assert chat == {"model": "m", "max_tokens": 100, "messages": HELLO, **asked}
    assert "stop" not in translated(stop_sequences=[])


def test_a_stream_asks_for_usage() -> None:
    chat = translated(stream=True)
    assert (chat["stream"], chat["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize("fields", [{"output_config": {"format": ...}}, {"output_format": ...}])
def test_structured_outputs(fields: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    asked = json.loads(json.dumps(fields, default=lambda _: {"type": "json_schema", "schema": schema}))
    wanted = {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": True}}
    assert translated(**asked)["response_format"] == wanted


def test_effort_is_said_where_it_is_not_the_usual_one() -> None:
    for effort in ("low", "medium", "xhigh", "max"):
        assert translated(output_config={"effort": effort})["reasoning_effort"] == effort
    assert "reasoning_effort" not in translated(output_config={"effort": "high"})


def test_thinking_can_be_switched_off() -> None:
    assert "chat_template_kwargs" not in translated(thinking={"type": "enabled", "budget_tokens": 2048})
    off = translated(thinking={"type": "disabled"}, chat_template_kwargs={"tone": "dry"})
    assert off["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False, "tone": "dry"}


def test_what_concerns_anthropic_alone_is_without_effect() -> None:
    without_effect: dict[str, Any] = {
        "metadata": {"user_id": "somebody"},
        "service_tier": "auto",
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "betas": ["context-management-2025-06-27"],
        "cache_control": {"type": "ephemeral"},
        "thinking": {"type": "adaptive"},
        "container": None,
        "mcp_servers": [],
        "speed": "fast",
        "something_new": 1,
    }
    assert translated(**without_effect) == translated()


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
        ({"messages": [user({"type": "video"})]}, "messages[0].content[0].type"),
        ({"messages": [user({"type": "image"})]}, "messages[0].content[0].source"),
        ({"messages": [user({"type": "image", "source": {"type": "file", "file_id": "f"}})]}, "messages[0].content[0].source"),
        (
            {
                "messages": [
                    user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": ""}})
                ]
            },
            "messages[0].content[0].source",
        ),
        ({"messages": [*HELLO, assistant({"type": "server_tool_use"})]}, "messages[1].content[0].type"),
        ({"messages": [*HELLO, assistant(use("a") | {"input": "x"})]}, "messages[1].content[0].input"),
        ({"messages": [user(result("a", [{"type": "video"}]))]}, "messages[0].content[0].content[0].type"),
        ({"system": [image()]}, "system[0].type"),
        ({"system": 5}, "system"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"stream": "yes"}, "stream"),
        ({"container": "c_1"}, "container"),
        ({"compaction": {"type": "auto"}}, "compaction"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "thread"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"tools": [WEATHER], "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "time"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"thinking": {}}, "thinking.type"),
    ],
)
def test_what_is_wrong_is_named(request_: dict[str, Any], param: str) -> None:
    fault = refusal(**request_)
    assert (fault.status, fault.param) == (400, param)
    assert fault.message.startswith(param)
    assert fault.message.endswith(".")


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"\xff", b'{"model":NaN}', b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Untranslatable):
        Messages().translate(body, IDENTITY)


# Any request

FULL: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "system": [text("x-anthropic-billing-header: a"), text("Be brief.") | {"cache_control": {"type": "ephemeral"}}],
    "messages": [
        user("a", image(), {"type": "document", "source": {"type": "content", "content": [text("b")]}, "title": "t"}),
        {"role": "system", "content": "c"},
        assistant({"type": "thinking", "thinking": "d", "signature": "s"}, "e", use("f", g=[1, None])),
        user(
            result("f", [text("h"), image()], is_error=True),
            {"type": "search_result", "title": "i", "source": "j", "content": []},
        ),
        {"role": "assistant", "content": "k"},
    ],
    "tools": [WEATHER, WEB_SEARCH],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "stop_sequences": ["l"],
    "temperature": 1,
    "top_k": 1,
    "stream": False,
    "metadata": {"user_id": "u"},
}


def test_the_full_request_is_one_that_the_sdk_may_send() -> None:
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(FULL)
    assert translated(drop=True, **FULL)["messages"]


@given(mutated(FULL), st.booleans())
def test_any_request_is_translated_or_refused(request_: Any, drop: bool) -> None:
    try:
        translation = Messages().translate(json.dumps(request_).encode(), IDENTITY, drop_hosted_tools=drop)
    except Untranslatable as fault:
        assert fault.message
    else:
        chat = json.loads(translation.body)
        assert chat["model"] == request_["model"]
        assert {one["role"] for one in chat["messages"]} <= {"system", "user", "assistant", "tool"}
        assert [one["role"] for one in chat["messages"][1:] if one["role"] == "system"] == []


@given(json_values())
def test_any_json_is_translated_or_refused(value: Any) -> None:
    with pytest.raises(Untranslatable):
        Messages().translate(json.dumps(value).encode(), IDENTITY)


@pytest.mark.parametrize("depth", [*range(850, 1010, 3), 100_000])
@pytest.mark.parametrize("place", ["input", "schema"])
def test_what_is_nested_deeply_is_translated_or_refused(depth: int, place: str) -> None:
    deep = '{"x": ' + "[" * depth + "]" * depth + "}"
    call = f'{{"role": "assistant", "content": [{{"type": "tool_use", "id": "a", "name": "b", "input": {deep}}}]}}'
    tools = f'[{{"name": "b", "input_schema": {deep if place == "schema" else "{}"}}}]'
    turns = f'{{"role": "user", "content": "x"}}{"," + call if place == "input" else ""}'
    body = f'{{"model": "m", "messages": [{turns}], "tools": {tools}}}'.encode()
    for translate in (lambda: Messages().translate(body, IDENTITY), lambda: count_tokens(body)):
        with contextlib.suppress(Untranslatable):
            translate()
