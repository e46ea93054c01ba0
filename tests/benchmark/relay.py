"""What makes loopback far away: a relay that keeps all bytes back for a while, in order.

``python -m tests.benchmark.relay SECONDS PORT…`` prints the ports it listens on as a JSON list, one for each port that it
leads to, and ends with its standard input. A connection waits for two ways, as for a handshake, before its first byte starts.
What is not modelled: bandwidth, loss, and the round trips in which TCP feels its way to a high rate.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence

__all__ = ["Relay"]

_READ = 1 << 16
_BACKLOG = 1024


class _End:
    """One of a connection's two sockets, each the other's ``other``."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.other: _End = self
        self.backlog = bytearray()
        """What is due and doesn't fit into the socket."""
        self.reads = True
        self.ends = False
        """Whether nothing comes behind the backlog."""

    @property
    def is_over(self) -> bool:
        """Whether this end has nothing more to read or to write."""
        return not self.reads and self.ends and not self.backlog


class Relay:
    """Listens on a free port for each of the targets, ``delay`` seconds away from them."""

    def __init__(self, targets: Sequence[int], delay: float) -> None:
        # epoll counts in milliseconds, rounded up; select doesn't, and few connections are made through here.
        self._selector = selectors.SelectSelector()
        self._delay = delay
        self.ports = []
        for target in targets:
            listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, target)
            self.ports.append(listener.getsockname()[1])
        # The delays are the same for all, so that what came first is due first.
        self._opening: deque[tuple[float, _End, int]] = deque()
        self._moving: deque[tuple[float, _End, bytes]] = deque()

    def run(self, until: int) -> None:
        """Relay until that file descriptor has something to read, or ends."""
        self._selector.register(until, selectors.EVENT_READ, None)
        while True:
            for key, events in self._selector.select(self._pause()):
                if key.data is None:
                    return
                if isinstance(key.data, _End):
                    self._serve(key.data, events)
                else:
                    self._accept(key.fileobj, key.data)  # type: ignore[arg-type]
            now = time.monotonic()
            while self._opening and self._opening[0][0] <= now:
                self._open(*self._opening.popleft()[1:])
            while self._moving and self._moving[0][0] <= now:
                self._deliver(*self._moving.popleft()[1:])

    def _pause(self) -> float | None:
        due = [queue[0][0] for queue in (self._opening, self._moving) if queue]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _accept(self, listener: socket.socket, target: int) -> None:
        with contextlib.suppress(BlockingIOError):
            end = _End(listener.accept()[0])
            self._opening.append((time.monotonic() + 2 * self._delay, end, target))

    def _open(self, end: _End, target: int) -> None:
        try:
            other = _End(socket.create_connection(("127.0.0.1", target)))
        except OSError:
            end.socket.close()
            return
        end.other, other.other = other, end
        for one in (end, other):
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    def _serve(self, end: _End, events: int) -> None:
        if end.socket.fileno() < 0:
            return  # dropped since the selector saw it
        if events & selectors.EVENT_WRITE:
            self._send(end)
        if events & selectors.EVENT_READ and end.reads:
            try:
                data = end.socket.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            end.reads = bool(data)
            self._moving.append((time.monotonic() + self._delay, end.other, data))
            self._watch(end)

    def _deliver(self, end: _End, data: bytes) -> None:
        if end.socket.fileno() < 0:
            return
        end.backlog += data
        end.ends = end.ends or not data
        self._send(end)

    def _send(self, end: _End) -> None:
        try:
            if end.backlog:
                del end.backlog[: end.socket.send(end.backlog)]
            if end.ends and not end.backlog:
                end.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(end)
            return
        self._watch(end)

    def _watch(self, end: _End) -> None:
        if end.is_over and end.other.is_over:
            self._drop(end)
            return
        events = selectors.EVENT_READ * end.reads | selectors.EVENT_WRITE * bool(end.backlog)
        is_known = end.socket in self._selector.get_map()
        if events and is_known:
            self._selector.modify(end.socket, events, end)
        elif events:
            self._selector.register(end.socket, events, end)
        elif is_known:
            self._selector.unregister(end.socket)

    def _drop(self, end: _End) -> None:
        for one in (end, end.other):
            if one.socket in self._selector.get_map():
                self._selector.unregister(one.socket)
            one.socket.close()


def main() -> None:
    """Relay until standard input ends."""
    delay, *targets = sys.argv[1:]
    relay = Relay([int(target) for target in targets], float(delay))
    print(json.dumps(relay.ports), flush=True)
    relay.run(sys.stdin.fileno())


if __name__ == "__main__":
    main()
