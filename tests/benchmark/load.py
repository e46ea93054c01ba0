"""Many clients at once, in one thread: each asks, waits for the whole answer, and asks again.

Lean, since it shares the machine with what it measures: sockets that don't block, one epoll, and no look at an answer but for
its status and its length. What goes wrong is counted by kind, and none of it by way of the latencies.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .messages import Framing, framing_of

__all__ = ["Lane", "Load", "Outcome", "words"]

_READ = 1 << 16
_TICK = 0.25
# Somebody who can't connect doesn't ask again at once: a proxy that is gone would be "asked" 100,000 times a second.
_REST = 0.05


@dataclass
class Outcome:
    """What became of the requests: the latencies of the good ones in seconds, and of the others how many by kind."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    in_time: int = 0
    """How many good answers came before the time was over."""


class Lane:
    """One client. ``steps`` are the exchanges of one request: on which of its connections, and the bytes."""

    __slots__ = ("began", "current", "is_opening", "pending", "sockets", "step", "steps")

    def __init__(self, steps: Sequence[tuple[int, bytes]], sockets: Sequence[socket.socket | None] = (None,)) -> None:
        """Connections that aren't given are made when they are needed. They don't block, and are closed by :class:`Load`."""
        self.steps = list(steps)
        self.sockets = list(sockets)
        self.step = 0
        self.current: socket.socket | None = None
        self.is_opening = False
        self.pending = b""
        self.began = 0.0


class Load:
    """Runs lanes. ``dial`` makes a lane's connection of that number; ``renews`` has it made anew for each request."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        dial: Callable[[int], socket.socket],
        *,
        renews: bool = False,
        patience: float = 30.0,
    ) -> None:
        self._lanes = lanes
        self._dial = dial
        self._renews = renews
        self._patience = patience
        self._poll = select.epoll()
        self._by_file: dict[int, Lane] = {}
        self._resting: deque[tuple[float, Lane]] = deque()
        self._framings: dict[bytes, Framing] = {}
        self._running: set[Lane] = set()
        self._outcome = Outcome()
        self._ends_at = 0.0

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            self._close(lane)
        self._poll.close()

    def once(self) -> Outcome:
        """Each lane makes one request, all at once."""
        return self.run(0.0)

    def run(self, seconds: float) -> Outcome:
        """Each lane makes one request after another for so long. What runs at the end is waited for."""
        self._outcome = Outcome()
        now = time.perf_counter()
        self._ends_at = now + seconds
        self._running = set(self._lanes)
        for lane in self._lanes:
            self._begin(lane, now)
        next_look = now + _TICK
        while self._running:
            for file, _ in self._poll.poll(_TICK if not self._resting else _REST):
                self._serve(file)
            now = time.perf_counter()
            while self._resting and self._resting[0][0] <= now:
                self._begin(self._resting.popleft()[1], now)
            if now >= next_look:
                next_look = now + _TICK
                self._look_for_silence(now)
        return self._outcome

    def _begin(self, lane: Lane, now: float) -> None:
        lane.began = now
        lane.step = 0
        self._send(lane)

    def _send(self, lane: Lane) -> None:
        number, data = lane.steps[lane.step]
        sock = lane.sockets[number]
        if sock is None:
            try:
                sock = lane.sockets[number] = self._dial(number)
            except OSError as problem:
                self._fail(lane, words(problem))
                return
            lane.current = sock
            lane.is_opening = True
            self._by_file[sock.fileno()] = lane
            self._poll.register(sock, select.EPOLLOUT)
            return
        lane.current = sock
        if sock.fileno() not in self._by_file:
            self._by_file[sock.fileno()] = lane
            self._poll.register(sock, select.EPOLLIN)
        try:
            sent = sock.send(data)
        except OSError as problem:
            self._fail(lane, words(problem))
        else:
            if sent != len(data):
                self._fail(lane, "the request didn't fit into the socket")

    def _serve(self, file: int) -> None:
        lane = self._by_file.get(file)
        if lane is None:
            return
        sock = lane.current
        if sock is None or sock.fileno() != file or lane not in self._running:
            self._close_idle(lane, file)
            return
        if lane.is_opening:
            lane.is_opening = False
            self._poll.modify(file, select.EPOLLIN)
            self._send(lane)
            return
        try:
            data = sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as problem:
            self._fail(lane, words(problem))
            return
        if not data:
            self._fail(lane, "an answer was cut short" if lane.pending else "hung up instead of answering")
            return
        if lane.pending:
            data = lane.pending + data
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            lane.pending = data
            return
        framing = self._framings.get(head)
        if framing is None:
            try:
                framing = self._framings[head] = framing_of(head)
            except ValueError as problem:
                self._fail(lane, str(problem))
                return
        if not framing.ends(body):
            lane.pending = data
            return
        lane.pending = b""
        if framing.status != 200:
            self._fail(lane, f"HTTP {framing.status}")
            return
        lane.step += 1
        if framing.closes:
            self._close(lane)
        if lane.step < len(lane.steps):
            self._send(lane)
        else:
            self._finish(lane)

    def _finish(self, lane: Lane) -> None:
        now = time.perf_counter()
        self._outcome.latencies.append(now - lane.began)
        if self._renews:
            self._close(lane)
        if now < self._ends_at:
            self._outcome.in_time += 1
            self._begin(lane, now)
        else:
            self._running.discard(lane)

    def _fail(self, lane: Lane, kind: str) -> None:
        self._outcome.errors[kind] += 1
        self._close(lane)
        now = time.perf_counter()
        if now + _REST < self._ends_at:
            self._resting.append((now + _REST, lane))
        else:
            self._running.discard(lane)

    def _look_for_silence(self, now: float) -> None:
        resting = {lane for _, lane in self._resting}
        for lane in [lane for lane in self._running - resting if now - lane.began > self._patience]:
            self._fail(lane, f"no answer within {self._patience:g} s")

    def _close_idle(self, lane: Lane, file: int) -> None:
        """A connection that isn't in use has become readable: its end, and nothing to complain of."""
        for number, sock in enumerate(lane.sockets):
            if sock is not None and sock.fileno() == file:
                try:
                    if sock.recv(_READ):
                        self._outcome.errors["bytes that nobody had asked for"] += 1
                except (BlockingIOError, ssl.SSLWantReadError):
                    return
                except OSError:
                    pass
                self._forget(sock)
                lane.sockets[number] = None

    def _close(self, lane: Lane) -> None:
        for sock in lane.sockets:
            if sock is not None:
                self._forget(sock)
        lane.sockets = [None] * len(lane.sockets)
        lane.current = None
        lane.is_opening = False
        lane.pending = b""

    def _forget(self, sock: socket.socket) -> None:
        # Closing takes it out of the epoll too.
        self._by_file.pop(sock.fileno(), None)
        sock.close()


def words(problem: OSError) -> str:
    """What happened, for a count by kind."""
    kinds: dict[type[OSError], str] = {
        ConnectionRefusedError: "refused",
        ConnectionResetError: "reset",
        BrokenPipeError: "reset",
    }
    return kinds.get(type(problem), str(problem) or type(problem).__name__)
