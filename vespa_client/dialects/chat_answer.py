"""A chat completion, plain or the chunk of a stream, read into pieces that don't show which backend wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..errors import AnswerNotUnderstood
from .chat_calls import CallArguments, Calls, CallStart, odd
from .chat_error import Failure, is_error, read_error
from .json_text import load

__all__ = [
    "CallArguments",
    "CallStart",
    "ChatAnswer",
    "Done",
    "Piece",
    "Reasoning",
    "Refusal",
    "Start",
    "Text",
    "Usage",
    "read_whole",
]

MAX_ANSWER = 64 * 1024 * 1024
"""How much memory the pieces of an answer may take, in bytes: a dialect may have to say all of it again at the end."""

# What a short text takes in memory beside its characters.
_PIECE_OVERHEAD = 64
_LOGPROB_OVERHEAD = 512

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
_REASONS: dict[str, FinishReason] = {
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
}
# An answer that was cut short is never whole, whatever else is said about its end.
_WEIGHT = {"stop": 0, "tool_calls": 1, "length": 2, "content_filter": 3}
# Of vLLM and SGLang, TensorRT-LLM, and DeepSeek.
_BROKEN_OFF = frozenset({"abort", "aborted", "cancelled", "canceled", "error", "insufficient_system_resource", "timeout"})


@dataclass(frozen=True, slots=True)
class Start:
    """The first piece: the backend has begun. What it says of the whole answer stands in :class:`ChatAnswer`."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text of the answer, empty only where there are ``logprobs``: OpenAI's objects, there only if they were asked for."""

    text: str
    logprobs: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Text of what the model thought before it answered."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Text that says why the model doesn't answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The last piece of an answer that is whole: usage and finish reason are those of :class:`ChatAnswer`."""


Piece = Start | Text | Reasoning | Refusal | CallStart | CallArguments | Done | Failure


class Usage(NamedTuple):
    """Counted tokens. ``cached`` is part of ``input``, ``reasoning`` of ``output``; None is what the backend didn't count."""

    input: int
    output: int
    cached: int | None = None
    reasoning: int | None = None


class ChatAnswer:
    """What a backend answers, read into pieces, and what it says of the answer as a whole.

    ``finish_reason`` is None until one came; then it is the gravest of them, and ``tool_calls`` where there are calls.
    ``stopped_by`` is the stop sequence that was found, where the backend says so.
    """

    def __init__(self, token: str) -> None:
        """``token`` is what the ids of calls are made of that have none."""
        self.model = ""
        self.created: int | None = None
        self.service_tier: str | None = None
        self.usage: Usage | None = None
        self.stopped_by: str | None = None
        self.wants_logprobs = False
        """Whether :class:`Text` has them: a backend may send what nobody asked for."""
        self.has_begun = False
        self._reason: FinishReason | None = None
        self._calls = Calls(token, self._text)
        self._size = 0

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the model stopped."""
        if self._reason in ("stop", "tool_calls"):
            return "tool_calls" if self._calls else "stop"
        return self._reason

    def read_completion(self, body: bytes | bytearray) -> Iterator[Piece]:
        """The pieces of a plain chat completion. Raises :class:`AnswerNotUnderstood`."""
        try:
            value = load(body)
        except ValueError as wrong:
            raise AnswerNotUnderstood(f"The worker's answer is no JSON: {wrong}.") from None
        if not isinstance(value, dict):
            raise AnswerNotUnderstood("The worker's answer is no JSON object.")
        if not is_error(value) and not value.get("choices"):
            raise AnswerNotUnderstood("The worker's answer is no chat completion: it has no choices.")
        for piece in self.read(value, "message"):
            yield piece
            if isinstance(piece, Failure):
                return
        yield from self.finish()

    def finish(self) -> Iterator[Piece]:
        """The last piece, where the backend says that this is all: without a finish reason it is taken to have stopped.

        Raises :class:`AnswerNotUnderstood` where a call has no name, or nothing came at all.
        """
        if not self.has_begun:
            raise AnswerNotUnderstood("The worker's stream has no chat completion in it.")
        if self._calls.lack_a_name:
            raise AnswerNotUnderstood("The worker's answer has a tool call without a name.")
        if self._reason is None:
            self._reason = "stop"
        yield Done()

    def read(self, value: dict[str, Any], part: Literal["delta", "message"]) -> Iterator[Piece]:
        """The pieces of a chunk, whose choices have a ``delta``, or of a completion, whose choices have a ``message``.

        Raises :class:`AnswerNotUnderstood`.
        """
        choices = value.get("choices")
        if not choices and is_error(value):
            yield read_error(value, 500)
            return
        self._note(value)
        if not self.has_begun:
            self.has_begun = True
            yield Start()
        if not choices:
            return
        if not isinstance(choices, list):
            raise odd("choices", choices)
        for choice in choices:
            if not isinstance(choice, dict):
                raise odd("a choice", choice)
            if not choice.get("index"):  # a second answer to the same question was never asked for
                yield from self._choice(choice, part)
        if is_error(value):
            yield read_error(value, 500)

    def _note(self, value: dict[str, Any]) -> None:
        model, tier, created = value.get("model"), value.get("service_tier"), value.get("created")
        if model and isinstance(model, str):
            self.model = model
        if tier and isinstance(tier, str):
            self.service_tier = tier
        if isinstance(created, int):
            self.created = created
        usage = value.get("usage")
        if usage:
            self.usage = _usage(usage) or self.usage

    def _choice(self, choice: dict[str, Any], part: str) -> Iterator[Piece]:
        said = choice.get(part)
        if said is None:
            said = choice.get("message")  # a stream of one chunk, which is the completion
        logprobs = self._logprobs(choice.get("logprobs")) if self.wants_logprobs else None
        if said:
            if not isinstance(said, dict):
                raise odd(f"the {part}", said)
            yield from self._said(said, logprobs)
        reason = choice.get("finish_reason")
        if reason is None or reason == "":
            return
        if not isinstance(reason, str):
            raise odd("finish_reason", reason)
        if reason in _BROKEN_OFF:
            yield Failure(502, "", f"The model server broke the answer off (finish_reason {reason!r}).")
            return
        stopped_by = choice.get("stop_reason") or choice.get("matched_stop")  # vLLM's name, SGLang's; a token may have no text
        if isinstance(stopped_by, str):
            self.stopped_by = stopped_by
        found = _REASONS.get(reason, "stop")
        if self._reason is None or _WEIGHT[found] > _WEIGHT[self._reason]:
            self._reason = found

    def _said(self, said: dict[str, Any], logprobs: list[dict[str, Any]] | None) -> Iterator[Piece]:
        # vLLM has had both names, and for a time each chunk said the same under both.
        reasoning = said.get("reasoning_content") or said.get("reasoning")
        if reasoning:
            yield Reasoning(self._text(reasoning, "reasoning"))
        content = said.get("content")
        if isinstance(content, list):
            yield from self._parts(content)
        elif content or logprobs:
            yield Text(self._text(content or "", "content"), logprobs)
        refusal = said.get("refusal")
        if refusal:
            yield Refusal(self._text(refusal, "refusal"))
        calls = said.get("tool_calls")
        if calls:
            yield from self._calls.read(calls)
        elif said.get("function_call"):
            yield from self._calls.read([{"index": 0, "function": said["function_call"]}])

    def _parts(self, parts: list[Any]) -> Iterator[Piece]:
        """Content in parts, as Mistral's models have it: text, and thinking with parts of its own."""
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind in ("text", "output_text"):
                if part.get("text"):
                    yield Text(self._text(part["text"], "text"))
            elif kind == "thinking":
                inner = part.get("thinking")
                for one in inner if isinstance(inner, list) else [{"text": inner}]:
                    if isinstance(one, dict) and one.get("text"):
                        yield Reasoning(self._text(one["text"], "thinking"))
            else:
                raise odd("a part of the content", part)

    def _logprobs(self, said: object) -> list[dict[str, Any]] | None:
        content = said.get("content") if isinstance(said, dict) else None
        if not isinstance(content, list):
            return None
        tokens = [one for one in content if isinstance(one, dict)]
        for token in tokens:
            top = token.get("top_logprobs")
            self._grow(_LOGPROB_OVERHEAD * (1 + (len(top) if isinstance(top, list) else 0)))
        return tokens or None

    def _text(self, value: object, of: str) -> str:
        if not isinstance(value, str):
            raise odd(of, value)
        self._grow(len(value) + _PIECE_OVERHEAD)
        return value

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_ANSWER:
            raise AnswerNotUnderstood(f"The worker's answer takes more than {MAX_ANSWER} bytes.")


def read_whole(body: bytes | bytearray, token: str, *, wants_logprobs: bool = False) -> tuple[ChatAnswer, list[Piece]]:
    """A plain chat completion, all of it. Raises :class:`AnswerNotUnderstood`, also where it is an error."""
    answer = ChatAnswer(token)
    answer.wants_logprobs = wants_logprobs
    pieces = list(answer.read_completion(body))
    for piece in pieces:
        if isinstance(piece, Failure):
            raise AnswerNotUnderstood(f"The worker's answer is an error: {piece.message}")
    return answer, pieces


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        _count(usage.get("prompt_tokens")) or 0,
        _count(usage.get("completion_tokens")) or 0,
        # DeepSeek has it beside the other counts.
        _count(prompt.get("cached_tokens") if isinstance(prompt, dict) else usage.get("prompt_cache_hit_tokens")),
        # SGLang has it beside the other counts.
        _count(completion.get("reasoning_tokens") if isinstance(completion, dict) else usage.get("reasoning_tokens")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
