"""What can go wrong, by whose fault it is.

Every error carries an HTTP status, a stable ``code``, a message that says what happened and a hint that says what to do.
The proxy answers with :meth:`VespaError.body`, the command line prints ``str(error)``, and the library raises them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = [
    "AnswerNotUnderstood",
    "AnswerTimeout",
    "AuthenticationError",
    "AutoscalerError",
    "BadRequest",
    "BodyTooLarge",
    "Cancelled",
    "ConfigurationError",
    "ConsoleBusy",
    "ConsoleError",
    "EndpointNotFound",
    "EndpointStopped",
    "FileTooLarge",
    "ForbiddenOrigin",
    "KeyFileUnusable",
    "MethodNotAllowed",
    "NetworkError",
    "NoEndpoints",
    "NoWorkerReady",
    "NotFound",
    "PortTaken",
    "ProxyKeyMissing",
    "ShuttingDown",
    "TooManyConnections",
    "TooManyFiles",
    "TwoFactorRequired",
    "UnknownHost",
    "UnsupportedBody",
    "Untranslatable",
    "UploadTooLarge",
    "VespaError",
    "WorkerAnswerBroken",
    "WorkerError",
    "WorkerFailed",
]

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    414: "invalid_request_error",
    415: "invalid_request_error",
    417: "invalid_request_error",
    421: "permission_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    503: "overloaded_error",
    504: "timeout_error",
    505: "invalid_request_error",
}


class VespaError(Exception):
    """The base of every error this package raises.

    ``status`` is the HTTP status the proxy answers with, ``code`` a stable word for programs, ``hint`` what a person can
    do about it, ``retry_after`` the seconds after which another try makes sense, ``retried`` whether the proxy has
    tried more than once already, so that a client's own retry would only repeat its work.
    """

    status: int = 500
    code: str = "internal_error"
    hint: str = ""
    allow: Sequence[str] = ()
    request_id: str = ""
    """Of the request that it is the answer to, where it is one."""
    param: str | None = None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        retried: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint
        if status is not None:
            self.status = status
        self.retry_after = retry_after
        self.retried = retried

    def body(self) -> bytes:
        """The JSON that the OpenAI and the Anthropic SDK both show: see "Errors" in the README."""
        import json  # here, since --help has to load this module

        body: dict[str, Any] = {"type": "error", "error": self.fields()}
        if self.request_id:
            body["request_id"] = self.request_id
        return json.dumps(body).encode()

    def event(self) -> bytes:
        """The same as a server-sent event."""
        return b"event: error\ndata: " + self.body() + b"\n\n"

    def fields(self) -> dict[str, str | None]:
        """The inner object of :meth:`body`. SDKs show the message alone, so that the hint stands in it too."""
        return {
            "type": _TYPES.get(self.status, "api_error"),
            "code": self.code,
            "message": " ".join(part for part in (self.message, self.hint) if part),
            "hint": self.hint,
            "param": self.param,
        }


class ConfigurationError(VespaError):
    """A setting is missing, or has a value that can't work."""

    code = "configuration_error"


class KeyFileUnusable(VespaError):
    """A key file is there, and can't be used."""

    code = "key_file_unusable"


class PortTaken(ConfigurationError):
    """The port to listen on belongs to another program."""

    code = "port_taken"

    def __init__(self, message: str, *, port: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.port = port


class BadRequest(VespaError):
    """The client's request can't be understood, or can't be carried to a worker."""

    status = 400
    code = "bad_request"


class UnknownHost(BadRequest):
    """The request is for a host name that isn't this proxy's: a DNS name may have been pointed here."""

    status = 421
    code = "unknown_host"


class ForbiddenOrigin(BadRequest):
    """A web page asked that isn't welcome."""

    status = 403
    code = "forbidden_origin"


class ProxyKeyMissing(BadRequest):
    """The proxy has a key of its own, and the request doesn't have it."""

    status = 401
    code = "proxy_key_missing"
    hint = "Give the key of --proxy-key, or the one that the proxy showed at its start, as your SDK's api_key."


class NotFound(VespaError):
    """One of the proxy's own pages was asked for that isn't there."""

    status = 404
    code = "not_found"


class MethodNotAllowed(BadRequest):
    """A worker knows no such method. ``allow`` names those it knows."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.allow = allow


class BodyTooLarge(BadRequest):
    """The request's body is above the limit."""

    status = 413
    code = "body_too_large"


class UploadTooLarge(BodyTooLarge):
    """The form with its files is larger than workers take."""

    code = "upload_too_large"


class FileTooLarge(BodyTooLarge):
    """A file of the form is larger than workers take."""

    code = "file_too_large"


class TooManyFiles(BodyTooLarge):
    """The form has more files than workers take."""

    code = "too_many_files"


class UnsupportedBody(BadRequest):
    """The request's body is of a kind that the worker's envelope has no place for."""

    status = 415
    code = "unsupported_body"


class Untranslatable(BadRequest):
    """The request says something that a chat completion has no place for. ``param`` names the field that says it."""

    code = "untranslatable"

    def __init__(self, message: str, *, param: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class AuthenticationError(VespaError):
    """The console or the autoscaler refused the key."""

    status = 401
    code = "authentication_failed"
    hint = (
        "401 Unauthorized usually means:\n"
        "  - You're using the wrong API key type\n"
        "  - Endpoint API key is required, not account API key\n"
        "  - Use --account-key to auto-fetch the correct key"
    )


class TwoFactorRequired(AuthenticationError):
    """The console wants a second factor for this key."""

    code = "two_factor_required"
    hint = (
        "The key is not wrong. Log in at https://console.vast.ai with your second factor and make an API key there, "
        "or give the endpoint's own key with --api-key."
    )


class NoEndpoints(VespaError):
    """The account has no endpoint."""

    status = 404
    code = "no_endpoints"
    hint = (
        "Create one at https://console.vast.ai/endpoints, check that the key is of the right account, "
        "or try --instance alpha if that is where your endpoints are."
    )


class EndpointNotFound(VespaError):
    """The account has no endpoint of that name."""

    status = 404
    code = "endpoint_not_found"


class NetworkError(VespaError):
    """The console or the autoscaler can't be reached."""

    status = 502
    code = "network_error"


class ConsoleError(VespaError):
    """The console's answer is of no use."""

    status = 502
    code = "console_error"


class ConsoleBusy(ConsoleError):
    """The console limits its callers, and said 429."""

    status = 503
    code = "console_busy"
    hint = "Vast.ai limits how often its API may be asked, by address too. Wait a minute, then try again."


class AutoscalerError(VespaError):
    """The autoscaler's answer is of no use."""

    status = 502
    code = "autoscaler_error"


class NoWorkerReady(VespaError):
    """No worker became ready within ``wait`` seconds."""

    status = 503
    code = "no_worker_ready"


class EndpointStopped(VespaError):
    """The console says that the endpoint is stopped: it never recruits a worker, so that waiting is in vain."""

    status = 503
    code = "endpoint_stopped"


class TooManyConnections(VespaError):
    """``max_connections`` are open, or as many read the proxy's events as may."""

    status = 503
    code = "too_many_connections"


class Cancelled(VespaError):
    """Somebody cancelled the request, on the proxy's status page."""

    status = 499
    code = "cancelled"
    hint = "It was cancelled on purpose; the worker was told to stop."


class ShuttingDown(VespaError):
    """The proxy is stopping."""

    status = 503
    code = "shutting_down"


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


class AnswerTimeout(WorkerError):
    """The worker took the request and was silent for too long."""

    status = 504
    code = "worker_timeout"
