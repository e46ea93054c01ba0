"""What a stream of a chat completion becomes as a stream of a message, however it was cut, and how it fails."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from vespa_client.dialects.messages import Messages
from vespa_client.dialects.messages.stream import MessageStream
from vespa_client.errors import AnswerNotUnderstood

from ..chat_backend import IDENTITY, USAGE_CHUNK, call_chunk, chunk, events_of, stream_of
from ..mutations import mutated

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)

TALK = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "Let me "}),
    chunk({"reasoning": "see."}),
    chunk({"content": "I look "}),
    chunk({"content": "it up. ☂"}),
    call_chunk(0, "", "a", "weather"),
    call_chunk(0, '{"city": "K'),
    call_chunk(0, 'öln"}'),
    call_chunk(1, '{"zone": 1}', "b", "time"),
    chunk({}, "tool_calls"),
    USAGE_CHUNK,
]
TOLD = [
    "message_start",
    *("content_block_start", "thinking_delta", "thinking_delta", "signature_delta", "content_block_stop"),
    *("content_block_start", "text_delta", "text_delta", "content_block_stop"),
    *("content_block_start", "input_json_delta", "input_json_delta", "content_block_stop"),
    *("content_block_start", "input_json_delta", "content_block_stop"),
    *("message_delta", "message_stop"),
]


def translator(**request: Any) -> MessageStream:
    asked = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}], **request}
    return Messages().translate(json.dumps(asked).encode(), IDENTITY).stream()


def thinker() -> MessageStream:
    return translator(thinking={"type": "adaptive"})


def read(told: bytes) -> list[dict[str, Any]]:
    """The events, each in its frame and of one of the SDK's types."""
    events = []
    for frame in told.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] not in ("ping", "error"):
            EVENT.validate_python(event)
        events.append(event)
    assert told == b"" or told.endswith(b"\n\n")
    return events


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["delta"]["type"] if event["type"] == "content_block_delta" else event["type"] for event in events]


def told_whole(data: bytes, stream: MessageStream | None = None) -> list[dict[str, Any]]:
    stream = stream or thinker()
    events = read(stream.feed(data) + stream.end())
    assert stream.finished and not stream.failed
    return events


def blocks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content that the events add up to, as a client that trusts in indices alone puts it together."""
    content: dict[int, dict[str, Any]] = {}
    open_blocks: set[int] = set()
    for event in events:
        index = event.get("index")
        if event["type"] == "content_block_start":
            assert index == len(content)
            content[index] = {**event["content_block"], "json": ""}
            open_blocks.add(index)
        elif event["type"] == "content_block_delta":
            assert index in open_blocks
            delta = {name: value for name, value in event["delta"].items() if name != "type"}
            (name, value), *_ = delta.items()
            content[index]["json" if name == "partial_json" else name] += value
        elif event["type"] == "content_block_stop":
            open_blocks.remove(index)
    assert not open_blocks
    for block in content.values():
        arguments = block.pop("json")
        if block["type"] == "tool_use" and arguments:
            block["input"] = json.loads(arguments)
    return list(content.values())


def fault_of(stream: MessageStream, data: bytes) -> tuple[AnswerNotUnderstood, bytes]:
    """The fault in the stream, and what was told before it."""
    told = b""
    with pytest.raises(AnswerNotUnderstood) as caught:
        told += stream.feed(data)
        told += stream.end()
    return caught.value, told + caught.value.translated


# A whole stream


def test_each_piece_is_told_by_its_event() -> None:
    events = told_whole(stream_of(*TALK))
    assert names(events) == TOLD
    thinking, text, *calls = blocks(events)
    assert thinking == {"type": "thinking", "thinking": "Let me see.", "signature": thinking["signature"]}
    assert text == {"type": "text", "text": "I look it up. ☂"}
    assert calls == [
        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Köln"}},
        {"type": "tool_use", "id": "b", "name": "time", "input": {"zone": 1}},
    ]
    assert events[0]["message"]["id"] == "msg_token"
    assert events[0]["message"]["model"] == "m"
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert (events[-2]["usage"]["input_tokens"], events[-2]["usage"]["output_tokens"]) == (20, 7)


def test_each_piece_is_told_at_once() -> None:
    stream = thinker()
    told = [names(read(stream.feed(event))) for event in events_of(*TALK[:-1])]
    assert [step[-1:] for step in told] == [
        ["message_start"],
        ["thinking_delta"],
        ["thinking_delta"],
        ["text_delta"],
        ["text_delta"],
        ["content_block_start"],
        ["input_json_delta"],
        ["input_json_delta"],
        ["input_json_delta"],
        [],
    ]


@given(st.lists(st.integers(0, len(stream_of(*TALK))), max_size=40))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    data = stream_of(*TALK)
    stream = thinker()
    edges = [0, *sorted(cuts), len(data)]
    told = b"".join(stream.feed(data[begin:end]) for begin, end in pairwise(edges)) + stream.end()
    whole = thinker()
    assert told == whole.feed(data) + whole.end()


def test_byte_by_byte_it_is_the_same() -> None:
    data = stream_of(*TALK)
    stream, whole = thinker(), thinker()
    assert b"".join(stream.feed(data[i : i + 1]) for i in range(len(data))) == whole.feed(data)


def test_thinking_is_silent_where_it_was_not_asked_for() -> None:
    events = told_whole(stream_of(*TALK), translator())
    assert [block["type"] for block in blocks(events)] == ["text", "tool_use", "tool_use"]


def test_text_between_calls_is_a_block_of_its_own() -> None:
    talk = [
        chunk({"content": "a"}),
        call_chunk(0, "{}", "x", "y"),
        chunk({"content": "b"}),
        chunk({"reasoning": "c"}),
        chunk({}, "stop"),
    ]
    assert [block["type"] for block in blocks(told_whole(stream_of(*talk)))] == ["text", "tool_use", "text", "thinking"]


def test_calls_that_take_turns_stay_open() -> None:
    talk = [
        call_chunk(0, '{"a":', "x", "first"),
        call_chunk(1, '{"b":', "y", "second"),
        call_chunk(0, " 1}"),
        call_chunk(1, " 2}"),
        chunk({}, "tool_calls"),
    ]
    assert [block["input"] for block in blocks(told_whole(stream_of(*talk)))] == [{"a": 1}, {"b": 2}]


def test_calls_without_arguments_have_an_empty_input() -> None:
    talk = [call_chunk(0, "", "x", "first"), call_chunk(1, "", "y", "second"), chunk({}, "tool_calls")]
    assert [block["input"] for block in blocks(told_whole(stream_of(*talk)))] == [{}, {}]


def test_an_empty_answer_is_an_answer() -> None:
    assert names(told_whole(stream_of(chunk({}, "stop")))) == ["message_start", "message_delta", "message_stop"]


def test_a_stop_sequence_is_named() -> None:
    events = told_whole(
        stream_of(chunk({"content": "x"}), chunk({}, "stop", stop_reason="END")), translator(stop_sequences=["END"])
    )
    assert events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


def test_a_refusal_says_why() -> None:
    events = told_whole(stream_of(chunk({"refusal": "I may "}), chunk({"refusal": "not."}), chunk({}, "stop")))
    assert blocks(events) == [{"type": "text", "text": "I may not."}]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert events[-2]["delta"]["stop_details"]["explanation"] == "I may not."


def test_a_missing_mark_is_none_missed() -> None:
    assert names(told_whole(b"".join(events_of(*TALK)))) == TOLD


def test_a_plain_answer_can_be_told_as_a_stream() -> None:
    answer = {"model": "n", "choices": [{"index": 0, "message": {"content": "Hi", "reasoning": "hm"}, "finish_reason": "stop"}]}
    stream = thinker()
    assert [block["type"] for block in blocks(read(stream.feed_completion(json.dumps(answer).encode())))] == [
        "thinking",
        "text",
    ]


def test_a_ping_may_be_said_at_any_time() -> None:
    stream = thinker()
    assert names(read(stream.ping())) == ["ping"]
    told = b"".join(stream.feed(event) + stream.ping() for event in events_of(*TALK)) + stream.end()
    assert [name for name in names(read(told)) if name != "ping"] == TOLD
    assert stream.ping() == b""


# Failures


def test_a_break_is_an_error_and_no_end() -> None:
    for steps in range(len(TALK) - 2):
        stream = thinker()
        fault, told = fault_of(stream, b"".join(events_of(*TALK[:steps])))
        events = read(told + stream.fail(fault.status, fault.code, fault.message))
        assert names(events)[-1] == "error"
        assert events[-1]["error"]["type"] == "api_error"
        assert "message_stop" not in names(events)
        assert stream.failed and not stream.finished
        assert stream.fail(500, "", "again") == stream.ping() == stream.feed(stream_of(*TALK)) == stream.end() == b""


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'data: {"error": {"message": "Out of memory", "type": "x", "code": 500}}\n\n', "api_error"),
        (b'data: {"error": {"message": "Out of memory", "code": 503}}\n\n', "overloaded_error"),
        (b'event: error\ndata: {"detail": "Out of memory"}\n\n', "api_error"),
    ],
)
def test_a_backends_error_is_anthropics(event: bytes, kind: str) -> None:
    stream = thinker()
    events = read(stream.feed(b"".join(events_of(*TALK[:4])) + event + stream_of(*TALK[4:])) + stream.end())
    assert events[-1]["type"] == "error"
    assert (events[-1]["error"]["type"], events[-1]["error"]["message"]) == (kind, "Out of memory")
    assert stream.failed


@pytest.mark.parametrize("arguments", ['{"city": "K', "{'city': 1}", '{"a": 1} {"b": 2}'])
def test_half_a_call_is_no_answer(arguments: str) -> None:
    _, told = fault_of(thinker(), stream_of(call_chunk(0, arguments, "a", "weather"), chunk({}, "tool_calls")))
    assert "message_stop" not in names(read(told))


def test_a_call_that_was_cut_by_the_limit_says_so() -> None:
    talk = stream_of(call_chunk(0, '{"city": "K', "a", "weather"), chunk({}, "length"))
    stream = thinker()
    assert read(stream.feed(talk))[-2]["delta"]["stop_reason"] == "max_tokens"


def test_a_call_does_not_go_on_when_it_was_whole() -> None:
    talk = [call_chunk(0, "{}", "x", "first"), chunk({"content": "a"}), call_chunk(0, '{"b": 2}'), chunk({}, "tool_calls")]
    _, told = fault_of(thinker(), stream_of(*talk))
    assert "message_stop" not in names(read(told))


def test_an_endless_event_is_an_error() -> None:
    stream = thinker()
    with pytest.raises(AnswerNotUnderstood):
        for _ in range(100):
            stream.feed(b"data: " + b"x" * 100_000)


@given(mutated(TALK), st.integers(0, 3000), st.integers(0, 3000), st.binary(max_size=6))
def test_no_stream_looks_whole_that_is_not(talk: Any, begin: int, length: int, odd: bytes) -> None:
    """Chunks with something odd in them, and a piece of the bytes put in place of another."""
    data = stream_of(*(talk if isinstance(talk, list) else []))
    data = data[:begin] + odd + data[begin + length :] if begin % 2 else data
    stream = thinker()
    told = b""
    try:
        told += stream.feed(data)
        told += stream.end()
    except AnswerNotUnderstood as fault:
        told += fault.translated + stream.fail(fault.status, fault.code, fault.message)
    events = read(told)
    assert (names(events)[-1] == "message_stop") == stream.finished != stream.failed == (names(events)[-1] == "error")
    if stream.finished:
        assert b"finish_reason" in data or b"[DONE]" in data
        if events[-2]["delta"]["stop_reason"] != "max_tokens":
            blocks(events)


BEGINNING = b"".join(events_of(*TALK[:-2]))


@given(st.integers(0, len(BEGINNING)))
def test_no_beginning_looks_whole(length: int) -> None:
    fault, told = fault_of(thinker(), BEGINNING[:length])
    assert "message_stop" not in names(read(told))
    assert fault.status == 502
