"""Keepalives: which options a silent connection has, by each system's names, and that a far side that has gone is noticed."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vespa_client import VastClient
from vespa_client.net import keepalives
from vespa_client.net.keepalives import keep_alive
from vespa_client.outbound import connection as connection_module
from vespa_client.sandbox import Sandbox
from vespa_client.server import hangup as hangup_module

from ..support.faults import swallow
from ..support.raw_worker import RawWorker, answer, chunk, connect, only_worker, post
from ..support.waiting import LONG, wait_until

worker = only_worker
StartProxy = Callable[..., VastClient]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what it has been told")
FIRST, BETWEEN, MOST = 30, 10, 3
TCP = socket.IPPROTO_TCP


@on_linux
def test_the_system_asks_after_half_a_minute_and_gives_up_after_one() -> None:
    with socket.socket() as sock:
        keep_alive(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(TCP, socket.TCP_KEEPIDLE) == FIRST
        assert sock.getsockopt(TCP, socket.TCP_KEEPINTVL) == BETWEEN
        assert sock.getsockopt(TCP, socket.TCP_KEEPCNT) == MOST
    assert FIRST + BETWEEN * MOST == keepalives.GONE_AFTER == 60


class Told:
    """A socket that notes what it is told; ``refused`` are options that the system doesn't take."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.options: dict[tuple[int, int], int] = {}
        self.controls: list[tuple[int, tuple[int, int, int]]] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if option in self.refused:
            raise OSError("no such option")
        self.options[level, option] = value

    def ioctl(self, control: int, values: tuple[int, int, int]) -> None:
        self.controls.append((control, values))


NAMES = ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "SIO_KEEPALIVE_VALS")


def system(monkeypatch: pytest.MonkeyPatch, **names: int) -> None:
    """The socket module of another system, with these of the options' names."""
    known = {"SOL_SOCKET": 1, "SO_KEEPALIVE": 9, "IPPROTO_TCP": 6, **names}
    monkeypatch.setattr(keepalives, "socket", SimpleNamespace(**known))


def told(sock: Told) -> dict[tuple[int, int], int]:
    keep_alive(sock)  # type: ignore[arg-type]
    return sock.options


def test_on_macos_the_first_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, TCP_KEEPALIVE=0x10, TCP_KEEPINTVL=0x101, TCP_KEEPCNT=0x102)
    assert told(Told()) == {(1, 9): 1, (6, 0x10): FIRST, (6, 0x101): BETWEEN, (6, 0x102): MOST}


def test_on_windows_the_names_are_those_of_linux_and_the_numbers_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, TCP_KEEPIDLE=3, TCP_KEEPINTVL=17, TCP_KEEPCNT=16, SIO_KEEPALIVE_VALS=0x98000004)
    sock = Told()
    assert told(sock) == {(1, 9): 1, (6, 3): FIRST, (6, 17): BETWEEN, (6, 16): MOST}
    assert sock.controls == []


@pytest.mark.parametrize("names", [{}, {"TCP_KEEPIDLE": 3}, {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 17}])
def test_on_an_older_windows_one_call_says_it_in_milliseconds(monkeypatch: pytest.MonkeyPatch, names: dict[str, int]) -> None:
    system(monkeypatch, SIO_KEEPALIVE_VALS=0x98000004, **names)
    sock = Told(3, 17)
    told(sock)
    [(control, (on, first, between))] = sock.controls
    assert (control, on, first) == (0x98000004, 1, FIRST * 1000)
    # Which always sends ten.
    assert first + between * 10 == keepalives.GONE_AFTER * 1000


def test_where_there_is_no_option_or_none_is_taken_a_connection_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(Told(9, *(getattr(socket, name, 0) for name in NAMES))) == {}
    system(monkeypatch)
    assert told(Told()) == {(1, 9): 1}


# On the proxy's own connections

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def timers(near: int | None = None, far: int | None = None) -> set[str]:
    """The kind of timer of each established connection of these ports: 02 is a keepalive's (proc(5), /proc/net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return {
        row[5].partition(":")[0]
        for row in rows
        if row[3] == "01"
        and (near is None or row[1].endswith(f":{near:04X}"))
        and (far is None or row[2].endswith(f":{far:04X}"))
    }


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@on_linux
def test_every_connection_of_the_proxy_has_them(proxy: VastClient, sandbox: Sandbox, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        client.send(post())
        peer, _ = worker.request()
        for place in (port_of(worker.url), port_of(sandbox.autoscaler_url), port_of(sandbox.console_url)):
            # For a moment there may be another timer: that of what has just been sent.
            wait_until(lambda place=place: timers(far=place) == {"02"})  # type: ignore[misc]
        wait_until(lambda: timers(near=port_of(proxy.url)) == {"02"})
        peer.send(answer(b"ok"))
        assert client.message().body == b"ok"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far side that has gone is noticed after the shortest time that systems have: two seconds."""
    for name in ("_FIRST", "_BETWEEN", "_MOST"):
        monkeypatch.setattr(keepalives, name, 1)


@on_linux
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"])
def test_a_worker_that_has_gone_is_noticed_long_before_its_time_is_over(
    start_proxy: StartProxy, worker: RawWorker, sandbox: Sandbox, begun: bytes
) -> None:
    with connect(start_proxy(timeout=1000, idle_timeout=1000).url) as client:
        client.send(post())
        peer, _ = worker.request()
        peer.send(begun)
        if begun:
            assert client.head()[0] == "HTTP/1.1 200 OK"
            assert client.exactly(2) == b"ok"
        swallow(peer._socket)
        if begun:
            assert client.ending()[0] == b""
        else:
            got = client.message()
            assert (got.status, got.error["code"]) == (502, "worker_answer_broken")
            assert "its machine is heard of no more" in got.error["message"]
            assert "may have run" in got.error["hint"]
    assert len(sandbox.autoscaler.routes) == 1


@on_linux
@pytest.mark.usefixtures("hasty")
def test_a_client_that_has_gone_without_a_word_has_its_worker_hung_up_on(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        client.send(post())
        peer, _ = worker.request()
        swallow(client._socket)
        peer.wait_gone()


@on_linux
def test_a_client_that_has_gone_in_mid_stream_has_its_worker_hung_up_on(
    start_proxy: StartProxy, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keepalives don't ask while something is unacknowledged, and the system's own patience is a quarter of an hour."""
    monkeypatch.setattr(hangup_module, "GONE_AFTER", 0.5)
    monkeypatch.setattr(hangup_module, "_ROUND_SECONDS", 0.1)
    with connect(start_proxy(timeout=1000, idle_timeout=1000).url) as client:
        client.send(post())
        peer, _ = worker.request()
        peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"data: 1\n\n")
        )
        client.until(b"data: 1\n\n")
        swallow(client._socket)
        peer.send(chunk(b"data: 2\n\n"))
        peer.wait_gone()


@on_linux
def test_a_worker_that_goes_while_the_request_is_on_its_way_is_noticed_too(
    start_proxy: StartProxy, worker: RawWorker, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keepalives don't ask while something is unacknowledged."""
    monkeypatch.setattr(connection_module, "GONE_AFTER", 1.0)
    with connect(start_proxy(timeout=1000).url) as client:
        asked = threading.Thread(target=client.send, args=(post(b'"' + b"x" * 300_000 + b'"'),))
        asked.start()
        peer = worker.accept()
        peer._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        peer.head()
        swallow(peer._socket)
        asked.join(LONG)
        got = client.message()
        assert (got.status, got.error["code"]) == (502, "worker_answer_broken")
        assert "its machine is heard of no more" in got.error["message"]
    assert len(sandbox.autoscaler.routes) == 1


@on_linux
def test_a_worker_that_goes_before_it_has_all_of_a_request_has_it_sent_to_another(
    start_proxy: StartProxy, worker: RawWorker, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "GONE_AFTER", 1.0)
    body = b'"' + b"x" * (8 << 20) + b'"'
    with connect(start_proxy(timeout=1000, idle_timeout=1000).url) as client:
        asked = threading.Thread(target=client.send, args=(post(body),))
        asked.start()
        peer = worker.accept()
        peer.head()
        swallow(peer._socket)
        other, message = worker.request()
        assert message.body.endswith(b'x"}')
        other.send(answer(b"served"))
        asked.join(LONG)
        assert client.message().body == b"served"
    assert len(sandbox.autoscaler.routes) == 2


@on_linux
def test_a_worker_that_thinks_or_does_not_read_is_waited_for(
    start_proxy: StartProxy, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    ask = connection_module.seconds_unheard

    def noting(sock: Any) -> float:
        looks.append(ask(sock))
        return looks[-1]

    monkeypatch.setattr(connection_module, "GONE_AFTER", 0.05)
    monkeypatch.setattr(connection_module, "seconds_unheard", noting)
    with connect(start_proxy(timeout=1000).url) as client:
        client.send(post())
        peer, _ = worker.request()
        wait_until(lambda: len(looks) > 3)
        peer.send(answer(b"thought about"))
        assert client.message().body == b"thought about"
    assert set(looks) == {0.0}
