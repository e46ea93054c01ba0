"""A chat completion says the same in every backend's habit, plain or streamed, however its stream is cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from tests.dialects.backends import USAGE, VLLM, Habit, answers, cut, cuts, habits, joined, letters
from vespa_client.dialects.chat_answer import (
    CallArguments,
    CallStart,
    ChatAnswer,
    Done,
    Piece,
    Reasoning,
    Refusal,
    Start,
    Text,
    Usage,
)
from vespa_client.dialects.chat_error import Failure
from vespa_client.dialects.chat_stream import ChatStream
from vespa_client.errors import AnswerNotUnderstood

some = settings(max_examples=150)


def read(parts: Sequence[bytes]) -> tuple[list[Piece], ChatStream]:
    stream = ChatStream("tok")
    pieces = [piece for part in parts for piece in stream.feed(part)]
    return [*pieces, *stream.end()], stream


def chunk(delta: object, **members: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, **members}]}).encode() + b"\n\n"


def said(*chunks: bytes) -> list[Piece]:
    """What lies between start and end."""
    pieces, _ = read([*chunks, chunk({}, finish_reason="stop")])
    assert pieces[0] == Start()
    assert pieces[-1] == Done()
    return pieces[1:-1]


@some
@given(answers(), habits, cuts)
def test_every_habit_says_the_same_however_it_is_cut(pieces: list[Piece], habit: Habit, places: list[int]) -> None:
    wire = habit.write(pieces)
    whole, stream = read([wire])
    assert joined(whole) == [Start(), *joined(pieces), Done()]
    assert read(cut(wire, places))[0] == whole
    assert read(letters(wire))[0] == whole
    assert stream.model == "served"
    assert stream.usage == (None if habit.usage == "never" else Usage(11, 7, 5, 3))
    assert stream.finish_reason == ("tool_calls" if any(isinstance(piece, CallStart) for piece in pieces) else "stop")


@some
@given(answers(), habits, cuts)
def test_a_stream_that_breaks_off_never_looks_whole(pieces: list[Piece], habit: Habit, places: list[int]) -> None:
    wire = habit.write(pieces)
    finish = wire.index(b'"finish_reason": "stop"')
    for place in {place % finish for place in places} | {finish}:
        stream = ChatStream("tok")
        assert Done() not in list(stream.feed(wire[:place]))
        with pytest.raises(AnswerNotUnderstood):
            list(stream.end())


def test_a_plain_completion_is_read_like_its_stream() -> None:
    message = {
        "role": "assistant",
        "reasoning": "hm",
        "content": "hi",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
    }
    completion = {"model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    answer = ChatAnswer("tok")
    pieces = list(answer.read_completion(json.dumps(completion).encode()))
    assert pieces == [Start(), Reasoning("hm"), Text("hi"), CallStart(0, "a", "f"), CallArguments(0, '{"x":1}'), Done()]
    assert (answer.model, answer.finish_reason, answer.usage) == ("m", "tool_calls", Usage(11, 7, 5, 3))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff",
        b'{"choices":[]}',
        b'{"choices":{}}',
        b'{"choices":[1]}',
        b'{"choices":[NaN]}',
        b'{"choices":[{"message":{"content":5}}]}',
        b'{"choices":[{"message":{"tool_calls":[{"function":{}}]}}]}',
    ],
)
def test_what_is_no_completion_is_not_understood(body: bytes) -> None:
    with pytest.raises(AnswerNotUnderstood):
        list(ChatAnswer("tok").read_completion(body))


def test_a_stream_may_be_one_completion() -> None:
    whole = b'data: {"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
    assert read([whole])[0] == [Start(), Text("hi"), Done()]


def test_deepseek_counts_what_was_cached_in_a_place_of_its_own() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}
    answer = ChatAnswer("tok")
    list(answer.read_completion(json.dumps({"choices": [{"message": {"content": "hi"}}], "usage": usage}).encode()))
    assert answer.usage == Usage(9, 2, 4)


def test_a_plain_error_with_a_good_status_is_a_failure() -> None:
    pieces = list(ChatAnswer("tok").read_completion(b'{"object":"error","message":"no","code":404}'))
    assert pieces == [Failure(404, "", "no")]


def test_calls_without_index_are_told_apart_by_id_or_name() -> None:
    one = {"id": "a", "function": {"name": "f", "arguments": "{"}}
    more = {"id": "a", "function": {"arguments": "}"}}
    two = {"function": {"name": "g", "arguments": {"x": 1}}}
    assert joined(said(chunk({"tool_calls": [one]}), chunk({"tool_calls": [more]}), chunk({"tool_calls": [two]}))) == [
        CallStart(0, "a", "f"),
        CallArguments(0, "{}"),
        CallStart(1, "call_tok_1", "g"),
        CallArguments(1, '{"x":1}'),
    ]


def test_calls_that_all_count_as_the_first_are_told_apart_by_their_ids() -> None:
    calls = [{"index": 0, "id": id, "function": {"name": "f", "arguments": "{}"}} for id in ("a", "b")]
    starts = [piece for piece in said(chunk({"tool_calls": calls})) if isinstance(piece, CallStart)]
    assert starts == [CallStart(0, "a", "f"), CallStart(1, "b", "f")]


@pytest.mark.parametrize("shared", [{"index": 0}, {"index": 0, "id": ""}, {"id": "same"}, {"index": 0, "id": "same"}])
def test_calls_that_nothing_else_tells_apart_are_known_by_their_names(shared: dict[str, Any]) -> None:
    f, g = ({**shared, "function": {"name": name, "arguments": '{"x":1}'}} for name in "fg")
    together = said(chunk({"tool_calls": [f, f, g]}))
    assert [piece.name for piece in together if isinstance(piece, CallStart)] == ["f", "f", "g"]
    assert [piece for piece in together if isinstance(piece, CallArguments)] == [
        CallArguments(position, '{"x":1}') for position in range(3)
    ]
    assert said(chunk({"tool_calls": [f]}), chunk({"tool_calls": [g]})) == [
        together[0],
        together[1],
        CallStart(1, "call_tok_1", "g"),
        CallArguments(1, '{"x":1}'),
    ]


def test_an_id_given_twice_is_one_call_s_alone() -> None:
    calls = [{"index": index, "id": "same", "function": {"name": "f"}} for index in (0, 1)]
    ids = [piece.id for piece in said(chunk({"tool_calls": calls})) if isinstance(piece, CallStart)]
    assert ids == ["same", "call_tok_1"]


def test_arguments_that_come_before_the_name_wait_for_it() -> None:
    first, second = {"index": 0, "function": {"arguments": "{"}}, {"index": 0, "function": {"name": "f", "arguments": "}"}}
    pieces = said(chunk({"tool_calls": [first]}), chunk({"tool_calls": [second]}))
    assert pieces == [CallStart(0, "call_tok_0", "f"), CallArguments(0, "{}")]


def test_calls_may_take_turns_and_repeat_their_name() -> None:
    starts = [{"index": index, "id": str(index), "function": {"name": "f", "arguments": "{"}} for index in (0, 1)]
    turns = [{"index": index, "id": str(index), "function": {"name": "f", "arguments": "}"}} for index in (0, 1)]
    pieces = said(chunk({"tool_calls": starts}), chunk({"tool_calls": turns}))
    assert [piece for piece in pieces if isinstance(piece, CallArguments)] == [
        *(CallArguments(index, "{") for index in (0, 1)),
        *(CallArguments(index, "}") for index in (0, 1)),
    ]


def test_the_old_function_call_is_a_call() -> None:
    assert said(chunk({"function_call": {"name": "f"}}), chunk({"function_call": {"arguments": "{}"}})) == [
        CallStart(0, "call_tok_0", "f"),
        CallArguments(0, "{}"),
    ]


def test_content_in_parts_is_text_and_thoughts() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hi"}]
    assert said(chunk({"content": parts})) == [Reasoning("hm"), Text("hi")]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [(["stop"], "stop"), (["length", "stop"], "length"), (["stop", "content_filter"], "content_filter"), (["eos"], "stop")],
)
def test_the_gravest_of_several_finish_reasons_counts(reasons: list[str], expected: str) -> None:
    _, stream = read([chunk({"content": "x"}), *(chunk({}, finish_reason=reason) for reason in reasons)])
    assert stream.finish_reason == expected


def test_done_ends_a_stream_without_a_finish_reason() -> None:
    pieces, stream = read([chunk({"content": "x"}), b"data: [DONE]\n\n", b"data: nonsense\n\n"])
    assert pieces == [Start(), Text("x"), Done()]
    assert stream.finish_reason == "stop"


@pytest.mark.parametrize("wire", [b"", b"data: [DONE]\n\n", b'{"choices":[]}', b": nothing\n\n"])
def test_a_stream_of_nothing_is_no_answer(wire: bytes) -> None:
    with pytest.raises(AnswerNotUnderstood):
        read([wire])


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        # vLLM, today and before.
        (b'data: {"error":{"message":"no","type":"BadRequestError","param":null,"code":400}}', Failure(400, "", "no")),
        (b'data: {"object":"error","message":"no","type":"E","param":null,"code":500}', Failure(500, "", "no")),
        # SGLang.
        (b'data: {"error":{"object":"error","message":"no","type":"E","code":503}}', Failure(503, "", "no")),
        # llama.cpp, before and today.
        (b'error: {"code":500,"message":"no","type":"server_error"}', Failure(500, "", "no")),
        (b'data: {"error":{"code":500,"message":"no","type":"server_error"}}', Failure(500, "", "no")),
        # TGI, and what proxies say.
        (b'data: {"error":"no","error_type":"overloaded"}', Failure(500, "", "no")),
        (b"event: error\ndata: no", Failure(500, "", "no")),
        (b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no"}}', Failure(503, "", "no")),
        (b'data: {"choices":[{"delta":{},"finish_reason":"abort"}]}', None),
        # TensorRT-LLM and DeepSeek.
        (b'data: {"choices":[{"delta":{},"finish_reason":"timeout"}]}', None),
        (b'data: {"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}', None),
        (b'data: {"error":{"code":502,"message":"no"},"choices":[{"delta":{"content":""}}]}', Failure(502, "", "no")),
    ],
)
def test_an_error_within_the_stream_is_a_failure_and_the_end(event: bytes, expected: Failure | None) -> None:
    pieces, _ = read([VLLM.write([Text("half")])[:400].partition(b"\n\n")[0] + b"\n\n", event + b"\n\n", b"data: [DONE]\n\n"])
    failure = pieces[-1]
    assert isinstance(failure, Failure)
    assert expected is None or failure == expected
    assert Done() not in pieces


def test_what_came_before_nonsense_is_read() -> None:
    stream, pieces = ChatStream("tok"), []
    with pytest.raises(AnswerNotUnderstood, match="no JSON"):
        for piece in stream.feed(chunk({"content": "x"}) + b"data: {oops\n\n"):
            pieces.append(piece)
    assert pieces == [Start(), Text("x")]


def test_signs_of_life_are_passed_over() -> None:
    assert said(b'event: ping\ndata: {"type":"ping"}\n\n', b"data:\n\n", chunk({"content": "x"})) == [Text("x")]


def test_only_the_first_choice_counts() -> None:
    other = b'data: {"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert said(other) == [Text("a")]


def test_logprobs_are_there_for_who_wants_them() -> None:
    wire = chunk({"content": "x"}, logprobs={"content": [{"token": "x", "logprob": -1}]})
    assert said(wire) == [Text("x")]
    stream = ChatStream("tok")
    stream.wants_logprobs = True
    assert list(stream.feed(wire))[1] == Text("x", [{"token": "x", "logprob": -1}])


def test_an_answer_without_end_is_an_error_before_it_fills_the_memory() -> None:
    stream = ChatStream("tok")
    piece = chunk({"content": "x" * 1_000_000})
    with pytest.raises(AnswerNotUnderstood, match="more than"):
        for _ in range(100):
            list(stream.feed(piece))


def test_calls_without_end_are_counted_too() -> None:
    stream = ChatStream("tok")
    wire = b"".join(chunk({"tool_calls": [{"index": index, "function": {"name": "f"}}]}) for index in range(300))
    assert len(list(stream.feed(wire))) == 301


def test_a_refusal_is_one() -> None:
    assert said(chunk({"refusal": "no"})) == [Refusal("no")]
