"""One call to a far host: what it says, its time limits, and who waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import requests
import urllib3

from ..http1.fields import Fields
from ..net.lifeline import Lifeline

__all__ = ["Call", "HeadersOfCall", "OutboundRequest", "TimeLimits"]


class TimeLimits(NamedTuple):
    """Seconds: to connect, to the answer's first byte, and of silence inside a message."""

    connect: float
    first_byte: float
    idle: float


class OutboundRequest(requests.PreparedRequest):
    """A request with its bytes as they are to be sent. ``url`` is where to connect to, ``target`` what is asked for.

    ``fields`` are the headers, ``Host`` and ``Content-Length`` excepted; ``pieces`` are the body, sent one after the
    other without being copied together, or None for a request without a body.
    """

    def __init__(
        self, method: str, url: str, target: str, fields: Fields, pieces: Sequence[bytes | bytearray] | None = None
    ) -> None:
        # PreparedRequest's own would make room for cookies and hooks that nobody here reads.
        self.method = method
        self.url = url
        self.target = target
        self.pieces = pieces
        self.body = None if pieces is None else b""
        self.headers = HeadersOfCall(self, fields)  # type: ignore[assignment]


class HeadersOfCall(dict[str, str]):
    """What urllib3 hands down to the connection as the headers: the request itself, and what a proxy log-in adds."""

    def __init__(self, request: OutboundRequest, fields: Fields) -> None:
        super().__init__()
        self.request = request
        self.fields = fields


class Call(urllib3.Timeout):
    """One call's time limits, the lifeline of whoever waits for it, who is told where it is, and whose turn it is to send.

    urllib3 hands a time limit down from requests to the pool, and nothing else of ours; so the call is one.
    """

    def __init__(
        self,
        limits: TimeLimits,
        lifeline: Lifeline,
        on_phase: Callable[[str], None] = lambda phase: None,
        turn: threading.Lock | None = None,
    ) -> None:
        """``turn`` is held while a small request is sent; None where there is no crowd of others."""
        # Timeout's own seconds are read by nobody: its type alone is what requests looks at.
        self.limits = limits
        self.lifeline = lifeline
        self.on_phase = on_phase
        self.turn = turn or threading.Lock()

    def __repr__(self) -> str:
        return f"Call({self.limits})"
