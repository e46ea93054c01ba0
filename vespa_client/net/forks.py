"""What a forked child gets of its parent's sockets: nothing.

A child has a copy of every open file, and of no thread. With a copy left in it, a connection that its parent closes stays
open to the far side: a client waits for the end of its answer, and a worker goes on with what nobody reads.
"""

from __future__ import annotations

import contextlib
import os
import socket
import weakref

__all__ = ["close_in_children"]

_ours: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def close_in_children(sock: socket.socket) -> None:
    """Have children that are forked from now on close their copy of this socket at once. The parent's is as before."""
    _ours.add(sock)


def _close_all() -> None:
    for sock in list(_ours):
        # By its number: close() might wait for files that were made of it, or take a lock that nobody will release here.
        with contextlib.suppress(OSError):
            os.close(sock.detach())
    _ours.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_close_all)
