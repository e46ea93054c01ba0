"""What a plain chat completion becomes as a message, and how a failure reads in Anthropic's words."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given

from vespa_client.dialects.messages import Messages
from vespa_client.errors import AnswerNotUnderstood

from ..chat_backend import IDENTITY, completion
from ..mutations import mutated

CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}


def message(body: bytes, **request: Any) -> Message:
    """The message, read as strictly as the SDK's types are."""
    return Message.model_validate_json(answered(body, **request), strict=True)


def answered(body: bytes, **request: Any) -> bytes:
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **request}
    return Messages().translate(json.dumps(asked).encode(), IDENTITY).answer(body)


def test_text_is_a_block_of_text() -> None:
    said = message(completion({"content": "Hello!"}))
    assert (said.id, said.model, said.role, said.type) == ("msg_token", "m", "assistant", "message")
    assert [block.to_dict() for block in said.content] == [{"type": "text", "text": "Hello!"}]
    assert (said.stop_reason, said.stop_sequence) == ("end_turn", None)
    assert (said.usage.input_tokens, said.usage.output_tokens) == (20, 7)


def test_what_was_not_counted_is_nothing() -> None:
    answer = json.loads(completion({"content": "Hello!"}))
    del answer["model"], answer["usage"]
    usage = message(json.dumps(answer).encode()).usage
    assert (usage.input_tokens, usage.output_tokens) == (0, 0)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_thinking_where_it_was_asked_for(name: str) -> None:
    body = completion({"content": "4", name: "2 and 2"})
    thinking, text = message(body, thinking={"type": "enabled", "budget_tokens": 1024}).content
    assert thinking.type == "thinking" and thinking.thinking == "2 and 2" and thinking.signature
    assert text.type == "text" and text.text == "4"
    for asked in ({}, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "adaptive", "display": "omitted"}}):
        assert [block.type for block in message(body, **asked).content] == ["text"]


def test_tool_calls_are_blocks() -> None:
    other = {**CALL, "id": "b", "function": {"name": "time", "arguments": ""}}
    said = message(completion({"content": "I look.", "tool_calls": [CALL, other]}, "tool_calls"))
    assert said.stop_reason == "tool_use"
    assert [block.to_dict() for block in said.content] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Ulm"}},
        {"type": "tool_use", "id": "b", "name": "time", "input": {}},
    ]


@pytest.mark.parametrize(
    ("arguments", "input"), [("null", {}), ('{"city": "U', {"INVALID_JSON": '{"city": "U'}), ("[1]", {"INVALID_JSON": "[1]"})]
)
def test_arguments_that_are_no_object_are_shown_as_such(arguments: str, input: dict[str, Any]) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    said = message(completion({"tool_calls": [call]}, "tool_calls"))
    assert said.content[0].type == "tool_use" and said.content[0].input == input


@pytest.mark.parametrize(
    ("finish_reason", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "end_turn"),
        ("content_filter", "refusal"),
        ("eos", "end_turn"),
    ],
)
def test_why_it_stopped(finish_reason: str, stop_reason: str) -> None:
    assert message(completion({"content": "x"}, finish_reason)).stop_reason == stop_reason


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
def test_which_stop_sequence_was_found(name: str) -> None:
    body = completion({"content": "x"}, "stop", **{name: "END"})
    said = message(body, stop_sequences=["###", "END"])
    assert (said.stop_reason, said.stop_sequence) == ("stop_sequence", "END")
    assert message(body, stop_sequences=["###"]).stop_reason == "end_turn"
    assert message(completion({"content": "x"}, "stop", **{name: 151645}), stop_sequences=["END"]).stop_reason == "end_turn"


def test_a_refusal_says_why() -> None:
    said = message(completion({"refusal": "I may not."}))
    assert said.stop_reason == "refusal"
    assert said.stop_details and said.stop_details.explanation == "I may not."
    assert [block.to_dict() for block in said.content] == [{"type": "text", "text": "I may not."}]


def test_cached_tokens_are_counted_apart() -> None:
    answer = json.loads(completion({"content": "x"}))
    answer["usage"] |= {"prompt_tokens_details": {"cached_tokens": 16}, "completion_tokens_details": {"reasoning_tokens": 3}}
    usage = message(json.dumps(answer).encode()).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (4, 16, 7)
    assert usage.output_tokens_details and usage.output_tokens_details.thinking_tokens == 3


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"error": {"message": "no memory"}}'])
def test_what_is_no_chat_completion_is_not_understood(body: bytes) -> None:
    with pytest.raises(AnswerNotUnderstood):
        message(body)


@given(mutated(json.loads(completion({"content": "a", "reasoning": "b", "tool_calls": [CALL]}, "tool_calls", stop_reason="c"))))
def test_any_answer_is_a_message_or_not_understood(answer: Any) -> None:
    try:
        said = message(json.dumps(answer).encode(), thinking={"type": "adaptive"})
    except AnswerNotUnderstood:
        return
    assert said.stop_reason


@pytest.mark.parametrize("depth", [*range(850, 1010, 3), 100_000])
def test_arguments_that_are_nested_deeply_are_told_or_not_understood(depth: int) -> None:
    arguments = '{"x": ' + "[" * depth + "]" * depth + "}"
    body = completion({"tool_calls": [{**CALL, "function": {"name": "weather", "arguments": arguments}}]}, "tool_calls")
    with contextlib.suppress(AnswerNotUnderstood):
        answered(body)
