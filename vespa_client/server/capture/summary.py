"""A captured exchange as a line of a list: all but what was said."""

from __future__ import annotations

from dataclasses import dataclass

from .captured import Captured

__all__ = ["Summary"]


@dataclass(frozen=True)
class Summary:
    """One exchange, in progress or over. What the status has too has its name and its meaning there."""

    number: int
    id: str
    method: str
    target: str
    """The path and the query, without what could be a key."""
    started: float
    seconds: float
    phase: str
    status: int | None
    outcome: str | None
    failed: bool
    request_size: int
    request_kept: int
    """How many bytes of the body are kept: all, or the first ones."""
    answer_size: int
    answer_kept: int

    @classmethod
    def of(cls, captured: Captured) -> Summary:
        """What is kept now."""
        record = captured.record
        done = record.is_done
        return cls(
            number=record.number,
            id=record.request_id,
            method=captured.method,
            target=captured.target,
            started=round(record.started_at, 4),
            seconds=round(record.total, 4),
            phase=record.now[0],
            status=record.status,
            outcome=record.outcome if done else None,
            failed=done and record.is_failure,
            request_size=captured.request_size,
            request_kept=len(captured.request_body),
            answer_size=captured.answer_size,
            answer_kept=captured.answer_kept,
        )
