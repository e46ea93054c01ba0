"""One answer, as different model servers write it: their habits, and the answers to write in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from vespa_client.dialects.chat_answer import CallArguments, CallStart, Piece, Reasoning, Refusal, Text

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


@dataclass(frozen=True)
class Habit:
    """How a model server writes its stream."""

    line_end: str = "\n"
    role: str = "once"  # once, each, never
    nulls: bool = False
    usage: str = "last"  # last, each, never
    empty_choices: bool = False
    with_index: bool = True
    reasoning: str = "reasoning_content"
    comments: bool = False
    done: bool = True
    finishes: int = 1
    space: bool = True

    def write(self, pieces: Sequence[Piece], finish_reason: str = "stop") -> bytes:
        chunks = list(self._chunks(pieces, finish_reason))
        lines = []
        for chunk in chunks:
            if self.comments:
                lines.append(": keep-alive")
            lines += ["data:" + (" " if self.space else "") + json.dumps(chunk), ""]
        if self.done:
            lines += ["data: [DONE]", ""]
        return self.line_end.join([*lines, ""]).encode()

    def _chunks(self, pieces: Sequence[Piece], finish_reason: str) -> Iterator[dict[str, Any]]:
        if self.empty_choices:
            yield self._chunk([])
        if self.role == "once":
            yield self._choice({"role": "assistant", "content": "" if self.nulls else None})
        for piece in pieces:
            yield self._choice(self._delta(piece))
        for _ in range(self.finishes):
            yield self._choice({}, finish_reason)
        if self.usage == "last":
            yield {**self._chunk([]), "usage": USAGE}

    def _delta(self, piece: Piece) -> dict[str, Any]:
        delta: dict[str, Any] = {"role": "assistant"} if self.role == "each" else {}
        if self.nulls:
            delta |= {"content": None, "reasoning_content": None, "tool_calls": None, "refusal": None}
        if isinstance(piece, Text):
            delta["content"] = piece.text
        elif isinstance(piece, Reasoning):
            for name in ("reasoning_content", "reasoning") if self.reasoning == "both" else (self.reasoning,):
                delta[name] = piece.text
        elif isinstance(piece, Refusal):
            delta["refusal"] = piece.text
        elif isinstance(piece, CallStart):
            delta["tool_calls"] = [self._call(piece.position, id=piece.id, function={"name": piece.name, "arguments": ""})]
        elif isinstance(piece, CallArguments):
            delta["tool_calls"] = [self._call(piece.position, function={"arguments": piece.arguments})]
        return delta

    def _call(self, position: int, **members: Any) -> dict[str, Any]:
        return {"index": position, "type": "function", **members} if self.with_index else members

    def _choice(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        chunk = self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}])
        if self.usage == "each":
            chunk["usage"] = USAGE
        return chunk

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 5,
            "model": "served",
            "choices": choices,
            "usage": None,
        }


VLLM = Habit(role="once", nulls=False, usage="last")
SGLANG = Habit(role="each", nulls=True, usage="each")
LLAMA_CPP = Habit(role="once", empty_choices=False, comments=True)

habits = st.builds(
    Habit,
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    role=st.sampled_from(["once", "each", "never"]),
    nulls=st.booleans(),
    usage=st.sampled_from(["last", "each", "never"]),
    empty_choices=st.booleans(),
    with_index=st.booleans(),
    reasoning=st.sampled_from(["reasoning", "reasoning_content", "both"]),
    comments=st.booleans(),
    done=st.booleans(),
    finishes=st.integers(1, 3),
    space=st.booleans(),
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def call(position: int, name: str, arguments: str) -> list[Piece]:
    """A call whose arguments come letter by letter."""
    return [CallStart(position, f"call_{position}", name), *(CallArguments(position, letter) for letter in arguments)]


@st.composite
def answers(draw: st.DrawFn, names: Sequence[str] = ("look_up", "apply_patch")) -> list[Piece]:
    """What a model may say: thoughts, then text or a refusal, then calls."""
    pieces: list[Piece] = [Reasoning(text) for text in draw(st.lists(texts, max_size=3))]
    pieces += [Text(text) for text in draw(st.lists(texts, max_size=4))]
    pieces += [Refusal(text) for text in draw(st.lists(texts, max_size=1))]
    for position, text in enumerate(draw(st.lists(texts, max_size=3))):
        pieces += call(position, draw(st.sampled_from(names)), json.dumps({"input": text}))
    return pieces


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, with what follows on its own kind put together."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if isinstance(piece, Text | Reasoning | Refusal) and type(last) is type(piece):
            result[-1] = type(piece)(last.text + piece.text)  # type: ignore[union-attr]
        elif isinstance(piece, CallArguments) and isinstance(last, CallArguments) and last.position == piece.position:
            result[-1] = CallArguments(piece.position, last.arguments + piece.arguments)
        else:
            result.append(piece)
    return result


cuts = st.lists(st.integers(0, 6000), max_size=12)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The bytes in pieces."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def letters(data: bytes) -> list[bytes]:
    """The bytes, one by one."""
    return [bytes([byte]) for byte in data]
