"""Listeners, connections and threads of a proxy, from its start to its end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from vespa_client import VastClient
from vespa_client.errors import PortTaken
from vespa_client.net.lifeline import Lifeline
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.messages import Answer
from vespa_client.server.hangup import HangupWatcher

from ..support.programs import line_of, running
from ..support.raw_worker import Peer, RawWorker, answer, background, chunk, connect, get, only_worker, post, raw_client, swap
from ..support.waiting import LONG

worker, client = only_worker, raw_client


def test_a_watched_client_that_says_nothing_holds_nobody_up() -> None:
    # select() may tell of bytes that the request's thread has read since.
    watcher, lifeline = HangupWatcher(), Lifeline()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(LONG)
        watch = watcher.watch(ours)
        watch.begin(lifeline, lambda: False)
        started = time.monotonic()
        assert not watch.look()
        assert time.monotonic() - started < LONG / 2
        assert not lifeline.is_cut
        watch.end()
        watch.close()
    watcher.stop()


def test_many_requests_on_many_connections_each_get_their_own_answer(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.worker.answer_by(lambda request: Answer(200, request.body), times=None)
    wrong: list[str] = []

    def ask(name: int) -> None:
        with connect(proxy.url) as client:
            for number in range(25):
                question = b'"%d-%d"' % (name, number)
                client.send(post(question))
                if question not in client.message().body:
                    wrong.append(question.decode())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert wrong == []


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_localhost_is_served_in_both_families(start_proxy: Callable[..., VastClient], worker: RawWorker, host: str) -> None:
    proxy = start_proxy(host=host)
    port = urlsplit(proxy.url).port
    assert proxy.url == f"http://127.0.0.1:{port}"
    for address in ("127.0.0.1", "[::1]"):
        with connect(f"http://{address}:{port}") as client:
            assert swap(client, worker, post(), answer(address.encode()))[1].body == address.encode()


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
def test_one_family_alone_can_be_asked_for(start_proxy: Callable[..., VastClient], worker: RawWorker) -> None:
    proxy = start_proxy(host="::1")
    assert proxy.url == f"http://[::1]:{urlsplit(proxy.url).port}"
    with connect(proxy.url) as client:
        assert swap(client, worker, post(), answer(b"six"))[1].body == b"six"
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.url.replace("[::1]", "127.0.0.1"))


def test_port_0_takes_a_free_one_each_time(start_proxy: Callable[..., VastClient]) -> None:
    first, second = start_proxy(), start_proxy()
    assert urlsplit(first.url).port not in (0, None, urlsplit(second.url).port)


@pytest.mark.parametrize("taken", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_taken_port_is_named(start_proxy: Callable[..., VastClient], taken: str) -> None:
    if taken == "::1" and not has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    family = socket.AF_INET6 if ":" in taken else socket.AF_INET
    with socket.create_server((taken, 0), family=family) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} is taken") as caught:
            start_proxy(port=port)
    assert caught.value.port == port
    assert urlsplit(start_proxy(port=port).url).port == port


def test_stop_cuts_what_waits_with_an_error(proxy: VastClient, client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()
    assert proxy.stop() == 1
    got = client.message()
    assert (got.status, got.one("x-vespa-error"), got.one("connection")) == (503, "shutting_down", "close")
    assert int(got.one("retry-after") or 0) > 0
    peer.wait_gone()
    assert client.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.url)


@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream"])
def test_stop_cuts_a_stream_visibly(proxy: VastClient, client: Peer, worker: RawWorker, content_type: str) -> None:
    client.send(post())
    peer, _ = worker.request()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    peer.send(head + chunk(b"data: 1\n\n"))
    client.until(b"data: 1\n\n\r\n")
    assert proxy.stop() == 1
    data, _ = client.ending()
    assert not data.endswith(b"0\r\n\r\n")
    assert (b"shutting_down" in data) == (content_type == "text/event-stream")
    peer.wait_gone()


def test_stop_lets_go_of_a_request_that_waits_for_a_worker(proxy: VastClient, client: Peer, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    client.send(post())
    sandbox.autoscaler.wait_for(lambda requests: len(requests) >= 1)
    started = time.monotonic()
    assert proxy.stop() == 1
    assert time.monotonic() - started < LONG / 2
    assert client.message().one("x-vespa-error") == "shutting_down"


def test_stop_lets_a_request_finish_within_the_drain(proxy: VastClient, client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()
    with background(lambda: proxy.stop(LONG)) as stopping:
        # No more connections: the drain has begun.
        with pytest.raises((ConnectionError, EOFError)):
            while True:
                with connect(proxy.url) as late:
                    late.send(get("/_vespa/"))
                    late.message()
        peer.send(answer(b"finished"))
        got = client.message()
        assert got.body == b"finished"
        assert client.rest() == b""
        assert stopping.result(LONG / 2) == 0


def test_stop_ends_connections_that_are_idle_or_half_way(proxy: VastClient, client: Peer, worker: RawWorker) -> None:
    swap(client, worker, post(), answer())
    with connect(proxy.url) as silent, connect(proxy.url) as halfway:
        halfway.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        started = time.monotonic()
        proxy.stop()
        assert time.monotonic() - started < LONG / 2
        assert client.rest() == b""
        silent.wait_gone()
        halfway.ending()


def test_a_stopped_proxy_can_be_started_again(proxy: VastClient, worker: RawWorker) -> None:
    for number in range(3):
        with connect(proxy.url) as client:
            assert swap(client, worker, post(), answer(b"%d" % number))[1].body == b"%d" % number
        # Within a drain: the client can have its answer a moment before the connection's thread is done with it.
        assert proxy.stop(LONG) == 0
        assert proxy.stop() == 0
        proxy.start()


OTHER_PROGRAM = """
import socket, sys
with socket.create_server(("HOST", 0), family=socket.FAMILY) as taken:
    print(taken.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def test_who_holds_a_port_is_said(start_proxy: Callable[..., VastClient]) -> None:
    first = start_proxy()
    with pytest.raises(PortTaken) as caught:
        start_proxy(port=int(first.url.rpartition(":")[2]))
    assert "this program itself listens on 127.0.0.1:" in caught.value.message and "another program" not in str(caught.value)
    assert "stop() it first" in caught.value.hint


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", "AF_INET"), ("::1", "AF_INET6")])
def test_another_program_that_holds_a_port_is_said(start_proxy: Callable[..., VastClient], host: str, family: str) -> None:
    if ":" in host and not has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    # In one family alone: the port is then ours in the other one, for a moment.
    with running(OTHER_PROGRAM.replace("HOST", host).replace("FAMILY", family)) as other:
        with pytest.raises(PortTaken) as caught:
            start_proxy(port=int(line_of(other)))
        assert f"another program listens on {f'[{host}]' if ':' in host else host}:" in caught.value.message
        assert other.stdin
        other.stdin.close()
