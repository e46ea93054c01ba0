"""There and back: an answer in any backend's habit, sent back as a turn, says what the backend said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vespa_client.dialects.chat_answer import CallArguments, CallStart, Piece, Reasoning, Refusal, Text
from vespa_client.dialects.messages import Messages

from ..backends import Habit, answers, cut, cuts, habits
from ..chat_backend import IDENTITY
from .test_stream import blocks, read, thinker


def said_by(pieces: Sequence[Piece]) -> dict[str, Any]:
    """What an assistant's message of a chat completion says when it says all of this."""
    thoughts = "".join(piece.text for piece in pieces if isinstance(piece, Reasoning))
    text = "".join(piece.text for piece in pieces if isinstance(piece, Text | Refusal))
    calls = {
        piece.position: {"id": piece.id, "type": "function", "function": {"name": piece.name, "arguments": ""}}
        for piece in pieces
        if isinstance(piece, CallStart)
    }
    for piece in pieces:
        if isinstance(piece, CallArguments):
            calls[piece.position]["function"]["arguments"] += piece.arguments
    return {"role": "assistant", "content": text, "reasoning_content": thoughts, "tool_calls": list(calls.values())}


@given(answers(), habits, cuts)
def test_nothing_is_lost_there_and_back(pieces: list[Piece], habit: Habit, places: list[int]) -> None:
    stream = thinker()
    told = b"".join(map(stream.feed, cut(habit.write(pieces), places))) + stream.end()
    assert sent_back(blocks(read(told))) == said_by(pieces)


@given(answers())
def test_a_plain_answer_says_what_a_stream_says(pieces: list[Piece]) -> None:
    message = said_by(pieces)
    completion = {"model": "n", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    asked = {"model": "m", "thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "x"}]}
    answer = Messages().translate(json.dumps(asked).encode(), IDENTITY).answer(json.dumps(completion).encode())
    assert sent_back(json.loads(answer)["content"]) == message


@given(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=3).flatmap(st.permutations))
def test_calls_may_take_turns(order: list[str]) -> None:
    """Whatever the order of the calls' letters, each call is whole when its block ends."""
    pieces: list[Piece] = [CallStart(0, "a", "first"), CallStart(1, "b", "second")]
    texts = {"a": '{"x": 1}', "b": '{"y": 2}'}
    turns = [name for name in order for _ in range(3)] + ["a"] * 9 + ["b"] * 9
    for name in turns:
        letter, texts[name] = texts[name][:1], texts[name][1:]
        if letter:
            pieces.append(CallArguments("ab".index(name), letter))
    stream = thinker()
    told = stream.feed(Habit().write(pieces, "tool_calls"))
    assert [block["input"] for block in blocks(read(told))] == [{"x": 1}, {"y": 2}]


def sent_back(content: list[dict[str, Any]]) -> dict[str, Any]:
    """What these blocks are when a program sends them back as the assistant's turn; JSON as it was written by the backend."""
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": content}, {"role": "user", "content": "y"}]
    body = Messages().translate(json.dumps({"model": "m", "messages": turns}).encode(), IDENTITY).body
    message = json.loads(body)["messages"][1]
    for call in message.get("tool_calls", ()):
        call["function"]["arguments"] = json.dumps(json.loads(call["function"]["arguments"]))
    return {**message, "content": message["content"] or "", "reasoning_content": message.get("reasoning_content", "")} | {
        "tool_calls": message.get("tool_calls", [])
    }
