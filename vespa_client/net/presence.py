"""Whether a peer that has ended its sending is still there, as far as its system, or ours, tells.

An end of sending (FIN) looks the same from a peer that has closed and from one that waits for its answer (RFC 9112, 9.6).
A closed one answers the next bytes with a reset. One on this machine can be looked up, without a byte being sent.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

__all__ = ["has_closed", "is_reset"]

# tcpi_state, which begins struct tcp_info of linux/tcp.h, once a reset has come (TCP_CLOSE of include/net/tcp_states.h).
_CLOSE = b"\x07"
# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h: struct nlmsghdr, inet_diag_req_v2, inet_diag_sockid, inet_diag_msg.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BB2xI")
_PORTS = struct.Struct("!HH")
_ANY_INTERFACE_AND_COOKIE = bytes(4) + b"\xff" * 8
_OWNER = struct.Struct("=4x48x16xI")
_ANY_STATE = 0xFFFFFFFF
_SECONDS = 0.1


def is_reset(sock: socket.socket) -> bool:
    """Whether the peer's system has said that nobody is there any more (RST)."""
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return True
    if sys.platform == "linux":
        # Whoever writes meanwhile takes the error away; the state stays.
        with contextlib.suppress(OSError):
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == _CLOSE
    return False


def has_closed(sock: socket.socket) -> bool:
    """Whether the peer's socket is one of this system that no process holds any more; False where that can't be known."""
    if sys.platform == "linux" and sock.family in (socket.AF_INET, socket.AF_INET6):
        # There may be no such socket here, and the system needn't let itself be asked.
        with contextlib.suppress(OSError, struct.error):
            return _owner_of_peer(sock) == 0
    return False


if sys.platform == "linux":

    def _owner_of_peer(sock: socket.socket) -> int:
        """The inode of the file that the peer's socket is to its process; 0 for none (sock_diag(7)). Raises OSError."""
        peer, own = sock.getpeername()[:2], sock.getsockname()[:2]
        question = _QUESTION.pack(sock.family, socket.IPPROTO_TCP, _ANY_STATE) + _PORTS.pack(peer[1], own[1])
        for host in (peer[0], own[0]):
            question += socket.inet_pton(sock.family, host.partition("%")[0]).ljust(16, b"\0")
        question += _ANY_INTERFACE_AND_COOKIE
        size = _HEADER.size + len(question)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asking:
            asking.settimeout(_SECONDS)
            asking.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + question)
            told = asking.recv(4096)
        if _HEADER.unpack_from(told)[1] != _SOCK_DIAG_BY_FAMILY:
            raise OSError("no such socket")
        owner: int = _OWNER.unpack_from(told, _HEADER.size)[0]
        return owner
