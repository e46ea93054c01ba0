"""Heads and bytes off a real socket: the same whatever the segments they come in."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.http1.heads import MAX_HEAD, parse_request_head, parse_response_head
from vespa_client.http1.malformed import MessageError
from vespa_client.net.socket_reader import SocketReader
from vespa_client.net.timed_socket import TimedSocket

from ..support.waiting import LONG, SHORT

HEAD = b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: y"


class Segments:
    """A socket whose bytes come in the segments given; stands for a network that may cut them anywhere."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = [part for part in parts if part]
        self.read_limit = LONG

    def recv(self, limit: int) -> bytes:
        if not self._parts:
            return b""
        part, rest = self._parts[0][:limit], self._parts[0][limit:]
        self._parts[:1] = [rest] if rest else []
        return part

    def recv_into(self, buffer: memoryview) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def limit_reads(self, seconds: float) -> None:
        self.read_limit = seconds


def read(parts: Sequence[bytes], *, forgives_lf: bool = False) -> tuple[bytes, bytes] | str | None:
    """The head and all that follows it; the refusal's status as text."""
    reader = SocketReader(Segments(parts), LONG)  # type: ignore[arg-type]
    try:
        head = reader.read_head(forgives_lf=forgives_lf)
    except MessageError as problem:
        return str(problem.status)
    if head is None:
        return None
    after = b""
    while data := reader.read_some():
        after += data
    return head, after


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection over loopback; the near one is to be read by :func:`reader_of`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), LONG)
        far, _ = listener.accept()
    with near, far:
        far.settimeout(LONG)
        yield near, far


def reader_of(sock: socket.socket, seconds: float = LONG) -> SocketReader:
    return SocketReader(TimedSocket(sock), seconds)


@settings(max_examples=200)
@given(
    st.integers(0, 3),
    st.lists(st.sampled_from([b"A", b":", b" ", b"\r", b"\n", b"\r\n", b"\xff"]), min_size=1, max_size=15),
    st.binary(max_size=20),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_a_head_is_the_same_in_whatever_segments_it_comes(
    empty_lines: int, middle: list[bytes], after: bytes, places: list[int]
) -> None:
    data = b"\r\n" * empty_lines + b"GET / HTTP/1.1\r\n" + b"".join(middle) + b"\r\n\r\n" + after

    def outcome(parts: Sequence[bytes]) -> object:
        found = read(parts)
        if not isinstance(found, tuple):
            return "refused"
        try:
            return parse_request_head(found[0]), found[1]
        except MessageError:
            return "refused"

    whole = outcome([data])
    assert outcome(cut(data, places)) == whole
    assert outcome([bytes([byte]) for byte in data]) == whole


@settings(max_examples=50)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8), st.integers(1, 50))
def test_no_byte_behind_the_head_is_lost(after: bytes, places: list[int], limit: int) -> None:
    reader = SocketReader(Segments(cut(HEAD + b"\r\n\r\n" + after, places)), LONG)  # type: ignore[arg-type]
    assert reader.read_head() == HEAD
    pieces = []
    while piece := reader.read_some(limit):
        assert len(piece) <= limit
        pieces.append(piece)
    assert b"".join(pieces) == after


@pytest.mark.parametrize("empty_lines", [1, 2, 5, 1000])
def test_empty_lines_before_a_request_are_forgiven(empty_lines: int) -> None:
    data = b"\r\n" * empty_lines + HEAD + b"\r\n\r\n"
    assert read([data]) == read([bytes([byte]) for byte in data]) == (HEAD, b"")


@pytest.mark.parametrize("before", [b"\n", b"\n\r\n", b"\r\n\n", b"\r\n\r\n\n\r\n"])
def test_one_empty_line_of_lf_alone_may_be_forgiven(before: bytes) -> None:
    data = before + HEAD + b"\r\n\r\nrest"
    for parts in ([data], [bytes([byte]) for byte in data], [before, data[len(before) :]]):
        assert read(parts, forgives_lf=True) == (HEAD, b"rest")
    assert read([before], forgives_lf=True) is None


@pytest.mark.parametrize("before", [b"\n\n", b"\n\r\n\n", b"\r\n\n\n", b"\n \n", b"\r\r\n"])
def test_more_of_them_are_not(before: bytes) -> None:
    data = before + HEAD + b"\r\n\r\n"
    for parts in ([data], [bytes([byte]) for byte in data]):
        found = read(parts, forgives_lf=True)
        if isinstance(found, tuple):
            with pytest.raises(MessageError):
                parse_request_head(found[0])
        else:
            assert found == "400"


def test_an_empty_line_is_no_head_that_has_begun(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    reader = reader_of(near)
    for line in (b"\n", b"\r\n"):
        far.sendall(line)
        reader.limit(2 * SHORT)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            # Bounded by the pause between two requests, and not by the time that a head may take.
            reader.read_head(SHORT / 10, forgives_lf=True)
        assert time.monotonic() - started >= SHORT
        assert not reader.buffered


def test_the_end_before_the_first_byte_is_no_error() -> None:
    assert read([]) is None
    assert read([b"\r\n"]) is None
    assert read([b"\r", b"\n", b"\r\n"]) is None


@pytest.mark.parametrize("part", [b"G", HEAD, HEAD + b"\r\n", HEAD + b"\r\n\r", b"\r", b"\0"])
def test_the_end_inside_a_head_is_an_error(part: bytes) -> None:
    assert read([part]) == "400"


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"\n\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\nX: y\n\n",
        b"GET / HTTP/1.1\r\nX: y\n\r\n",
        b"\r\n\nGET / HTTP/1.1",
    ],
)
def test_a_line_that_ends_in_lf_alone_is_refused_at_once_and_not_waited_on(data: bytes) -> None:
    assert read([data]) == read([bytes([byte]) for byte in data]) == "400"


@pytest.mark.parametrize(
    ("size", "outcome"), [(MAX_HEAD - 1, True), (MAX_HEAD, True), (MAX_HEAD + 1, False), (2 * MAX_HEAD, False)]
)
@pytest.mark.parametrize("step", [7, 1021, 1 << 20])
def test_a_head_has_a_largest_size(size: int, outcome: bool, step: int) -> None:
    head = HEAD + b"z" * (size - len(HEAD))
    data = head + b"\r\n\r\nbody"
    assert read(cut(data, range(0, len(data), step))) == ((head, b"body") if outcome else "431")


@pytest.mark.parametrize("part", [1, 2, 3])
def test_the_largest_head_may_come_with_half_of_its_end(part: int) -> None:
    head = HEAD + b"z" * (MAX_HEAD - len(HEAD))
    ending = b"\r\n\r\n"
    assert read([head + ending[:part], ending[part:] + b"body"]) == (head, b"body")


def test_a_head_without_an_end_is_not_kept_for_ever() -> None:
    assert read([HEAD[:-1]] + [b"z" * 1000] * 1000) == "431"


def test_a_tls_handshake_is_not_waited_on_and_is_named() -> None:
    hello = bytes.fromhex("16030100f4010000f00303") + b"\n\r\n\xff" * 20
    for parts in ([hello], [hello[:3], hello[3:]]):
        found = read(parts)
        assert isinstance(found, tuple)
        with pytest.raises(MessageError, match="http://"):
            parse_request_head(found[0])
        with pytest.raises(MessageError):
            parse_response_head(found[0])


def test_what_came_with_one_head_is_the_next_one(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.sendall(HEAD + b"\r\n\r\n" + HEAD + b"2\r\n\r\n" + b"body")
    reader = reader_of(near)
    assert reader.read_head() == HEAD
    assert reader.read_head() == HEAD + b"2"
    assert reader.read_some(3) == b"bod"
    assert reader.buffered == b"y"
    assert reader.read_some() == b"y"


def test_bytes_are_taken_as_they_arrive_and_not_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    reader = reader_of(near)
    for piece in (b"a", b"bc", b"d" * 1000):
        far.sendall(piece)
        assert reader.read_some() == piece
    far.close()
    assert reader.read_some() == b""


def test_a_read_takes_no_more_than_it_was_told_to(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    reader = reader_of(near)
    far.sendall(b"abcdef")
    assert reader.read_some(2) == b"ab"
    # What wasn't asked for is still the socket's.
    assert near.recv(100, socket.MSG_PEEK) == b"cdef"


def test_a_large_body_comes_in_ever_larger_pieces_and_what_drips_in_small_ones(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    body = bytes(range(256)) * 4096
    asked: list[int] = []
    receive, receive_into = TimedSocket.recv, TimedSocket.recv_into
    monkeypatch.setattr(TimedSocket, "recv", lambda sock, size: asked.append(size) or receive(sock, size))
    monkeypatch.setattr(TimedSocket, "recv_into", lambda sock, room: asked.append(len(room)) or receive_into(sock, room))

    def send() -> None:
        far.sendall(body)
        far.close()

    sender = threading.Thread(target=send)
    reader, pieces = reader_of(near), []
    for drop in range(20):
        far.sendall(b"%d" % drop)
        assert reader.read_some() == b"%d" % drop
    assert set(asked) == {4096}
    sender.start()
    while piece := reader.read_some():
        pieces.append(piece)
    sender.join(LONG)
    assert max(asked) == 262144
    assert b"".join(pieces) == body


def test_a_wait_for_the_first_byte_leaves_it_to_be_read(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    reader = reader_of(near)
    far.sendall(b"ab")
    assert reader.fill() and reader.fill()
    assert reader.read_some() == b"ab"
    far.close()
    assert not reader.fill()


def test_the_time_for_a_head_counts_from_its_first_byte_and_no_dripping_makes_it_longer() -> None:
    near, far = socket.socketpair()
    with near, far:
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(SHORT / 10):
                far.send(b"x")

        far.sendall(b"GET / HTTP/1.1\r\nX: ")
        dripping = threading.Thread(target=drip)
        dripping.start()
        started = time.monotonic()
        try:
            with pytest.raises(TimeoutError):
                reader_of(near).read_head(SHORT)
        finally:
            stop.set()
            dripping.join(LONG)
        assert SHORT * 0.9 <= time.monotonic() - started < LONG


def test_waiting_for_the_first_byte_is_bounded_by_the_readers_limit() -> None:
    near, far = socket.socketpair()
    with near, far:
        for read_it in (reader_of(near, SHORT / 4).read_head, reader_of(near, SHORT / 4).read_some):
            call: Callable[[], bytes | None] = read_it
            with pytest.raises(TimeoutError):
                call()


def test_a_reset_is_an_os_error(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with pytest.raises(ConnectionResetError):
        reader_of(near).read_head()
