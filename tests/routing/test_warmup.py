"""The start: what the first request would have to wait for is done before it comes, and nothing that could cost money."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vespa_client import VastClient
from vespa_client.outbound.trust import ROOT_PATH, cache_directory
from vespa_client.sandbox import Sandbox

from ..support.faults import Front
from ..support.raw_worker import RawWorker, answer, connect, post
from ..support.tls_material import Authority
from ..support.waiting import LONG, SHORT, wait_until
from ..system.test_faults import assignment_for

StartProxy = Callable[..., VastClient]


@pytest.fixture
def raw_autoscaler() -> Iterator[RawWorker]:
    with RawWorker() as raw:
        yield raw


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def test_the_autoscaler_is_connected_to_and_not_asked(
    start_proxy: StartProxy, raw_autoscaler: RawWorker, sandbox: Sandbox
) -> None:
    proxy = start_proxy(autoscaler_url=raw_autoscaler.url)
    peer = raw_autoscaler.accept()
    assert peer.is_silent(SHORT)
    with connect(proxy.url) as client:
        client.send(post())
        asked = peer.message()
        assert asked.target == "/route/"
        peer.send(answer(assignment_for(sandbox, asked)))
        assert client.message().status == 404
    assert raw_autoscaler.was_left_alone()


def test_the_first_request_shakes_no_hands(
    start_proxy: StartProxy, authority: Authority, sandbox: Sandbox, tmp_path: Path
) -> None:
    # Under TLS 1.3, tickets lie unread on a connection that has served nothing yet.
    sandbox.worker.answer_with(200, b"served", times=None)
    with Front(authority, lambda message: answer(assignment_for(sandbox, message))) as front:
        proxy = start_proxy(autoscaler_url=front.url, ca_file=str(authority.pem_file(tmp_path)))
        wait_until(lambda: is_kept(proxy, front.port))
        with connect(proxy.url) as client:
            for _ in range(3):
                client.send(post())
                assert client.message().body == b"served"
        assert front.connections == 1


def is_kept(proxy: VastClient, port: int) -> bool:
    """Whether an idle connection to that port waits for a request to console or autoscaler."""
    server = proxy._server
    assert server is not None
    transport = server._service.endpoint._autoscaler._transport  # type: ignore[attr-defined]
    queues = [queue for known in transport._idle._queues if (queue := known())]
    return any(idle.connection.port == port for queue in queues for idle in queue._idle)


@pytest.mark.parametrize("secure", [True, False])
def test_vast_ais_root_is_fetched_where_workers_will_have_tls(
    start_proxy: StartProxy, authority: Authority, sandbox: Sandbox, tmp_path: Path, secure: bool
) -> None:
    sandbox.console.root_certificate = authority.pem
    with Front(authority, lambda message: answer(assignment_for(sandbox, message))) as front:
        url = front.url if secure else sandbox.autoscaler_url
        proxy = start_proxy(autoscaler_url=url, ca_file=str(authority.pem_file(tmp_path)))
        if secure:
            sandbox.console.wait_for(lambda requests: any(request.path == ROOT_PATH for request in requests))
            wait_until(lambda: cache_directory().exists() and any(cache_directory().iterdir()))
        proxy.stop()
    assert any(request.path == ROOT_PATH for request in sandbox.console.requests) == secure


def test_an_autoscaler_that_is_away_is_no_reason_not_to_start(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    caplog.set_level(logging.DEBUG, "vespa_client")
    proxy = start_proxy(autoscaler_url=url)
    wait_until(lambda: "can't be connected to yet" in caplog.text)
    assert proxy.is_running
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_stopping_ends_a_start_that_leads_nowhere(start_proxy: StartProxy) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, socket.create_connection(hole.getsockname()):
        proxy = start_proxy(autoscaler_url=f"http://127.0.0.1:{hole.getsockname()[1]}")
        started = time.monotonic()
        proxy.stop()
        assert time.monotonic() - started < LONG / 2


def test_a_connection_that_was_made_ahead_stays_for_the_first_request(
    start_proxy: StartProxy, authority: Authority, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Those that are idle are looked at from time to time, and TLS 1.3's tickets lie unread on this one.
    monkeypatch.setattr("vespa_client.outbound.idle._SWEEP_SECONDS", 0.0)
    sandbox.worker.answer_with(200, b"served", times=None)
    with Front(authority, lambda message: answer(assignment_for(sandbox, message))) as front:
        proxy = start_proxy(autoscaler_url=front.url, ca_file=str(authority.pem_file(tmp_path)))
        wait_until(lambda: is_kept(proxy, front.port))
        with connect(proxy.url) as client:
            client.send(post())
            assert client.message().body == b"served"
        assert front.connections == 1


def test_a_silent_console_holds_no_end_up(
    start_proxy: StartProxy, authority: Authority, sandbox: Sandbox, tmp_path: Path
) -> None:
    with RawWorker() as console, Front(authority, lambda message: answer(b"{}")) as front:
        proxy = start_proxy(
            autoscaler_url=front.url,
            console_url=console.url,
            api_key=sandbox.endpoints[0].api_key,
            ca_file=str(authority.pem_file(tmp_path)),
        )
        peer = console.accept()
        assert peer.message().target == ROOT_PATH
        started = time.monotonic()
        proxy.stop()
        # Its own limit is 30 seconds.
        assert time.monotonic() - started < LONG
        peer.wait_gone()


def test_a_name_that_is_looked_up_for_ever_holds_no_end_up(
    start_proxy: StartProxy, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, is_over = threading.Event(), threading.Event()

    def look_up(*args: object) -> list[object]:
        asked.set()
        is_over.wait(LONG)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr("vespa_client.routing.warmup._JOIN_SECONDS", SHORT)
    proxy = start_proxy(autoscaler_url="http://autoscaler.test", api_key=sandbox.endpoints[0].api_key, port=0)
    proxy.stop()
    with monkeypatch.context() as patched:
        patched.setattr("vespa_client.net.dialing.socket.getaddrinfo", look_up)
        proxy.start()
        assert asked.wait(LONG)
        warmup = next(thread for thread in threading.enumerate() if thread.name == "vespa-warmup")
        proxy.stop()
        assert not is_over.is_set()
        assert warmup.is_alive()
        is_over.set()
        warmup.join(LONG)


def test_an_outbound_proxy_of_no_use_is_no_crash_of_the_warm_up(
    start_proxy: StartProxy, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    proxy = start_proxy(autoscaler_url="https://autoscaler.test", api_key=sandbox.endpoints[0].api_key)
    wait_until(lambda: not any(thread.name == "vespa-warmup" for thread in threading.enumerate()))
    proxy.stop()
    assert "The autoscaler can't be connected to yet" in caplog.text
