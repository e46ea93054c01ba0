"""What one exchange did, step by step. It is only written to; the log line is made of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Record"]


@dataclass
class Record:
    """One request's story. Times are seconds of :func:`time.monotonic`; ``path`` is without the query, which can hold keys."""

    number: int
    method: str
    path: str
    started: float = field(default_factory=time.monotonic)
    request_bytes: int = 0
    routes: int = 0
    waits: int = 0
    waited: float = 0.0
    retries: int = 0
    worker: str | None = None
    status: int | None = None
    first_byte: float | None = None
    answer_bytes: int = 0
    outcome: str = "whole"
    """``whole``, ``refused`` (an answer of the proxy's own), ``broken`` (cut by the worker), ``left`` (by the client)."""
    detail: str = ""
    hint: str = ""
    """What a person can do about a failure, in one line."""

    @property
    def name(self) -> str:
        """How log lines refer to this request."""
        return f"#{self.number}"

    def begin(self, status: int) -> None:
        """The answer's head goes out."""
        self.status = status
        self.first_byte = time.monotonic() - self.started

    def refuse(self, status: int, detail: str, hint: str = "") -> None:
        """The answer is the proxy's own, and begins with ``status``."""
        self.outcome, self.detail, self.hint = "refused", detail, hint
        self.begin(status)

    def break_off(self, detail: str, hint: str = "") -> None:
        """The answer that has begun ends before it is whole."""
        self.outcome, self.detail, self.hint = "broken", detail, hint
        if self.status is None:
            self.begin(200)  # a heartbeat had begun it

    def line(self) -> str:
        """The request in one line, for the log."""
        parts = [f"{self.name} {self.method} {self.path} -> {self.status or '-'}", f"{time.monotonic() - self.started:.3f} s"]
        if self.first_byte is not None and self.outcome != "refused":
            parts.append(f"first byte {self.first_byte:.3f} s")
        if self.answer_bytes:
            parts.append(f"{self.answer_bytes} bytes")
        if self.worker:
            parts.append(f"worker {self.worker}")
        if self.waits:
            parts.append(f"waited {self.waited:.1f} s")
        if self.retries:
            parts.append(f"{self.retries} retried")
        ending = ": ".join(filter(None, ("" if self.outcome == "whole" else self.outcome, self.detail)))
        return ", ".join([*parts, ending] if ending else parts)
