"""What is noted of an answer's body while it passes: bytes, events, the time between them, and at its end its tokens."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from functools import lru_cache

from .record import Record
from .route_class import makes_text
from .sums.histogram import EVENT_BOUNDS, Histogram
from .tokens import HEAD_BYTES, TAIL_BYTES, tokens_in_answer

__all__ = ["AnswerMeter", "EventMeter", "TextMeter", "meter_for"]

# At the end, these are looked at: a chat's last text, its end, its usage and [DONE] are four events, each in a piece or two.
_LAST_PIECES = 16


class AnswerMeter:
    """One answer's: of any kind, whose bytes are counted."""

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        self._record = record

    def passed(self, piece: bytes, sent: int | None = None) -> None:
        """The worker's piece has gone to the client, in ``sent`` bytes where it was put into other words."""
        self._record.answer_bytes += len(piece) if sent is None else sent

    def end(self) -> None:
        """The body is over, whole or not."""


class TextMeter(AnswerMeter):
    """One answer's that is JSON: its last bytes are kept."""

    __slots__ = ("_tail",)

    def __init__(self, record: Record) -> None:
        self._record = record
        self._tail = b""

    def passed(self, piece: bytes, sent: int | None = None) -> None:
        self._record.answer_bytes += len(piece) if sent is None else sent
        # A small answer comes in one piece, and of a large piece its end alone is copied.
        is_enough = not self._tail or len(piece) >= TAIL_BYTES
        self._tail = piece[-TAIL_BYTES:] if is_enough else (self._tail + piece)[-TAIL_BYTES:]

    def end(self) -> None:
        record = self._record
        if not record.tokens_from and (found := tokens_in_answer(self._tail, self._tail)):
            record.tokens_in, record.tokens_out, record.tokens_from = found


class EventMeter(AnswerMeter):
    """One answer's that is a stream of events or lines: they are counted, and so is the time between them."""

    __slots__ = ("_before", "_ending", "_first", "_gaps", "_last")

    def __init__(self, record: Record, ending: bytes) -> None:
        self._record = record
        self._ending = ending
        self._gaps = record.gaps = Histogram(EVENT_BOUNDS)
        self._before = 0.0
        self._first = b""
        self._last: deque[bytes] = deque(maxlen=_LAST_PIECES)

    def passed(self, piece: bytes, sent: int | None = None) -> None:
        now = time.monotonic()
        record = self._record
        size = len(piece)
        record.answer_bytes += size if sent is None else sent
        # Most have \n\n; those with \r\n\r\n have no \n\n at all.
        record.events += piece.count(self._ending) or piece.count(b"\r\n\r\n")
        # What is large is copied in part, since a reference would keep all of it.
        self._last.append(piece if size <= TAIL_BYTES else piece[-TAIL_BYTES:])
        if self._first:
            gap = now - self._before
            gaps = self._gaps
            # Counted here, not by the histogram: a call for each event of each stream is worth sparing.
            gaps.counts[bisect_left(EVENT_BOUNDS, gap)] += 1
            gaps.total += gap
            if gap > record.longest_gap:
                record.longest_gap = gap
        else:
            self._first = piece[:HEAD_BYTES]
        self._before = now

    def end(self) -> None:
        record = self._record
        self._gaps.least, self._gaps.most = 0.0, record.longest_gap
        if record.tokens_from or not record.events:
            return
        found = tokens_in_answer(self._first, b"".join(self._last)[-TAIL_BYTES:])
        if found is not None:
            record.take_tokens(*found)
        elif makes_text(record.route):
            ends_with_done = self._last[-1].rstrip().endswith(b"[DONE]")
            record.take_tokens(None, record.events - ends_with_done, "events")


_EVENTS = {"text/event-stream": b"\n\n", "application/x-ndjson": b"\n", "application/jsonl": b"\n"}


def meter_for(record: Record, content_type: str, content_encoding: str) -> AnswerMeter:
    """What suits an answer of that type. What is encoded can't be looked into."""
    is_text, ending = _kind_of(content_type)
    if not is_text or content_encoding:
        return AnswerMeter(record)
    return EventMeter(record, ending) if ending else TextMeter(record)


@lru_cache(maxsize=64)
def _kind_of(content_type: str) -> tuple[bool, bytes]:
    """Whether it can be looked into, and by what its events end, if it has any."""
    kind = content_type.partition(";")[0].strip().lower()
    ending = _EVENTS.get(kind, b"")
    return bool(ending) or kind == "application/json" or kind.endswith("+json"), ending
