"""What a plain chat completion becomes as a message, and how a failure reads in Anthropic's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from anthropic.types.shared import ErrorResponse
from hypothesis import given
from hypothesis import strategies as st

from vespa_client.dialects.messages import Messages, count_tokens
from vespa_client.errors import AnswerNotUnderstood, Untranslatable

from .chat_backend import IDENTITY, completion
from .mutations import mutated

CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}


def message(body: bytes, **request: Any) -> Message:
    """The message, read as strictly as the SDK's types are."""
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **request}
    answer = Messages().translate(json.dumps(asked).encode(), IDENTITY).answer(body)
    return Message.model_validate_json(answer, strict=True)


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


# Errors


def error(status: int, body: bytes) -> tuple[str, str]:
    said = json.loads(Messages().worker_error(status, body))
    assert said["type"] == "error"
    return said["error"]["type"], said["error"]["message"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_an_errors_type_is_that_of_its_status(status: int, kind: str) -> None:
    assert error(status, b'{"error": {"message": "No.", "type": "x", "code": 1}}') == (kind, "No.")
    # The SDK's types don't list what its own documentation has for a 413.
    if kind != "request_too_large":
        ErrorResponse.model_validate_json(Messages().error(status, "code", "No."), strict=True)


TOO_LONG = "prompt is too long: 40000 tokens > 32768 maximum"
TOO_MUCH = "input length and `max_tokens` exceed context limit: 20000 + 32000 > 32768"


@pytest.mark.parametrize(
    ("message", "begins"),
    [
        (
            "This model's maximum context length is 32768 tokens. However, you requested 52000 tokens (20000 in the messages, "
            "32000 in the completion). Please reduce the length of the messages or completion.",
            TOO_MUCH,
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens "
            "and your request has 20000 input tokens (32000 > 32768 - 20000).",
            TOO_MUCH,
        ),
        (
            "This model's maximum context length is 32768 tokens. However, your request has 40000 input tokens. Please reduce "
            "the length of the input messages.",
            TOO_LONG,
        ),
        (
            "You passed 20000 input tokens and requested 32000 output tokens. However, the model's context length is only "
            "32768 tokens, resulting in a maximum input length of 768 tokens.",
            TOO_MUCH,
        ),
        (
            "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 52000 "
            "tokens: 20000 tokens from the input messages and 32000 tokens for the completion.",
            TOO_MUCH,
        ),
        ("The input (40000 tokens) is longer than the model's context length (32768 tokens).", TOO_LONG),
        ("the request (40000 tokens) exceeds the available context size (32768 tokens), try increasing it", TOO_LONG),
        ("the request exceeds the available context size", "prompt is too long. (the request exceeds"),
    ],
)
def test_a_request_that_is_too_long_is_one_in_the_words_that_claude_code_looks_for(message: str, begins: str) -> None:
    kind, said = error(400, json.dumps({"error": {"message": message, "type": "BadRequestError", "code": 400}}).encode())
    assert kind == "invalid_request_error"
    assert said.startswith(begins)
    assert message in said


# Counting


def counted(**request: Any) -> int:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hello, you."}], **request}
    answer = json.loads(count_tokens(json.dumps(asked).encode()))
    assert set(answer) == {"input_tokens"}
    return answer["input_tokens"]


def test_what_is_counted() -> None:
    plain = counted()
    assert plain == 7  # 11 characters, and 4 for the message
    assert counted(system="Be brief, please") == plain + 8
    assert counted(messages=[{"role": "user", "content": "漢" * 100}]) == 104
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 10_000}}
    assert counted(messages=[{"role": "user", "content": [image]}]) == 1604
    tool = {"name": "weather", "description": "x" * 400, "input_schema": {"type": "object"}}
    assert counted(tools=[tool]) > plain + 100
    assert counted(tools=[tool, {"type": "web_search_20250305", "name": "web_search"}]) == counted(tools=[tool])
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": {"c": "d" * 400}}]}
    assert counted(messages=[{"role": "user", "content": "x"}, call]) > 100


@given(st.text())
def test_any_text_can_be_counted(text: str) -> None:
    assert counted(messages=[{"role": "user", "content": text}]) >= 4


def test_who_counts_nothing_is_told() -> None:
    with pytest.raises(Untranslatable):
        count_tokens(b'{"model": "m", "messages": []}')
