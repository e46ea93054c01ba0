"""TCP keepalives: what keeps the way to a silent far side open, and tells that it has gone (RFC 9293, 3.8.4)."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["GONE_AFTER", "keep_alive"]

GONE_AFTER = 60.0
"""After how many seconds without a word from its system a far side has gone."""

# Home routers and clouds forget a connection that is silent for one to five minutes; an answer that isn't streamed can be
# silent for ten.
_FIRST = 30
_BETWEEN = 10
_MOST = 3
# Windows before 10 knows neither of the three, and always sends ten.
_BETWEEN_TEN = 3


def keep_alive(sock: socket.socket) -> None:
    """Have the system ask, wherever it can, whether the silent far side of a TCP connection is there.

    It asks from 30 s of silence on, every 10 s, and ends the connection in a minute: reads and writes raise OSError then.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # The first is TCP_KEEPALIVE on macOS.
    first = _set(sock, ("TCP_KEEPIDLE", "TCP_KEEPALIVE"), _FIRST)
    between = _set(sock, ("TCP_KEEPINTVL",), _BETWEEN)
    if not (first and between) and hasattr(socket, "SIO_KEEPALIVE_VALS"):
        with contextlib.suppress(OSError):
            sock.ioctl(socket.SIO_KEEPALIVE_VALS, (1, _FIRST * 1000, _BETWEEN_TEN * 1000))  # type: ignore[attr-defined,unused-ignore]
    _set(sock, ("TCP_KEEPCNT",), _MOST)


def _set(sock: socket.socket, names: tuple[str, ...], value: int) -> bool:
    """Set the option by the first name that the system knows. Returns whether there is one and it was taken."""
    option = next((getattr(socket, name) for name in names if hasattr(socket, name)), None)
    if option is None:
        return False
    try:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        return False
    return True
