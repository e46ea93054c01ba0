"""A request as a component gets it, and the answer it gives."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["Answer", "ClientGone", "Connected", "HangUp", "Outcome", "Request"]

Outcome = Literal["answered", "broken", "cancelled"]
"""How a request ended: answered whole, broken off by the component, or its client hung up."""


class Connected(Protocol):
    """The connection that a request came on, as :class:`Request` needs it."""

    def pause(self, seconds: float) -> None:
        """See :meth:`Request.pause`."""

    def watched(self, when_gone: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """See :meth:`Request.watched`."""


class ClientGone(Exception):
    """The client hung up, or the sandbox is stopping: nobody wants this answer any more."""


class HangUp(Exception):
    """Raised by a body's iterator, or by what makes an answer: the connection ends here, its framing unfinished.

    With ``reset`` the client sees a reset (RST), otherwise an orderly end (FIN).
    """

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


@dataclass
class Answer:
    """What a component answers.

    ``body`` as bytes goes out with its length; as an iterable it goes out chunked, each piece in one write as soon as
    it is there. An iterable goes out with a length where ``headers`` has a Content-Length (a wrong one ends the
    connection, so that the client sees the lie), and up to the end of the connection with ``until_close``.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    until_close: bool = False


@dataclass(eq=False)
class Request:
    """One request as a component got it; afterwards, the record of it.

    ``headers`` are pairs in the order and case they came. ``payload`` and ``auth_data`` are what the worker found in
    the envelope or the query. Times are of :func:`time.monotonic`; ``ended_at`` and ``outcome`` are None while it runs.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    payload: Any = None
    auth_data: dict[str, Any] | None = None
    received_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    outcome: Outcome | None = None
    status: int | None = None
    ends: list[Callable[[Outcome], None]] = field(default_factory=list)
    """Called once when the request has ended. Requests derived from this one share the list."""
    connection: Connected | None = None

    def __repr__(self) -> str:
        # The query and the body may hold a signature, the headers a key.
        return f"<{self.method} {self.path} {self.status or '-'} {self.outcome or 'running'}>"

    @property
    def path(self) -> str:
        """The target before the ``?``."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target behind the ``?``."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of that name in any case, or None."""
        wanted = name.lower()
        return next((value for given, value in self.headers if given.lower() == wanted), None)

    def derive(self, target: str, headers: list[tuple[str, str]], body: bytes) -> Request:
        """The request that a worker makes of this one. It ends when this one does."""
        return Request(self.method, target, headers, body, auth_data=self.auth_data, ends=self.ends, connection=self.connection)

    def pause(self, seconds: float) -> None:
        """Sleep for that long. Raises :class:`ClientGone` at once when the client hangs up or the sandbox stops."""
        if seconds > 0 and self.connection is not None:
            self.connection.pause(seconds)

    @contextlib.contextmanager
    def watched(self, when_gone: Callable[[], None]) -> Iterator[None]:
        """Calls ``when_gone`` from another thread if the client hangs up inside the block."""
        if self.connection is None:
            yield
            return
        with self.connection.watched(when_gone):
            yield

    def end(self, outcome: Outcome) -> None:
        """Settle how it ended. The first call counts."""
        ends = self.ends[:]
        self.ends.clear()
        for told in ends:
            told(outcome)
