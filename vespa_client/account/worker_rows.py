"""What Vast.ai's lists of workers and its log say, in whichever of their shapes they come; and what each state costs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ..journal.printable import printable

__all__ = ["FleetWorker", "Unreadable", "billed_in", "read_log", "read_workers"]

_MOST_WORKERS = 500
_LONGEST_WORD = 60
_LONGEST_LINE = 500
# The coarser ones first have what a person looks for; the finest is the autoscaler's own arithmetic.
_LOG_LEVELS = ("info1", "info0", "logs", "trace", "debug")

# docs.vast.ai, "Worker states" and "Pricing"; the finer words are those of logs and of the command line.
_GPU = "GPU time, storage and traffic"
_KEPT = "storage and traffic"
_BILLED = {
    **dict.fromkeys(("ready", "idle", "starting", "updating", "loading", "model_loading"), _GPU),
    **dict.fromkeys(("creating", "inactive", "stopped", "stopping"), _KEPT),
    "rebooting": "as before it",
    **dict.fromkeys(("destroying", "error"), "nothing"),
}


class Unreadable(Exception):
    """What came is no list of workers and no log. Its text is a sentence for people."""


@dataclass(frozen=True)
class FleetWorker:
    """One worker of the endpoint, as Vast.ai sees it. What it doesn't say is None, or empty."""

    id: str
    state: str
    billed: str
    """What is billed in that state; empty where that isn't known."""
    gpu: str
    requests: float | None
    """How many it works on."""
    load: float | None
    """The workload that it has, in the endpoint's units."""
    performance: float | None
    """The workload that it does in a second."""
    reliability: float | None
    loaded_at: float | None
    """In seconds since 1970."""


def billed_in(state: str) -> str:
    """What is billed while a worker is in that state, in words; empty for a state that isn't known."""
    return _BILLED.get(state.strip().lower().replace(" ", "_"), "")


def read_workers(answer: Any) -> tuple[FleetWorker, ...]:
    """The workers: of a list, an object that has one, or either as text. Raises :class:`Unreadable`."""
    if isinstance(answer, str):
        answer = _parsed(answer)
    if isinstance(answer, dict):
        if answer.get("error_msg"):
            raise Unreadable(f"Vast.ai says: {_word(answer['error_msg'], 300)}")
        answer = answer.get("workers")
    if not isinstance(answer, list):
        raise Unreadable("Vast.ai's list of workers is none.")
    return tuple(_worker(row) for row in answer[:_MOST_WORKERS] if isinstance(row, dict))


def read_log(answer: Any, tail: int) -> list[str]:
    """The last ``tail`` lines of the log. Raises :class:`Unreadable`."""
    if isinstance(answer, dict):
        if answer.get("error_msg"):
            raise Unreadable(f"Vast.ai says: {_word(answer['error_msg'], 300)}")
        answer = next((answer[level] for level in _LOG_LEVELS if answer.get(level)), "")
    if isinstance(answer, list):
        answer = "\n".join(map(str, answer))
    if not isinstance(answer, str):
        raise Unreadable("Vast.ai's log is none.")
    return [printable(line)[:_LONGEST_LINE] for line in answer.splitlines()[-tail:]]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(f"Vast.ai says: {_word(text, 300)}") from None


def _worker(row: dict[str, Any]) -> FleetWorker:
    state = _word(row.get("status")) or "unknown"
    measured = _number(row.get("measured_perf"))
    return FleetWorker(
        id=_word(row.get("id")),
        state=state,
        billed=billed_in(state),
        gpu=_word(row.get("gpu_name")),
        requests=_number(row.get("reqs_working")),
        load=_number(row.get("cur_load")),
        performance=measured if measured else _number(row.get("perf")),
        reliability=_number(row.get("reliability")),
        loaded_at=_number(row.get("loaded_at")) or None,
    )


def _word(value: Any, longest: int = _LONGEST_WORD) -> str:
    return "" if value is None else printable(str(value))[:longest]


def _number(value: Any) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
