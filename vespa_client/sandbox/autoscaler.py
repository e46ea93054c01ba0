"""The autoscaler: which worker may serve a request, signed (protocol.md, "Autoscaler")."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Sequence
from typing import Any, Literal

from .component import Component, json_answer
from .console import Endpoint, bearer_key, same_key
from .messages import Answer, Request
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
    """``POST /route/``, ``GET /pubkey/``, and the reports of official workers.

    ``workers`` may be changed at any time: urls, or pairs of url and kind (``vespa`` where none is given). They are
    assigned in turn. Official workers add themselves once they are ready.
    """

    name = "autoscaler"
    scripted_path = "/route/"

    def __init__(self, key: SigningKey, endpoints: Sequence[Endpoint]) -> None:
        super().__init__()
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

    def assign(self, endpoint: str, cost: float, request_idx: int | None = None) -> dict[str, Any] | None:
        """The assignment that /route/ would give, without a request. None where there is no worker."""
        workers = list(self.workers)
        if not workers:
            return None
        worker = workers[next(self._turn) % len(workers)]
        url, kind = worker if isinstance(worker, tuple) else (worker, _DEFAULT_KIND)
        fields: dict[str, Any] = {
            "url": url,
            "endpoint": endpoint,
            "cost": cost,
            "reqnum": next(self._reqnums),
            "request_idx": request_idx or next(self._request_idxs),
        }
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
        status = self._why_not(endpoint)
        answer = None if status else self.assign(endpoint.name, cost, request_idx)
        if answer is None:
            request_idx = request_idx or next(self._request_idxs)
            answer = {"endpoint": endpoint.name, "status": status or "0 workers", "request_idx": request_idx}
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
