"""What is kept of the last exchanges: what each client sent, what it was given, and when each piece went out."""

from __future__ import annotations

import threading
import time
from collections import deque

from ...http1.fields import Fields
from ...http1.heads import RequestHead
from ...journal.record import Record
from .secrets import fields_without_secrets, target_without_secrets

__all__ = ["MOST_BYTES", "Captured", "Captures"]

MOST_BYTES = 2**20
"""How much is kept of a request's body, and of an answer's."""
_MOST_PIECES = 10_000


class Captured:
    """One exchange. Its thread writes it, and any other may read it meanwhile."""

    def __init__(self, record: Record, head: RequestHead) -> None:
        self.record = record
        self.method = head.method
        self.target = target_without_secrets(head.target)
        self.version = f"HTTP/1.{head.minor}"
        self.request_fields = fields_without_secrets(head.fields)
        self.request_body = b""
        self.request_size = 0
        self.status = 0
        self.reason = ""
        self.answer_fields: list[tuple[str, str]] = []
        self.answer_size = 0
        self.pieces: list[tuple[float, int]] = []
        """When each piece of the answer's body went out, in seconds from the request's head, and its size."""
        self._answer = bytearray()

    @property
    def answer_body(self) -> bytes:
        """What is kept of the answer's body, in the content coding that it went out in."""
        return bytes(self._answer)

    @property
    def answer_kept(self) -> int:
        """How many bytes of the answer's body are kept."""
        return len(self._answer)

    def take_request(self, body: bytes | bytearray) -> None:
        """The client's body is here."""
        self.request_body, self.request_size = bytes(body[:MOST_BYTES]), len(body)

    def begin_answer(self, status: int, reason: str, fields: Fields) -> None:
        """The answer's head goes out."""
        self.status, self.reason, self.answer_fields = status, reason, fields_without_secrets(fields)

    def take_answer(self, piece: bytes) -> None:
        """A piece of the answer's body goes out."""
        self.answer_size += len(piece)
        if len(self.pieces) < _MOST_PIECES:
            self.pieces.append((round(time.monotonic() - self.record.started, 6), len(piece)))
        room = MOST_BYTES - len(self._answer)
        if room > 0:
            self._answer += piece[:room]


class Captures:
    """The last exchanges of one proxy. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()  # guards the next
        self._kept: deque[Captured] = deque(maxlen=most)

    def begin(self, record: Record, head: RequestHead) -> Captured:
        """An exchange has begun; the oldest one goes where there are too many."""
        captured = Captured(record, head)
        with self._lock:
            self._kept.append(captured)
        return captured

    def all(self) -> list[Captured]:
        """Those that are kept, the newest first."""
        with self._lock:
            return list(reversed(self._kept))

    def of(self, number: int) -> Captured | None:
        """The exchange of that number, if it is kept."""
        return next((captured for captured in self.all() if captured.record.number == number), None)
