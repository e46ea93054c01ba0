"""A stream of chat completion chunks, read into pieces that don't show which backend wrote it, or how it was cut."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import AnswerNotUnderstood
from .chat_answer import ChatAnswer, Done, Piece
from .chat_error import Failure, read_error, read_error_body
from .events import Event, EventDecoder
from .json_text import load

__all__ = ["ChatStream"]

# Anything else is a sign of life, or a backend's own affair.
_TYPES = frozenset({"", "message", "chat.completion.chunk", "completion"})


class ChatStream(ChatAnswer):
    """Reads a stream from its bytes. Behind the first :class:`Done` or :class:`Failure` nothing is read any more."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self._decoder = EventDecoder()
        self._is_over = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that are whole with these bytes: nothing is read before they are asked for, so go through all of them.

        Raises :class:`AnswerNotUnderstood` behind the pieces that were good.
        """
        yield from self._pieces(self._decoder.feed(data))

    def end(self) -> Iterator[Piece]:
        """The last pieces: the stream's bytes are over, in good order as far as HTTP can tell.

        Raises :class:`AnswerNotUnderstood` where the answer isn't: neither a finish reason nor ``[DONE]`` came.
        """
        yield from self._pieces(self._decoder.end())
        if self._is_over:
            return
        if self.finish_reason is None:
            raise AnswerNotUnderstood(
                "The worker's stream ended before its answer did: it has no finish_reason.",
                hint="The answer is incomplete. Send the request again.",
            )
        yield from self._last(self.finish())

    def _pieces(self, events: Iterator[Event]) -> Iterator[Piece]:
        for event in events:
            if self._is_over:
                return
            yield from self._last(self._event(event))

    def _last(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            if isinstance(piece, Done | Failure):
                self._is_over = True
                yield piece
                return
            yield piece

    def _event(self, event: Event) -> Iterator[Piece]:
        if event.type == "error":
            yield read_error_body(500, event.data.encode("utf-8", "replace"))
            return
        if event.type not in _TYPES or not event.data:
            return
        if event.data == "[DONE]":
            yield from self.finish()
            return
        try:
            value = load(event.data)
        except ValueError as wrong:
            raise AnswerNotUnderstood(f"The worker's stream has an event that is no JSON: {wrong}.") from None
        if not isinstance(value, dict):
            yield read_error(value, 500)
            return
        yield from self.read(value, "delta")
