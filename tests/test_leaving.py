"""A client that leaves ends, at once, what was done for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from .conftest import SHORT
from .raw_worker import Peer, RawWorker, answer, background, chunk, connect, only_worker, post, raw_client

HEARD_WITHIN = 1.0
"""Seconds: ten times what the proxy takes to hear a client leave."""

worker, client = only_worker, raw_client


@pytest.fixture
def left(caplog: pytest.LogCaptureFixture) -> Iterator[threading.Event]:
    """Set when the proxy logs that a client has left."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().endswith(", left"):
                heard.set()

    heard, listener = threading.Event(), Listener()
    logger = logging.getLogger("vespa_client")
    caplog.set_level(logging.INFO, logger.name)
    logger.addHandler(listener)
    yield heard
    logger.removeHandler(listener)


def test_a_client_that_leaves_while_its_request_waits_ends_the_polling(
    client: Peer, worker: RawWorker, sandbox: Sandbox, left: threading.Event
) -> None:
    sandbox.autoscaler.cold()
    client.send(post())
    sandbox.autoscaler.wait_for(lambda requests: len(requests) >= 1)
    client.close()
    assert left.wait(HEARD_WITHIN)
    # It is over: what comes now is not for this client any more.
    sandbox.autoscaler.warm()
    assert worker.was_left_alone()


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_client_that_leaves_before_the_answer_hangs_the_worker_up(client: Peer, worker: RawWorker, way: str) -> None:
    client.send(post())
    peer, _ = worker.request()
    client.close() if way == "close" else client.reset()
    peer.wait_gone(HEARD_WITHIN)


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 100", "Content-Type: text/plain"])
def test_a_client_that_leaves_a_stream_hangs_the_worker_up(client: Peer, worker: RawWorker, framing: str) -> None:
    client.send(post())
    peer, _ = worker.request()
    peer.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + chunk(b"first"))
    client.until(b"first")
    client.close()
    peer.wait_gone(HEARD_WITHIN)


def test_a_client_that_leaves_in_the_middle_of_much_hangs_the_worker_up(client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()

    def pour() -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                peer.send(bytes(1 << 16))

    with background(pour):
        client.head()
        client.exactly(1 << 20)
        client.close()


def test_a_client_that_stays_is_not_troubled_by_one_that_leaves(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as stays, connect(proxy.url) as leaves:
        stays.send(post())
        kept, _ = worker.request()
        leaves.send(post())
        dropped, _ = worker.request()
        leaves.close()
        dropped.wait_gone(HEARD_WITHIN)
        kept.send(answer(b"served"))
        assert stays.message().body == b"served"


def test_a_client_that_has_sent_its_next_request_already_is_served_both(client: Peer, worker: RawWorker) -> None:
    client.send(post(b'"one"') + post(b'"two"'))
    peer, one = worker.request()
    assert client.is_silent(SHORT)
    peer.send(answer(b"1"))
    assert client.message().body == b"1"
    two = peer.message()
    peer.send(answer(b"2"))
    assert client.message().body == b"2"
    assert (one.payload, two.payload) == (b'"one"', b'"two"')
