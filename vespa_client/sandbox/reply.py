"""What the built-in model says, and how it counts: one tokenizer for what goes in and what comes out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["BadRequest", "Reply", "count_tokens", "read_whole", "tokenize", "write_reply"]

_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s+")
_LONGEST_QUOTE = 2000


class BadRequest(Exception):
    """The request's mistake, as the model's API tells it."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


@dataclass(frozen=True)
class Reply:
    """The reply as tokens. ``stop`` is the stop text that ended it, if one did."""

    tokens: tuple[str, ...]
    finish: Literal["stop", "length"]
    stop: str | None = None

    @property
    def text(self) -> str:
        """The tokens, joined."""
        return "".join(self.tokens)


def tokenize(text: str) -> list[str]:
    """The text's tokens, which joined are the text: up to eight letters with the space before them, or one sign."""
    return _TOKEN.findall(text)


def count_tokens(texts: Iterable[str]) -> int:
    """How many tokens the texts are together."""
    return sum(len(tokenize(text)) for text in texts)


def write_reply(question: str, limit: int | None, stops: Sequence[str]) -> Reply:
    """The reply to ``question``: at most ``limit`` tokens, and nothing from the first of ``stops`` on."""
    quote = question if len(question) <= _LONGEST_QUOTE else question[:_LONGEST_QUOTE] + "…"
    text = "I am the sandbox's stand-in, not a real model. " + (f"You said: {quote}" if quote else "You said nothing.")
    places = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    stopped_by = None
    if places:
        end, stopped_by = min(places)
        text = text[:end]
    tokens = tokenize(text)
    if limit is not None and limit < len(tokens):
        return Reply(tuple(tokens[:limit]), "length")
    return Reply(tuple(tokens), "stop", stopped_by)


def read_whole(body: dict[str, Any], name: str, default: int | None, low: int = 1, high: int = 2**31) -> int | None:
    """A whole number of the request. :class:`BadRequest` for what is none, or is out of bounds."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadRequest(f"'{name}' must be a whole number from {low} to {high}.", name)
    return value
