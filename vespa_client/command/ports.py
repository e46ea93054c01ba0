"""Ports that are free, and who holds those that aren't."""

from __future__ import annotations

import errno
import http.client
import socket
import sys

__all__ = ["is_free", "is_one_of_ours", "offer_port"]

_SECONDS = 1.0


def offer_port(host: str, port: int) -> int:
    """The next port from ``port`` on that is free on ``host``, or one after the usual one where none follows; else 0."""
    candidates = (*range(port, min(port + 200, 65536)), *range(8010, 8210))
    return next((free for free in candidates if is_free(host, free)), 0)


def is_free(host: str, port: int) -> bool:
    """Whether a listener would get the port. Another program can still be faster."""
    hosts = ["127.0.0.1", "::1"] if host in ("127.0.0.1", "localhost") else [host.strip("[]")]
    return all(_can_bind(name, port) for name in hosts)


def is_one_of_ours(host: str, port: int) -> bool:
    """Whether it is a proxy like this one that listens there, such as the one that was started in another terminal."""
    where = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    connection = http.client.HTTPConnection(where, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/_vespa/who-is-there")
        return connection.getresponse().getheader("X-Vespa-Error") is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as problem:
        # No IPv6 on this machine, or a host that is none, is no other program on the port.
        return problem.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True
