"""An answer's body, as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from urllib3.connection import HTTPConnection

from .chunks import ChunkedDecoder
from .failures import AnswerBroken, AnswerLate, reason_for
from .http1 import (
    UNTIL_CLOSE,
    Fields,
    Framing,
    MessageError,
    ResponseHead,
    keeps_alive,
    response_framing,
)
from .lifeline import Lifeline
from .pace import Pace
from .wire import SocketReader

__all__ = ["AnswerBody"]


class AnswerBody:
    """An answer's body, as it arrives: what ``requests`` knows as ``raw``.

    The bytes are those that were sent: a ``Content-Encoding`` is not undone.
    """

    _pool: Any = None

    def __init__(
        self,
        head: ResponseHead,
        method: str,
        reader: SocketReader,
        connection: HTTPConnection,
        *,
        reusable: bool,
        lifeline: Lifeline,
        idle: float,
    ) -> None:
        """The body of the answer to a ``method`` request, read by ``reader`` from ``connection``.

        ``reusable`` says whether the connection may serve another request, ``idle`` how many seconds of silence are
        borne. Raises :class:`AnswerBroken` where the head leaves open how the body ends.
        """
        self._reader = reader
        self._own_connection: HTTPConnection | None = connection
        self._lifeline, self._idle = lifeline, idle
        self.status: int = head.status
        self.reason: str = head.reason
        self.fields: Fields = head.fields
        try:
            self.framing: Framing = response_framing(head, method)
        except MessageError as malformed:
            connection.close()
            raise AnswerBroken(f"its answer can't be read: {malformed}") from malformed
        self._reusable = reusable and self.framing != UNTIL_CLOSE and keeps_alive(head.minor, head.fields)
        reader.limit(idle)

    def arrived(self) -> bool:
        """Whether body bytes are here already, so that they can go out with the head."""
        if self.framing.kind != "chunked":
            return bool(self._reader.buffered)
        try:
            # A chunk's size can come long before its first byte: looked at on trial, the bytes stay for the real reading.
            return bool(ChunkedDecoder().feed(self._reader.buffered))
        except MessageError:
            return True

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
        """The body's bytes in the pieces that arrive. Raises :class:`AnswerBroken`, :class:`AnswerLate`."""
        if self._own_connection is None:
            return
        try:
            yield from self._pieces()
        except MessageError as malformed:
            self._abandon()
            raise AnswerBroken(f"its answer broke off: {malformed}") from malformed
        except TimeoutError as silent:
            self._abandon()
            raise AnswerLate(f"its answer fell silent for {self._idle:g} s") from silent
        except OSError as broken:
            self._abandon()
            raise AnswerBroken(f"its answer broke off: {reason_for(broken)}") from broken
        except AnswerBroken:
            self._abandon()
            raise
        except GeneratorExit:
            self._abandon()
            raise
        self._finish()

    def _pieces(self) -> Iterator[bytes]:
        if self.framing.kind == "chunked":
            yield from self._chunks()
        elif self.framing.kind == "close":
            while data := self._reader.read_some():
                yield data
            # Our own shutting down of the socket reads like the worker's end.
            if self._lifeline.is_cut:
                raise AnswerBroken("nobody waits for the rest of its answer")
        else:
            left = self.framing.length
            while left:
                data = self._reader.read_some(left)
                if not data:
                    raise AnswerBroken(f"its answer broke off, {left} bytes short")
                left -= len(data)
                yield data

    def _chunks(self) -> Iterator[bytes]:
        decoder = ChunkedDecoder()
        pace = Pace()
        while not decoder.done:
            data = self._reader.read_some()
            if not data:
                raise AnswerBroken("its answer broke off inside the chunked body")
            try:
                piece = decoder.feed(data)
            except MessageError as malformed:
                if malformed.decoded:
                    yield malformed.decoded
                raise
            if piece:
                yield piece
                pace.keep(len(piece))
        self._reader.buffered = decoder.rest

    def _finish(self) -> None:
        if self._reader.buffered:
            self._reusable = False  # bytes nobody asked for: the next answer could not be told from them
        self.release_conn()

    def release_conn(self) -> None:
        """Give the connection back to its pool, or close it where it can't serve again."""
        connection, self._own_connection = self._own_connection, None
        if connection is None:
            return
        self._lifeline.let_go()
        if self._reusable and not self._lifeline.is_cut and self._pool is not None:
            self._pool._put_conn(connection)
        else:
            connection.close()

    def _abandon(self) -> None:
        self._reusable = False
        self.release_conn()

    def close(self) -> None:
        """Drop what is left of the body. The connection is kept only if the body had no bytes left to come."""
        if self.framing.kind == "length" and self.framing.length == 0:
            self._finish()
        else:
            self._abandon()
