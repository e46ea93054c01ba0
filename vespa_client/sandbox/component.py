"""What every part of the sandbox can do: listen, keep records of what it was asked, answer by a test's script."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from .http import Server
from .messages import Answer, HangUp, Outcome, Request

__all__ = ["Body", "Component", "json_answer"]

_KEPT_REQUESTS = 10_000
_KEPT_BYTES = 1 << 26

Body = bytes | str | Mapping[str, Any] | Iterable[bytes] | Callable[[Request], Iterable[bytes]]
_T = TypeVar("_T")


def json_answer(status: int, value: Any) -> Answer:
    """The value as an answer of JSON."""
    return Answer(status, json.dumps(value).encode(), [("Content-Type", "application/json")])


class Component:
    """One server of the sandbox.

    ``requests``, ``active`` and ``wait_for`` say what it was asked; ``answer_with`` and ``answer_by`` put scripted
    answers before its own. The records are the latest 10,000 requests or 64 MiB of bodies, whichever is less.
    """

    name = "component"
    scripted_path: str | None = None
    """The path that scripts are for where they name none; None: every path."""

    def __init__(self) -> None:
        self._server = Server(self.name, self.handle)
        self._changed = threading.Condition()  # guards everything below
        self._requests: deque[Request] = deque()
        self._kept_bytes = 0
        self._active = 0
        self._script: list[_Scripted] = []

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``. RuntimeError before the first start."""
        return self._server.url

    @property
    def tls(self) -> ssl.SSLContext | None:
        """A server-side context makes it https; to be set before the start."""
        return self._server.tls

    @tls.setter
    def tls(self, context: ssl.SSLContext | None) -> None:
        self._server.tls = context

    def start(self) -> None:
        """Listening when it returns. Harmless twice."""
        self._server.start()

    def stop(self, timeout: float = 0.8) -> int:
        """End it within ``timeout`` seconds. Returns the number of threads that are still running."""
        return self._server.stop(timeout)

    @property
    def requests(self) -> list[Request]:
        """What it was asked so far, oldest first."""
        with self._changed:
            return list(self._requests)

    @property
    def active(self) -> int:
        """How many requests are being answered at this moment."""
        with self._changed:
            return self._active

    @property
    def cancelled(self) -> list[Request]:
        """The requests whose clients hung up before the answer was over."""
        return [request for request in self.requests if request.outcome == "cancelled"]

    def wait_for(self, predicate: Callable[[list[Request]], _T], timeout: float = 5.0) -> _T:
        """Wait until ``predicate(requests)`` is true, and return what it returned.

        It is asked again whenever a request comes or ends. Raises TimeoutError after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (found := predicate(list(self._requests))):
                left = deadline - time.monotonic()
                if left <= 0:
                    latest = list(self._requests)[-10:]
                    raise TimeoutError(f"The {self.name} waited {timeout} s in vain. Its latest requests: {latest}")
                self._changed.wait(left)
            return found

    def answer_with(
        self,
        status: int = 200,
        body: Body = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        times: int | None = 1,
        path: str | None = None,
        until_close: bool = False,
    ) -> None:
        """Answer the next ``times`` requests like this (None: all from now on), in the order of the calls.

        ``body``: bytes or text; a dict, which goes out as JSON; an iterable of bytes, or a function of the request that
        returns one, which goes out chunked, piece by piece (see :class:`Answer`; :class:`HangUp` breaks it off).
        ``path`` limits it to requests of that path.
        """
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        if times != 1 and hasattr(body, "__next__"):
            raise ValueError("An iterator serves one answer: give a list, or a function that makes one.")
        if isinstance(body, Mapping):
            if not any(name.lower() == "content-type" for name, _ in fields):
                fields.append(("Content-Type", "application/json"))
            body = json.dumps(body)
        given = body.encode() if isinstance(body, str) else cast("bytes | Iterable[bytes]", body)

        def answer(request: Request) -> Answer:
            return Answer(status, given(request) if callable(given) else given, fields, until_close)

        self.answer_by(answer, times, path)

    def answer_by(self, function: Callable[[Request], Answer | None], times: int | None = 1, path: str | None = None) -> None:
        """Let a function answer the next ``times`` requests; where it returns None, the component answers as usual."""
        with self._changed:
            self._script.append(_Scripted(function, times, path or self.scripted_path))

    def hang_up(self, times: int | None = 1, reset: bool = False, path: str | None = None) -> None:
        """End the connection of the next ``times`` requests without an answer, by FIN or by RST."""

        def refuse(request: Request) -> Answer | None:
            raise HangUp(reset)

        self.answer_by(refuse, times, path)

    def clear_script(self) -> None:
        """Forget the scripted answers that are left."""
        with self._changed:
            self._script.clear()

    def clear_requests(self) -> None:
        """Forget the records so far."""
        with self._changed:
            self._requests.clear()
            self._kept_bytes = 0

    def handle(self, request: Request) -> Answer:
        """Record the request and answer it, by the script or by :meth:`respond`."""
        request.ends.append(partial(self._end, request))
        with self._changed:
            self._requests.append(request)
            self._kept_bytes += len(request.body)
            while len(self._requests) > _KEPT_REQUESTS or (self._kept_bytes > _KEPT_BYTES and len(self._requests) > 1):
                self._kept_bytes -= len(self._requests.popleft().body)
            self._active += 1
            scripted = self._next_scripted(request.path)
            self._changed.notify_all()
        answer = scripted(request) if scripted else None
        if answer is None:
            answer = self.respond(request)
        request.status = answer.status
        return answer

    def respond(self, request: Request) -> Answer:
        """The component's own answer."""
        raise NotImplementedError

    def _next_scripted(self, path: str) -> Callable[[Request], Answer | None] | None:
        for scripted in self._script:
            if scripted.path in (None, path):
                if scripted.times is not None:
                    scripted.times -= 1
                    if not scripted.times:
                        self._script.remove(scripted)
                return scripted.function
        return None

    def _end(self, request: Request, outcome: Outcome) -> None:
        with self._changed:
            request.ended_at = time.monotonic()
            request.outcome = outcome
            request.connection = None
            self._active -= 1
            self._changed.notify_all()


class _Scripted:
    """A scripted answer and how often it is still to be given."""

    def __init__(self, function: Callable[[Request], Answer | None], times: int | None, path: str | None) -> None:
        self.function = function
        self.times = times
        self.path = path
