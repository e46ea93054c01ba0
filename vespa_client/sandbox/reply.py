"""What an answer of the built-in model consists of, and how it counts: one tokenizer for what goes in and comes out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["BadRequest", "Call", "Cue", "Part", "Reply", "Say", "Token", "count_tokens", "cut", "read_whole", "tokenize"]

# By status, what the two APIs call it: Anthropic's word for the type is OpenAI's too where it has one.
_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("not_found_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    413: ("request_too_large", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("api_error", "internal_error"),
    529: ("overloaded_error", None),
}
_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s+")


class BadRequest(Exception):
    """The request's mistake, or the error that it asked for, as the model's API tells it."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status

    def as_json(self) -> dict[str, Any]:
        """The error in the fields of OpenAI and of Anthropic, whose is the outer type: both SDKs find theirs."""
        kind, code = _ERRORS.get(self.status, _ERRORS[400 if self.status < 500 else 500])
        error = {"message": str(self), "type": kind, "param": self.param, "code": code}
        return {"type": "error", "error": error}


@dataclass(frozen=True)
class Say:
    """Something to be said, or thought."""

    text: str
    kind: Literal["text", "reasoning"] = "text"


@dataclass(frozen=True)
class Call:
    """A tool to be called. ``arguments`` is their JSON as text; ``place`` becomes a part of the call's id."""

    name: str
    arguments: str
    place: str


@dataclass(frozen=True)
class Cue:
    """Something to be done between two tokens.

    ``hold``: be silent until the place of that name is released; ``pause``: for that many seconds; ``break``: the
    connection ends, by RST where ``name`` is "reset"; ``fail``: an error of that ``status``, whose message is ``name``, which
    in a stream is an event and its end.
    """

    kind: Literal["hold", "pause", "break", "fail"]
    name: str = ""
    seconds: float = 0.0
    status: int = 0


Part = Say | Call | Cue


@dataclass(frozen=True)
class Token:
    """One token. ``call`` is the number of the call whose arguments it belongs to."""

    text: str
    kind: Literal["text", "reasoning", "call"]
    call: int = 0


@dataclass(frozen=True)
class Reply:
    """The answer, token by token, with the cues between them. ``stop`` is the stop text that ended it, if one did.

    ``calls`` are the tools that are called, in the order of their numbers; what of their arguments is said is in the
    tokens.
    """

    steps: tuple[Token | Cue, ...]
    calls: tuple[Call, ...]
    finish: Literal["stop", "length", "tool_calls"]
    stop: str | None = None

    @property
    def tokens(self) -> list[Token]:
        """The tokens alone."""
        return [step for step in self.steps if isinstance(step, Token)]

    @property
    def cues(self) -> list[Cue]:
        """The cues alone."""
        return [step for step in self.steps if isinstance(step, Cue)]

    @property
    def text(self) -> str:
        """What is said, joined."""
        return self.joined("text")

    @property
    def reasoning(self) -> str:
        """What is thought, joined."""
        return self.joined("reasoning")

    def joined(self, kind: Literal["text", "reasoning", "call"], call: int = 0) -> str:
        """The tokens of that kind, joined: of the arguments, those of the call of that number."""
        return "".join(token.text for token in self.tokens if token.kind == kind and token.call == call)


def tokenize(text: str) -> list[str]:
    """The text's tokens, which joined are the text: up to eight letters with the space before them, or one sign."""
    return _TOKEN.findall(text)


def count_tokens(texts: Iterable[str]) -> int:
    """How many tokens the texts are together."""
    return sum(len(tokenize(text)) for text in texts)


def cut(parts: Sequence[Part], limit: int | None, stops: Sequence[str]) -> Reply:
    """The parts as a reply: at most ``limit`` tokens, and nothing from the first of ``stops`` in the text on."""
    text = "".join(part.text for part in parts if isinstance(part, Say) and part.kind == "text")
    end, stop = min(((text.index(stop), stop) for stop in stops if stop and stop in text), default=(len(text), None))
    steps: list[Token | Cue] = []
    left = limit
    for step in _steps(parts, end if stop is not None else None):
        if isinstance(step, Token) and left is not None:
            if not left:
                return _reply(parts, steps, "length")
            left -= 1
        steps.append(step)
    return _reply(parts, steps, "stop", stop)


def _reply(
    parts: Sequence[Part], steps: list[Token | Cue], finish: Literal["stop", "length"], stop: str | None = None
) -> Reply:
    begun = 1 + max((step.call for step in steps if isinstance(step, Token) and step.kind == "call"), default=-1)
    calls = tuple(part for part in parts if isinstance(part, Call))[:begun]
    return Reply(tuple(steps), calls, "tool_calls" if calls and finish == "stop" else finish, stop)


def _steps(parts: Sequence[Part], end: int | None) -> Iterator[Token | Cue]:
    """Token by token, up to where ``end`` letters of text have been said."""
    calls = 0
    for part in parts:
        if isinstance(part, Cue):
            yield part
        elif isinstance(part, Call):
            for text in tokenize(part.arguments) or [""]:
                yield Token(text, "call", calls)
            calls += 1
        else:
            said = part.text if part.kind == "reasoning" or end is None else part.text[:end]
            for text in tokenize(said):
                yield Token(text, part.kind)
            if part.kind == "text" and end is not None:
                end -= len(said)
                if not end:
                    return


def read_whole(body: dict[str, Any], name: str, default: int | None, low: int = 1, high: int = 2**31) -> int | None:
    """A whole number of the request. :class:`BadRequest` for what is none, or is out of bounds."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadRequest(f"'{name}' must be a whole number from {low} to {high}.", name)
    return value
