"""What the built-in model is asked, whichever API it was asked by. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..reply import BadRequest, count_tokens

__all__ = ["Message", "Prompt", "Tool", "count_value", "describe_image", "read_stops", "read_switch"]

_DATA_LENGTH = 4 / 3


@dataclass(frozen=True)
class Message:
    """One message: its text, images as a word about each, and the ids of the calls that it makes or answers."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    call_ids: tuple[str, ...] = ()
    more: str = ""
    """What counts as tokens beside the text: the calls and their arguments, earlier reasoning."""

    @property
    def tokens(self) -> int:
        """How many tokens it is."""
        return count_tokens([self.text, self.more])


@dataclass(frozen=True)
class Tool:
    """A tool that may be called, and the schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Prompt:
    """A request's question. ``choice`` says what is to be done with the tools: a tool's name means that one.

    ``schema`` is what the answer must be a sample of: a JSON schema, or None for free text. ``index`` numbers the
    answers where several are wanted.
    """

    messages: Sequence[Message]
    model: str = ""
    tools: Sequence[Tool] = ()
    choice: str | Literal["auto", "none", "required"] = "auto"
    parallel: bool = True
    schema: Any = None
    thinks: bool = False
    seed: int | None = None
    index: int = 0
    tools_tokens: int = field(default=0)

    @property
    def asked(self) -> str:
        """The latest that the user said; where there is no user, the last message."""
        said = [message.text for message in self.messages if message.role == "user"]
        return (said or [self.messages[-1].text])[-1]

    @property
    def results(self) -> list[str]:
        """What the tools have answered in the whole conversation, oldest first."""
        return [message.text for message in self.messages if message.role == "tool"]

    @property
    def latest_results(self) -> list[str]:
        """What the tools have answered since anybody else said something."""
        found: list[str] = []
        for message in reversed(self.messages):
            if message.role != "tool":
                break
            found.insert(0, message.text)
        return found

    @property
    def tokens(self) -> int:
        """How many tokens the question is."""
        return sum(message.tokens for message in self.messages) + self.tools_tokens

    @property
    def cached_tokens(self) -> int:
        """How many of them came before: up to the model's own latest message, as a server with a prefix cache has them."""
        own = [index for index, message in enumerate(self.messages) if message.role == "assistant"]
        if not own:
            return 0
        return sum(message.tokens for message in self.messages[: own[-1] + 1]) + self.tools_tokens


def describe_image(url: Any, param: str) -> str:
    """A word about an image: its type and size, or its address. :class:`BadRequest` for what is neither."""
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return f"[image: {url}]"
    if not isinstance(url, str) or not url.startswith("data:") or ";base64," not in url:
        raise BadRequest(f"'{param}' must be an http(s) URL, or a data: URL in base64.", param)
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    size = int(len(data.rstrip("=")) / _DATA_LENGTH)
    return f"[image: {kind}, {size} byte{'s' * (size != 1)}]"


def read_switch(body: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """True or false, as the request says. :class:`BadRequest` for anything else."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"'{name}' must be true or false.", name)
    return value


def read_stops(body: Mapping[str, Any], name: str) -> list[str]:
    """The texts that end an answer: one, or a list of them. :class:`BadRequest` for anything else."""
    stops = body.get(name)
    stops = [] if stops is None else [stops] if isinstance(stops, str) else stops
    if not isinstance(stops, list) or len(stops) > 16 or not all(isinstance(stop, str) for stop in stops):
        raise BadRequest(f"'{name}' must be a string or a list of strings.", name)
    return stops


def count_value(value: Any) -> int:
    """How many tokens a JSON value is, written out."""
    return count_tokens([json.dumps(value)]) if value else 0
