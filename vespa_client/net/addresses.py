"""Which host names can mean this machine alone. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

__all__ = ["is_loopback", "leads_to_loopback"]


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host name, in lower case and without brackets, means this machine whoever resolves it (RFC 6761, 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def leads_to_loopback(url: str) -> bool:
    """Whether an address such as ``http://127.0.0.1:8010`` means this machine."""
    return is_loopback(urlsplit(url).hostname or "")
