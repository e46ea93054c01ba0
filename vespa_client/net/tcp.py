"""TCP: a connection that can be called off while it is being made, and what its system counts."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import struct
import sys
import time
from typing import Any, NamedTuple

from urllib3.util.wait import wait_for_read, wait_for_write

from .lifeline import TICK, Lifeline

__all__ = ["Counters", "counters", "dial", "is_readable", "peer_has_ended"]

# struct tcp_info of linux/tcp.h: tcpi_state, and where tcpi_bytes_acked and tcpi_bytes_received begin.
_COUNTERS = struct.Struct("B119xQQ")
_ESTABLISHED, _CLOSE_WAIT = 1, 8


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


def dial(host: str, port: int, seconds: float, lifeline: Lifeline) -> socket.socket:
    """A connected socket without Nagle's delay; each address of the host gets its share of the time."""
    deadline = time.monotonic() + seconds
    try:
        addresses = socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM)
    except UnicodeError:
        # A label that is empty, or longer than the DNS has room for.
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None
    problem: OSError = OSError("no address")
    for count, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (deadline - time.monotonic()) / (len(addresses) - count)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as unsupported:
            problem = unsupported
            continue
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _finish_connect(sock, address, max(share, 0.0), lifeline)
            sock.settimeout(max(deadline - time.monotonic(), 0.1))
            lifeline.hold(sock)
        except OSError as failed:
            sock.close()
            problem = failed
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    if isinstance(problem, TimeoutError):
        raise TimeoutError(f"no connection within {seconds:g} s")
    raise problem


def _finish_connect(sock: socket.socket, address: Any, seconds: float, lifeline: Lifeline) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)):
        deadline = time.monotonic() + seconds
        while not wait_for_write(sock, min(TICK, max(deadline - time.monotonic(), 0.0))):
            lifeline.check()
            if time.monotonic() >= deadline:
                raise TimeoutError
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
