"""What clients are told of a worker that fails them: the wordings for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..errors import AnswerTimeout, VespaError, WorkerAnswerBroken, WorkerError, WorkerFailed
from ..outbound.failures import AnswerLate, CertificateRefused, TransportError

__all__ = ["answered_after_a_heartbeat", "broke_off", "gave_no_reason", "none_reached", "was_lost"]

_HINTS = {
    401: "The worker refused the signature. If this goes on, check --autoscaler-url and --instance.",
    404: "The worker has no such route. Which paths there are is decided by the worker's own configuration.",
    405: "The worker has no such route for this method; the official worker knows POST alone.",
    410: "The session is over.",
    429: "The worker's queue is full. Try again in a moment, or let the endpoint have more workers.",
    500: "The model server behind the worker failed. Its log on the worker says why.",
    502: "A gateway in the worker got no answer from the model server. It may have run, so the proxy did not send it again.",
    504: "A gateway in the worker gave up waiting for the model server. It may still run, so the proxy did not send it again.",
}


def was_lost(problem: TransportError, worker: str) -> VespaError:
    """The worker took the request, and no answer came."""
    message = f"The worker {worker} took the request, and then: {problem}."
    if isinstance(problem, AnswerLate):
        return AnswerTimeout(message, hint="Raise --timeout if your model needs longer for its first byte.", retried=True)
    hint = "It may have run, so the proxy did not send it again. If it may run twice, send it again."
    return WorkerAnswerBroken(message, hint=hint)


def none_reached(failures: Sequence[str], last: TransportError, status: int) -> WorkerError:
    """None of the workers tried took the request. ``failures`` says of each why, ``last`` is the last one's."""
    hint = (
        "The workers that the autoscaler named may just have gone; try again in a moment. If you are behind an "
        "outbound proxy, it must let connections to high ports through, or be bypassed with NO_PROXY."
    )
    if isinstance(last, CertificateRefused):
        hint = "If your company inspects TLS, give its root with --ca-file PATH. Nothing is sent to a worker unverified."
    tries = "1 try" if len(failures) == 1 else f"{len(failures)} tries"
    each = [failure if times == 1 else f"{failure} ({times} times)" for failure, times in Counter(failures).items()]
    message = f"No worker could be reached in {tries}. " + "; ".join(each) + "."
    return WorkerError(message, hint=hint, status=status, retried=len(failures) > 1)


def broke_off(problem: TransportError, worker: str) -> WorkerError:
    """The answer ended before it was whole."""
    message = f"The worker {worker} was lost inside its answer: {problem}."
    if isinstance(problem, AnswerLate):
        return AnswerTimeout(message, hint="Raise --idle-timeout if your model is silent for longer than that.")
    return WorkerAnswerBroken(message)


def gave_no_reason(status: int, method: str, path: str, *, retried: bool) -> WorkerError:
    """An error of the worker's without a body, or with one that says no more than the status, to such a request."""
    from .missing_routes import is_about_a_route, no_such_route

    if is_about_a_route(status, path):
        return no_such_route(status, method, path, retried=retried)
    hint = _HINTS.get(status, "The worker gave no reason. The worker's log may say more.")
    return WorkerFailed(f"The worker answered {status} without saying why.", hint=hint, status=status, retried=retried)


def answered_after_a_heartbeat(status: int, said: str) -> WorkerError:
    """An error of the worker's, ``said`` its text, to a client that has been given an event stream's head already."""
    return WorkerFailed(f"The worker answered {status}: {said}", status=status, hint=_HINTS.get(status, ""))
