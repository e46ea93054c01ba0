"""Event streams: one as fast as it goes, and many that are paced, of which each event tells when it was sent."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections import Counter

from .footprint import Footprint
from .load import words
from .measured import Effort, Failed, Measured, quantile
from .messages import CHAT, LAST_CHUNK, Framing, framing_of, request, stream_body, unchunked
from .way import Way

__all__ = ["measure_one_stream", "measure_streams"]

_READ = 1 << 18
_PATIENCE = 30.0
# A stream that hasn't ended so long after its time has failed whoever waits for it.
_GRACE = 20.0
_EVENT = b'data: {"i":'
_SENT_AT = re.compile(rb'"t":([0-9.]+),')
_DONE = b"data: [DONE]"


def measure_one_stream(way: Way, direct: Way, effort: Effort) -> Measured:
    """Events a second at full speed, right after the direct path's."""
    footprint = Footprint(way.pid)
    count = effort.stream_events
    of_direct = count / _drain(direct, count)
    before = footprint.cpu_seconds()
    rate = count / _drain(way, count)
    after = footprint.cpu_seconds()
    cpu = None if before is None or after is None else (after - before) / count * 1e6
    return Measured({"events_s": rate, "share": rate / of_direct, "cpu_us": cpu}, {"events_s": of_direct})


def _drain(way: Way, count: int) -> float:
    """Returns the seconds that it took. Raises :class:`Failed` unless each event came, and the end."""
    data = request("POST", CHAT, way.address, way.body(stream_body(count, 0)))
    begin = time.perf_counter()
    try:
        with socket.create_connection((way.host, way.port), timeout=_PATIENCE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(data)
            framing, body = _read_all(sock)
            seconds = time.perf_counter() - begin
        events = unchunked(body) if framing.is_chunked else body
    except (OSError, ValueError) as problem:
        raise Failed(f"the stream broke: {problem}") from None
    if framing.status != 200:
        raise Failed(f"HTTP {framing.status}: {events[:200]!r}")
    if events.count(_EVENT) != count or _DONE not in events:
        raise Failed(f"{events.count(_EVENT)} of {count} events came")
    return seconds


def _read_all(sock: socket.socket) -> tuple[Framing, bytes]:
    """A whole answer, its chunks as they came. Raises OSError, and ValueError for what is no answer."""
    came = b""
    while b"\r\n\r\n" not in came:
        if not (piece := sock.recv(_READ)):
            raise ValueError("the connection ended before there was an answer")
        came += piece
    head, _, rest = came.partition(b"\r\n\r\n")
    framing = framing_of(head)
    pieces, size, tail = [rest], len(rest), rest[-len(LAST_CHUNK) :]
    while not (tail == LAST_CHUNK if framing.is_chunked else size == framing.length) and (piece := sock.recv(_READ)):
        pieces.append(piece)
        size += len(piece)
        tail = (tail + piece)[-len(LAST_CHUNK) :]
    return framing, b"".join(pieces)


class _Stream:
    """One of many. ``came`` counts its events, and ``size`` the bytes of its body."""

    __slots__ = ("came", "framing", "has_done", "pending", "size", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.framing: Framing | None = None
        self.pending = b""
        self.has_done = False
        self.came = 0
        self.size = 0

    def take(self, data: bytes) -> list[bytes]:
        """The times of sending of the events that are whole with this. Raises :class:`Failed` for an answer that is no 200."""
        self.size += len(data)
        data = self.pending + data
        if self.framing is None:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self.pending = data
                return []
            try:
                self.framing = framing_of(head)
            except ValueError as problem:
                raise Failed(str(problem)) from None
            if self.framing.status != 200:
                raise Failed(f"HTTP {self.framing.status}")
            data = rest
            self.size = len(rest)
        whole, _, self.pending = data.rpartition(b"\n\n")
        times = _SENT_AT.findall(whole)
        self.came += len(times)
        self.has_done = self.has_done or _DONE in whole
        return times

    def has_ended(self, *, hung_up: bool) -> bool:
        """Whether the body's end has come, as its framing wants it."""
        if self.framing is None:
            return False
        if self.framing.is_chunked:
            return self.pending.endswith(LAST_CHUNK)
        return hung_up if self.framing.length is None else self.size >= self.framing.length


def measure_streams(way: Way, count: int, rate: float, seconds: float) -> Measured:
    """So many streams at once, of ``rate`` events a second each: how late is an event, and what does it cost?"""
    expected = int(rate * seconds)
    # The direct path's assignment is left out: what is measured begins with the stream.
    data = request("POST", CHAT, way.address, way.body(stream_body(expected, rate)))
    footprint = Footprint(way.pid)
    footprint.forget_peak()
    before = footprint.cpu_seconds()
    lateness, finished, errors = _Crowd(way, count, expected, data).watch(seconds + _GRACE)
    after = footprint.cpu_seconds()
    figures: dict[str, float | None] = {"finished": finished}
    for percent in (50, 99):
        late = quantile(lateness, percent / 100)
        figures[f"late_p{percent}_ms"] = None if late is None else late * 1e3
    if lateness:
        figures["cpu_us"] = None if before is None or after is None else (after - before) / len(lateness) * 1e6
    figures["peak_mb"] = footprint.peak()
    return Measured(figures, errors=errors)


class _Crowd:
    """All the streams of one measure."""

    def __init__(self, way: Way, count: int, expected: int, data: bytes) -> None:
        self._expected = expected
        self._data = data
        self._streams: dict[int, _Stream] = {}
        self._poll = select.epoll()
        self._lateness: list[float] = []
        self._finished = 0
        self._errors: Counter[str] = Counter()
        for _ in range(count):
            stream = _Stream(way.dial())
            self._streams[stream.socket.fileno()] = stream
            self._poll.register(stream.socket, select.EPOLLOUT)

    def watch(self, seconds: float) -> tuple[list[float], int, Counter[str]]:
        """Read them to their ends, or until the time is over. Returns the latenesses, how many were whole, and the errors."""
        deadline = time.monotonic() + seconds
        with self._poll:
            while self._streams and time.monotonic() < deadline:
                for file, events in self._poll.poll(0.5):
                    stream = self._streams[file]
                    try:
                        if events & select.EPOLLOUT:
                            self._ask(stream)
                        else:
                            self._read(stream)
                    except BlockingIOError:
                        continue
                    except OSError as problem:
                        self._end(stream, words(problem))
                    except Failed as problem:
                        self._end(stream, str(problem))
            for stream in list(self._streams.values()):
                self._end(stream, f"not finished after {seconds:g} s")
        return self._lateness, self._finished, self._errors

    def _ask(self, stream: _Stream) -> None:
        if stream.socket.send(self._data) != len(self._data):
            raise Failed("the request didn't fit into the socket")
        self._poll.modify(stream.socket, select.EPOLLIN)

    def _read(self, stream: _Stream) -> None:
        data = stream.socket.recv(_READ)
        now = time.monotonic()
        self._lateness += [now - float(sent_at) for sent_at in stream.take(data)]
        if stream.has_ended(hung_up=not data):
            # Each has a last event besides, that says [DONE].
            missing = self._expected - stream.came + (not stream.has_done)
            self._finished += not missing
            self._end(stream, "events were missing" if missing else "")
        elif not data:
            raise Failed("a stream was cut short")

    def _end(self, stream: _Stream, error: str) -> None:
        if error:
            self._errors[error] += 1
        del self._streams[stream.socket.fileno()]
        with contextlib.suppress(OSError):
            self._poll.unregister(stream.socket)
        stream.socket.close()
