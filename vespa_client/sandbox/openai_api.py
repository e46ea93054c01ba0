"""The built-in model's answers in the shape of OpenAI's API: chat and completions, plain and streamed. Pure."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .reply import BadRequest, Cue, Part, Reply, Token, count_tokens, cut, read_whole
from .speech.chat_prompt import read_chat
from .speech.logprobs import of_chat, of_completion
from .speech.prompt import Message, Prompt, read_stops, read_switch

__all__ = ["MODEL", "ChatCompletion", "Completion", "Generation", "models", "read_inputs"]

_CHOICES_LIMIT = 128
_LOGPROBS_LIMIT = 20
MODEL = "sandbox"


def models() -> dict[str, Any]:
    """The list of models, in the fields of OpenAI and of Anthropic."""
    model = {
        "id": MODEL,
        "object": "model",
        "created": 0,
        "owned_by": "sandbox",
        "type": "model",
        "display_name": "The sandbox's stand-in",
        "created_at": "1970-01-01T00:00:00Z",
    }
    return {"object": "list", "data": [model], "has_more": False, "first_id": MODEL, "last_id": MODEL}


class Generation:
    """One request, read and answered: ``choices`` are the replies, in the order of their index.

    ``write`` makes the parts of the answer to a prompt. Raises :class:`BadRequest`.
    """

    kind = ""
    prefix = ""

    def __init__(
        self, body: dict[str, Any], prompts: Sequence[Prompt], limit: int | None, write: Callable[[Prompt], list[Part]]
    ) -> None:
        model = body.get("model", MODEL)
        if not isinstance(model, str):
            raise BadRequest("'model' must be a string.", "model")
        self.stream = read_switch(body, "stream")
        options = body.get("stream_options")
        if options is not None and not (self.stream and isinstance(options, dict)):
            raise BadRequest("'stream_options' must be an object, and needs 'stream': true.", "stream_options")
        self._with_usage = bool(options and options.get("include_usage"))
        count = read_whole(body, "n", 1, high=_CHOICES_LIMIT) or 1
        stops = read_stops(body, "stop")
        self.choices = [cut(write(replace(prompt, index=index)), limit, stops) for prompt in prompts for index in range(count)]
        self.usage = _usage(prompts, self.choices)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self._head = {"id": f"{self.prefix}-{digest[:24]}", "created": int(time.time()), "model": model}

    @property
    def longest(self) -> int:
        """How many tokens one after the other it takes: choices are generated side by side."""
        return max(len(choice.tokens) for choice in self.choices)

    @property
    def cues(self) -> list[Cue]:
        """What is to be done on the way. All choices have the same, at the same places."""
        return self.choices[0].cues

    def plain(self) -> dict[str, Any]:
        """The answer to a request that isn't streamed."""
        choices = [self._choice(index, choice) for index, choice in enumerate(self.choices)]
        return {**self._head, "object": self.kind, "choices": choices, "usage": self.usage}

    def events(self, pace: Callable[[Cue | None], None]) -> Iterator[bytes]:
        """The stream's events. ``pace`` is called before each round of tokens, one for each choice, and with each cue."""
        for index in range(len(self.choices)):
            yield from self._opening(index)
        for round_ in itertools.zip_longest(*(choice.steps for choice in self.choices)):
            cue = next((step for step in round_ if isinstance(step, Cue)), None)
            if cue is not None and cue.kind == "fail":
                # As vLLM does it.
                yield b"data: " + json.dumps(BadRequest(cue.name, None, cue.status).as_json()).encode() + b"\n\n"
                yield b"data: [DONE]\n\n"
                return
            if cue is not None:
                pace(cue)
            if any(isinstance(step, Token) for step in round_):
                pace(None)
            for index, step in enumerate(round_):
                if isinstance(step, Token):
                    yield from map(self._event, self._deltas(index, step))
        for index, choice in enumerate(self.choices):
            yield self._event(self._closing(index, choice.finish))
        if self._with_usage:
            yield self._event(None, self.usage)
        yield b"data: [DONE]\n\n"

    def _event(self, choice: dict[str, Any] | None, usage: dict[str, Any] | None = None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "object": self._chunk_kind, "choices": [choice] if choice else []}
        if self._with_usage:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    @property
    def _chunk_kind(self) -> str:
        return self.kind

    def _opening(self, index: int) -> Iterator[bytes]:
        yield from ()

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        raise NotImplementedError

    def _deltas(self, index: int, token: Token) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def _closing(self, index: int, finish: str) -> dict[str, Any]:
        raise NotImplementedError


class ChatCompletion(Generation):
    """``POST /v1/chat/completions``. ``reasoning_field`` is what the server calls the model's thoughts."""

    kind = "chat.completion"
    prefix = "chatcmpl"

    def __init__(
        self, body: dict[str, Any], write: Callable[[Prompt], list[Part]], reasoning_field: str = "reasoning_content"
    ) -> None:
        prompt = read_chat(body)
        self._reasoning_field = reasoning_field
        self._begun: set[tuple[int, int]] = set()
        with_logprobs = read_switch(body, "logprobs")
        top = read_whole(body, "top_logprobs", 0, low=0, high=_LOGPROBS_LIMIT) or 0
        if top and not with_logprobs:
            raise BadRequest("'top_logprobs' needs 'logprobs': true.", "top_logprobs")
        self._top = top if with_logprobs else None
        older = read_whole(body, "max_tokens", None)
        super().__init__(body, [prompt], read_whole(body, "max_completion_tokens", older), write)

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk"

    def _opening(self, index: int) -> Iterator[bytes]:
        yield self._event(self._delta(index, {"role": "assistant", "content": ""}))

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        calls = [
            {**self._call(index, number, reply.joined("call", number)), "type": "function"}
            for number in range(len(reply.calls))
        ]
        text = reply.text
        message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
        if reply.reasoning:
            message[self._reasoning_field] = reply.reasoning
        if calls:
            message["tool_calls"] = calls
        tokens = [token.text for token in reply.tokens if token.kind == "text"]
        return {"index": index, "message": message, "logprobs": self._logprobs(tokens), "finish_reason": reply.finish}

    def _deltas(self, index: int, token: Token) -> Iterator[dict[str, Any]]:
        if token.kind == "reasoning":
            yield self._delta(index, {self._reasoning_field: token.text})
        elif token.kind == "text":
            yield self._delta(index, {"content": token.text}, self._logprobs([token.text]))
        else:
            if (index, token.call) not in self._begun:
                self._begun.add((index, token.call))
                opening = {"index": token.call, **self._call(index, token.call, ""), "type": "function"}
                yield self._delta(index, {"tool_calls": [opening]})
            yield self._delta(index, {"tool_calls": [{"index": token.call, "function": {"arguments": token.text}}]})

    def _closing(self, index: int, finish: str) -> dict[str, Any]:
        return {**self._delta(index, {}), "finish_reason": finish}

    def _call(self, index: int, number: int, arguments: str) -> dict[str, Any]:
        call = self.choices[index].calls[number]
        return {"id": f"call_{call.place}", "function": {"name": call.name, "arguments": arguments}}

    def _delta(self, index: int, delta: dict[str, Any], logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}

    def _logprobs(self, tokens: list[str]) -> dict[str, Any] | None:
        return None if self._top is None else of_chat(tokens, self._top)


class Completion(Generation):
    """``POST /v1/completions``: a prompt, or a list of them, as text or as token numbers."""

    kind = "text_completion"
    prefix = "cmpl"

    def __init__(self, body: dict[str, Any], write: Callable[[Prompt], list[Part]]) -> None:
        texts, count = read_inputs(body, "prompt")
        self._top = read_whole(body, "logprobs", None, low=0, high=_LOGPROBS_LIMIT)
        self._said: dict[int, int] = {}
        seed = read_whole(body, "seed", None, low=-(2**63), high=2**63)
        prompts = [Prompt([Message("user", text)], str(body.get("model", "")), seed=seed) for text in texts]
        super().__init__(body, prompts, read_whole(body, "max_tokens", None), write)
        self.usage["total_tokens"] += count - self.usage["prompt_tokens"]
        self.usage["prompt_tokens"] = count

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        tokens = [token.text for token in reply.tokens if token.kind == "text"]
        return self._piece(index, tokens, 0, reply.finish)

    def _deltas(self, index: int, token: Token) -> Iterator[dict[str, Any]]:
        if token.kind == "text":
            offset = self._said.get(index, 0)
            self._said[index] = offset + len(token.text)
            yield self._piece(index, [token.text], offset, None)

    def _closing(self, index: int, finish: str) -> dict[str, Any]:
        return self._piece(index, [], self._said.get(index, 0), finish)

    def _piece(self, index: int, tokens: list[str], offset: int, finish: str | None) -> dict[str, Any]:
        logprobs = None if self._top is None else of_completion(tokens, self._top, offset)
        return {"index": index, "text": "".join(tokens), "logprobs": logprobs, "finish_reason": finish}


def _usage(prompts: Sequence[Prompt], choices: Sequence[Reply]) -> dict[str, Any]:
    asked = sum(prompt.tokens for prompt in prompts)
    tokens = [token for choice in choices for token in choice.tokens]
    return {
        "prompt_tokens": asked,
        "completion_tokens": len(tokens),
        "total_tokens": asked + len(tokens),
        "prompt_tokens_details": {"cached_tokens": sum(prompt.cached_tokens for prompt in prompts)},
        "completion_tokens_details": {"reasoning_tokens": sum(token.kind == "reasoning" for token in tokens)},
    }


def read_inputs(body: dict[str, Any], name: str) -> tuple[list[str], int]:
    """The texts in ``prompt`` or ``input``, and how many tokens they are together."""
    given = body.get(name)
    inputs = [given] if isinstance(given, str) or _are_tokens(given) else given
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest(f"'{name}' must be a string or a list that isn't empty.", name)
    texts, count = [], 0
    for item in inputs:
        if isinstance(item, str):
            texts.append(item)
            count += count_tokens([item])
        elif _are_tokens(item):
            texts.append("tokens " + " ".join(map(str, item)))
            count += len(item)
        else:
            raise BadRequest(f"'{name}' must hold strings, or lists of token numbers.", name)
    return texts, count


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)
