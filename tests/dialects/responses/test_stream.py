"""A response's stream: what OpenAI's types, its stream helper and Codex insist on, whatever the backend's habit."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from tests.dialects.backends import LLAMA_CPP, SGLANG, VLLM, Habit, answers, call, cut, cuts, habits, joined, letters
from tests.dialects.responses.checks import check_response, check_stream, events_of
from vespa_client.dialects import Identity, StreamTranslator, Translation
from vespa_client.dialects.chat_answer import CallArguments, CallStart, Piece, Reasoning, Refusal, Text
from vespa_client.dialects.responses import Responses
from vespa_client.errors import AnswerNotUnderstood

some = settings(max_examples=100)

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {"input": {"type": "string"}}}},
    {"type": "custom", "name": "apply_patch", "description": "Patches.", "format": {"type": "text"}},
    {
        "type": "namespace",
        "name": "mcp__files",
        "description": "Files.",
        "tools": [{"type": "function", "name": "read", "parameters": {"type": "object"}}],
    },
    {"type": "local_shell"},
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "apply_patch"},
    {"type": "tool_search", "execution": "client", "description": "Finds.", "parameters": {"type": "object"}},
]


def translation(**members: Any) -> Translation:
    request = {"model": "asked", "input": "hi", "stream": True, "tools": TOOLS, **members}
    return Responses().translate(json.dumps(request).encode(), Identity("tok", 1_700_000_000))


def run(stream: StreamTranslator, parts: Sequence[bytes]) -> bytes:
    return b"".join([*(stream.feed(part) for part in parts), stream.end()])


def output(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = events[-1]["response"]["output"]
    return items


def said(events: list[dict[str, Any]]) -> list[Piece]:
    """The answer, as the response tells it."""
    pieces: list[Piece] = []
    position = 0
    for item in output(events):
        if item["type"] == "reasoning":
            pieces += [Reasoning(part["text"]) for part in item["content"]]
        elif item["type"] == "message":
            for part in item["content"]:
                pieces.append(Text(part["text"]) if part["type"] == "output_text" else Refusal(part["refusal"]))
        else:
            arguments = item["arguments"] if "arguments" in item else json.dumps({"input": item["input"]})
            pieces += [CallStart(position, item["call_id"], item["name"]), CallArguments(position, arguments)]
            position += 1
    return pieces


@some
@given(answers(), habits, cuts)
def test_every_habit_makes_the_same_events_however_it_is_cut(pieces: list[Piece], habit: Habit, places: list[int]) -> None:
    wire = habit.write(pieces)
    asked = translation()
    whole = run(asked.stream(), [wire])
    events = check_stream(whole)
    assert run(asked.stream(), cut(wire, places)) == whole
    assert run(asked.stream(), letters(wire)) == whole
    expected = joined(pieces)
    if not any(isinstance(piece, Text | Refusal | CallStart) for piece in pieces):
        expected.append(Text(""))  # who says nothing has said an empty text
    assert said(events) == expected
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["model"] == "served"


@some
@given(answers(), habits, cuts)
def test_what_breaks_off_fails_and_never_looks_whole(pieces: list[Piece], habit: Habit, places: list[int]) -> None:
    wire = habit.write(pieces)
    finish = wire.index(b'"finish_reason": "stop"')
    for place in {place % finish for place in places} | {0, finish}:
        stream = translation().stream()
        out = stream.feed(wire[:place])
        with pytest.raises(AnswerNotUnderstood) as broken:
            stream.end()
        out += broken.value.translated + stream.fail(502, broken.value.code, str(broken.value))
        events = check_stream(out)
        assert events[-1]["type"] == "response.failed"
        assert events[-1]["response"]["error"]["code"] == "server_error"
        assert stream.failed
        assert not stream.finished
        assert stream.feed(wire) == stream.end() == stream.ping() == stream.fail(500, "", "again") == b""


@some
@given(answers(), habits)
def test_a_plain_answer_is_what_its_stream_ends_in(pieces: list[Piece], habit: Habit) -> None:
    events = check_stream(run(translation().stream(), [habit.write(pieces)]))
    body = check_response(translation().answer(plain(pieces)))
    assert body["output"] == [{**item} for item in output(events)]
    assert body["status"] == "completed"


def plain(pieces: Sequence[Piece], finish_reason: str = "stop") -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: list[dict[str, Any]] = []
    for piece in joined(pieces):
        if isinstance(piece, Text):
            message["content"] = piece.text
        elif isinstance(piece, Reasoning):
            message["reasoning_content"] = piece.text
        elif isinstance(piece, Refusal):
            message["refusal"] = piece.text
        elif isinstance(piece, CallStart):
            calls.append({"id": piece.id, "type": "function", "function": {"name": piece.name, "arguments": ""}})
        elif isinstance(piece, CallArguments):
            calls[-1]["function"]["arguments"] += piece.arguments
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"id": "c", "object": "chat.completion", "model": "served", "choices": [choice]}).encode()


def test_the_first_piece_begins_the_response_and_text_goes_out_at_once() -> None:
    stream = translation().stream()
    first, second, *_ = VLLM.write([Text("hi")]).split(b"\n\n")
    assert [event["type"] for event in events_of(stream.feed(first + b"\n\n"))] == ["response.created", "response.in_progress"]
    assert stream.feed(second) == b""
    last = events_of(stream.feed(b"\n\n"))[-1]
    assert (last["type"], last["delta"]) == ("response.output_text.delta", "hi")


@pytest.mark.parametrize("habit", [VLLM, SGLANG, LLAMA_CPP])
def test_usage_and_service_tier_are_told(habit: Habit) -> None:
    events = check_stream(run(translation(service_tier="flex").stream(), [habit.write([Text("hi")])]))
    assert events[-1]["response"]["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 18,
    }
    assert events[-1]["response"]["service_tier"] == "flex"
    assert events[0]["response"]["usage"] is None


def test_thoughts_are_a_summary_where_one_was_asked_for() -> None:
    asked = translation(reasoning={"effort": "high", "summary": "auto"}, include=["reasoning.encrypted_content"])
    events = check_stream(run(asked.stream(), [VLLM.write([Reasoning("hm"), Reasoning(" hm"), Text("hi")])]))
    item = output(events)[0]
    assert item["summary"] == [{"type": "summary_text", "text": "hm hm"}]
    assert "content" not in item
    assert [event["delta"] for event in events if event["type"] == "response.reasoning_summary_text.delta"] == ["hm", " hm"]
    assert item["encrypted_content"].startswith("vespa:")


def test_thoughts_come_back_in_the_next_turn_from_what_clients_send_back() -> None:
    asked = translation(reasoning={"summary": "auto"}, include=["reasoning.encrypted_content"])
    events = check_stream(run(asked.stream(), [VLLM.write([Reasoning("hm ä"), Text("hi")])]))
    thought = output(events)[0]
    for kept in ({**thought, "summary": []}, {**thought, "encrypted_content": None}):
        again = translation(input=[{"role": "user", "content": "a"}, kept, output(events)[1], {"role": "user", "content": "b"}])
        assert json.loads(again.body)["messages"][1] == {"role": "assistant", "content": "hi", "reasoning_content": "hm ä"}


def test_an_answer_that_was_cut_is_incomplete() -> None:
    for reason, told in (("length", "max_output_tokens"), ("content_filter", "content_filter")):
        events = check_stream(run(translation().stream(), [VLLM.write([Text("ha")], reason)]))
        assert events[-1]["type"] == "response.incomplete"
        assert events[-1]["response"]["incomplete_details"] == {"reason": told}
        assert output(events)[0]["status"] == "incomplete"


@pytest.mark.parametrize("name", ["look_up", "apply_patch", "mcp__files__read", "local_shell", "shell"])
def test_a_call_that_was_cut_is_never_said_to_be_done(name: str) -> None:
    pieces = [*call(0, "look_up", '{"input":"x"}'), *call(1, name, '{"input":"*** Delete')]
    events = check_stream(run(translation().stream(), [VLLM.write(pieces, "length")]))
    assert events[-1]["type"] == "response.incomplete"
    done = [event["item"]["call_id"] for event in events if event["type"] == "response.output_item.done"]
    assert done == ["call_0"]


def test_a_custom_tool_gets_its_input_as_it_comes() -> None:
    patch = '*** Begin\n+"ä" \\ \U0001f600\n'
    pieces = call(0, "apply_patch", json.dumps({"input": patch}))
    stream = translation().stream()
    stream.feed(VLLM.write([])[:20])
    events = check_stream(run(translation().stream(), [VLLM.write(pieces)]))
    deltas = [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == patch
    assert len(deltas) == len(patch)
    assert output(events)[0] == {
        "id": "ctc_tok_1",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_0",
        "name": "apply_patch",
        "input": patch,
    }


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events = check_stream(run(translation().stream(), [VLLM.write([CallStart(0, "a", "look_up")])]))
    assert output(events)[0]["arguments"] == "{}"


def test_a_tool_in_a_namespace_is_called_by_its_own_name() -> None:
    events = check_stream(run(translation().stream(), [VLLM.write(call(0, "mcp__files__read", "{}"))]))
    assert (output(events)[0]["namespace"], output(events)[0]["name"]) == ("mcp__files", "read")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "local_shell",
            {"command": ["ls", "-l"]},
            {"type": "local_shell_call", "action": {"type": "exec", "env": {}, "command": ["ls", "-l"]}},
        ),
        (
            "shell",
            {"commands": ["ls"], "timeout_ms": 5},
            {"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None}},
        ),
        ("tool_search", {"query": "x"}, {"type": "tool_search_call", "execution": "client", "arguments": {"query": "x"}}),
    ],
)
def test_tools_that_the_client_runs_are_called_in_their_own_items(
    name: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    pieces = [*call(0, name, json.dumps(arguments)), *call(1, "look_up", "{}")]
    events = check_stream(run(translation().stream(), [VLLM.write(pieces)]))
    item = next(item for item in output(events) if item["call_id"] == "call_0")
    assert item.items() >= {**expected, "status": "completed"}.items()


def test_the_own_apply_patch_tool_is_called_in_its_own_item() -> None:
    asked = translation(tools=[{"type": "apply_patch"}])
    arguments = json.dumps({"type": "create_file", "path": "a", "diff": "+x"})
    events = check_stream(run(asked.stream(), [VLLM.write(call(0, "apply_patch", arguments))]))
    assert output(events)[0]["operation"] == {"type": "create_file", "path": "a", "diff": "+x"}


def test_a_call_that_the_model_got_wrong_fails_where_there_is_no_item_for_it() -> None:
    stream = translation().stream()
    out = stream.feed(VLLM.write(call(0, "shell", '{"commands":"ls"}')).partition(b"data: [DONE]")[0])
    with pytest.raises(AnswerNotUnderstood, match="called shell") as wrong:
        stream.end()
    events = check_stream(out + wrong.value.translated + stream.fail(502, "x", wrong.value.message))
    assert events[-1]["type"] == "response.failed"


def test_a_call_that_is_nested_too_deeply_fails() -> None:
    for depth in (70, 500, 900, 960, 980, 990, 2000):
        arguments = '{"query":' + '{"a":' * depth + "1" + "}" * depth + "}"
        stream = translation().stream()
        with pytest.raises(AnswerNotUnderstood, match="called tool_search") as wrong:
            stream.feed(VLLM.write([CallStart(0, "a", "tool_search"), CallArguments(0, arguments)]))
        events = check_stream(wrong.value.translated + stream.fail(502, "x", wrong.value.message))
        assert output(events) == []


@some
@given(answers())
def test_what_was_said_is_said_again_in_the_next_turn(pieces: list[Piece]) -> None:
    asked = translation(include=["reasoning.encrypted_content"])
    events = check_stream(run(asked.stream(), [VLLM.write(pieces)]))
    question = {"role": "user", "content": "hi"}
    said_again = json.loads(translation(input=[question, *output(events)]).body)["messages"][1:]
    assert len(said_again) == 1
    message = said_again[0]
    expected = joined(pieces)
    texts = [piece.text for piece in expected if isinstance(piece, Text | Refusal)]
    assert (message["content"] or "") == "\n".join(texts)
    assert message.get("reasoning_content", "") == "".join(piece.text for piece in expected if isinstance(piece, Reasoning))
    calls = [(call["id"], call["function"]["name"]) for call in message.get("tool_calls", [])]
    assert calls == [(piece.id, piece.name) for piece in expected if isinstance(piece, CallStart)]
    arguments = [json.loads(call["function"]["arguments"]) for call in message.get("tool_calls", [])]
    assert arguments == [json.loads(piece.arguments) for piece in expected if isinstance(piece, CallArguments)]


def test_logprobs_are_told_where_they_were_asked_for() -> None:
    logprob = {"token": "hi", "bytes": [104, 105], "logprob": -0.5, "top_logprobs": [{"token": "hi", "logprob": -0.5}, "odd"]}
    chunk = {
        "choices": [{"delta": {"content": "hi"}, "logprobs": {"content": [logprob, {"token": 5}]}, "finish_reason": "stop"}]
    }
    wire = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    events = check_stream(run(translation(top_logprobs=1).stream(), [wire]))
    delta = next(event for event in events if event["type"] == "response.output_text.delta")
    assert delta["logprobs"] == [{"token": "hi", "logprob": -0.5, "top_logprobs": [{"token": "hi", "logprob": -0.5}]}]
    part = output(events)[0]["content"][0]
    assert part["logprobs"][0]["bytes"] == [104, 105]
    assert part["logprobs"][0]["top_logprobs"] == [{"token": "hi", "bytes": [104, 105], "logprob": -0.5}]
    assert output(check_stream(run(translation().stream(), [wire])))[0]["content"][0]["logprobs"] == []


def test_a_ping_is_a_sign_of_life_from_any_state() -> None:
    stream = translation().stream()
    out = stream.ping() + stream.ping()
    for part in letters(VLLM.write([Reasoning("hm"), Text("hi"), *call(0, "look_up", "{}")])):
        out += stream.feed(part) + stream.ping()
    events = check_stream(out)
    assert sum(event["type"] == "response.in_progress" for event in events) > 10
    assert events[0]["response"]["model"] == "asked"


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (429, "", "rate_limit_exceeded"),
        (400, "", "invalid_prompt"),
        (503, "no_worker_ready", "server_error"),
        (400, "context_length_exceeded", "context_length_exceeded"),
    ],
)
def test_a_failure_before_anything_came_has_a_beginning_too(status: int, code: str, told: str) -> None:
    stream = translation().stream()
    events = check_stream(stream.fail(status, code, "No."))
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.failed"]
    assert events[-1]["response"]["error"] == {"code": told, "message": "No."}


def test_an_error_in_the_backend_s_stream_is_the_response_s_failure() -> None:
    stream = translation().stream()
    start, text, *_ = VLLM.write([Text("half")]).split(b"\n\n")
    error = b'data: {"error":{"message":"This model\'s maximum context length is 5.","code":400}}'
    events = check_stream(stream.feed(b"\n\n".join([start, text, error, b"data: [DONE]", b""])))
    assert events[-1]["response"]["error"]["code"] == "context_length_exceeded"
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"
    assert stream.failed
    assert stream.end() == b""


def test_what_came_before_nonsense_is_handed_on_with_the_error() -> None:
    stream = translation().stream()
    with pytest.raises(AnswerNotUnderstood) as wrong:
        stream.feed(VLLM.write([Text("half")]).partition(b'"finish')[0] + b"\n\n")
    events = check_stream(wrong.value.translated + stream.fail(502, wrong.value.code, wrong.value.message))
    assert [event["type"] for event in events][-1] == "response.failed"


def test_a_backend_that_doesn_t_stream_is_streamed() -> None:
    stream = translation().stream()
    events = check_stream(stream.feed_completion(plain([Text("hi"), *call(0, "look_up", "{}")], "tool_calls")))
    assert [item["type"] for item in output(events)] == ["message", "function_call"]
    assert stream.finished


def test_a_plain_error_with_a_good_status_is_no_answer() -> None:
    with pytest.raises(AnswerNotUnderstood, match="is an error: no"):
        translation().answer(b'{"object":"error","message":"no"}')


def test_a_response_repeats_its_request() -> None:
    asked = translation(
        instructions="Be brief.",
        metadata={"a": "b"},
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=99,
        tool_choice={"type": "function", "name": "look_up"},
        parallel_tool_calls=False,
        user="u",
        prompt_cache_key="k",
        store=True,
        text={"verbosity": "low"},
    )
    response = check_response(asked.answer(plain([Text("hi")])))
    assert response["id"] == "resp_tok"
    assert response["created_at"] == 1_700_000_000
    assert response["metadata"] == {"a": "b"}
    assert response["tool_choice"] == {"type": "function", "name": "look_up"}
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert response["store"] is False
    assert (response["instructions"], response["user"], response["prompt_cache_key"]) == ("Be brief.", "u", "k")
    assert response["max_output_tokens"] == 99
    assert response["parallel_tool_calls"] is False


def test_an_event_costs_the_same_however_many_came_before() -> None:
    stream = translation().stream()
    event = VLLM.write([Text("token")]).split(b"\n\n")[1] + b"\n\n"

    def cost() -> float:
        began = time.process_time()
        for _ in range(10_000):
            stream.feed(event)
        return time.process_time() - began

    first = cost()
    for _ in range(3):
        last = cost()
    assert last < 3 * first


def test_an_event_in_many_pieces_costs_what_its_length_does() -> None:
    def cost(size: int) -> float:
        stream = translation().stream()
        event = VLLM.write([Text("x" * size)])
        began = time.process_time()
        for place in range(0, len(event), 64):
            stream.feed(event[place : place + 64])
        return time.process_time() - began

    assert cost(1_600_000) < 3 * 8 * cost(200_000)
