"""Whether this program's threads and sockets are the system's own: gevent and eventlet put others in their place."""

from __future__ import annotations

import sys

from ..errors import ConfigurationError

__all__ = ["require_real_threads"]

# What a cooperative stand-in must not take the place of. Their time, signals and subprocesses do no harm.
_NEEDED = ("socket", "ssl", "select", "selectors", "thread", "threading", "queue")


def require_real_threads() -> None:
    """Raises :class:`ConfigurationError` in a program that gevent or eventlet has patched.

    There, a blocking call switches to another greenlet of the same thread, and the system's time limits on a socket, by
    which the proxy ends its waits, don't work.
    """
    patcher = _patched_by()
    if patcher is not None:
        raise ConfigurationError(
            f"{patcher} has patched this program, and the proxy needs the system's own threads and sockets.",
            hint="Run the proxy as a process of its own (python -m vespa_client), and give this program its address, such as "
            "http://127.0.0.1:8010.",
        )


def _patched_by() -> str | None:
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and any(gevent.is_module_patched(name) for name in _NEEDED):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(eventlet.is_monkey_patched(name) for name in _NEEDED):
        return "eventlet"
    return None
