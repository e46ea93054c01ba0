"""Connecting to a host of several addresses: in which order, how long one that is silent is waited for, what is left over."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from urllib3.util.wait import wait_for_write

from vespa_client.net import dialing
from vespa_client.net.dialing import dial
from vespa_client.net.lifeline import ClientGone, Lifeline

from ..support.waiting import LONG, SHORT, wait_until

Place = tuple[Any, ...]
NEVER = 1000.0
"""Seconds: longer than a test may take."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """The addresses that every name has, in the order of the system's look-up."""
    places: list[Place] = []

    def look_up(*asked: object) -> list[tuple[Any, ...]]:
        return [(_family(place), socket.SOCK_STREAM, 0, "", place) for place in places]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return places


def _family(place: Place) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in place[0] else socket.AF_INET


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """Where connections were begun, in their order."""
    places: list[Place] = []
    connect_ex = socket.socket.connect_ex

    def noting(sock: socket.socket, place: Place) -> int:
        places.append(place)
        return connect_ex(sock, place)

    monkeypatch.setattr(socket.socket, "connect_ex", noting)
    return places


@pytest.fixture
def alive() -> Iterator[socket.socket]:
    """Somebody who takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONG)
        yield listener


@pytest.fixture
def silent() -> Iterator[Place]:
    """An address that neither takes nor refuses: a listener whose backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(place)
        if wait_for_write(waiting[-1], SHORT / 2):
            pytest.skip("this system's backlog can't be filled")
        yield place
        for one in waiting:
            one.close()


@pytest.fixture
def refusing() -> Iterator[Place]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()


def connected(seconds: float = NEVER) -> socket.socket:
    return dial("several.test", 80, seconds, Lifeline())


def test_an_address_that_is_silent_costs_no_share_of_the_time(
    host: list[Place], tried: list[Place], silent: Place, alive: socket.socket
) -> None:
    host[:] = [silent, silent, alive.getsockname()]
    with connected() as sock, alive.accept()[0]:
        assert sock.getpeername() == alive.getsockname()
    assert tried == host


def test_one_that_fails_costs_no_time_at_all(
    host: list[Place], refusing: Place, alive: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "_HEAD_START", NEVER)
    host[:] = [refusing, refusing, alive.getsockname()]
    with connected() as sock, alive.accept()[0]:
        assert sock.getpeername() == alive.getsockname()


def test_the_first_address_has_a_head_start(host: list[Place], tried: list[Place], alive: socket.socket) -> None:
    host[:] = [alive.getsockname(), ("192.0.2.1", 80)]
    with connected(), alive.accept()[0]:
        assert tried == host[:1]


def test_families_take_turns(host: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    six = [(f"2001:db8::{number}", 80, 0, 0) for number in range(3)]
    four = [(f"192.0.2.{number}", 80) for number in range(2)]
    host[:] = [*six, *four]
    tried: list[Place] = []

    def refused(sock: socket.socket, place: Place) -> int:
        tried.append(place)
        return errno.ECONNREFUSED

    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    with pytest.raises(ConnectionRefusedError):
        connected()
    assert tried == [six[0], four[0], six[1], four[1], six[2]]


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_host_said_counts_for_more_than_what_this_machine_lacks(
    host: list[Place], monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    codes = {"2001:db8::1": errno.ENETUNREACH, "192.0.2.1": errno.ECONNREFUSED}
    host[:] = [("2001:db8::1", 80, 0, 0), ("192.0.2.1", 80)][::order]
    monkeypatch.setattr(socket.socket, "connect_ex", lambda sock, place: codes[place[0]])
    with pytest.raises(ConnectionRefusedError):
        connected()


def test_a_family_that_the_system_has_not_is_passed_over(
    host: list[Place], alive: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old(socket.socket):
        def __init__(self, family: int = -1, *rest: Any, **named: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "no such family")
            super().__init__(family, *rest, **named)

    monkeypatch.setattr(dialing.socket, "socket", Old)
    host[:] = [("2001:db8::1", 80, 0, 0), alive.getsockname()]
    with connected():
        alive.accept()[0].close()


def test_each_address_is_tried_within_a_short_time(host: list[Place], tried: list[Place], silent: Place) -> None:
    host[:] = [silent] * 5
    with pytest.raises(TimeoutError, match=f"no connection within {SHORT:g} s"):
        connected(SHORT)
    assert tried == host


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """The sockets of the attempts, in their order."""
    sockets: list[socket.socket] = []
    connect_ex = socket.socket.connect_ex

    def noting(sock: socket.socket, place: Place) -> int:
        sockets.append(sock)
        return connect_ex(sock, place)

    monkeypatch.setattr(socket.socket, "connect_ex", noting)
    return sockets


def test_attempts_that_were_overtaken_are_closed(
    host: list[Place], silent: Place, alive: socket.socket, made: list[socket.socket]
) -> None:
    host[:] = [silent, silent, alive.getsockname()]
    with connected() as sock, alive.accept()[0]:
        assert sock is made[-1]
        assert [one.fileno() for one in made[:-1]] == [-1, -1]


def test_of_two_that_answer_at_once_one_is_closed(
    host: list[Place], alive: socket.socket, made: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "_HEAD_START", 0.0)
    monkeypatch.setattr(dialing._Attempts, "wait", _late(dialing._Attempts.wait, made))
    host[:] = [alive.getsockname()] * 2
    with connected() as sock:
        first, second = alive.accept()[0], alive.accept()[0]
        with first, second:
            loser = next(one for one in (first, second) if one.getpeername() != sock.getsockname())
            loser.settimeout(LONG)
            assert loser.recv(1) == b""
    assert len(made) == 2


def _late(wait: Any, made: list[socket.socket]) -> Any:
    """Looks at what came of the attempts when both have been begun."""
    return lambda attempts, seconds: wait(attempts, seconds) if len(made) == 2 else None


def test_a_client_that_leaves_calls_all_attempts_off(
    host: list[Place], silent: Place, made: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "_HEAD_START", 0.0)
    host[:] = [silent] * 3
    lifeline, failures = Lifeline(), []

    def call() -> None:
        try:
            dial("several.test", 80, NEVER, lifeline)
        except ClientGone as gone:
            failures.append(gone)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: len(made) == 3)
    lifeline.cut()
    thread.join(LONG)
    assert len(failures) == 1
    assert [one.fileno() for one in made] == [-1] * 3


def test_for_a_client_that_has_left_nothing_is_begun(host: list[Place], alive: socket.socket, tried: list[Place]) -> None:
    host[:] = [alive.getsockname()]
    lifeline = Lifeline()
    lifeline.cut()
    with pytest.raises(ClientGone):
        dial("several.test", 80, NEVER, lifeline)
    assert tried == []


def test_a_host_without_any_address_is_an_error(host: list[Place]) -> None:
    with pytest.raises(OSError, match="no address"):
        connected()
