"""Scenarios: a sandbox that is warm, cold, slow, busy or broken, so that a person sees what the proxy makes of it.

==========  =======================================================================================================
``warm``    A worker is ready, and answers. The default.
``cold``    No worker is ready for ``cold_seconds`` (20) from the first request on. A stopped worker starts, loads and
            reads its model in that time, a new one takes longer; the autoscaler's status says how far they are.
``slow``    The model takes 8 s to the first word and half a second to each of the next.
``busy``    Four outcomes, request by request: an answer at once; no free worker for four polls, then an answer; a
            worker that turns the request away (429) and another that takes it; workers that all turn it away.
``broken``  Six outcomes, request by request: an answer; an answer that breaks off in the middle; a worker's 500; a
            worker that can't be reached and another that answers; a worker that hangs up without an answer; workers
            that can't be reached, every one.
==========  =======================================================================================================

A request is what the autoscaler gives a ``request_idx``: polls and retries belong to it. The outcomes come in this order,
and then from the beginning.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..messages import Answer, HangUp, Request
from .activity import Activity
from .fleet import READY, Fleet, Stage, WorkerPlan

__all__ = ["COLD_SECONDS", "SCENARIOS", "Course", "Fate", "Scenario"]

Fate = Literal["whole", "wait", "full", "break", "error", "drop", "refuse"]
"""What becomes of one call of /route/ and of the request it was for: answered whole; no worker this time; a 429; broken
off; a 500; a connection that ends without an answer; a connection that is refused."""

COLD_SECONDS = 20.0
_PIECES_BEFORE_BREAK = 5
_KEPT_REQUESTS = 10_000

_STOPPED = (Stage(0, "starting"), Stage(0.25, "loading"), Stage(0.6, "model_loading"), Stage(1, READY))
_NEW = (Stage(0, "creating"), Stage(0.7, "loading"), Stage(1.1, "model_loading"), Stage(1.6, READY))
_READY = WorkerPlan("RTX 4090", READY)
_RESERVE = WorkerPlan("RTX 4090", "stopped")


@dataclass(frozen=True)
class Scenario:
    """One row of the table above. ``plans``: for request after request, the fate of each of its tries; the last one stays."""

    plans: Sequence[Sequence[Fate]] = (("whole",),)
    workers: Sequence[WorkerPlan] = (_READY, _RESERVE)
    first_delay: float = 0.0
    delay: float = 0.0


SCENARIOS = {
    "warm": Scenario(),
    "cold": Scenario(workers=(WorkerPlan("RTX 4090", "stopped", _STOPPED), WorkerPlan("RTX 3090", "", _NEW))),
    "slow": Scenario(first_delay=8.0, delay=0.5),
    "busy": Scenario(plans=(("whole",), ("wait", "wait", "wait", "wait", "whole"), ("full", "whole"), ("full",))),
    "broken": Scenario(
        plans=(("whole",), ("break",), ("error",), ("refuse", "whole"), ("drop",), ("refuse",)),
        workers=(_READY, WorkerPlan("RTX 3090", "error")),
    ),
}
"""The scenarios by name."""


class Course:
    """A scenario as it goes on: asked by the autoscaler at each call of /route/, and by the worker at each request."""

    def __init__(self, scenario: Scenario, cold_seconds: float = COLD_SECONDS) -> None:
        self.scenario = scenario
        self.activity = Activity()
        self.fleet = Fleet(scenario.workers, cold_seconds, self.activity)
        self._lock = threading.Lock()  # guards everything below
        self._tries: OrderedDict[int, int] = OrderedDict()
        self._fates: OrderedDict[object, Fate] = OrderedDict()
        self._closed: socket.socket | None = None

    def next_fate(self, request_idx: int) -> Fate:
        """What becomes of the request's next try."""
        plan = self.scenario.plans[(request_idx - 1) % len(self.scenario.plans)]
        with self._lock:
            tried = self._tries.pop(request_idx, 0)
            self._tries[request_idx] = tried + 1
            while len(self._tries) > _KEPT_REQUESTS:
                self._tries.popitem(last=False)
        return plan[min(tried, len(plan) - 1)]

    def why_not(self, fate: Fate) -> str:
        """Why no worker is to be assigned now, or nothing. The fleet is woken."""
        self.fleet.wake()
        if fate == "wait":
            return f"{self.fleet.status}; every queue is full"
        return "" if self.fleet.is_ready else self.fleet.status

    def url_for(self, fate: Fate, url: str) -> str:
        """The address to assign: the worker's, or one where nobody answers."""
        if fate != "refuse":
            return url
        with self._lock:
            if self._closed is None:
                # Bound and without a listener: nobody else can take the port, and whoever connects is refused.
                self._closed = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                self._closed.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{self._closed.getsockname()[1]}"

    def remember(self, reqnum: object, fate: Fate) -> None:
        """The assignment of that number is to end so."""
        with self._lock:
            self._fates[reqnum] = fate
            while len(self._fates) > _KEPT_REQUESTS:
                self._fates.popitem(last=False)

    def serve(self, request: Request, backend: Callable[[Request], Answer]) -> Answer:
        """The answer to a request that a worker has found good."""
        with self._lock:
            fate = self._fates.pop((request.auth_data or {}).get("reqnum"), "whole")
        if fate in ("full", "error"):
            return Answer(429 if fate == "full" else 500)
        if fate == "drop":
            raise HangUp
        request.pause(self.scenario.first_delay)
        answer = backend(request)
        if fate == "break":
            return _broken(answer)
        if self.scenario.delay and not isinstance(answer.body, bytes):
            answer.body = self._slowly(request, answer.body)
        return answer

    def close(self) -> None:
        """Give the port back where nobody answers. Harmless twice."""
        with self._lock:
            if self._closed is not None:
                self._closed.close()
                self._closed = None

    def _slowly(self, request: Request, body: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for piece in body:
                yield piece
                request.pause(self.scenario.delay)
        finally:
            _close(body)


def _broken(answer: Answer) -> Answer:
    """The answer without its second half, and without the end of its framing."""
    body = answer.body
    if isinstance(body, bytes):
        headers = [*answer.headers, ("Content-Length", str(len(body)))]
        return Answer(answer.status, _until_break([body[: len(body) // 2]]), headers)
    return Answer(answer.status, _until_break(body), answer.headers)


def _until_break(body: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from itertools.islice(body, _PIECES_BEFORE_BREAK)
        raise HangUp
    finally:
        _close(body)


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
