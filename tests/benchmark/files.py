"""How many files, and so how many connections, a process may have open."""

from __future__ import annotations

import contextlib
import resource

__all__ = ["raise_file_limit"]


def raise_file_limit() -> None:
    """As many as the system lets this process have. Proxies are left to do so themselves, as they are for their users."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
