"""What the console or the autoscaler refuses, or fails at."""

from __future__ import annotations

from .error import VespaError

__all__ = [
    "AuthenticationError",
    "AutoscalerError",
    "ConsoleBusy",
    "ConsoleError",
    "EndpointNotFound",
    "EndpointStopped",
    "NetworkError",
    "NoEndpoints",
    "NoWorkerReady",
    "TwoFactorRequired",
]


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
