"""A far side's answer: its head, and its body as it arrives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

import requests
from urllib3.connection import HTTPConnection

from ..http1.chunks import ChunkedDecoder
from ..http1.codings import ContentDecoder, codings_of
from ..http1.fields import Fields
from ..http1.framing import UNTIL_CLOSE, Framing, keeps_alive, response_framing
from ..http1.heads import ResponseHead
from ..http1.malformed import MessageError
from ..net.lifeline import Lifeline
from ..net.socket_reader import SocketReader
from .failures import AnswerBroken, AnswerLate, reason_for
from .pacing import Pacing

__all__ = ["Answer", "AnswerBody"]


class AnswerBody:
    """An answer's body, as it arrives: what ``requests`` knows as ``raw``.

    The bytes are those that were sent: a ``Content-Encoding`` is not undone.
    """

    def __init__(
        self,
        head: ResponseHead,
        method: str,
        reader: SocketReader,
        connection: HTTPConnection,
        give_back: Callable[[HTTPConnection], None] | None,
        *,
        lifeline: Lifeline,
        idle: float,
    ) -> None:
        """The body of the answer to a ``method`` request, read by ``reader`` from ``connection``.

        ``give_back`` takes the connection when it may serve another request; None where it may not. ``idle`` is how many
        seconds of silence are borne. Raises :class:`AnswerBroken` where the head leaves open how the body ends.
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
        lasts = self.framing != UNTIL_CLOSE and keeps_alive(head.minor, head.fields)
        self._give_back = give_back if lasts else None
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

    def limit(self, seconds: float) -> None:
        """How many seconds of silence are borne from here on."""
        self._idle = seconds
        if self._own_connection is not None:  # else it serves another exchange by now
            self._reader.limit(seconds)

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
        if self._own_connection is not None:
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
                if not left:
                    self._finish()
                yield data

    def _chunks(self) -> Iterator[bytes]:
        decoder = ChunkedDecoder()
        pacing = Pacing()
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
            if decoder.done:
                self._reader.buffered = decoder.rest
                self._finish()
            if piece:
                yield piece
                pacing.pause_after(len(piece))

    def _finish(self) -> None:
        """The body is whole. Called before its last piece goes on: whoever has that may ask again at once."""
        if self._reader.buffered:
            self._give_back = None  # bytes nobody asked for: the next answer could not be told from them
        self.release_conn()

    def release_conn(self) -> None:
        """Give the connection back to its pool, or close it where it can't serve again."""
        connection, self._own_connection = self._own_connection, None
        if connection is None:
            return
        self._lifeline.let_go()
        if self._give_back is not None and not self._lifeline.is_cut:
            self._give_back(connection)
        else:
            connection.close()

    def _abandon(self) -> None:
        self._give_back = None
        self.release_conn()

    def close(self) -> None:
        """Drop what is left of the body. The connection is kept only if the body had no bytes left to come."""
        if self._own_connection is None:
            return
        if self.framing.kind == "length" and self.framing.length == 0:
            self._finish()
        else:
            self._abandon()


class Answer(requests.Response):
    """A far side's answer: its head, and its body as it arrives through ``iter_content(chunk_size=None)``."""

    raw: AnswerBody

    def __init__(self, body: AnswerBody) -> None:
        # requests.Response.__init__ would make a cookie jar and a header dictionary that nobody here reads.
        self._content = False
        self._content_consumed = False
        self._next = None
        self.history = []
        self.encoding = "utf-8"
        self.raw = body
        self.status_code = body.status
        self.reason = body.reason
        self.fields = body.fields
        self.framing = body.framing

    def close(self) -> None:
        """Drop what is left of the body; see :meth:`AnswerBody.close`."""
        self.raw.close()

    def uncoded(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """These pieces of the body, in no content coding. Raises :class:`AnswerBroken` where that can't be undone."""
        codings = codings_of(self.fields)
        if not codings:
            yield from pieces
            return
        try:
            decoder = ContentDecoder(codings)
            for piece in pieces:
                yield from decoder.decode(piece)
        except MessageError as malformed:
            raise AnswerBroken(f"its answer can't be decoded: {malformed}") from malformed
        if not decoder.is_whole:
            raise AnswerBroken("its answer broke off inside its content coding")

    def read(self, limit: int, seconds: float = math.inf) -> bytes:
        """The whole body; what is above ``limit`` bytes is cut off.

        Raises :class:`TransportError`, also for a body that comes so slowly that it isn't complete within ``seconds``.
        """
        data, deadline = bytearray(), time.monotonic() + seconds
        try:
            for piece in self.raw.stream():
                data += piece
                if time.monotonic() > deadline:
                    raise AnswerLate(f"its answer was not complete within {seconds:g} s")
                if len(data) > limit:
                    break
        finally:
            self.close()
        return bytes(data[:limit])
