"""What can go wrong, by whose fault it is.

Open :mod:`.error` first: every error carries an HTTP status, a stable ``code``, a message that says what happened and a hint
that says what to do. The proxy answers with :meth:`VespaError.body`, the command line and ``str(error)`` show both, and the
library raises them. By fault: :mod:`.of_set_up`, :mod:`.of_requests`, :mod:`.of_vast_ai`, :mod:`.of_workers`.
"""

from __future__ import annotations

from .error import VespaError
from .of_requests import (
    BadRequest,
    BodyTooLarge,
    Cancelled,
    FileTooLarge,
    ForbiddenOrigin,
    MethodNotAllowed,
    NotFound,
    ProxyKeyMissing,
    RouteNotServed,
    ShuttingDown,
    TooManyConnections,
    TooManyFiles,
    UnknownHost,
    UnsupportedBody,
    Untranslatable,
    UpgradeRefused,
    UploadTooLarge,
)
from .of_set_up import ConfigurationError, KeyFileUnusable, PortTaken
from .of_vast_ai import (
    AuthenticationError,
    AutoscalerError,
    ConsoleBusy,
    ConsoleError,
    EndpointNotFound,
    EndpointStopped,
    NetworkError,
    NoEndpoints,
    NoWorkerReady,
    TwoFactorRequired,
)
from .of_workers import AnswerNotUnderstood, AnswerTimeout, RedirectRefused, WorkerAnswerBroken, WorkerError, WorkerFailed

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
    "RedirectRefused",
    "RouteNotServed",
    "ShuttingDown",
    "TooManyConnections",
    "TooManyFiles",
    "TwoFactorRequired",
    "UnknownHost",
    "UnsupportedBody",
    "Untranslatable",
    "UpgradeRefused",
    "UploadTooLarge",
    "VespaError",
    "WorkerAnswerBroken",
    "WorkerError",
    "WorkerFailed",
]
