"""The autoscaler: which worker may serve a request, signed (protocol.md, "Autoscaler")."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Literal

from .component import Component, json_answer
from .console import Endpoint, bearer_key, same_key
from .messages import Answer, Request
from .scenario.course import SCENARIOS, Course, Fate
from .signing import SigningKey

__all__ = ["SIGNED_FIELDS", "Autoscaler", "WorkerKind", "signed_text"]

WorkerKind = Literal["vespa", "pyworker"]

SIGNED_FIELDS: dict[WorkerKind, tuple[str, ...]] = {
    "vespa": ("cost", "endpoint", "reqnum", "request_idx", "url"),
    "pyworker": ("url",),
}
"""What the signature covers, by the kind of the worker it is for (protocol.md, "Workers")."""

_DEFAULT_KIND: WorkerKind = "vespa"
_COLD = "0 of 1 workers ready: 1 loading"
# A suspended endpoint keeps its workers.
_ACTIVE_STATES = ("active", "running", "suspended")


def signed_text(fields: dict[str, Any], kind: WorkerKind) -> str:
    """The text that autoscaler and worker put under the signature."""
    return json.dumps({name: fields[name] for name in SIGNED_FIELDS[kind]}, indent=4, sort_keys=True)


class Autoscaler(Component):
    """``POST /route/``, ``GET /pubkey/``, the reports of official workers, and two calls of Vast.ai's own tools.

    ``workers`` may be changed at any time: urls, or pairs of url and kind (``vespa`` where none is given). They are
    assigned in turn. Official workers add themselves once they are ready. ``course`` is the scenario; the tools' calls,
    ``POST /get_endpoint_workers/`` and ``/get_endpoint_logs/``, are for the account key.
    """

    name = "autoscaler"
    scripted_path = "/route/"

    def __init__(
        self, key: SigningKey, endpoints: Sequence[Endpoint], account_key: str = "", course: Course | None = None
    ) -> None:
        super().__init__()
        self.account_key = account_key
        self.course = course or Course(SCENARIOS["warm"])
        self.working: Callable[[], int] = lambda: 0
        """How many requests the workers have in hand."""
        self.endpoints = list(endpoints)
        self.workers: list[str | tuple[str, WorkerKind]] = []
        self._key = key
        self._turn = itertools.count()
        self._reqnums = itertools.count(1)
        self._request_idxs = itertools.count(1)
        self._cold_polls: int | None = 0
        self._cold_status = _COLD

    @property
    def routes(self) -> list[Request]:
        """The requests to ``/route/`` alone."""
        return [request for request in self.requests if request.path == "/route/"]

    def cold(self, polls: int | None = None, status: str = _COLD) -> None:
        """Answer the next ``polls`` calls of /route/ (None: all until :meth:`warm`) without a worker."""
        with self._changed:
            self._cold_polls = polls
            self._cold_status = status

    def warm(self) -> None:
        """End what :meth:`cold` began."""
        self.cold(0)

    def assign(self, endpoint: str, cost: float, request_idx: int | None = None, fate: Fate = "whole") -> dict[str, Any] | None:
        """The assignment that /route/ would give, without a request. None where there is no worker."""
        workers = list(self.workers)
        if not workers:
            return None
        worker = workers[next(self._turn) % len(workers)]
        url, kind = worker if isinstance(worker, tuple) else (worker, _DEFAULT_KIND)
        fields: dict[str, Any] = {
            "url": self.course.url_for(fate, url),
            "endpoint": endpoint,
            "cost": cost,
            "reqnum": next(self._reqnums),
            "request_idx": request_idx or next(self._request_idxs),
        }
        self.course.remember(fields["reqnum"], fate)
        fields["signature"] = self._key.sign(signed_text(fields, kind))
        return fields

    def respond(self, request: Request) -> Answer:
        asked = (request.method, request.path)
        if asked == ("POST", "/route/"):
            return self._route(request)
        if asked == ("GET", "/pubkey/"):
            return Answer(200, self._key.public_pem().encode(), [("Content-Type", "text/plain; charset=utf-8")])
        if asked == ("POST", "/worker_status/"):
            return self._note_worker(request)
        if asked == ("POST", "/delete_requests/"):
            return json_answer(200, {"success": True})
        if asked in (("POST", "/get_endpoint_workers/"), ("POST", "/get_endpoint_logs/")):
            return self._tell_account(request)
        return json_answer(404, {"error": "Not found"})

    def _route(self, request: Request) -> Answer:
        key = bearer_key(request)
        endpoint = next((endpoint for endpoint in self.endpoints if same_key(key, endpoint.api_key)), None)
        if endpoint is None:
            return json_answer(401, {"error": "Authentication failed"})
        body = _read_object(request.body)
        cost, request_idx = body.get("cost"), body.get("request_idx")
        if (
            body.get("endpoint") != endpoint.name
            or not isinstance(cost, (int, float))
            or isinstance(cost, bool)
            or not 0 <= cost < float("inf")
            or not isinstance(request_idx, (int, type(None)))
        ):
            return json_answer(400, {"error": "Invalid endpoint or missing required parameters"})
        request.payload = body
        request_idx = request_idx or next(self._request_idxs)
        status, fate = self._why_not(endpoint), self.course.next_fate(request_idx)
        status = status or self.course.why_not(fate)
        answer = None if status else self.assign(endpoint.name, cost, request_idx, fate)
        note = self.course.activity.note
        if answer is None:
            answer = {"endpoint": endpoint.name, "status": status or "0 workers", "request_idx": request_idx}
            note("trace", f"request {request_idx}, cost {cost}: no worker ({answer['status']})")
        else:
            note("info1", f"request {request_idx}, cost {cost}: {answer['url']}")
        return json_answer(200, {**answer, "__request_id": secrets.token_hex(8)})

    def _why_not(self, endpoint: Endpoint) -> str:
        """Why no worker is to be assigned now, or nothing."""
        if endpoint.state not in _ACTIVE_STATES:
            return f"0 workers: the endpoint is {endpoint.state}"
        with self._changed:
            if self._cold_polls is None:
                return self._cold_status
            if self._cold_polls > 0:
                self._cold_polls -= 1
                return self._cold_status
        return ""

    def _tell_account(self, request: Request) -> Answer:
        body = _read_object(request.body)
        key = bearer_key(request) or str(body.get("api_key", ""))
        if not self.account_key or not same_key(key, self.account_key):
            return json_answer(401, {"error": "Authentication failed"})
        wanted = (body.get("id"), body.get("endpoint"))
        if not any(endpoint.id == wanted[0] or endpoint.name == wanted[1] for endpoint in self.endpoints):
            return json_answer(200, {"error_msg": "There is no such endpoint."})
        if request.path == "/get_endpoint_workers/":
            return json_answer(200, self.course.fleet.rows(self.working()))
        tail = body.get("tail")
        return json_answer(200, self.course.activity.read(tail if isinstance(tail, int) and tail > 0 else None))

    def _note_worker(self, request: Request) -> Answer:
        """What an official worker reports of itself (``server/lib/metrics.py``): it is ready once it knows its pace."""
        report = _read_object(request.body)
        url, pace = report.get("url"), report.get("max_perf")
        if not isinstance(url, str) or not isinstance(pace, (int, float)):
            return json_answer(400, {"error": "Invalid worker status"})
        worker: tuple[str, WorkerKind] = (url.rstrip("/"), "pyworker")
        with self._changed:
            if pace > 0 and not report.get("error_msg") and worker not in self.workers:
                self.workers.append(worker)
        return json_answer(200, {"success": True})


def _read_object(text: bytes) -> dict[str, Any]:
    """A JSON object; an empty one where the text is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
