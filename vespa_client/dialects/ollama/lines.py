"""Ollama's answers: JSON objects that say more of the answer, the last of them how it ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ...errors import AnswerNotUnderstood
from ..chat_answer import ChatAnswer
from ..dialect import Identity
from ..json_text import dump, load

__all__ = ["Clock", "Lines", "timestamp", "tool_call"]

Clock = Callable[[], int]
"""Nanoseconds since any point of time."""

_REASONS = {"content_filter": "content_filter", "length": "length"}


class Lines:
    """Writes the objects of one answer, each on a line of its own.

    Durations are told where there is a clock, from when the request was translated; the model's loading took none of them.
    """

    def __init__(self, model: str, identity: Identity, *, is_chat: bool, clock: Clock | None) -> None:
        """``is_chat`` says whose words they are, those of ``/api/chat`` or ``/api/generate``."""
        self._is_chat = is_chat
        self._clock = clock
        self._began = clock() if clock else 0
        self._first = 0
        self._head = {"model": model, "created_at": timestamp(identity.created)}
        self._before, _, self._after = self._line({"done": False}).rpartition(b'""')

    def text(self, text: str) -> bytes:
        """More of the text."""
        return self._before + dump(text) + self._after

    def more(self, **said: Any) -> bytes:
        """More of the answer: ``text``, ``thinking``, ``tool_calls``, ``logprobs``."""
        return self._line({"done": False}, **said)

    def last(self, answer: ChatAnswer, **said: Any) -> bytes:
        """How ``answer`` ended, with what it says and hasn't been said."""
        ending: dict[str, Any] = {"done": True, "done_reason": _REASONS.get(answer.finish_reason or "", "stop")}
        if self._clock:
            self.note_first()
            now = self._clock()
            ending |= {"total_duration": now - self._began, "load_duration": 0}
            ending |= {"prompt_eval_duration": self._first - self._began, "eval_duration": now - self._first}
        if answer.usage:
            ending |= {"prompt_eval_count": answer.usage.input, "eval_count": answer.usage.output}
        return self._line(ending, **said)

    def loaded(self, *, is_unloaded: bool) -> bytes:
        """The answer to who says nothing, and means that the model should be loaded, or go."""
        return self._line({"done": True, "done_reason": "unload" if is_unloaded else "load"})

    def note_first(self) -> None:
        """Note that the answer begins now."""
        if self._clock and not self._first:
            self._first = self._clock()

    def _line(
        self,
        ending: dict[str, Any],
        text: str = "",
        thinking: str = "",
        tool_calls: list[dict[str, Any]] | None = None,
        logprobs: list[dict[str, Any]] | None = None,
    ) -> bytes:
        said: dict[str, Any] = {"role": "assistant", "content": text} if self._is_chat else {"response": text}
        if thinking:
            said["thinking"] = thinking
        if tool_calls:
            said["tool_calls"] = tool_calls
        line = {**self._head, **({"message": said} if self._is_chat else said), **ending}
        if logprobs:
            line["logprobs"] = logprobs
        try:
            return dump(line) + b"\n"
        except ValueError as wrong:
            raise AnswerNotUnderstood(f"The worker's answer can't be translated: {wrong}.") from None


def timestamp(created: int) -> str:
    """A time in seconds since 1970 as Ollama writes it (RFC 3339)."""
    return f"{datetime.fromtimestamp(created, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def tool_call(position: int, id: str, name: str, arguments: str) -> dict[str, Any]:
    """Ollama's object for a tool call. Raises ValueError where the arguments aren't a JSON object, or only half of one."""
    value = load(arguments) if arguments.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    return {"id": id, "function": {"index": position, "name": name, "arguments": value}}
