"""Whether it is this program itself that listens on a port."""

from __future__ import annotations

import contextlib
import gc
import socket

__all__ = ["is_held_here"]


def is_held_here(host: str, port: int) -> bool:
    """Whether a socket of this process listens there, whoever in it has opened it. Slow: for errors alone."""
    # A port in one family may be ours, and in the other one another program's. "::" may be both.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return any(isinstance(found, socket.socket) and _listens_on(found, family, port) for found in gc.get_objects())


def _listens_on(sock: socket.socket, family: socket.AddressFamily, port: int) -> bool:
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return bool(
            sock.family in (socket.AF_INET, socket.AF_INET6)
            and sock.getsockname()[1] == port
            and (sock.family == family or sock.getsockname()[0] == "::")
            and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
    return False
