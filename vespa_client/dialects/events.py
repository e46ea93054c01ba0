"""Server-sent events, read from pieces cut anywhere and written (WHATWG HTML, 9.2, "Server-sent events")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import AnswerNotUnderstood

__all__ = ["MAX_EVENT", "Event", "EventDecoder", "encode_event"]

MAX_EVENT = 4 * 1024 * 1024
"""How many bytes an event may have, whether it has ended or not."""

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """``type`` is ``""`` where the stream doesn't say; ``data`` is its lines, joined by line feeds."""

    type: str
    data: str


class EventDecoder:
    """Reads events out of a stream's bytes. Lines may end in LF, CRLF or CR, also mixed."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # what there is of the line that hasn't ended
        self._data: list[bytes] = []
        self._type = b""
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that end in these bytes: nothing is read before they are asked for, so go through all of them.

        Raises :class:`AnswerNotUnderstood` at an event above :data:`MAX_EVENT`.
        """
        if self._after_cr and data:
            # The CR has ended its line already, so that no event waits for what may not come.
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        lines = data.splitlines()
        if not lines:
            return
        if data.endswith((b"\n", b"\r")):
            self._after_cr = data.endswith(b"\r")
            rest = None
        else:
            rest = lines.pop()
        for line in lines:
            self._grow(len(line))
            if self._line:
                self._line.append(line)
                line = b"".join(self._line)
                self._line.clear()
            yield from self._take(line)
        if rest is not None:
            self._grow(len(rest))
            self._line.append(rest)

    def end(self) -> Iterator[Event]:
        """The event that the stream ended in, where its last line or the empty line behind it didn't end.

        The standard would have it dropped; some backends leave out the last line ends.
        """
        if self._line:
            line = b"".join(self._line)
            self._line.clear()
            yield from self._take(line)
        yield from self._take(b"")

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT:
            raise AnswerNotUnderstood(f"The worker's stream has an event of more than {MAX_EVENT} bytes.")

    def _take(self, line: bytes) -> Iterator[Event]:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                event = Event(_text(self._type), _text(b"\n".join(self._data)))
                self._data = []
                yield event
            self._type = b""
            self._size = 0
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value
        elif name == b"error":
            # llama.cpp's own field, of which the standard knows nothing: its errors may come as "error: {...}".
            self._type = b"error"
            self._data.append(value)
        elif not self._data:
            # Comments and unknown fields are gone for good, and many may come in a row.
            self._size = len(self._type)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def encode_event(type: bytes, data: bytes) -> bytes:
    """The event's bytes. ``data`` is one line."""
    return b"event: " + type + b"\ndata: " + data + b"\n\n"
