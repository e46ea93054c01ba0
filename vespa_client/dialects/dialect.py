"""What a dialect is: a request made a chat completion, and an answer, plain or streamed, made the dialect's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import AnswerNotUnderstood
from .chat_answer import Done, Piece, Usage
from .chat_error import Failure, read_error_body
from .chat_stream import ChatStream

__all__ = ["Dialect", "Identity", "StreamTranslator", "Translation"]


class Identity(NamedTuple):
    """What an answer has of its own, handed in, as nothing here knows a clock or chance."""

    token: str
    """Unique, of letters, digits and underscores: the ids of the answer are made of it."""
    created: int
    """Seconds since 1970."""


class Dialect(ABC):
    """An API that SDKs speak, whose requests can be translated. It has no state, and is shared between threads."""

    name: str
    """What ``X-Vespa-Translated`` says."""
    stream_type = "text/event-stream"
    """What the ``Content-Type`` of its streams begins with."""
    separator = b"\n\n"
    """What stands behind each event of such a stream."""
    ping = b":\n"
    """A sign of life in front of an answer that isn't translated; ``b""`` where there is none."""
    has_immediate_answers = False
    """Whether some translations have an :attr:`Translation.immediate` answer."""
    smallest: bytes
    """The smallest request that can be translated."""

    def blank_stream(self, identity: Identity) -> StreamTranslator:
        """A stream of which nothing has come: for the failure of an answer that isn't translated."""
        return self.translate(self.smallest, identity).stream()

    @abstractmethod
    def translate(self, body: bytes | bytearray, identity: Identity, *, drop_hosted_tools: bool = False) -> Translation:
        """The request as a chat completion. With ``drop_hosted_tools``, tools that no model server has are left out.

        Raises :class:`Untranslatable`, which names the field that can't be carried over.
        """

    @abstractmethod
    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """The body of an answer with an error's ``status``, in the dialect's shape and with its names."""

    def worker_error(self, status: int, body: bytes) -> bytes:
        """The body of an error that a chat completions backend wrote, in the dialect's shape."""
        failure = read_error_body(status, body)
        return self.error(status, failure.code, failure.message, failure.param)


class Translation(ABC):
    """A request that was translated, and what is needed to translate its answer."""

    target = "/v1/chat/completions"
    body: bytes
    """The chat completions request."""
    streams: bool
    """Whether the client wants a stream; ``body`` asks for the same."""
    immediate: bytes | None = None
    """The answer as JSON, streamed or not, to a request that needs none of a worker's: then ``body`` is not to be sent."""

    @abstractmethod
    def answer(self, body: bytes | bytearray) -> bytes:
        """A plain chat completion as the dialect's plain answer.

        Raises :class:`AnswerNotUnderstood`, also where the completion is an error that came with a good status.
        """

    @abstractmethod
    def stream(self) -> StreamTranslator:
        """What translates the answer's stream. One for one stream."""


class StreamTranslator(ABC):
    """Translates one stream of chat completion chunks. The events that come out are whole, and come at once.

    Whatever is asked of it when it :attr:`is_over`, it says ``b""``.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, identity: Identity) -> None:
        self._chat = ChatStream(identity.token)
        self.finished = False
        """Whether the answer is whole, and its closing events are out."""
        self.failure: Failure | None = None
        """What the dialect's own failure, which is out, says: the backend's, or that of :meth:`fail`."""

    @property
    def failed(self) -> bool:
        """Whether the dialect's own failure is out."""
        return self.failure is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be said."""
        return self.finished or self.failed

    @property
    def usage(self) -> Usage | None:
        """What the backend counted, as far as it has said so."""
        return self._chat.usage

    def feed(self, data: bytes) -> bytes:
        """The events for more of the backend's stream, however it was cut.

        Raises :class:`AnswerNotUnderstood`, whose ``translated`` is what came out before: then :meth:`fail` is due.
        """
        return self._translated(self._chat.feed(data))

    def feed_completion(self, body: bytes | bytearray) -> bytes:
        """The whole stream at once, of a backend that answered with a plain chat completion. Raises as :meth:`feed`."""
        return self._translated(self._chat.read_completion(body))

    def end(self) -> bytes:
        """The last events, where the backend's stream came to its end in good order.

        Raises :class:`AnswerNotUnderstood` where the answer in it didn't: then :meth:`fail` is due.
        """
        return self._translated(self._chat.end())

    def fail(self, status: int, code: str, message: str) -> bytes:
        """The dialect's failure, from whatever state. ``status`` is what the HTTP status would have been."""
        return self._failed(Failure(status, code, message))

    def _translated(self, pieces: Iterator[Piece]) -> bytes:
        events = []
        try:
            while not self.is_over and (piece := next(pieces, None)) is not None:
                events.append(self._translate(piece))
        except AnswerNotUnderstood as fault:
            fault.translated = b"".join(events)
            raise
        return b"".join(events)

    def _translate(self, piece: Piece) -> bytes:
        if isinstance(piece, Failure):
            return self._failed(piece)
        if isinstance(piece, Done):
            closing = self._close()
            self.finished = True
            return closing
        return self._say(piece)

    def _failed(self, failure: Failure) -> bytes:
        if self.is_over:
            return b""
        self.failure = failure
        return self._say_failure(failure)

    @abstractmethod
    def ping(self) -> bytes:
        """A sign of life in a long silence, from whatever state, also before anything was fed; ``b""`` where there is none."""

    @abstractmethod
    def _say(self, piece: Piece) -> bytes:
        """The events for any piece but the last: the first is a :class:`Start`."""

    @abstractmethod
    def _close(self) -> bytes:
        """The closing events of an answer that is whole."""

    @abstractmethod
    def _say_failure(self, failure: Failure) -> bytes:
        """The failure's events, from whatever state."""
