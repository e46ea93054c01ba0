"""Whether it is this program itself that listens on a port."""

from __future__ import annotations

import contextlib
import gc
import socket

__all__ = ["is_held_here"]


def is_held_here(port: int) -> bool:
    """Whether a socket of this process listens there, whoever in it has opened it. Slow: for errors alone."""
    return any(isinstance(found, socket.socket) and _listens_on(found, port) for found in gc.get_objects())


def _listens_on(sock: socket.socket, port: int) -> bool:
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return bool(
            sock.family in (socket.AF_INET, socket.AF_INET6)
            and sock.getsockname()[1] == port
            and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
    return False
