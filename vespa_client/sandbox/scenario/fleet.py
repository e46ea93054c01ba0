"""An endpoint's workers as Vast.ai's own tools list them, on their way from stopped or new to ready."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .activity import Activity

__all__ = ["READY", "Fleet", "Stage", "WorkerPlan"]

READY = "idle"
"""What Vast.ai calls a worker that is ready and has nothing to do."""

_FIRST_ID = 31_415_000


@dataclass(frozen=True)
class Stage:
    """A state, and when it begins: as a share of the time that the fleet takes to its first ready worker."""

    begins: float
    state: str


@dataclass(frozen=True)
class WorkerPlan:
    """What becomes of a worker once a request has come. ``before`` is its state until then; empty: it isn't there yet."""

    gpu: str
    before: str
    stages: Sequence[Stage] = ()


class Fleet:
    """The workers by their plans. Time begins at :meth:`wake`, and is ``clock``'s, in seconds; ``seconds`` is a share of 1."""

    def __init__(
        self, plans: Sequence[WorkerPlan], seconds: float, activity: Activity, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plans = list(plans)
        self._seconds = seconds
        self._activity = activity
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._woken: float | None = None
        self._seen: list[str] = []
        self._started_at = time.time()

    def wake(self) -> None:
        """A request has come: workers are recruited. Harmless twice."""
        with self._lock:
            if self._woken is None:
                self._woken = self._clock()
        self.states()

    def states(self) -> list[str]:
        """Each worker's state now. Workers that aren't there yet have an empty one."""
        with self._lock:
            share = -1.0 if self._woken is None else (self._clock() - self._woken) / self._seconds if self._seconds else 1e9
            states = [_state(plan, share) for plan in self._plans]
            before, self._seen = self._seen or [""] * len(states), states
        for number, (old, new) in enumerate(zip(before, states, strict=True)):
            if old != new:
                self._activity.note("info0", f"worker {_FIRST_ID + number}: {old or 'none'} -> {new}")
        return states

    @property
    def is_ready(self) -> bool:
        """Whether a worker may be assigned."""
        return READY in self.states()

    @property
    def status(self) -> str:
        """The autoscaler's words: how many workers there are, by state."""
        states = [state for state in self.states() if state]
        others = Counter(state for state in states if state != READY)
        listed = ", ".join(f"{count} {state}" for state, count in sorted(others.items()))
        return f"{states.count(READY)} of {len(states)} workers ready" + (f": {listed}" if listed else "")

    def rows(self, working: int) -> list[dict[str, Any]]:
        """The workers as ``POST /get_endpoint_workers/`` has them. ``working``: how many requests the first ready one has."""
        rows = []
        for number, (plan, state) in enumerate(zip(self._plans, self.states(), strict=True)):
            if state:
                rows.append(self._row(_FIRST_ID + number, plan, state, working if state == READY else 0))
                working = 0 if state == READY else working
        return rows

    def _row(self, number: int, plan: WorkerPlan, state: str, working: int) -> dict[str, Any]:
        performance = 812.5 if state == READY else 0.0
        return {
            "id": number,
            "status": state,
            "gpu_name": plan.gpu,
            "cur_load": 100.0 * working,
            "new_load": 0.0,
            "cur_load_rolling_avg": 50.0 * working,
            "cur_perf": performance if working else 0.0,
            "perf": performance,
            "measured_perf": performance,
            "dlperf": 98.3,
            "reliability": 0.9971,
            "reqs_working": working,
            "disk_usage": 38.2,
            "started_at": self._started_at,
            "loaded_at": self._started_at if state == READY else 0.0,
        }


def _state(plan: WorkerPlan, share: float) -> str:
    reached = [stage.state for stage in plan.stages if stage.begins <= share]
    return reached[-1] if reached else plan.before
