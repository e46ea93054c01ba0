"""Limits: of connections, of open files, and of the time that a client may take; and what waits for a slow reader."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support.faults import Log, proxy_log
from ..support.programs import line_of, running
from ..support.raw_worker import Peer, RawWorker, answer, background, connect, get, only_worker, post, swap
from ..support.waiting import LONG, SHORT

StartProxy = Callable[..., VastClient]

worker, log = only_worker, proxy_log
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="files and processor time are counted as Linux does")


# Connections.


def test_above_the_limit_there_is_a_quick_503_and_below_it_service_again(start_proxy: StartProxy, worker: RawWorker) -> None:
    proxy = start_proxy(max_connections=2)
    with connect(proxy.url) as first, connect(proxy.url) as second:
        for client in (first, second):
            assert swap(client, worker, post(), answer(b"served"))[1].body == b"served"
        with connect(proxy.url) as third:
            started = time.monotonic()
            third.send(post())
            got = third.message()
            assert time.monotonic() - started < LONG / 2
            assert (got.status, got.one("x-vespa-error"), got.one("connection")) == (503, "too_many_connections", "close")
            assert int(got.one("retry-after") or 0) > 0
            assert "--max-connections" in got.error["hint"]
            assert third.rest() == b""
            # It stays away with its end of the connection: it takes no place all the same.
            first.send(get("/v1/x", "Connection: close", method="OPTIONS"))
            assert first.message(bodiless=True).status == 204
            first.wait_gone()
            with connect(proxy.url) as fourth:
                assert swap(fourth, worker, post(), answer(b"served"))[1].body == b"served"


def test_a_page_that_is_turned_away_can_read_why(start_proxy: StartProxy) -> None:
    proxy = start_proxy(max_connections=1)
    with connect(proxy.url) as first:
        first.send(get(method="OPTIONS"))
        assert first.message(bodiless=True).status == 204
        with connect(proxy.url) as page, connect(proxy.url) as stranger:
            page.send(get("/v1/x", "Origin: http://localhost:3000"))
            assert page.message().one("access-control-allow-origin") == "http://localhost:3000"
            stranger.send(get("/v1/x", "Origin: https://evil.example"))
            got = stranger.message()
            assert (got.status, got.one("access-control-allow-origin")) == (403, None)


def test_a_crowd_above_the_limit_is_closed_without_a_word(start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vespa_client.server.connections._MOST_TURNED_AWAY", 2)
    monkeypatch.setattr("vespa_client.server.handler._LINGER_SECONDS", LONG)
    proxy = start_proxy(max_connections=1)
    with connect(proxy.url) as first, contextlib.ExitStack() as crowd:
        first.send(get(method="OPTIONS"))
        assert first.message(bodiless=True).status == 204
        parts = urlsplit(proxy.url)
        silent = [crowd.enter_context(socket.create_connection((parts.hostname, parts.port))) for _ in range(5)]
        for sock in silent:
            sock.settimeout(LONG)
        with selectors.DefaultSelector() as selector:
            for sock in silent:
                selector.register(sock, selectors.EVENT_READ)
            closed: list[socket.socket] = []
            while len(closed) < 3:
                ready = selector.select(LONG)
                assert ready, "more than the proxy wants to turn away are still there"
                for key, _ in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    selector.unregister(key.fileobj)
                    closed.append(key.fileobj)
            assert all(sock.recv(1) == b"" for sock in closed)
            assert not selector.select(SHORT)


def test_a_crowd_that_stays_behind_its_refusal_is_closed_at_once(
    start_proxy: StartProxy, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.server.connections._MOST_LEAVING", 2)
    monkeypatch.setattr("vespa_client.server.handler._LINGER_SECONDS", LONG)
    proxy = start_proxy()
    server = proxy._server
    assert server is not None
    with contextlib.ExitStack() as crowd:
        for _ in range(6):
            client = crowd.enter_context(connect(proxy.url))
            client.send(b"nonsense\r\n\r\n")
            assert client.message().status == 400
            assert client.rest() == b""
        connections = server._connections
        with connections._changed:
            # Each that is waited for is a thread.
            assert server._connections._changed.wait_for(lambda: len(server._connections._open) == 2, LONG / 2), len(
                server._connections._open
            )
        with connect(proxy.url) as served:
            assert swap(served, worker, post(), answer(b"served"))[1].body == b"served"


def test_the_openai_way_of_asking_again_finds_a_place(start_proxy: StartProxy, worker: RawWorker) -> None:
    # Many who are turned away while one is served; as soon as that one has gone, another is taken.
    proxy = start_proxy(max_connections=1)
    with contextlib.ExitStack() as clients:
        first = clients.enter_context(connect(proxy.url))
        assert swap(first, worker, post(), answer())[1].body == b"ok"
        refused = [clients.enter_context(connect(proxy.url)) for _ in range(20)]
        for client in refused:
            client.send(post())
        assert [client.message().status for client in refused] == [503] * 20
        first.close()
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            with connect(proxy.url) as again:
                again.send(get(method="OPTIONS"))
                if again.head()[0].startswith("HTTP/1.1 204"):
                    return
    pytest.fail("nobody was served any more")


def test_a_thousand_connections_at_the_same_instant_are_all_answered(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    number = min(1000, files_to_spare() // 2)
    with contextlib.ExitStack() as sockets, selectors.DefaultSelector() as selector:
        for _ in range(number):
            sock = sockets.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", urlsplit(proxy.url).port or 0))
            selector.register(sock, selectors.EVENT_WRITE)
        request = get("/v1/x", method="OPTIONS")
        answers: dict[int, bytes] = {}
        deadline = time.monotonic() + 3 * LONG
        while len(answers) < number and time.monotonic() < deadline:
            for key, events in selector.select(LONG):
                sock = key.fileobj  # type: ignore[assignment]
                if events & selectors.EVENT_WRITE:
                    sock.send(request)
                    selector.modify(sock, selectors.EVENT_READ)
                else:
                    answers[key.fd] = sock.recv(1 << 16)
                    selector.unregister(sock)
        assert len(answers) == number
        assert all(data.startswith(b"HTTP/1.1 204 ") for data in answers.values())


def files_to_spare() -> int:
    """How many more files this process may open; its limit is raised as the command line does it."""
    if sys.platform == "win32":
        return 2000
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3000:
        with contextlib.suppress(OSError, ValueError):
            soft = 3000 if hard == resource.RLIM_INFINITY else min(3000, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft - 300


# Open files.

OUT_OF_FILES = """
import logging, resource, sys, time
from vespa_client import VastClient

class Said(logging.Handler):
    def emit(self, record):
        print("log", record.getMessage(), flush=True)

logging.getLogger("vespa_client").addHandler(Said(logging.WARNING))
with VastClient({endpoint!r}, api_key="x", port=0, autoscaler_url={autoscaler!r}, console_url={console!r}) as client:
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
    print(client.url, flush=True)
    for line in sys.stdin:
        print(time.process_time(), flush=True)
"""


@on_linux
def test_without_a_free_file_new_connections_wait_without_a_spin_and_are_served_later(sandbox: Sandbox) -> None:
    source = OUT_OF_FILES.format(
        endpoint=sandbox.endpoints[0].name, autoscaler=sandbox.autoscaler_url, console=sandbox.console_url
    )
    with running(source) as program, contextlib.ExitStack() as clients:
        url = line_of(program)

        def processor_time() -> float:
            assert program.stdin
            program.stdin.write("\n")
            program.stdin.flush()
            return float(line_of(program))

        crowd = [clients.enter_context(connect(url)) for _ in range(80)]
        for client in crowd:
            client.send(get(method="OPTIONS"))
        assert "Out of open files" in line_of(program)
        assert crowd[0].message(bodiless=True).status == 204
        before, started = processor_time(), time.monotonic()
        # The last ones are in the queue, and nobody is taken from it: that costs nothing.
        assert crowd[-1].is_silent(1.0)
        assert processor_time() - before < 0.2 * (time.monotonic() - started)
        for client in crowd[:40]:
            client.close()
        for client in crowd[40:]:
            assert client.message(bodiless=True).status == 204
        # It was said once, and was no more than that.
        for client in crowd[40:]:
            client.close()
        assert processor_time() > 0


# Time.


@pytest.mark.parametrize("beginning", [b"GET /v1/x HTT", b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_does_not_come_to_its_end_is_a_408(start_proxy: StartProxy, log: Log, beginning: bytes) -> None:
    with connect(start_proxy(head_timeout=SHORT).url) as client:
        started = time.monotonic()
        client.send(beginning)
        got = client.message()
        assert SHORT <= time.monotonic() - started < SHORT + LONG / 2
        assert (got.status, got.one("x-vespa-error"), got.one("connection")) == (408, "bad_request", "close")
        assert "within 0.2 s" in got.error["message"]
        assert client.rest() == b""
    assert log.wait_for("was refused: The head was not complete")


def test_a_head_that_drips_has_one_limit_for_all_of_it(start_proxy: StartProxy) -> None:
    with connect(start_proxy(head_timeout=2 * SHORT).url) as client:
        client.send(b"GET /v1/x HTTP/1.1\r\nX-Slow: ")

        def drip() -> None:
            with contextlib.suppress(OSError):
                while client.is_silent(SHORT / 10):
                    client.send(b"x")

        drip()
        assert client.message().status == 408


def test_a_body_that_stops_is_a_408_and_no_worker_is_asked(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    with connect(start_proxy(body_timeout=SHORT).url) as client:
        started = time.monotonic()
        client.send(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        got = client.message()
        assert SHORT <= time.monotonic() - started < SHORT + LONG / 2
        assert (got.status, got.one("x-vespa-error"), got.one("connection")) == (408, "bad_request", "close")
        assert "0.2 s" in got.error["message"]
    assert sandbox.autoscaler.routes == []


def test_a_body_that_drips_is_slow_and_no_more(start_proxy: StartProxy, worker: RawWorker) -> None:
    with connect(start_proxy(body_timeout=4 * SHORT).url) as client:
        started = time.monotonic()
        body = b'"' + b"x" * 98 + b'"'
        client.send(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
        for place in range(len(body)):
            client.send(body[place : place + 1])
            assert client.is_silent(SHORT / 20)
        assert time.monotonic() - started > 4 * SHORT
        peer, received = worker.request()
        assert received.payload == body
        peer.send(answer())
        assert client.message().status == 200


SLOW = {
    "says nothing": b"",
    "shakes hands by TLS": b"\x16",
    "stops in the request line": b"POST /v1/x",
    "stops in a header": b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "sends empty lines": b"\r\n\r\n",
    "stops in a body": b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{",
    "stops in a chunk's size": b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1",
    "stops in a chunk": b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{",
    "stops in a trailer": b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    "waits for leave": b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    "stays behind its 400": b"nonsense\r\n\r\n",
}


def test_slow_clients_of_each_kind_hold_nobody_up(proxy: VastClient, worker: RawWorker, sandbox: Sandbox) -> None:
    with contextlib.ExitStack() as clients:
        for beginning in [*SLOW.values()] * 10:
            slow = clients.enter_context(connect(proxy.url))
            slow.send(beginning)
        for number in range(10):
            with connect(proxy.url) as client:
                body = b"served %d" % number
                assert swap(client, worker, post(), answer(body))[1].body == body
        assert len(sandbox.autoscaler.routes) == 10


@pytest.mark.parametrize("served_before", [False, True])
def test_an_idle_client_is_let_go_without_a_word(start_proxy: StartProxy, worker: RawWorker, served_before: bool) -> None:
    with connect(start_proxy(client_idle_timeout=SHORT).url) as client:
        if served_before:
            swap(client, worker, post(), answer())
        started = time.monotonic()
        assert client.rest() == b""
        assert SHORT / 2 <= time.monotonic() - started < SHORT + LONG / 2


def test_a_request_that_takes_long_is_no_idle_client(start_proxy: StartProxy, worker: RawWorker) -> None:
    with connect(start_proxy(client_idle_timeout=SHORT / 4, head_timeout=SHORT / 4).url) as client:
        client.send(post())
        peer, _ = worker.request()
        assert client.is_silent(SHORT)
        peer.send(answer(b"served"))
        assert client.message().body == b"served"


# Slow readers.


def pour(peer: Peer, count: int) -> int:
    """Send up to so many bytes, until nobody takes any for a moment. Returns how many were taken."""
    poured, piece = 0, b"x" * (1 << 16)
    peer._socket.settimeout(SHORT)
    with contextlib.suppress(TimeoutError):
        while poured < count:
            poured += peer._socket.send(piece[: count - poured])
    peer._socket.settimeout(LONG)
    return poured


def test_a_slow_reader_holds_back_its_worker_and_not_memory(proxy: VastClient, worker: RawWorker) -> None:
    size = 256 << 20
    with connect(proxy.url) as client:
        client.send(post())
        peer, _ = worker.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        client.head()
        held = pour(peer, size)
        # What the sockets on the way hold, and no more.
        assert held < size / 4
        with background(lambda: peer.send(b"x" * (16 << 20))):
            client.count(held + (16 << 20), b"x")


def test_a_reader_that_reads_nothing_for_long_is_let_go(start_proxy: StartProxy, worker: RawWorker, log: Log) -> None:
    with connect(start_proxy(idle_timeout=SHORT).url) as client:
        client.send(post())
        peer, _ = worker.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        with pytest.raises(ConnectionError):
            while True:
                peer.send(b"x" * (1 << 16))
        assert log.wait_for("#1 POST").endswith(", left")
