"""Which host names can mean this machine alone. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

__all__ = ["is_loopback"]


@lru_cache(maxsize=4096)
def is_loopback(host: str) -> bool:
    """Whether a host name, in lower case and without brackets, means this machine whoever resolves it (RFC 6761, 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
