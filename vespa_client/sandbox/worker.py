"""The worker, of the Vespa kind: checks the signature, passes the payload on (protocol.md, "Workers")."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .autoscaler import signed_text
from .component import Component, json_answer
from .envelope import Envelope, NotAnEnvelope, read_envelope, read_query
from .messages import Answer, Request
from .signing import SigningKey

__all__ = ["Worker"]

_BODY_METHODS = ("POST", "PUT", "PATCH")
_QUERY_METHODS = ("GET", "HEAD", "DELETE")
_KEPT_REQNUMS = 100_000


class Worker(Component):
    """All six methods on any path.

    Answers 422 to what is no envelope and 400 to a bad query; an empty 401 to a wrong signature, and to a ``reqnum``
    that came before: such requests are kept in ``replayed``. A recorded request has the client's ``payload`` and the
    ``auth_data``, as Python read them.
    """

    name = "worker"

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
        signature = envelope.auth_data["signature"]
        if not isinstance(signature, str) or not self._key.verify(signed_text(envelope.auth_data, "vespa"), signature):
            return Answer(401)
        if not self._is_new(envelope.auth_data["reqnum"]):
            with self._changed:
                self.replayed.append(request)
            return Answer(401)
        target = f"{request.path}?{envelope.query}" if envelope.query else request.path
        headers = [("Content-Type", "application/json")] if request.method in _BODY_METHODS else []
        return self._backend(request.derive(target, headers, envelope.raw))

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
