"""A socket whose reads and writes have time limits, at the price of one system call each."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
import sys
import threading
import time

__all__ = ["TimedSocket"]

# Under a time limit of Python's own, each read and write is two system calls, poll() first, and gives the interpreter's lock
# away twice; where many threads want it, each giving away is a wait. Linux keeps the limit itself (socket(7)), though not in
# the main thread, which Python has the signals in: each would have it begin anew.
_KERNEL_KEEPS_TIME = sys.platform == "linux"
# struct timeval. Nothing stands for no limit.
_TIMEVAL = struct.Struct("@ll")
_SHORTEST = 0.000_001
# Python's own limit counts for a whole sendall(), and a slow reader is not a silent one.
_SLICE = 256 * 1024
_LINGER_READ = 64 * 1024


class TimedSocket:
    """A connected socket's reads and writes: for one thread that reads, and one at a time that writes.

    A plain socket on Linux has two limits, one for reads and one for writes. Elsewhere, and inside TLS, there is one, the
    latest set, so that each side sets its own before it begins.
    """

    __slots__ = ("_by_kernel", "_read_limit", "_write_limit", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        is_plain = isinstance(sock, socket.socket) and not isinstance(sock, ssl.SSLSocket)
        self._by_kernel = _KERNEL_KEEPS_TIME and is_plain and threading.current_thread() is not threading.main_thread()
        self._read_limit = self._write_limit = -1.0
        if self._by_kernel:
            sock.setblocking(True)

    def limit_reads(self, seconds: float) -> None:
        """From now on :meth:`recv` raises TimeoutError when nothing comes for so long."""
        if seconds != self._read_limit:
            self._read_limit = seconds
            self._limit(socket.SO_RCVTIMEO, seconds)
            if not self._by_kernel:
                self._write_limit = -1.0

    def limit_writes(self, seconds: float) -> None:
        """From now on :meth:`send` and :meth:`sendall` raise TimeoutError when nothing is taken for so long."""
        if seconds != self._write_limit:
            self._write_limit = seconds
            self._limit(socket.SO_SNDTIMEO, seconds)
            if not self._by_kernel:
                self._read_limit = -1.0

    def recv(self, size: int) -> bytes:
        """What has arrived, ``size`` bytes at most; waits only while there is nothing. Empty at the end. Raises OSError."""
        try:
            return self.sock.recv(size)
        except (BlockingIOError, TimeoutError) as problem:
            raise _named(problem) from None

    def recv_into(self, buffer: memoryview) -> int:
        """As :meth:`recv`, into the buffer, as much as it can hold. Returns how many bytes have come; 0 at the end."""
        try:
            return self.sock.recv_into(buffer)
        except (BlockingIOError, TimeoutError) as problem:
            raise _named(problem) from None

    def send(self, data: memoryview) -> int:
        """Send some of it; waits only while nothing is taken. Returns how many bytes have gone. Raises OSError."""
        try:
            return self.sock.send(data[:_SLICE])
        except (BlockingIOError, TimeoutError) as problem:
            raise _named(problem) from None

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it. Raises OSError, of which TimeoutError leaves open how much has gone."""
        try:
            if self._by_kernel or len(data) <= _SLICE:
                self.sock.sendall(data)
                return
            view = memoryview(data)
            for start in range(0, len(view), _SLICE):
                self.sock.sendall(view[start : start + _SLICE])
        except (BlockingIOError, TimeoutError) as problem:
            raise _named(problem) from None

    def linger(self, seconds: float, most: int) -> None:
        """End the sending, and read what still comes, for so long and ``most`` bytes or so. Raises OSError.

        Closing on unread bytes resets the connection, and with it what the peer hasn't read yet.
        """
        deadline, taken = time.monotonic() + seconds, 0
        self.sock.shutdown(socket.SHUT_WR)
        while taken < most and (left := deadline - time.monotonic()) > 0:
            self.limit_reads(left)
            data = self.recv(_LINGER_READ)
            if not data:
                return
            taken += len(data)

    def _limit(self, which: int, seconds: float) -> None:
        if self._by_kernel:
            kept = max(seconds, _SHORTEST)
            whole = int(kept)
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, which, _TIMEVAL.pack(whole, int((kept - whole) * 1e6)))
            except OSError:
                self._by_kernel = False  # a system of 32 bits whose time has 64
            else:
                return
        self.sock.settimeout(seconds)


def _named(problem: OSError) -> OSError:
    """The end of a time limit as TimeoutError, and nothing else: the system's own ETIMEDOUT is the connection's end."""
    if problem.errno == errno.ETIMEDOUT:
        return ConnectionAbortedError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return TimeoutError("timed out")
