"""What is wrong with a client's request, or with its being taken."""

from __future__ import annotations

from .error import VespaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BadRequest",
    "BodyTooLarge",
    "Cancelled",
    "FileTooLarge",
    "ForbiddenOrigin",
    "MethodNotAllowed",
    "NotFound",
    "ProxyKeyMissing",
    "RouteNotServed",
    "ShuttingDown",
    "TooManyConnections",
    "TooManyFiles",
    "UnknownHost",
    "UnsupportedBody",
    "Untranslatable",
    "UpgradeRefused",
    "UploadTooLarge",
]

_HOW_TO_BE_SMALLER = "Workers take no more. Compress or cut what you send, or give a URL where the route takes one."


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


class RouteNotServed(BadRequest):
    """An SDK's route that can't work through a signed JSON envelope."""

    status = 501
    code = "route_not_served"
    is_final = True


class UpgradeRefused(BadRequest):
    """The request asks for another protocol, and this one is all there is."""

    status = 426
    code = "upgrade_refused"


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
    hint = _HOW_TO_BE_SMALLER


class FileTooLarge(BodyTooLarge):
    """A file of the form is larger than workers take."""

    code = "file_too_large"
    hint = _HOW_TO_BE_SMALLER


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
