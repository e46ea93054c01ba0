"""What chat completions, plain and streamed, become in Ollama's lines, and how they fail; and what models it says there are."""

from __future__ import annotations

import contextlib
import json
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ollama import ChatResponse, GenerateResponse, ListResponse, ShowResponse

from vespa_client.dialects.chat_answer import CallArguments, CallStart, Piece, Reasoning, Refusal, Text
from vespa_client.dialects.ollama import OllamaChat, OllamaGenerate, show, tags, version
from vespa_client.dialects.ollama.stream import OllamaStream
from vespa_client.errors import AnswerNotUnderstood, Untranslatable

from ..backends import Habit, answers, cut, cuts, habits
from ..chat_backend import IDENTITY, USAGE_CHUNK, call_chunk, chunk, completion, events_of, stream_of
from ..mutations import mutated

CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
TALK = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "Let me see."}),
    chunk({"content": "I look "}),
    chunk({"content": "it up. ☂"}),
    call_chunk(0, "", "a", "weather"),
    call_chunk(0, '{"city": "K'),
    call_chunk(0, 'öln"}'),
    call_chunk(1, '{"zone": 1}', "b", "time"),
    chunk({}, "tool_calls"),
    USAGE_CHUNK,
]
CALLS = [
    {"id": "a", "function": {"index": 0, "name": "weather", "arguments": {"city": "Köln"}}},
    {"id": "b", "function": {"index": 1, "name": "time", "arguments": {"zone": 1}}},
]


def answered(body: bytes, dialect: OllamaChat | OllamaGenerate | None = None, **request: Any) -> dict[str, Any]:
    asked = {"model": "m", "stream": False, "messages": [{"role": "user", "content": "x"}], "prompt": "x", **request}
    return json.loads((dialect or OllamaChat()).translate(json.dumps(asked).encode(), IDENTITY).answer(body))


def translator(dialect: OllamaChat | OllamaGenerate | None = None, **request: Any) -> OllamaStream:
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "prompt": "x", **request}
    return (dialect or OllamaChat()).translate(json.dumps(asked).encode(), IDENTITY).stream()


def read(told: bytes) -> list[dict[str, Any]]:
    assert told == b"" or told.endswith(b"\n")
    return [json.loads(line) for line in told.splitlines()]


def told_whole(*chunks: dict[str, Any], **request: Any) -> list[dict[str, Any]]:
    stream = translator(**request)
    lines = read(stream.feed(stream_of(*chunks)) + stream.end())
    assert stream.finished and not stream.failed
    for line in lines:
        assert (line["model"], line["created_at"]) == ("m", "2023-11-14T22:13:20Z")
        ChatResponse.model_validate(line, strict=True)
    return lines


# Plain


def test_a_plain_answer_is_one_object() -> None:
    said = answered(completion({"content": "Sunny.", "reasoning": "Hm.", "tool_calls": [CALL]}, "tool_calls"))
    assert said == {
        "model": "m",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "Sunny.",
            "thinking": "Hm.",
            "tool_calls": [{"id": "a", "function": {"index": 0, "name": "weather", "arguments": {"city": "Ulm"}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 20,
        "eval_count": 7,
    }
    ChatResponse.model_validate(said, strict=True)
    assert "thinking" not in answered(completion({"content": "Sunny.", "reasoning": "Hm."}), think=False)["message"]


def test_what_was_generated() -> None:
    said = answered(completion({"content": "Sunny.", "reasoning": "Hm."}, "length"), OllamaGenerate())
    assert (said["response"], said["thinking"], said["done_reason"]) == ("Sunny.", "Hm.", "length")
    GenerateResponse.model_validate(said, strict=True)


def test_durations_are_told_by_a_clock() -> None:
    clock = count(1000, 10).__next__
    said = answered(completion({"content": "x"}), OllamaChat(clock))
    assert said["total_duration"] == said["prompt_eval_duration"] + said["eval_duration"] > 0
    stream = translator(OllamaChat(clock))
    last = read(stream.feed(stream_of(*TALK)))[-1]
    assert last["prompt_eval_duration"] == 10
    assert last["total_duration"] == last["prompt_eval_duration"] + last["eval_duration"]


def test_logprobs_are_told_where_they_were_asked_for() -> None:
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": [{"token": "x", "logprob": -0.5, "bytes": [120]}]}
    body = completion({"content": "x"}, logprobs={"content": [token]})
    assert answered(body, logprobs=True)["logprobs"] == [token]
    assert "logprobs" not in answered(body)
    said = told_whole(chunk({"content": "x"}, logprobs={"content": [token]}), chunk({}, "stop"), logprobs=True)
    assert said[0]["logprobs"] == [token]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"error": "no memory"}',
        completion({"tool_calls": [{**CALL, "function": {"name": "weather", "arguments": '{"city": "U'}}]}, "tool_calls"),
        completion({"tool_calls": [{**CALL, "function": {"name": "weather", "arguments": "[1]"}}]}, "tool_calls"),
    ],
)
def test_what_is_no_whole_answer_is_not_understood(body: bytes) -> None:
    with pytest.raises(AnswerNotUnderstood):
        answered(body)


# Streamed


def test_each_piece_is_a_line() -> None:
    *said, last = told_whole(*TALK)
    assert [line["message"] for line in said] == [
        {"role": "assistant", "content": "", "thinking": "Let me see."},
        {"role": "assistant", "content": "I look "},
        {"role": "assistant", "content": "it up. ☂"},
        {"role": "assistant", "content": "", "tool_calls": CALLS[:1]},
        {"role": "assistant", "content": "", "tool_calls": CALLS[1:]},
    ]
    assert not any(line["done"] for line in said)
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    assert (last["prompt_eval_count"], last["eval_count"]) == (20, 7)


def test_thinking_is_silent_where_it_was_refused() -> None:
    assert "thinking" not in told_whole(*TALK, think=False)[0]["message"]


def test_what_is_generated_in_a_stream() -> None:
    stream = translator(OllamaGenerate())
    lines = read(stream.feed(stream_of(*TALK[:4], chunk({}, "stop"))))
    assert "".join(line["response"] for line in lines) == "I look it up. ☂"
    assert [line["done"] for line in lines] == [False, False, False, True]
    assert stream.content_type == "application/x-ndjson"


def test_calls_that_take_turns_are_whole() -> None:
    talk = [
        call_chunk(0, '{"a":', "x", "first"),
        call_chunk(1, '{"b":', "y", "second"),
        call_chunk(0, "1}"),
        call_chunk(1, "2}"),
    ]
    calls = [call for line in told_whole(*talk, chunk({}, "tool_calls")) for call in line["message"].get("tool_calls", ())]
    assert [call["function"]["arguments"] for call in calls] == [{"a": 1}, {"b": 2}]


def test_half_a_call_is_left_out_where_the_limit_says_so() -> None:
    said = told_whole(call_chunk(0, '{"a":', "x", "first"), chunk({}, "length"))
    assert [line["done_reason"] for line in said] == ["length"]


@given(st.lists(st.integers(0, len(stream_of(*TALK))), max_size=40))
def test_any_cut_gives_the_same_lines(cuts: list[int]) -> None:
    data = stream_of(*TALK)
    stream, whole = translator(), translator()
    edges = [0, *sorted(cuts), len(data)]
    told = b"".join(stream.feed(data[begin:end]) for begin, end in pairwise(edges)) + stream.end()
    assert told == whole.feed(data)


def test_a_ping_is_a_line_without_a_word() -> None:
    stream = translator()
    lines = read(stream.ping() + stream.feed(events_of(*TALK)[2]) + stream.ping())
    assert [line["message"]["content"] for line in lines] == ["", "I look ", ""]
    stream.feed(stream_of(*TALK))
    assert stream.ping() == b""


BROKEN = [
    (b"".join(events_of(*TALK[:4])), "ended"),
    (b"", "ended"),
    (b"".join(events_of(*TALK[:4])) + b'data: {"error": "Out of memory"}\n\n', "Out of memory"),
    (stream_of(call_chunk(0, '{"a":', "x", "first"), chunk({}, "tool_calls")), "first"),
    (b"data: {\n\n", "JSON"),
]


@pytest.mark.parametrize(("data", "reason"), BROKEN, ids=["cut off", "nothing", "error", "half a call", "no JSON"])
def test_a_failure_is_an_error_and_no_end(data: bytes, reason: str) -> None:
    stream = translator()
    told = b""
    try:
        told += stream.feed(data)
        told += stream.end()
    except AnswerNotUnderstood as fault:
        told += fault.translated + stream.fail(fault.status, fault.code, fault.message)
    lines = read(told)
    assert reason in lines[-1]["error"]
    assert not any(line.get("done") for line in lines)
    assert stream.failed and stream.fail(500, "", "again") == b""


@given(mutated(TALK), st.integers(0, 3000), st.integers(0, 3000), st.binary(max_size=6))
def test_no_stream_looks_whole_that_is_not(talk: Any, begin: int, length: int, odd: bytes) -> None:
    data = stream_of(*(talk if isinstance(talk, list) else []))
    data = data[:begin] + odd + data[begin + length :] if begin % 2 else data
    stream = translator()
    told = b""
    try:
        told += stream.feed(data)
        told += stream.end()
    except AnswerNotUnderstood as fault:
        told += fault.translated + stream.fail(fault.status, fault.code, fault.message)
    lines = read(told)
    assert [line.get("done", False) for line in lines[:-1]] == [False] * (len(lines) - 1)
    assert lines[-1].get("done", False) == stream.finished != ("error" in lines[-1])


# What there is


def test_errors_are_one_text() -> None:
    said = OllamaChat().worker_error(500, b'{"error": {"message": "No.", "type": "x"}}')
    assert json.loads(said) == {"error": "No."}


def test_models_are_listed_and_shown() -> None:
    models = [("Qwen/Qwen3-8B", 32768), ("other", None)]
    listed = ListResponse.model_validate_json(tags(models, 1_700_000_000))
    assert [model.model for model in listed.models] == ["Qwen/Qwen3-8B", "other"]
    for asked in ({"model": "Qwen/Qwen3-8B"}, {"model": "Qwen/Qwen3-8B:latest"}, {"name": "Qwen/Qwen3-8B"}):
        said = show(json.dumps(asked).encode(), models, 1_700_000_000)
        assert said is not None
        shown = ShowResponse.model_validate_json(said)
        assert shown.modelinfo is not None and shown.capabilities is not None
        family = shown.modelinfo["general.architecture"]
        assert shown.modelinfo[f"{family}.context_length"] == 32768
        assert {"completion", "tools"} <= set(shown.capabilities)
    other = show(b'{"model": "other"}', models, 1)
    assert other is not None and "context_length" not in other.decode()
    assert show(b'{"model": "none"}', models, 1) is None
    with pytest.raises(Untranslatable):
        show(b"{}", models, 1)


def test_the_version_is_one() -> None:
    assert [part.isdigit() for part in json.loads(version())["version"].split(".")] == [True] * 3


@given(answers(), habits, cuts)
def test_nothing_is_lost_in_any_habit(pieces: list[Piece], habit: Habit, places: list[int]) -> None:
    stream = translator()
    lines = read(b"".join(map(stream.feed, cut(habit.write(pieces), places))) + stream.end())
    messages = [line["message"] for line in lines]
    assert "".join(one["content"] for one in messages) == "".join(one.text for one in pieces if isinstance(one, Text | Refusal))
    assert "".join(one.get("thinking", "") for one in messages) == "".join(
        one.text for one in pieces if isinstance(one, Reasoning)
    )
    calls = [call for one in messages for call in one.get("tool_calls", ())]
    assert [call["function"]["name"] for call in calls] == [one.name for one in pieces if isinstance(one, CallStart)]
    arguments = "".join(json.dumps(call["function"]["arguments"]) for call in calls)
    assert arguments == "".join(one.arguments for one in pieces if isinstance(one, CallArguments))


@pytest.mark.parametrize("depth", [*range(850, 1010, 3), 100_000])
def test_arguments_that_are_nested_deeply_are_told_or_not_understood(depth: int) -> None:
    arguments = '{"x": ' + "[" * depth + "]" * depth + "}"
    body = completion({"tool_calls": [{**CALL, "function": {"name": "weather", "arguments": arguments}}]}, "tool_calls")
    with contextlib.suppress(AnswerNotUnderstood):
        answered(body)
