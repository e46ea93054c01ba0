"""A socket whose reads and writes have time limits, at the price of one system call each."""

from __future__ import annotations

import socket
import ssl
import struct
import sys

__all__ = ["TimedSocket"]

# Under a time limit of Python's own, each read and write is two system calls, poll() first, and gives the interpreter's lock
# away twice; where many threads want it, each giving away is a wait. Linux keeps the limit itself (socket(7)).
_KERNEL_KEEPS_TIME = sys.platform == "linux"
# struct timeval. Nothing stands for no limit.
_TIMEVAL = struct.Struct("@ll")
_SHORTEST, _LONGEST = 0.000_001, 1e9
# Python's own limit counts for a whole sendall(), and a slow reader is not a silent one.
_SLICE = 256 * 1024


class TimedSocket:
    """A connected socket's reads and writes: for one thread that reads, and one at a time that writes.

    A plain socket on Linux has two limits, one for reads and one for writes. Elsewhere, and inside TLS, there is one, the
    latest set, so that each side sets its own before it begins.
    """

    __slots__ = ("_by_kernel", "_write_limit", "read_limit", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._by_kernel = _KERNEL_KEEPS_TIME and isinstance(sock, socket.socket) and not isinstance(sock, ssl.SSLSocket)
        self.read_limit = self._write_limit = -1.0
        if self._by_kernel:
            sock.setblocking(True)

    def limit_reads(self, seconds: float) -> None:
        """From now on :meth:`recv` raises TimeoutError when nothing comes for so long."""
        if seconds != self.read_limit:
            self.read_limit = seconds
            self._limit(socket.SO_RCVTIMEO, seconds)
            if not self._by_kernel:
                self._write_limit = -1.0

    def limit_writes(self, seconds: float) -> None:
        """From now on :meth:`sendall` raises TimeoutError when nothing is taken for so long."""
        if seconds != self._write_limit:
            self._write_limit = seconds
            self._limit(socket.SO_SNDTIMEO, seconds)
            if not self._by_kernel:
                self.read_limit = -1.0

    def recv(self, size: int) -> bytes:
        """What has arrived, ``size`` bytes at most; waits only while there is nothing. Empty at the end. Raises OSError."""
        try:
            return self.sock.recv(size)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def recv_into(self, buffer: memoryview) -> int:
        """As :meth:`recv`, into the buffer, as much as it can hold. Returns how many bytes have come; 0 at the end."""
        try:
            return self.sock.recv_into(buffer)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it. Raises OSError, of which TimeoutError leaves open how much has gone."""
        try:
            if self._by_kernel or len(data) <= _SLICE:
                self.sock.sendall(data)
                return
            view = memoryview(data)
            for start in range(0, len(view), _SLICE):
                self.sock.sendall(view[start : start + _SLICE])
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def _limit(self, which: int, seconds: float) -> None:
        if self._by_kernel:
            kept = min(max(seconds, _SHORTEST), _LONGEST)
            whole = int(kept)
            self.sock.setsockopt(socket.SOL_SOCKET, which, _TIMEVAL.pack(whole, int((kept - whole) * 1e6)))
        else:
            self.sock.settimeout(seconds)
