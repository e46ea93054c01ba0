"""Signs of life on event streams that are still to come: what a client hears, and what it costs."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import openai
import pytest

from vespa_client import VastClient
from vespa_client.net.timed_socket import TimedSocket
from vespa_client.sandbox import Sandbox
from vespa_client.server.answer_writer import AnswerWriter

from ..support.faults import Log, proxy_log
from ..support.raw_worker import Peer, RawWorker, answer, background, chunk, connect, only_worker, post
from ..support.waiting import LONG, SHORT

StartProxy = Callable[..., VastClient]

BEAT = 0.03
COMMENT = b":\n\n"
STREAM = b'{"stream": true}'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

log, worker = proxy_log, only_worker


@pytest.fixture
def beating(start_proxy: StartProxy) -> VastClient:
    """A proxy with heartbeats."""
    return start_proxy(heartbeat=BEAT)


def hear_beats(client: Peer, count: int = 3) -> None:
    """Take the head of the event stream, and so many comments."""
    start, fields = client.head()
    assert start == "HTTP/1.1 200 OK"
    assert ("Content-Type", "text/event-stream") in fields
    assert ("Transfer-Encoding", "chunked") in fields
    for _ in range(count):
        assert client.exactly(len(chunk(COMMENT))) == chunk(COMMENT)


def event_at_the_end(client: Peer) -> dict[str, Any]:
    """The error event behind the comments; the stream must end visibly broken."""
    data, _ = client.ending()
    assert not data.endswith(b"0\r\n\r\n")
    comments, _, event = data.partition(b"event: error\ndata: ")
    assert comments.count(b":") == comments.count(COMMENT)
    error: dict[str, Any] = json.loads(event.partition(b"\n\n")[0])["error"]
    return error


def test_a_client_hears_comments_while_it_waits_and_then_its_stream(beating: VastClient, worker: RawWorker) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(EVENTS + chunk(b"data: 1\n\n"))
        client.until(chunk(b"data: 1\n\n"))
        # The answer is there: nothing of ours comes between its events.
        assert client.is_silent(4 * BEAT)
        rest = chunk(b"data: [DONE]\n\n") + chunk(b"")
        peer.send(rest)
        assert client.exactly(len(rest)) == rest
        client.send(post(b"{}"))
        peer.message()
        peer.send(answer(b"next"))
        assert client.until(b"next").endswith(b"next")


def test_a_cold_start_is_heard(beating: VastClient, sandbox: Sandbox, worker: RawWorker) -> None:
    sandbox.autoscaler.cold()
    with connect(beating.url) as client:
        client.send(post(STREAM))
        hear_beats(client)
        sandbox.autoscaler.warm()
        peer, _ = worker.request()
        peer.send(EVENTS + chunk(b"data: 1\n\n") + chunk(b""))
        assert client.until(chunk(b"")).endswith(chunk(b"data: 1\n\n") + chunk(b""))


def test_there_are_none_unless_asked_for(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        client.send(post(STREAM))
        worker.request()
        assert client.is_silent(SHORT)


@pytest.mark.parametrize(
    "request_bytes",
    [post(b"{}"), post(b'{"stream": false}'), post(b'{"messages": [{"stream": true}]}'), post(STREAM, version="1.0")],
    ids=["no stream", "stream: false", "deeper", "HTTP/1.0"],
)
def test_whoever_asked_for_no_event_stream_hears_nothing(beating: VastClient, worker: RawWorker, request_bytes: bytes) -> None:
    with connect(beating.url) as client:
        client.send(request_bytes)
        peer, _ = worker.request()
        assert client.is_silent(4 * BEAT)
        peer.send(answer(b"no", "404 Not Found"))
        got = client.message()
        assert (got.status, got.body) == (404, b"no")


@pytest.mark.parametrize("way", ["reset", "close"])
def test_a_worker_that_is_lost_later_is_an_error_event_and_a_broken_end(
    beating: VastClient, worker: RawWorker, log: Log, way: str
) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.reset() if way == "reset" else peer.close()
        error = event_at_the_end(client)
    assert error["code"] == "worker_answer_broken"
    assert worker.address in error["message"]
    # The log has what the client saw.
    assert "broken: worker_answer_broken" in log.wait_for("#1 POST /v1/x -> 200")


@pytest.mark.parametrize("body", [b'{"error": "no such model"}', b""])
def test_a_workers_own_error_is_an_error_event_with_its_words(beating: VastClient, worker: RawWorker, body: bytes) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(answer(body, "404 Not Found"))
        error = event_at_the_end(client)
    assert error["code"] == "worker_failed"
    assert "The worker answered 404" in error["message"]
    assert body.decode() in error["message"]


def test_an_answer_that_is_no_event_stream_can_not_follow(beating: VastClient, worker: RawWorker) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(answer(b"{}", "200 OK", "Content-Type: application/json"))
        assert "no event stream" in event_at_the_end(client)["message"]


def test_a_wait_in_vain_is_an_error_event(start_proxy: StartProxy, sandbox: Sandbox, log: Log) -> None:
    sandbox.autoscaler.cold(status="0 of 1 workers ready: 1 loading")
    with connect(start_proxy(heartbeat=BEAT, wait=SHORT).url) as client:
        client.send(post(STREAM))
        hear_beats(client)
        error = event_at_the_end(client)
    assert error["code"] == "no_worker_ready"
    assert "1 loading" in error["message"]
    assert "--wait" in error["hint"]
    assert "broken: no_worker_ready" in log.wait_for("#1 POST /v1/x -> 200")


def test_many_who_wait_all_hear_it(beating: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    clients = [connect(beating.url) for _ in range(20)]
    try:
        for client in clients:
            client.send(post(STREAM))
        for client in clients:
            hear_beats(client, 5)
    finally:
        for client in clients:
            client.close()


def test_a_client_that_leaves_between_two_beats_ends_the_waiting(beating: VastClient, sandbox: Sandbox, log: Log) -> None:
    sandbox.autoscaler.cold()
    with connect(beating.url) as client:
        client.send(post(STREAM))
        hear_beats(client)
    assert log.wait_for("#1 POST").endswith(", left")


def test_the_openai_sdk_gets_its_stream_behind_the_comments(beating: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    client = openai.OpenAI(base_url=f"{beating.url}/v1", api_key="not-used", max_retries=0, timeout=LONG)

    def ask() -> str:
        stream = client.chat.completions.create(model="sandbox", messages=[{"role": "user", "content": "Hi"}], stream=True)
        sandbox.autoscaler.warm()  # the status is here already
        return "".join(part.choices[0].delta.content or "" for part in stream if part.choices)

    with client:
        assert "stand-in" in ask()


def test_the_openai_sdk_raises_what_came_later(beating: VastClient, worker: RawWorker) -> None:
    client = openai.OpenAI(base_url=f"{beating.url}/v1", api_key="not-used", max_retries=0, timeout=LONG)

    def ask() -> openai.APIError:
        stream = client.chat.completions.create(model="sandbox", messages=[{"role": "user", "content": "Hi"}], stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(stream)
        return caught.value

    with client, background(ask) as asking:
        peer, _ = worker.request()
        assert peer.is_silent(3 * BEAT)
        peer.reset()
        problem = asking.result(LONG)
    assert worker.address in problem.message
    assert "may have run" in problem.message
    assert problem.code == "worker_answer_broken"


def test_whoever_takes_nothing_holds_no_beat_up() -> None:
    # A beat that waited would keep all others waiting.
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                near.send(b"x" * 65536)
        near.settimeout(LONG)
        reply = AnswerWriter(TimedSocket(near))
        reply.beat()
        assert not reply.started
        while not reply.started:
            far.recv(1 << 20)
            reply.beat()
