"""How a request to a far host can fail, and whether it may have run there: that decides whether it may be sent again."""

from __future__ import annotations

import errno
import socket
import ssl

import urllib3
from urllib3.exceptions import NameResolutionError

__all__ = [
    "AnswerBroken",
    "AnswerLate",
    "CertificateRefused",
    "ConnectFailed",
    "ConnectTimedOut",
    "HungUp",
    "TransportError",
    "reason_for",
]


class TransportError(Exception):
    """The request failed. ``str()`` is a reason for people; ``may_have_run`` says whether the far side had all of it."""

    may_have_run = False


class ConnectFailed(TransportError):
    """No connection came about: refused, unreachable, too slow, no such name, or an outbound proxy's refusal."""


class ConnectTimedOut(ConnectFailed):
    """No connection came about within the time limit."""


class CertificateRefused(ConnectFailed):
    """The far side's certificate is not trusted, or not its own."""


class HungUp(TransportError):
    """The connection ended before the answer's head.

    ``stale``: a kept connection that had gone before it was used; ``unheard``: without a word, as those beside it may have.
    """

    def __init__(self, reason: str, *, sent: bool, stale: bool, unheard: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale
        self.unheard = unheard
        self.may_have_run = sent and not stale


class AnswerLate(TransportError):
    """Nothing came within the time limit."""

    may_have_run = True


class AnswerBroken(TransportError):
    """The answer isn't HTTP, or ended before it was whole."""

    may_have_run = True


_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to it",
    errno.ENETUNREACH: "the network is unreachable",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection closed",
    errno.ETIMEDOUT: "its machine is heard of no more",
}


def reason_for(problem: BaseException) -> str:
    """A reason for people, without the addresses and object names that exceptions carry."""
    reason = getattr(problem, "reason", None)
    if isinstance(problem, NameResolutionError | socket.gaierror):
        return "its name can't be resolved (no network, or a DNS problem)"
    if isinstance(problem, ssl.SSLError):
        return f"TLS failed: {problem.reason or 'the connection ended'}"
    if isinstance(problem, OSError) and problem.errno in _REASONS:
        return _REASONS[problem.errno]
    if isinstance(problem, TimeoutError | urllib3.exceptions.TimeoutError):
        return str(problem) if problem.args and str(problem) != "timed out" else "it took too long"
    if isinstance(problem, OSError) and str(problem).startswith("Tunnel connection failed"):
        return f"the outbound proxy refused the way there ({str(problem).partition(': ')[2]})"
    if isinstance(reason, BaseException):
        return reason_for(reason)
    return type(problem).__name__ if not isinstance(problem, OSError) else (problem.strerror or str(problem))
