"""The chunked coding of HTTP/1.1 bodies (RFC 9112, 7.1). No I/O here; the client's side and the worker's side share it."""

from __future__ import annotations

import re

from .heads import MAX_HEAD
from .malformed import MessageError

__all__ = ["ChunkedDecoder", "encode_chunk", "last_chunk"]

last_chunk = b"0\r\n\r\n"

_MAX_LINE = 4096
_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}[ A-Za-z]{,60})")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")


def encode_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body. ``data`` must not be empty: an empty chunk is the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkedDecoder:
    """A chunked body, decoded as it arrives (RFC 9112, 7.1). Trailers are dropped.

    ``left`` is how many bytes the present chunk still has to bring. ``done`` says that the last chunk and the trailers are
    complete; ``rest`` then holds the bytes that came after them.
    """

    __slots__ = ("_is_between_chunks", "_pending", "_state", "_trailer_bytes", "done", "left", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._state = self._size
        self._is_between_chunks = True
        self._pending = b""
        self.left = 0
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, and return what of the body they complete.

        Raises :class:`MessageError`, whose ``decoded`` is what they complete before the fault.
        """
        data = self._pending + data if self._pending else data
        if self._is_between_chunks and (size := _PLAIN_SIZE.match(data)):
            # Most that arrives of a stream is one whole chunk without extensions.
            start = size.end()
            if 0 < int(size[1], 16) == len(data) - start - 2 and data.endswith(b"\r\n"):
                self._pending = b""
                return data[start:-2]
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        position = 0
        if self._is_between_chunks:
            # Of the rest, most is several of them: taken here, without a step for each part of each.
            whole = len(data)
            while position < whole and (size := _PLAIN_SIZE.match(data, position)) and (length := int(size[1], 16)):
                start = size.end()
                end = start + length
                if data[end : end + 2] != b"\r\n":
                    break
                pieces.append(data[start:end])
                position = end + 2
            if position == whole:
                self._pending = b""
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        try:
            while not self.done:
                moved = self._state(data, position, pieces)
                if moved < 0:
                    break
                position = moved
        except MessageError as malformed:
            malformed.decoded = b"".join(pieces)
            raise
        if self.done:
            self.rest, self._pending = data[position:], b""
        else:
            self._pending = data[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _line(self, data: bytes, position: int) -> bytes | None:
        end = data.find(b"\n", position)
        if end < 0:
            if len(data) - position > _MAX_LINE:
                raise MessageError("a line of the chunked body is too long")
            return None
        if end - position > _MAX_LINE or data[end - 1 : end] != b"\r" or end == position:
            raise MessageError("a line of the chunked body doesn't end in CRLF, or is too long")
        return data[position : end - 1]

    def _size(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        line = self._line(data, position)
        if line is None:
            return -1
        match = _LINE.fullmatch(line)
        if not match:
            if status := _STATUS_LINE.match(line):
                # As an aiohttp server does whose handler fails in mid-stream, the official worker's among them.
                raise MessageError(f"in place of the next chunk came the head of another answer, {status[1].decode()!r}")
            raise MessageError("a chunk's size is not a hexadecimal number")
        self.left = int(match[1], 16)
        self._state = self._data if self.left else self._trailer
        self._is_between_chunks = False
        return position + len(line) + 2

    def _data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self.left]
        if not piece:
            return -1
        pieces.append(piece)
        self.left -= len(piece)
        if not self.left:
            self._state = self._data_end
        return position + len(piece)

    def _data_end(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        end = data[position : position + 2]
        if not b"\r\n".startswith(end):
            raise MessageError("a chunk is longer than its size says")
        if len(end) < 2:
            return -1
        self._state = self._size
        self._is_between_chunks = True
        return position + 2

    def _trailer(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        line = self._line(data, position)
        if line is None:
            return -1
        self._trailer_bytes += len(line) + 2
        if line and not _TRAILER.fullmatch(line):
            raise MessageError("a trailer of the chunked body is no header field")
        if self._trailer_bytes > MAX_HEAD:
            raise MessageError("the trailers of the chunked body are too long")
        self.done = not line
        return position + len(line) + 2
