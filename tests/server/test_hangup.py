"""Clients that leave, in each way that a socket knows, and clients that only seem to."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vespa_client.net import pollers
from vespa_client.net.lifeline import TICK, ClientGone, Lifeline
from vespa_client.net.pollers import Poller
from vespa_client.server import hangup
from vespa_client.server.hangup import HangupWatcher

from ..support.waiting import LONG, SHORT

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems don't tell of an end behind unread bytes")


CUT = Lifeline.cut


class CountingPoller:
    """Counts how often a thread has come back from its ``wait``."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self.hears_ends_alone = not isinstance(poller, pollers.ReadPoller)
        self.open, self.begin, self.end, self.close = poller.open, poller.begin, poller.end, poller.close
        self.confirm, self.stop = poller.confirm, poller.stop
        self.counted = threading.Condition()
        self.wakeups = 0

    def wait(self, seconds: float | None) -> set[int]:
        ready = self._poller.wait(seconds)
        with self.counted:
            self.wakeups += 1
            self.counted.notify_all()
        return ready

    def wait_for_more(self, wakeups: int, seconds: float, *, since: int | None = None) -> bool:
        """Whether so many more come within that time, than there are now or were before."""
        with self.counted:
            wanted = (self.wakeups if since is None else since) + wakeups
            return self.counted.wait_for(lambda: self.wakeups >= wanted, seconds)


class Connection:
    """A client's connection to the proxy: ``client`` is its end, ``sock`` the proxy's."""

    def __init__(self, listener: socket.socket) -> None:
        self.client = socket.create_connection(listener.getsockname(), LONG)
        self.sock, _ = listener.accept()
        self.sock.settimeout(LONG)
        self.lifeline = Lifeline()
        self.probes = threading.Semaphore(0)
        """Released each time the watcher has asked whether the client still reads."""

    def probe(self) -> bool:
        self.probes.release()
        return False

    def reset(self) -> None:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()

    def has_left(self, seconds: float = LONG) -> bool:
        """Waits for the lifeline to be cut. ``seconds`` is how long to wait for it, in vain or not."""
        try:
            self.lifeline.wait(seconds)
        except ClientGone:
            return True
        return False

    def close(self) -> None:
        self.client.close()
        self.sock.close()


@pytest.fixture(params=["EndPoller", "ReadPoller"])
def watcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[HangupWatcher]:
    """A watcher that listens, in each way there is. Its thread must be gone when it has stopped."""
    kind = getattr(pollers, request.param, None)
    if kind is None:
        pytest.skip("Linux alone tells of ends")
    monkeypatch.setattr(hangup, "make_poller", lambda bell: CountingPoller(kind(bell)))
    made = HangupWatcher()
    made.start()
    yield made
    made.stop()
    assert not made._thread.is_alive()


@pytest.fixture
def connect() -> Iterator[Callable[[], Connection]]:
    """Makes connections, which are closed at the end."""
    made: list[Connection] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:

        def connection() -> Connection:
            made.append(Connection(listener))
            return made[-1]

        yield connection
    for one in made:
        one.close()


@contextlib.contextmanager
def watching(
    watcher: HangupWatcher, sock: socket.socket, lifeline: Lifeline, probe: Callable[[], bool | None]
) -> Iterator[None]:
    """A connection on which one request is in progress."""
    watch = watcher.watch(sock)
    watch.begin(lifeline, probe)
    try:
        yield
    finally:
        watch.end()
        watch.close()


def watched(
    watcher: HangupWatcher, connection: Connection, probe: Callable[[], bool | None] | None = None
) -> contextlib.AbstractContextManager[None]:
    return watching(watcher, connection.sock, connection.lifeline, probe or connection.probe)


def poller_of(watcher: HangupWatcher) -> CountingPoller:
    found: Any = watcher._poller
    assert isinstance(found, CountingPoller)
    return found


def wait_until_heard(watcher: HangupWatcher) -> None:
    """Wait until what a client has sent has been looked at, if such is looked at."""
    if not poller_of(watcher).hears_ends_alone:
        assert poller_of(watcher).wait_for_more(2, LONG)


# Leaving


def test_a_client_that_closes_has_left(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    connection = connect()
    with watched(watcher, connection):
        assert not connection.lifeline.is_cut
        connection.client.close()
        assert connection.has_left()


def test_a_client_that_resets_has_left(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    connection = connect()
    with watched(watcher, connection):
        connection.reset()
        assert connection.has_left()
    assert not connection.probes.acquire(blocking=False)


def test_a_client_that_had_left_before_is_noticed_too(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    for leave in (Connection.reset, lambda connection: connection.client.close()):
        connection = connect()
        leave(connection)
        with watched(watcher, connection):
            assert connection.has_left()


def test_the_proxys_own_end_counts_as_leaving(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    # ProxyServer.stop shuts the reading half down.
    connection = connect()
    with watched(watcher, connection):
        connection.sock.shutdown(socket.SHUT_RD)
        assert connection.has_left()


def test_each_client_has_a_lifeline_of_its_own(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    first, second = connect(), connect()
    with watched(watcher, first), watched(watcher, second):
        second.client.close()
        assert second.has_left()
        assert not first.lifeline.is_cut
        first.client.close()
        assert first.has_left()


def test_leaving_is_heard_within_100_ms(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    # The best of many, since the machine may be busy with something else.
    fastest = LONG
    for _ in range(20):
        connection = connect()
        with watched(watcher, connection):
            started = time.monotonic()
            connection.client.close()
            assert connection.has_left()
            fastest = min(fastest, time.monotonic() - started)
    assert fastest < 0.1


# Not leaving


def test_a_client_that_waits_has_not_left(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    connection = connect()
    with watched(watcher, connection):
        assert not connection.has_left(SHORT)


def test_the_next_request_is_not_leaving_and_is_not_taken(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    connection = connect()
    connection.client.sendall(b"GET /first")
    with watched(watcher, connection):
        assert not connection.has_left(SHORT)
        connection.client.sendall(b" HTTP/1.1")
        wait_until_heard(watcher)
        assert not connection.lifeline.is_cut
    connection.client.close()
    received = b""
    while data := connection.sock.recv(100):
        received += data
    assert received == b"GET /first HTTP/1.1"


def test_a_client_that_resets_behind_its_next_request_has_left(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    connection = connect()
    with watched(watcher, connection):
        connection.client.sendall(b"GET / HTTP/1.1")
        wait_until_heard(watcher)
        connection.reset()
        assert connection.has_left()


@on_linux
def test_a_client_that_closes_behind_its_next_request_has_left(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    connection = connect()
    with watched(watcher, connection):
        connection.client.sendall(b"GET / HTTP/1.1")
        wait_until_heard(watcher)
        assert not connection.lifeline.is_cut
        connection.client.close()
        assert connection.has_left()
    assert connection.sock.recv(100) == b"GET / HTTP/1.1"


def test_what_the_thread_reads_itself_is_the_clients_again(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    # A request that ends takes its socket back; the next one on it is watched afresh.
    connection = connect()
    for number in range(5):
        with watched(watcher, connection):
            connection.client.sendall(b"%d" % number)
            wait_until_heard(watcher)
        assert connection.sock.recv(10) == b"%d" % number
    with watched(watcher, connection):
        connection.client.close()
        assert connection.has_left()


def test_after_its_request_a_client_may_leave(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    connection = connect()
    with watched(watcher, connection):
        pass
    connection.client.close()
    assert not connection.has_left(SHORT)


def test_an_end_that_came_before_its_request_is_heard_with_it(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    # Two requests in one go, and then the end: the second one begins when that has been heard.
    connection = connect()
    watch = watcher.watch(connection.sock)
    first = Lifeline()
    watch.begin(first, lambda: True)
    connection.client.sendall(b"GET /second")
    connection.client.shutdown(socket.SHUT_WR)
    assert poller_of(watcher).wait_for_more(2, LONG)
    watch.end()
    watch.begin(connection.lifeline, connection.probe)
    assert connection.has_left()
    assert not first.is_cut
    watch.end()
    watch.close()


def test_an_end_between_two_requests_is_heard_with_the_second(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    connection = connect()
    watch = watcher.watch(connection.sock)
    watch.begin(Lifeline(), lambda: True)
    watch.end()
    before = poller_of(watcher).wakeups
    connection.client.close()
    if poller_of(watcher).hears_ends_alone:
        assert poller_of(watcher).wait_for_more(1, LONG, since=before)
    watch.begin(connection.lifeline, connection.probe)
    assert connection.has_left()
    watch.end()
    watch.close()


# Half of it


def test_a_client_that_closed_its_sending_half_is_asked_and_stays_if_it_may(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    connection = connect()

    def probe() -> bool:
        connection.probes.release()
        connection.sock.send(b"are you there?")
        return True

    with watched(watcher, connection, probe):
        connection.client.shutdown(socket.SHUT_WR)
        assert connection.probes.acquire(timeout=LONG)
        assert connection.client.recv(100) == b"are you there?"
        # Looked at again and again, and asked once.
        assert poller_of(watcher).wait_for_more(3, LONG)
        assert not connection.probes.acquire(blocking=False)
        assert not connection.lifeline.is_cut


def test_a_client_that_has_gone_answers_the_question_with_a_reset(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    connection = connect()

    def probe() -> bool:
        connection.sock.send(b"are you there?")
        return True

    with watched(watcher, connection, probe):
        connection.client.close()
        assert connection.has_left()


def test_a_client_that_cannot_be_asked_now_is_asked_again_soon(
    watcher: HangupWatcher, connect: Callable[[], Connection]
) -> None:
    connection = connect()
    answers = iter([None, None, False])

    def probe() -> bool | None:
        connection.probes.release()
        return next(answers)

    with watched(watcher, connection, probe):
        connection.client.shutdown(socket.SHUT_WR)
        assert connection.has_left()
    for _ in range(3):
        assert connection.probes.acquire(blocking=False)


# What it costs


def test_nothing_to_hear_costs_nothing(watcher: HangupWatcher, connect: Callable[[], Connection]) -> None:
    connections = [connect() for _ in range(5)]
    with contextlib.ExitStack() as stack:
        for connection in connections:
            stack.enter_context(watched(watcher, connection))
        assert not poller_of(watcher).wait_for_more(2, SHORT)


@pytest.mark.parametrize("what", ["bytes that wait", "a closed half", "a lifeline that is cut"])
def test_a_socket_that_stays_readable_is_looked_at_now_and_then(
    watcher: HangupWatcher, connect: Callable[[], Connection], what: str
) -> None:
    connection = connect()
    if what == "bytes that wait" and poller_of(watcher).hears_ends_alone:
        pytest.skip("bytes aren't heard")
    with watched(watcher, connection, probe=lambda: True):
        if what == "bytes that wait":
            connection.client.sendall(b"x")
        else:
            connection.client.shutdown(socket.SHUT_WR)
        if what == "a lifeline that is cut":
            connection.lifeline.cut()
        assert poller_of(watcher).wait_for_more(2, LONG)
        started = time.monotonic()
        assert poller_of(watcher).wait_for_more(4, LONG)
        # Four ticks; a thread that spins comes back at once. More time is a busy machine's doing.
        assert time.monotonic() - started > 3 * TICK * 0.9


def test_thousands_are_watched_and_those_that_leave_are_told_apart(watcher: HangupWatcher) -> None:
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(sockets_to_spare())]
        for pair in pairs:
            for sock in pair:
                stack.enter_context(sock)
        lifelines = [Lifeline() for _ in pairs]
        for (_, sock), lifeline in zip(pairs, lifelines, strict=True):
            stack.enter_context(watching(watcher, sock, lifeline, lambda: False))
        leaving = set(range(0, len(pairs), 3))
        for number, (client, _) in enumerate(pairs):
            if number in leaving:
                client.close()
            elif number % 3 == 1:
                client.send(b"the next request")
        for number in leaving:
            with pytest.raises(ClientGone):
                lifelines[number].wait(LONG)
        assert poller_of(watcher).wait_for_more(2, LONG)
        assert {number for number, lifeline in enumerate(lifelines) if lifeline.is_cut} == leaving


def sockets_to_spare() -> int:
    """How many pairs this process may open beside what it has, up to 2,000."""
    try:
        import resource
    except ImportError:
        return 100
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2000 if soft < 0 else max(min(2000, (soft - 150) // 2), 10)


def test_requests_that_begin_and_end_while_clients_leave_disturb_nobody(watcher: HangupWatcher) -> None:
    bystander, quiet = Lifeline(), socket.socketpair()

    def many() -> int:
        heard = 0
        for number in range(200):
            client, sock = socket.socketpair()
            with client, sock:
                lifeline = Lifeline()
                with watching(watcher, sock, lifeline, lambda: False):
                    if number % 2:
                        client.close()
                    elif number % 3:
                        client.send(b"x")
                    if number % 10 == 1:
                        with contextlib.suppress(ClientGone):
                            lifeline.wait(LONG)
                        heard += lifeline.is_cut
        return heard

    with quiet[0], quiet[1], watching(watcher, quiet[1], bystander, lambda: False):
        with ThreadPoolExecutor(4) as pool:
            assert [task.result(LONG) for task in [pool.submit(many) for _ in range(4)]] == [20] * 4
        assert not bystander.is_cut
        quiet[0].close()
        with pytest.raises(ClientGone):
            bystander.wait(LONG)


# Ending


def test_stopping_ends_the_thread_whoever_is_watched(connect: Callable[[], Connection]) -> None:
    connection = connect()
    watcher = HangupWatcher()
    watcher.start()
    connection.client.sendall(b"x")
    with watched(watcher, connection):
        pass
    watcher.stop()
    assert not watcher._thread.is_alive()


def test_a_watcher_that_never_started_can_be_stopped() -> None:
    HangupWatcher().stop()


def test_one_that_can_not_be_watched_costs_nobody_else(
    watcher: HangupWatcher, connect: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, other = connect(), connect()
    monkeypatch.setattr(Lifeline, "cut", lambda lifeline: 1 / 0 if lifeline is broken.lifeline else CUT(lifeline))
    with watched(watcher, broken, probe=lambda: False), watched(watcher, other, probe=lambda: False):
        broken.client.close()
        other.client.close()
        assert other.has_left()
    assert "please report this" in caplog.text
