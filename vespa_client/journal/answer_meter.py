"""What is noted of an answer's body while it passes: bytes, events, the time between them, and at its end its tokens."""

from __future__ import annotations

import time
from collections import deque

from .record import Record
from .route_class import makes_text
from .sums.histogram import EVENT_BOUNDS, Histogram
from .tokens import HEAD_BYTES, TAIL_BYTES, tokens_in_answer

__all__ = ["AnswerMeter", "EventMeter", "TextMeter", "meter_for"]

# At the end, these are looked at: a chat's last text, its end, its usage and [DONE] are four events, each in a piece or two.
_LAST_PIECES = 16


def meter_for(record: Record, content_type: str, content_encoding: str) -> AnswerMeter:
    """What suits an answer of that type. What is encoded can't be looked into."""
    kind = content_type.partition(";")[0].strip().lower()
    if content_encoding:
        return AnswerMeter(record)
    if kind == "text/event-stream":
        return EventMeter(record, b"\n\n")
    if kind in ("application/x-ndjson", "application/jsonl", "application/json-lines"):
        return EventMeter(record, b"\n")
    if kind == "application/json" or kind.endswith("+json"):
        return TextMeter(record)
    return AnswerMeter(record)


class AnswerMeter:
    """One answer's: of any kind, whose bytes are counted."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def passed(self, piece: bytes, sent: int | None = None) -> None:
        """The worker's piece has gone to the client, in ``sent`` bytes where it was put into other words."""
        self._record.answer_bytes += len(piece) if sent is None else sent

    def end(self) -> None:
        """The body is over, whole or not."""


class TextMeter(AnswerMeter):
    """One answer's that is JSON: its first and last bytes are kept."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self._first = b""
        self._last: deque[bytes] = deque(maxlen=_LAST_PIECES)

    def passed(self, piece: bytes, sent: int | None = None) -> None:
        self._record.answer_bytes += len(piece) if sent is None else sent
        if not self._first:
            self._first = piece[:HEAD_BYTES]
        # What is large is copied in part, since a reference would keep all of it.
        self._last.append(piece if len(piece) <= TAIL_BYTES else piece[-TAIL_BYTES:])

    def end(self) -> None:
        tail = b"".join(self._last)[-TAIL_BYTES:] if len(self._last) > 1 else self._last[0] if self._last else b""
        found = tokens_in_answer(self._first, tail)
        if found is not None and not self._record.tokens_from:
            self._record.take_tokens(*found)
        self._last.clear()


class EventMeter(TextMeter):
    """One answer's that is a stream of events or lines: they are counted, and so is the time between them."""

    def __init__(self, record: Record, ending: bytes) -> None:
        super().__init__(record)
        self._ending = ending
        self._gaps = record.gaps = Histogram(EVENT_BOUNDS)
        self._before = 0.0

    def passed(self, piece: bytes, sent: int | None = None) -> None:
        super().passed(piece, sent)
        record = self._record
        # Most have \n\n; those with \r\n\r\n have no \n\n at all.
        record.events += piece.count(self._ending) or piece.count(b"\r\n\r\n")
        now = time.monotonic()
        if self._before:
            gap = now - self._before
            self._gaps.observe(gap)
            if gap > record.longest_gap:
                record.longest_gap = gap
        self._before = now

    def end(self) -> None:
        last = self._last[-1] if self._last else b""
        super().end()
        record = self._record
        if not record.tokens_from and record.events and makes_text(record.route):
            ends_with_done = last.rstrip().endswith(b"[DONE]")
            record.take_tokens(None, record.events - ends_with_done, "events")
