"""Time limits of reads and writes: kept by Linux for plain sockets, and by Python elsewhere and inside TLS."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.tls_material import Authority
from vespa_client.net import timed_socket
from vespa_client.net.timed_socket import TimedSocket

from ..support.raw_worker import background
from ..support.waiting import LONG, SHORT

Pair = tuple[TimedSocket, socket.socket]


@contextlib.contextmanager
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), LONG)
        far, _ = listener.accept()
    with near, far:
        yield near, far


@pytest.fixture(params=["by the kernel", "by Python", "inside TLS"])
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Both ends of a connection; the near one has time limits."""
    if request.param == "by the kernel" and sys.platform != "linux":
        pytest.skip("Linux alone is known to keep the time")
    monkeypatch.setattr(timed_socket, "_KERNEL_KEEPS_TIME", request.param != "by Python" and sys.platform == "linux")
    with sockets() as (near, far):
        far.settimeout(LONG)
        if request.param != "inside TLS":
            made = made_in_a_thread(near)
            assert made._by_kernel is (request.param == "by the kernel")
            yield made, far
            return
        authority = Authority("a root")
        trusting = ssl.create_default_context(cadata=authority.pem.decode())
        trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with background(lambda: trusting.wrap_socket(near, server_hostname="127.0.0.1")) as secured:
            inside = authority.server().wrap_socket(far, server_side=True)
        with secured.result(), inside:
            yield made_in_a_thread(secured.result()), inside


def made_in_a_thread(sock: socket.socket) -> TimedSocket:
    """As the proxy makes them; the main thread's own have Python's limits."""
    with background(lambda: TimedSocket(sock)) as made:
        return made.result()


def seconds_until_over(act: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        act()
    return time.monotonic() - started


def fill(sock: TimedSocket) -> None:
    while True:
        sock.sendall(b"x" * 1_000_000)


def test_a_read_ends_when_nothing_comes(pair: Pair) -> None:
    near, far = pair
    near.limit_reads(SHORT)
    assert SHORT * 0.9 <= seconds_until_over(lambda: near.recv(10)) < LONG
    far.sendall(b"late")
    assert near.recv(10) == b"late"


def test_a_write_ends_when_nothing_is_taken(pair: Pair) -> None:
    near, _ = pair
    near.limit_writes(SHORT)
    assert SHORT * 0.9 <= seconds_until_over(lambda: fill(near)) < LONG


def test_each_side_has_a_limit_of_its_own_if_it_sets_it_first(pair: Pair) -> None:
    near, _ = pair
    near.limit_reads(LONG)
    near.limit_writes(SHORT)
    assert seconds_until_over(lambda: fill(near)) < LONG / 2
    near.limit_writes(LONG)
    near.limit_reads(SHORT)
    assert seconds_until_over(lambda: near.recv(10)) < LONG / 2


def test_a_slow_reader_is_not_a_silent_one(pair: Pair) -> None:
    near, far = pair
    near.limit_writes(SHORT * 2)
    body = b"x" * 24_000_000
    taken = 0

    def sip() -> None:
        nonlocal taken
        while taken < len(body):
            before = taken
            while taken < min(before + 400_000, len(body)):
                taken += len(far.recv(400_000))
            if taken < len(body) / 3:
                pause.wait(SHORT / 5)

    pause = threading.Event()
    with background(sip):
        started = time.monotonic()
        near.sendall(body)
    assert taken == len(body)
    assert time.monotonic() - started > SHORT * 2


def test_no_time_at_all_is_a_limit_too(pair: Pair) -> None:
    near, _ = pair
    near.limit_reads(0.0)
    with pytest.raises(OSError):
        near.recv(10)


def test_a_limit_of_ages_is_borne(pair: Pair) -> None:
    near, far = pair
    near.limit_reads(1e9)
    far.sendall(b"x")
    assert near.recv(1) == b"x"


@pytest.mark.skipif(os.name != "posix", reason="a thread can't send a signal to another one here")
def test_signals_put_no_limit_off() -> None:
    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    is_over = threading.Event()

    def disturb() -> None:
        while not is_over.wait(SHORT / 10):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    try:
        with sockets() as (near, far), background(disturb):
            # What would otherwise wait for ever.
            rescue = threading.Timer(LONG, far.close)
            rescue.start()
            try:
                timed = TimedSocket(near)
                timed.limit_reads(SHORT)
                assert seconds_until_over(lambda: timed.recv(10)) < LONG
            finally:
                rescue.cancel()
                rescue.join()
                is_over.set()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_end_is_no_time_out(pair: Pair) -> None:
    near, far = pair
    near.limit_reads(LONG)
    if isinstance(far, ssl.SSLSocket):
        with background(lambda: near.recv(10)) as end:
            far.settimeout(SHORT)
            with contextlib.suppress(TimeoutError):  # the near side doesn't say goodbye by itself
                far.unwrap()
            assert end.result(LONG) == b""
    else:
        far.close()
        assert near.recv(10) == b""
