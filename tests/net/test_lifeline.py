"""The tie between a client and the work that is done for it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from vespa_client.net.lifeline import ClientGone, Lifeline

from ..support.tls_material import Authority
from ..support.waiting import LONG, SHORT


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), LONG)
        far, _ = listener.accept()
    with near, far:
        near.settimeout(LONG)
        far.settimeout(LONG)
        yield near, far


def cut_while(lifeline: Lifeline, call: Callable[[], object]) -> None:
    """Cut the lifeline from another thread while ``call`` runs."""
    started = threading.Event()

    def cut() -> None:
        started.wait(LONG)
        lifeline.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    started.set()
    try:
        call()
    finally:
        cutter.join(LONG)
    assert not cutter.is_alive()


def test_uncut_it_holds_and_a_wait_lasts_its_time() -> None:
    lifeline = Lifeline()
    lifeline.wait(0.0)
    lifeline.wait(SHORT / 20)
    lifeline.check()
    assert not lifeline.is_cut


def test_a_cut_ends_a_wait_at_once() -> None:
    lifeline = Lifeline()
    with pytest.raises(ClientGone):
        cut_while(lifeline, lambda: lifeline.wait(1000 * LONG))
    assert lifeline.is_cut


def test_a_wake_ends_one_wait_which_goes_on_or_is_about_to_begin() -> None:
    lifeline = Lifeline()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lifeline.wait, LONG * 10)
        lifeline.wake()
        waiting.result(LONG)
        again = pool.submit(lifeline.wait, LONG * 10)
        assert wait([again], SHORT).not_done
        lifeline.cut()
        with pytest.raises(ClientGone):
            again.result(LONG)


def test_after_a_cut_nothing_is_waited_for_nor_begun(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    lifeline = Lifeline()
    lifeline.cut()
    lifeline.cut()
    for call in (lifeline.check, lambda: lifeline.wait(LONG), lambda: lifeline.hold(near)):
        with pytest.raises(ClientGone):
            call()
    # What was refused was not touched: whoever opened the socket closes it.
    near.sendall(b"x")
    assert far.recv(1) == b"x"


def test_a_cut_ends_a_blocking_read(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    lifeline = Lifeline()
    lifeline.hold(near)
    received: list[bytes] = []
    cut_while(lifeline, lambda: received.append(near.recv(1)))
    assert received == [b""]
    assert far.recv(1) == b""


def test_a_cut_ends_a_blocking_write(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    lifeline = Lifeline()
    lifeline.hold(near)
    with pytest.raises(OSError, match=r".") as problem:
        cut_while(lifeline, lambda: near.sendall(bytes(1 << 28)))
    assert not isinstance(problem.value, TimeoutError)


def test_only_the_socket_held_last_is_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    lifeline = Lifeline()
    lifeline.hold(near)
    lifeline.hold(far)
    lifeline.cut()
    assert near.recv(1) == b""  # far's end, not its own
    near.sendall(b"still open")


def test_a_socket_that_was_let_go_of_is_never_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    lifeline = Lifeline()
    lifeline.hold(near)
    lifeline.let_go()
    lifeline.cut()
    near.sendall(b"x")
    assert far.recv(1) == b"x"


def test_once_it_was_let_go_of_a_cut_that_is_under_way_does_not_reach_a_socket() -> None:
    for _ in range(300):
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            lifeline = Lifeline()
            lifeline.hold(near)
            gate = threading.Barrier(2)

            def cut(gate: threading.Barrier = gate, lifeline: Lifeline = lifeline) -> None:
                gate.wait(LONG)
                lifeline.cut()

            cutter = threading.Thread(target=cut)
            cutter.start()
            gate.wait(LONG)
            lifeline.let_go()
            was_cut = is_shut(near)
            cutter.join(LONG)
            assert is_shut(near) == was_cut


def is_shut(sock: socket.socket) -> bool:
    """Whether the socket reads its end, rather than nothing yet."""
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_socket_that_is_closed_already_is_no_trouble(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    lifeline = Lifeline()
    lifeline.hold(near)
    near.close()
    lifeline.cut()
    assert lifeline.is_cut


def test_a_cut_ends_a_read_inside_tls(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    authority = Authority()
    context = ssl.create_default_context(cadata=authority.der)
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    served: list[ssl.SSLSocket] = []
    server = authority.server()
    serving = threading.Thread(target=lambda: served.append(server.wrap_socket(far, server_side=True)))
    serving.start()
    with context.wrap_socket(near, server_hostname="127.0.0.1") as secure:
        serving.join(LONG)
        secure.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        lifeline = Lifeline()
        lifeline.hold(secure)
        # Never plain text under the reader, nor an orderly end: neither was announced inside TLS.
        with served[0], pytest.raises(OSError, match=r".") as problem:
            cut_while(lifeline, lambda: secure.recv(1))
        assert not isinstance(problem.value, TimeoutError)
