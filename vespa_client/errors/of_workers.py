"""What goes wrong between the proxy and a worker."""

from __future__ import annotations

from .error import VespaError

__all__ = ["AnswerNotUnderstood", "AnswerTimeout", "RedirectRefused", "WorkerAnswerBroken", "WorkerError", "WorkerFailed"]


class WorkerError(VespaError):
    """No worker took the request."""

    status = 502
    code = "worker_unreachable"


class WorkerAnswerBroken(WorkerError):
    """The worker's answer isn't HTTP, or ended before it was whole."""

    code = "worker_answer_broken"
    hint = "The answer is incomplete. The worker may have died or been taken away; send the request again."


class AnswerNotUnderstood(WorkerError):
    """The worker's answer is whole as HTTP, and is no chat completion.

    ``translated`` is what came before it in the same piece of a stream, and is good to be sent on.
    """

    code = "worker_answer_not_understood"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.translated = b""


class WorkerFailed(WorkerError):
    """The worker answered with an error, and without a word on why. The status is the worker's."""

    code = "worker_failed"


class RedirectRefused(WorkerError):
    """The worker's redirect leads past the proxy, where a client would take its key and its prompt."""

    code = "redirect_refused"


class AnswerTimeout(WorkerError):
    """The worker took the request and was silent for too long."""

    status = 504
    code = "worker_timeout"
