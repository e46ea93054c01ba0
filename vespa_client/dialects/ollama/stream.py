"""A streamed chat completion as Ollama's lines; and a plain one, which is a stream of one line."""

from __future__ import annotations

from typing import Any

from ...errors import AnswerNotUnderstood
from ..chat_answer import CallArguments, CallStart, ChatAnswer, Piece, Reasoning, Refusal, Text
from ..chat_error import Failure
from ..dialect import Identity, StreamTranslator
from ..json_text import dump
from .lines import Lines, tool_call

__all__ = ["OllamaStream", "whole_answer"]


class _Calls:
    """The tool calls that were begun and not told. Ollama tells them whole: each when another begins, or at the end."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[CallStart, list[str]]] = {}

    def add(self, piece: CallStart | CallArguments) -> None:
        """A call, or more of one."""
        if isinstance(piece, CallStart):
            self._open[piece.position] = (piece, [])
        elif piece.position in self._open:
            self._open[piece.position][1].append(piece.arguments)
        elif not piece.arguments.isspace():
            raise AnswerNotUnderstood("The worker's answer goes on with the arguments of a tool call that were whole.")

    def take_last(self) -> list[dict[str, Any]]:
        """The call that began last, if it is whole and has arguments: else it may take turns with others, and has to wait."""
        position = next(reversed(self._open), None)
        if position is None or not self._open[position][1]:
            return []
        call, arguments = self._open[position]
        try:
            told = tool_call(position, call.id, call.name, "".join(arguments))
        except ValueError:
            return []
        del self._open[position]
        return [told]

    def take_all(self, answer: ChatAnswer) -> list[dict[str, Any]]:
        """All calls, at the answer's end. Where the model had to stop early, half a call is left out.

        Raises :class:`AnswerNotUnderstood` where another is half.
        """
        told = []
        for position, (call, arguments) in sorted(self._open.items()):
            try:
                told.append(tool_call(position, call.id, call.name, "".join(arguments)))
            except ValueError as wrong:
                if answer.finish_reason != "length":
                    raise AnswerNotUnderstood(
                        f"The worker's answer calls the tool {call.name} with arguments that can't be read: {wrong}."
                    ) from None
        return told


class OllamaStream(StreamTranslator):
    """Tells an answer in lines."""

    content_type = "application/x-ndjson"

    def __init__(self, identity: Identity, lines: Lines, *, shows_thinking: bool, wants_logprobs: bool) -> None:
        super().__init__(identity)
        self._chat.wants_logprobs = wants_logprobs
        self._lines = lines
        self._shows_thinking = shows_thinking
        self._calls = _Calls()

    def ping(self) -> bytes:
        """A line without a word: Ollama has no other sign of life."""
        return b"" if self.is_over else self._lines.text("")

    def _say(self, piece: Piece) -> bytes:
        self._lines.note_first()
        if isinstance(piece, Text):
            if piece.logprobs:
                return self._lines.more(text=piece.text, logprobs=piece.logprobs)
            return self._lines.text(piece.text)
        if isinstance(piece, Refusal):
            return self._lines.text(piece.text)
        if isinstance(piece, Reasoning):
            return self._lines.more(thinking=piece.text) if self._shows_thinking else b""
        if isinstance(piece, CallStart):
            told = self._calls.take_last()
            self._calls.add(piece)
            return self._lines.more(tool_calls=told) if told else b""
        if isinstance(piece, CallArguments):
            self._calls.add(piece)
        return b""

    def _close(self) -> bytes:
        told = self._calls.take_all(self._chat)
        return (self._lines.more(tool_calls=told) if told else b"") + self._lines.last(self._chat)

    def _say_failure(self, failure: Failure) -> bytes:
        return dump({"error": failure.message}) + b"\n"


def whole_answer(answer: ChatAnswer, pieces: list[Piece], lines: Lines, *, shows_thinking: bool) -> bytes:
    """The one object that says all of an answer. Raises :class:`AnswerNotUnderstood`."""
    calls = _Calls()
    for piece in pieces:
        if isinstance(piece, CallStart | CallArguments):
            calls.add(piece)
    return lines.last(
        answer,
        text="".join(piece.text for piece in pieces if isinstance(piece, Text | Refusal)),
        thinking="".join(piece.text for piece in pieces if isinstance(piece, Reasoning)) if shows_thinking else "",
        tool_calls=calls.take_all(answer),
        logprobs=[one for piece in pieces if isinstance(piece, Text) for one in piece.logprobs or ()],
    )
