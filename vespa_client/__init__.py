"""Vespa Client: a local HTTP proxy for Vast.ai serverless endpoints. Any SDK finds your endpoint at its address."""

from __future__ import annotations

import importlib

from .errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    EndpointNotFound,
    NetworkError,
    NoEndpoints,
    PortTaken,
    VespaError,
)
from .version import __version__

TYPE_CHECKING = False  # as type checkers read it, here and wherever --help looks: typing itself takes long to load
if TYPE_CHECKING:
    from .account.endpoint import Endpoint
    from .account.lookup import fetch_endpoint_key, list_endpoints
    from .async_client import AsyncVastClient
    from .client import VastClient
    from .journal.snapshot import Exchange
    from .server.pages.status import Status

__all__ = [
    "AsyncVastClient",
    "AuthenticationError",
    "ConfigurationError",
    "ConsoleError",
    "Endpoint",
    "EndpointNotFound",
    "Exchange",
    "NetworkError",
    "NoEndpoints",
    "PortTaken",
    "Status",
    "VastClient",
    "VespaError",
    "__version__",
    "fetch_endpoint_key",
    "list_endpoints",
]

# Imported by whoever asks first: requests and asyncio take longer to load than --help takes to print.
_LATER = {
    "AsyncVastClient": "async_client",
    "Endpoint": "account.endpoint",
    "Exchange": "journal.snapshot",
    "Status": "server.pages.status",
    "VastClient": "client",
    "fetch_endpoint_key": "account.lookup",
    "list_endpoints": "account.lookup",
}


if not TYPE_CHECKING:  # by it, every name would be one of ours

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
