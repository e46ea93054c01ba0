"""An endpoint's workers as Vast.ai sees them, and the tail of its log (protocol.md, "Further calls").

For who looks at the status page: asked for with the account key, while somebody looks, and no oftener than every 10 s. Nothing
depends on it, and no call of it can wake a GPU.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypedDict
from urllib.parse import urlsplit

from ..errors import VespaError
from ..journal.log import log
from ..journal.printable import printable
from ..net.lifeline import Lifeline
from ..outbound.call import OutboundRequest, TimeLimits
from ..outbound.failures import TransportError
from ..outbound.transport import Transport
from ..settings.table import Settings
from .account_keys import account_keys
from .console import Console, find_endpoint

__all__ = ["Fleet", "FleetView", "FleetWorker", "billed"]

_LIMITS = TimeLimits(connect=5.0, first_byte=10.0, idle=10.0)
_LARGEST_ANSWER = 4 * 2**20
_PAUSE = 10.0
_LOG_LINES = 100
# Each has what the one before it says, and more; this is what people look for, first.
_LOG_PARTS = ("info1", "info0", "logs", "trace", "debug")
_MOST_WORKERS = 500
# Beyond it, and for NaN, there is no float that JSON has.
_LARGEST_NUMBER = 1e300

# docs.vast.ai, "Worker states" and "Pricing".
_GPU = frozenset({"ready", "starting", "updating", "loading", "active", "idle", "running", "model_loading"})
_STORAGE = frozenset({"creating", "inactive", "stopping", "stopped"})
_NOTHING = frozenset({"destroying", "error"})


class FleetWorker(TypedDict):
    """One worker, as JSON has it. What Vast.ai doesn't say of it is None; ``status`` is its word, known or not."""

    id: int | None
    status: str
    billed: str
    """What the state costs: ``GPU time, storage, traffic``, ``storage, traffic``, ``nothing``, or empty where unknown."""
    gpu_name: str | None
    load: float | None
    perf: float | None
    requests: int | None
    reliability: float | None
    loaded_at: float | None


class FleetView(TypedDict):
    """The workers at one moment, as JSON has them.

    ``trouble`` says why they aren't known; ``asked_at`` is in seconds since 1970.
    """

    known: bool
    trouble: str
    asked_at: float | None
    workers: list[FleetWorker]
    by_status: dict[str, int]
    log: list[str]
    """Its last lines, the oldest first."""


class Fleet:
    """One endpoint's. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        clean: Callable[[str], str] = str,
    ) -> None:
        """``clean`` takes the secrets out of a line of the endpoint's log, which a page is going to show."""
        assert settings.endpoint is not None
        self._settings = settings
        self._console = console
        self._transport = transport
        self._clock = clock
        self._clean = clean
        self._name = settings.endpoint
        self._id: int | None = None
        self._lock = threading.Lock()  # guards that one thread asks, and writes the next two
        self._next_look = 0.0
        self._view = _unknown("not asked for yet", None)

    def look(self, lifeline: Lifeline) -> FleetView:
        """What is known, asked for anew if that was 10 s ago. Raises :class:`ClientGone` when the lifeline is cut."""
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._view = self._ask(lifeline)
                self._next_look = self._clock() + _PAUSE
            finally:
                self._lock.release()
        return self._view

    def _ask(self, lifeline: Lifeline) -> FleetView:
        now = round(time.time(), 3)
        try:
            account = next((candidate for candidate in account_keys(self._settings) if candidate.certain), None)
            if account is None:
                return _unknown("an account key is needed to ask Vast.ai for them", now)
            if self._id is None:
                self._id = find_endpoint(self._console.endpoints(account.key, lifeline), self._name).id
            workers = _workers(self._call("get_endpoint_workers", {"id": self._id}, account.key, lifeline))
        except VespaError as problem:
            return _unknown(problem.message, now)
        except (TransportError, _Unreadable) as problem:
            lifeline.check()
            # An endpoint that was made anew under its name has another number.
            self._id = None
            return _unknown(f"Vast.ai doesn't tell: {problem}", now)
        lines: list[str] = []
        try:
            said = self._call("get_endpoint_logs", {"id": self._id, "tail": _LOG_LINES}, account.key, lifeline)
            lines = [self._clean(line) for line in _lines(said)]
        except (TransportError, _Unreadable) as problem:
            lifeline.check()
            log.debug("The endpoint's log can't be had: %s", str(problem))
        by_status: dict[str, int] = {}
        for worker in workers:
            by_status[worker["status"]] = by_status.get(worker["status"], 0) + 1
        return FleetView(known=True, trouble="", asked_at=now, workers=workers, by_status=by_status, log=lines)

    def _call(self, what: str, question: dict[str, Any], key: str, lifeline: Lifeline) -> Any:
        base = self._settings.autoscaler
        fields = [("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"), ("Accept", "application/json")]
        target = f"{urlsplit(base).path}/{what}/"
        answer = self._transport.ask(
            OutboundRequest("POST", base, target, fields, [json.dumps(question).encode()]), _LIMITS, lifeline
        )
        text = answer.read(_LARGEST_ANSWER, _LIMITS.first_byte)
        if answer.status_code != 200:
            raise _Unreadable(f"it answered {answer.status_code} to {what}")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise _Unreadable(f"its answer to {what} is not JSON") from None


def _unknown(trouble: str, asked_at: float | None) -> FleetView:
    return FleetView(known=False, trouble=trouble, asked_at=asked_at, workers=[], by_status={}, log=[])


class _Unreadable(Exception):
    """The answer is of no use; ``str()`` says why."""


def billed(status: str) -> str:
    """What a worker's state costs, in words; empty where that isn't known."""
    word = status.lower()
    if word in _GPU:
        return "GPU time, storage, traffic"
    if word in _STORAGE:
        return "storage, traffic"
    return "nothing" if word in _NOTHING else ""


def _workers(said: Any) -> list[FleetWorker]:
    """A list, an object with one in it, either as text in JSON, or an ``error_msg`` while it loads."""
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except (ValueError, RecursionError):
            raise _Unreadable(printable(said)[:200] or "nothing") from None
    if isinstance(said, dict):
        if said.get("error_msg"):
            raise _Unreadable(printable(str(said["error_msg"]))[:200])
        said = said.get("workers", [])
    if not isinstance(said, list):
        raise _Unreadable("its answer is no list of workers")
    return [_worker(row) for row in said[:_MOST_WORKERS] if isinstance(row, dict)]


def _worker(row: dict[str, Any]) -> FleetWorker:
    status = printable(str(row.get("status") or "unknown"))[:40]
    gpu = row.get("gpu_name")
    perf = _number(row.get("measured_perf"))
    return FleetWorker(
        id=_whole(row.get("id")),
        status=status,
        billed=billed(status),
        gpu_name=printable(gpu)[:60] if isinstance(gpu, str) else None,
        load=_number(row.get("cur_load")),
        perf=_number(row.get("perf")) if perf is None else perf,
        requests=_whole(row.get("reqs_working")),
        reliability=_number(row.get("reliability")),
        loaded_at=_number(row.get("loaded_at")),
    )


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST_NUMBER:
        return None
    return float(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lines(said: Any) -> list[str]:
    if not isinstance(said, dict):
        raise _Unreadable("its answer is no log")
    part = next((said[name] for name in _LOG_PARTS if said.get(name)), "")
    text = "\n".join(map(str, part)) if isinstance(part, list) else str(part)
    return [printable(line)[:500] for line in text.splitlines() if line.strip()][-_LOG_LINES:]
