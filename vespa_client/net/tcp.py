"""TCP: what the system counts of a connection, and whether something waits on it."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import sys
from typing import NamedTuple

from urllib3.util.wait import wait_for_read

__all__ = ["Counters", "counters", "is_readable", "peer_has_ended", "seconds_unheard"]

# struct tcp_info of linux/tcp.h: tcpi_state, and where tcpi_bytes_acked and tcpi_bytes_received begin.
_COUNTERS = struct.Struct("B119xQQ")
_ESTABLISHED, _CLOSE_WAIT = 1, 8
# The same structure's tcpi_probes and tcpi_unacked, both counted, and tcpi_last_ack_recv, in milliseconds.
_LAST_WORD = struct.Struct("3xB20xI28xI")


class Counters(NamedTuple):
    """What the system counts of a connection."""

    acknowledged: int
    """How many bytes of ours the far side's system has taken."""
    received: int
    """How many bytes came from there; its end of sending (FIN) counts as one."""
    is_open: bool
    """Whether neither side has ended it."""
    has_ended: bool
    """Whether that end has come, on a connection that we haven't ended."""


def counters(sock: socket.socket) -> Counters | None:
    """The counters of a connection that has been in use; None where the system doesn't tell."""
    if sys.platform != "linux":
        return None
    try:
        state, acknowledged, received = _COUNTERS.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTERS.size))
    except (OSError, struct.error):
        return None
    # Some sandboxes fill the structure with zeros.
    return Counters(acknowledged, received, state == _ESTABLISHED, state == _CLOSE_WAIT) if acknowledged else None


def seconds_unheard(sock: socket.socket) -> float:
    """For how long the far side's system owes an acknowledgement and says nothing; 0 where the system doesn't tell.

    One whose program doesn't read says so, again and again, and is heard.
    """
    if sys.platform != "linux":
        return 0.0
    try:
        probes, unacknowledged, milliseconds = _LAST_WORD.unpack(
            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_WORD.size)
        )
    except (OSError, struct.error):
        return 0.0
    return milliseconds / 1000 if probes or unacknowledged else 0.0


def peer_has_ended(sock: socket.socket) -> bool:
    """Whether the peer has ended its sending, behind bytes that wait as well; False where the system doesn't tell."""
    if sys.platform != "linux":
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def is_readable(sock: socket.socket) -> bool:
    """Whether a read would return at once: something has come, or the end."""
    if isinstance(sock, ssl.SSLSocket):
        return sock.pending() > 0 or (_has_come(sock) and _is_for_us(sock))
    return _has_come(sock)


def _has_come(sock: socket.socket) -> bool:
    if sys.platform == "win32":
        return wait_for_read(sock, 0)
    # As urllib3's wait_for_read(), which takes four times as long for it.
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _is_for_us(sock: ssl.SSLSocket) -> bool:
    """Whether what has come is more than TLS's own messages, such as the tickets behind a handshake (RFC 8446, 4.6.1)."""
    limit = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        sock.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(limit)
    return True
