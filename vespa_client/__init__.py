"""Vespa Client: a local HTTP proxy for Vast.ai serverless endpoints. Any SDK finds your endpoint at its address."""

from __future__ import annotations

import logging

from .client import AsyncVastClient, VastClient, fetch_endpoint_key, list_endpoints
from .console import Endpoint
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
from .printable import PrintableLog

__all__ = [
    "AsyncVastClient",
    "AuthenticationError",
    "ConfigurationError",
    "ConsoleError",
    "Endpoint",
    "EndpointNotFound",
    "NetworkError",
    "NoEndpoints",
    "PortTaken",
    "VastClient",
    "VespaError",
    "__version__",
    "fetch_endpoint_key",
    "list_endpoints",
]

__version__ = "0.1.0"

# Without a handler, Python prints warnings of a library to the program's standard error.
logging.getLogger(__name__).addHandler(logging.NullHandler())
logging.getLogger(__name__).addFilter(PrintableLog())
