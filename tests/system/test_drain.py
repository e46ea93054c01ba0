"""The end of a proxy: what runs may finish, what does not is cut for all to see, and what is idle holds nobody up."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from urllib3.util.wait import wait_for_write

from vespa_client import AsyncVastClient, VastClient
from vespa_client.sandbox import Sandbox

from ..support.command_line import Process, command
from ..support.raw_worker import Peer, RawWorker, answer, background, chunk, connect, only_worker, post
from ..support.waiting import LONG, SHORT

StartProxy = Callable[..., VastClient]

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"

worker = only_worker
posix = pytest.mark.skipif(os.name != "posix", reason="a program can't send Ctrl-C to another one here")


def begun(client: Peer, worker: RawWorker, head: bytes, version: str = "1.1") -> Peer:
    """The worker's side of an answer of which the client has the beginning."""
    client.send(post(version=version))
    peer, _ = worker.request()
    peer.send(head + chunk(b"data: half\n\n"))
    client.until(b"half")
    return peer


def wait_until_refused(url: str) -> None:
    """Wait until nobody listens there. Whoever comes just before that is let go without an answer."""
    with pytest.raises(ConnectionRefusedError):
        while True:
            with connect(url) as late:
                late.wait_gone()


def test_a_client_that_reads_nothing_is_ended_too(
    start_proxy: StartProxy, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.server.connections._JOIN_SECONDS", SHORT)
    proxy = start_proxy(idle_timeout=600)
    with connect(proxy.url) as client:
        peer = begun(client, worker, WITH_LENGTH.replace(b"1000", b"1000000000"))
        while wait_for_write(peer._socket, SHORT):
            peer._socket.send(b"x" * 65536)
        assert proxy.stop() == 1
        # What is left of the proxy would be found by every test's last look.
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("vespa-")]


FRAMINGS = {
    "chunked": (CHUNKED, "1.1"),
    "an event stream": (EVENTS, "1.1"),
    "a length": (WITH_LENGTH, "1.1"),
    "the worker's close": (UNTIL_CLOSE, "1.1"),
    "HTTP/1.0": (CHUNKED, "1.0"),
    "HTTP/1.0 and the worker's close": (UNTIL_CLOSE, "1.0"),
}


def assert_broken(client: Peer, framing: str) -> None:
    """The client sees that the rest of its answer is missing."""
    data, was_reset = client.ending()
    if "HTTP/1.0" in framing:
        assert was_reset
    else:
        # No last chunk; and a length of 1000 is far away.
        assert not data.endswith(b"0\r\n\r\n")
        assert len(data) < 900
    assert (b"shutting_down" in data) == (framing == "an event stream")


# The library.


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_is_still_running_after_the_drain_is_cut_visibly_and_counted(
    proxy: VastClient, worker: RawWorker, framing: str
) -> None:
    with connect(proxy.url) as client:
        peer = begun(client, worker, *FRAMINGS[framing])
        started = time.monotonic()
        assert proxy.stop(drain=SHORT) == 1
        assert SHORT <= time.monotonic() - started < SHORT + LONG / 2
        assert_broken(client, framing)
        peer.wait_gone()


def test_each_request_that_is_cut_is_counted_and_no_other(proxy: VastClient, worker: RawWorker, sandbox: Sandbox) -> None:
    clients = [connect(proxy.url) for _ in range(4)]
    streaming, waiting, idle, silent = clients
    try:
        begun(streaming, worker, EVENTS)
        idle.send(post())
        peer, _ = worker.request()
        peer.send(answer())
        assert idle.message().body == b"ok"
        sandbox.autoscaler.cold()
        sandbox.autoscaler.clear_requests()
        waiting.send(post())
        sandbox.autoscaler.wait_for(lambda requests: len(requests) == 1)
        with background(lambda: proxy.stop(drain=SHORT)) as stopping:
            # Those on which nothing runs end at once.
            idle.wait_gone()
            silent.wait_gone()
            assert waiting.message().one("x-vespa-error") == "shutting_down"
            assert_broken(streaming, "an event stream")
            assert stopping.result(LONG) == 2
    finally:
        for client in clients:
            client.close()


def test_idle_connections_do_not_delay_the_end(proxy: VastClient, worker: RawWorker) -> None:
    clients = [connect(proxy.url) for _ in range(5)]
    try:
        for client in clients[:3]:
            client.send(post())
            peer, _ = worker.request()
            peer.send(answer(b"ok", "200 OK", "Connection: close"))
            assert client.message().body == b"ok"
        started = time.monotonic()
        assert proxy.stop(drain=LONG) == 0
        assert time.monotonic() - started < LONG / 2
    finally:
        for client in clients:
            client.close()


def test_the_drain_ends_with_the_last_answer_and_accepts_nothing_meanwhile(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client, connect(proxy.url) as idle:
        peer = begun(client, worker, CHUNKED)
        with background(lambda: proxy.stop(drain=LONG)) as stopping:
            idle.wait_gone()
            wait_until_refused(proxy.url)
            assert not stopping.done()
            peer.send(chunk(b"the other half") + chunk(b""))
            assert client.rest().endswith(chunk(b"the other half") + chunk(b""))
            assert stopping.result(LONG / 2) == 0


def test_a_drained_proxy_starts_again(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        begun(client, worker, CHUNKED)
        assert proxy.stop(drain=SHORT) == 1
    proxy.start()
    with connect(proxy.url) as client:
        client.send(post())
        peer, _ = worker.request()
        peer.send(answer(b"again"))
        assert client.message().body == b"again"


def test_the_async_client_drains_without_holding_the_loop_up(sandbox: Sandbox, worker: RawWorker) -> None:
    async def main() -> int:
        proxy = AsyncVastClient(
            sandbox.endpoints[0].name,
            account_key=sandbox.account_key,
            console_url=sandbox.console_url,
            autoscaler_url=sandbox.autoscaler_url,
            port=0,
        )
        await proxy.start()
        with connect(proxy.url) as client:
            peer = begun(client, worker, CHUNKED)
            stopping = asyncio.create_task(proxy.stop(drain=LONG))
            await asyncio.sleep(0)
            assert not stopping.done()
            peer.send(chunk(b""))
            return await stopping

    assert asyncio.run(main()) == 0


# The command line.


@pytest.fixture
def start_program(sandbox: Sandbox) -> Callable[..., Process]:
    """Starts the command line in front of the sandbox."""

    def start(*arguments: str) -> Process:
        where = ["--endpoint", sandbox.endpoints[0].name, "--account-key", sandbox.account_key, "--port", "0"]
        return Process(command(sandbox, *where, *arguments))

    return start


@pytest.fixture
def running(start_program: Callable[..., Process]) -> Iterator[Callable[..., tuple[Process, str]]]:
    """Starts it and waits until it listens. Returns it and its URL."""
    programs: list[Process] = []

    def start(*arguments: str) -> tuple[Process, str]:
        programs.append(start_program(*arguments))
        return programs[-1], programs[-1].listening()

    yield start
    for program in programs:
        program.__exit__()


Running = Callable[..., tuple[Process, str]]


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_program_lets_what_runs_finish_and_ends_with_0(running: Running, worker: RawWorker, name: str) -> None:
    program, url = running("--drain", "30")
    with connect(url) as client, connect(url) as idle:
        peer = begun(client, worker, CHUNKED)
        program.process.send_signal(getattr(signal, name))
        program.wait_for("Stopping; press Ctrl-C again to end at once.")
        idle.wait_gone()
        wait_until_refused(url)
        peer.send(chunk(b"the other half") + chunk(b""))
        assert client.rest().endswith(chunk(b"the other half") + chunk(b""))
        code, _, err = program.end()
    assert code == 0
    assert "cut" not in err


@posix
def test_the_program_says_how_many_it_has_cut(running: Running, worker: RawWorker) -> None:
    program, url = running("--drain", str(SHORT))
    clients = {framing: connect(url) for framing in FRAMINGS}
    try:
        for framing, client in clients.items():
            begun(client, worker, *FRAMINGS[framing])
        program.process.terminate()
        for framing, client in clients.items():
            assert_broken(client, framing)
        _, _, err = program.end()
    finally:
        for client in clients.values():
            client.close()
    assert f"{len(FRAMINGS)} requests were still running after 0.2 s and cut." in err


@posix
def test_a_second_ctrl_c_ends_it_now_and_what_it_cuts_is_seen_as_cut(running: Running, worker: RawWorker) -> None:
    program, url = running("--drain", "300")
    clients = {framing: connect(url) for framing in FRAMINGS}
    try:
        for framing, client in clients.items():
            begun(client, worker, *FRAMINGS[framing])
        program.process.send_signal(signal.SIGINT)
        program.wait_for("Stopping")
        program.process.send_signal(signal.SIGINT)
        for framing, client in clients.items():
            assert_broken(client, framing)
        code, _, err = program.end()
    finally:
        for client in clients.values():
            client.close()
    assert code == 130
    assert "Interrupted." in err
