"""A streamed chat completion as the events of Anthropic's stream of a message."""

from __future__ import annotations

from typing import Any

from ...errors import AnswerNotUnderstood
from ..chat_answer import CallArguments, CallStart, Piece, Reasoning, Refusal, Text
from ..chat_error import Failure
from ..dialect import Identity, StreamTranslator
from ..events import encode_event
from ..json_text import dump, load
from .answer import SIGNATURE, ending, message_of, usage_of
from .errors import error_body

__all__ = ["PING", "MessageStream"]

PING = encode_event(b"ping", b'{"type":"ping"}')
"""Anthropic's own sign of life."""
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%s_delta","%s":%s}}\n\n'


class _Call:
    """A tool call's block that is open."""

    __slots__ = ("arguments", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.arguments: list[str] = []

    def is_whole(self) -> bool:
        """Whether its arguments are whole as far as they came. It takes reading all of them."""
        try:
            load("".join(self.arguments))
        except ValueError:
            return False
        return True


class MessageStream(StreamTranslator):
    """Tells an answer in a message's events, from ``message_start`` to ``message_stop``.

    One block is open at a time, as with Anthropic, unless a backend lets tool calls take turns: a call whose arguments aren't
    whole when another begins stays open until the end, so that nobody runs half of it.
    """

    def __init__(self, identity: Identity, model: str, stops: list[str], *, shows_thinking: bool) -> None:
        """``model`` and ``stops``, the stop sequences, are those that were asked for."""
        super().__init__(identity)
        self._token = identity.token
        self._model = model
        self._stops = stops
        self._shows_thinking = shows_thinking
        self._blocks = 0
        self._open = ""  # the kind of the text or thinking block that is open, the last of them all
        self._calls: dict[int, _Call] = {}  # those that are open, by their position
        self._last_call = -1  # the position of the call whose block is the last of them all
        self._refusal: list[str] = []

    def ping(self) -> bytes:
        return b"" if self.is_over else PING

    def _say(self, piece: Piece) -> bytes:
        if isinstance(piece, Text):
            return self._text("text", piece.text)
        if isinstance(piece, CallArguments):
            return self._arguments(piece)
        if isinstance(piece, Reasoning):
            return self._text("thinking", piece.text) if self._shows_thinking else b""
        if isinstance(piece, CallStart):
            return self._call(piece)
        if isinstance(piece, Refusal):
            self._refusal.append(piece.text)
            return self._text("text", piece.text)
        return self._start()

    def _close(self) -> bytes:
        if self._chat.finish_reason != "length" and any(
            call.arguments and not call.is_whole() for call in self._calls.values()
        ):
            raise AnswerNotUnderstood("The worker's answer has a tool call whose arguments are no JSON, or only half of it.")
        blocks = self._end_text() + b"".join(_stop(call.index) for call in self._calls.values())
        delta = ending(self._chat, self._stops, "".join(self._refusal))
        return blocks + _event("message_delta", delta=delta, usage=usage_of(self._chat.usage)) + _event("message_stop")

    def _say_failure(self, failure: Failure) -> bytes:
        return encode_event(b"error", error_body(failure.status, failure.code, failure.message, failure.param))

    def _start(self) -> bytes:
        end = {"stop_reason": None, "stop_sequence": None}
        return _event("message_start", message=message_of(self._token, self._model, [], end, self._chat.usage))

    def _text(self, kind: str, text: str) -> bytes:
        if not text:
            return b""
        begin = b""
        if self._open != kind:
            begin = self._begin({"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {}))
            self._open = kind
        name = kind.encode()
        return begin + _DELTA % (self._blocks - 1, name, name, dump(text))

    def _call(self, start: CallStart) -> bytes:
        begin = self._begin({"type": "tool_use", "id": start.id, "name": start.name, "input": {}})
        self._calls[start.position] = _Call(self._blocks - 1)
        self._last_call = start.position
        return begin

    def _arguments(self, piece: CallArguments) -> bytes:
        call = self._calls.get(piece.position)
        if call is None:
            if piece.arguments.isspace():
                return b""
            raise AnswerNotUnderstood("The worker's answer goes on with the arguments of a tool call that were whole.")
        call.arguments.append(piece.arguments)
        return _DELTA % (call.index, b"input_json", b"partial_json", dump(piece.arguments))

    def _begin(self, block: dict[str, Any]) -> bytes:
        """End what is whole, and begin another block."""
        ended = self._end_text()
        call = self._calls.get(self._last_call)
        if call and call.is_whole():
            del self._calls[self._last_call]
            ended += _stop(call.index)
        self._last_call = -1
        self._blocks += 1
        return ended + _event("content_block_start", index=self._blocks - 1, content_block=block)

    def _end_text(self) -> bytes:
        if not self._open:
            return b""
        index = self._blocks - 1
        signature = _DELTA % (index, b"signature", b"signature", dump(SIGNATURE)) if self._open == "thinking" else b""
        self._open = ""
        return signature + _stop(index)


def _stop(index: int) -> bytes:
    return _event("content_block_stop", index=index)


def _event(kind: str, **fields: Any) -> bytes:
    return encode_event(kind.encode(), dump({"type": kind, **fields}))
