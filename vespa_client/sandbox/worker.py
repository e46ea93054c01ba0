"""The workers of both kinds: they check the signature and pass the payload on (protocol.md, "Workers")."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .autoscaler import WorkerKind, signed_text
from .component import Component, json_answer
from .envelope import Envelope, NotAnEnvelope, read_envelope, read_query
from .messages import Answer, Request
from .signing import SigningKey

__all__ = ["OPTIONAL_ROUTES", "ROUTES", "PyWorker", "Worker", "make_worker"]

ROUTES = ("/v1/chat/completions", "/v1/completions")
"""What the official worker serves."""
OPTIONAL_ROUTES = ("/v1/embeddings",)
"""What an official worker's operator can opt in to, as far as the built-in model has it."""

_BODY_METHODS = ("POST", "PUT", "PATCH")
_QUERY_METHODS = ("GET", "HEAD", "DELETE")
_KEPT_REQNUMS = 100_000


class Worker(Component):
    """A Vespa worker: all six methods on any path.

    Answers 422 to what is no envelope and 400 to a bad query; an empty 401 to a wrong signature, and to a ``reqnum``
    that came before: such requests are kept in ``replayed``. A recorded request has the client's ``payload`` and the
    ``auth_data``, as Python read them.
    """

    name = "worker"
    kind: WorkerKind = "vespa"

    def __init__(self, key: SigningKey, backend: Callable[[Request], Answer]) -> None:
        super().__init__()
        self.replayed: list[Request] = []
        self._key = key
        self._backend = backend
        self._seen: set[object] = set()
        self._seen_in_order: deque[object] = deque()

    def respond(self, request: Request) -> Answer:
        try:
            envelope = self._read(request)
        except NotAnEnvelope as problem:
            return json_answer(problem.status, {"error": str(problem)})
        request.auth_data, request.payload = envelope.auth_data, envelope.payload
        if not self._is_signed(envelope):
            return Answer(401)
        if not self._is_new(envelope.auth_data["reqnum"]):
            with self._changed:
                self.replayed.append(request)
            return Answer(401)
        target = f"{request.path}?{envelope.query}" if envelope.query else request.path
        headers = [("Content-Type", "application/json")] if request.method in _BODY_METHODS else []
        return self._backend(request.derive(target, headers, envelope.raw))

    def _is_signed(self, envelope: Envelope) -> bool:
        signature = envelope.auth_data["signature"]
        return isinstance(signature, str) and self._key.verify(signed_text(envelope.auth_data, self.kind), signature)

    def _read(self, request: Request) -> Envelope:
        if request.method in _BODY_METHODS:
            return read_envelope(request.body, request.query)
        if request.method in _QUERY_METHODS:
            return read_query(request.query)
        raise NotAnEnvelope(405, f"{request.method}: a method no worker takes")

    def _is_new(self, reqnum: object) -> bool:
        with self._changed:
            if reqnum in self._seen:
                return False
            self._seen.add(reqnum)
            self._seen_in_order.append(reqnum)
            if len(self._seen_in_order) > _KEPT_REQNUMS:
                self._seen.discard(self._seen_in_order.popleft())
            return True


class PyWorker(Worker):
    """An official worker: POST alone, on the routes that its operator set up, which may be changed at any time.

    Elsewhere it answers as aiohttp does. Its payloads are objects, it takes an assignment as often as it comes, and of a
    stream's headers only the Content-Type goes on. It has no sessions and no queue: the official program itself has.
    """

    kind: WorkerKind = "pyworker"

    def __init__(self, key: SigningKey, backend: Callable[[Request], Answer]) -> None:
        super().__init__(key, backend)
        self.routes = [*ROUTES, *OPTIONAL_ROUTES]

    def respond(self, request: Request) -> Answer:
        if request.path not in self.routes:
            return _of_aiohttp("404: Not Found", 404)
        if request.method != "POST":
            return _of_aiohttp("405: Method Not Allowed", 405, ("Allow", "POST"))
        answer = super().respond(request)
        if not isinstance(answer.body, bytes):
            answer.headers = [(name, value) for name, value in answer.headers if name.lower() == "content-type"]
        return answer

    def _read(self, request: Request) -> Envelope:
        envelope = super()._read(request)
        if not isinstance(envelope.payload, dict):
            raise NotAnEnvelope(422, "payload: an object is wanted")
        return envelope

    def _is_new(self, reqnum: object) -> bool:
        return True


def make_worker(kind: WorkerKind, key: SigningKey, backend: Callable[[Request], Answer]) -> Worker:
    """A worker of that kind, not yet started."""
    return (PyWorker if kind == "pyworker" else Worker)(key, backend)


def _of_aiohttp(text: str, status: int, *headers: tuple[str, str]) -> Answer:
    return Answer(status, text.encode(), [("Content-Type", "text/plain; charset=utf-8"), *headers])
