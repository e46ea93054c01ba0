"""Signs of life on event streams that are still to come: what a client hears, and what it costs."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import socket
import zlib
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from vespa_client import VastClient
from vespa_client.net.timed_socket import TimedSocket
from vespa_client.sandbox import Sandbox
from vespa_client.server.answer_writer import AnswerWriter
from vespa_client.server.heartbeats import Heartbeats
from vespa_client.settings.table import Settings

from ..support.faults import Log, proxy_log
from ..support.raw_worker import Peer, RawWorker, answer, background, chunk, connect, only_worker, post
from ..support.waiting import LONG, SHORT, wait_until

StartProxy = Callable[..., VastClient]

BEAT = 0.03
COMMENT = b":\n"
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
STREAM = b'{"stream": true}'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

log, worker = proxy_log, only_worker


@pytest.fixture
def beating(start_proxy: StartProxy) -> VastClient:
    """A proxy with heartbeats."""
    return start_proxy(heartbeat=BEAT)


def hear_beats(client: Peer, count: int = 3, sign: bytes = COMMENT) -> None:
    """Take the head of the event stream, and so many signs of life."""
    start, fields = client.head()
    assert start == "HTTP/1.1 200 OK"
    assert ("Content-Type", "text/event-stream") in fields
    assert ("Transfer-Encoding", "chunked") in fields
    for _ in range(count):
        assert client.exactly(len(chunk(sign))) == chunk(sign)


def event_at_the_end(client: Peer) -> dict[str, Any]:
    """The error event behind the comments; the stream must end visibly broken."""
    data, _ = client.ending()
    assert not data.endswith(b"0\r\n\r\n")
    before, _, event = data.partition(b"event: error\ndata: ")
    comments, end, size = before[:-2].rpartition(b"\n")
    # Nothing between them and the event: some decoders take each empty line for an event.
    assert comments + end == chunk(COMMENT) * comments.count(b":") and int(size, 16)
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


def test_they_begin_by_themselves_when_a_gateways_patience_is_nearly_over(proxy: VastClient, worker: RawWorker) -> None:
    assert Settings().heartbeat == 55
    with connect(proxy.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        assert client.is_silent(SHORT)
        # Up to then the status is unspent.
        peer.send(answer(b"{}", "422 Unprocessable Entity"))
        assert client.message().status == 422


def test_zero_is_none_at_all(start_proxy: StartProxy, worker: RawWorker) -> None:
    with connect(start_proxy(heartbeat=0).url) as client:
        client.send(post(STREAM, "/v1/x", "Accept-Encoding: gzip"))
        _, request = worker.request()
        assert request.all("accept-encoding") == ["gzip"]
        assert client.is_silent(SHORT)


def test_a_request_that_is_answered_in_time_wakes_nobody() -> None:
    heartbeats = Heartbeats(LONG)
    near, far = socket.socketpair()
    with near, far:
        writer = AnswerWriter(TimedSocket(near))
        try:
            with heartbeats.beating(writer):
                wait_until(lambda: heartbeats._wakes < math.inf)
            woken_at = heartbeats._wakes
            for _ in range(50):
                with heartbeats.beating(writer):
                    pass
            assert heartbeats._wakes == woken_at
        finally:
            heartbeats.close()
        assert not writer.started


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages?beta=true", "/api/v1/messages/"])
def test_anthropics_clients_hear_what_anthropic_sends(beating: VastClient, worker: RawWorker, path: str) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM, path))
        peer, _ = worker.request()
        hear_beats(client, sign=PING)
        peer.send(EVENTS + chunk(b"event: message_stop\n\n") + chunk(b""))
        assert client.until(chunk(b"")).endswith(chunk(b"event: message_stop\n\n") + chunk(b""))


def test_the_anthropic_sdk_gets_its_stream_behind_the_pings(beating: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    client = anthropic.Anthropic(base_url=beating.url, api_key="not-used", max_retries=0, timeout=LONG)
    with client, client.messages.stream(model="sandbox", max_tokens=50, messages=[{"role": "user", "content": "Hi"}]) as stream:
        sandbox.autoscaler.warm()  # the status is here already
        assert "stand-in" in "".join(stream.text_stream)


STREAMED = b"data: 1\n\ndata: [DONE]\n\n"
CODED = {
    "gzip": gzip.compress(STREAMED, mtime=0),
    "x-gzip": gzip.compress(STREAMED[:9], mtime=0) + gzip.compress(STREAMED[9:], mtime=0),
    "Deflate": zlib.compress(STREAMED),
    "deflate": zlib.compress(STREAMED)[2:-4],
    "identity": STREAMED,
}


def coded_head(coding: str) -> bytes:
    return EVENTS.removesuffix(b"\r\n") + f"Content-Encoding: {coding}\r\n\r\n".encode()


def test_the_worker_is_asked_for_no_coding_where_a_heartbeat_may_come(beating: VastClient, worker: RawWorker) -> None:
    for body, asked in ((STREAM, ["identity"]), (b"{}", ["gzip, br"])):
        with connect(beating.url) as client:
            client.send(post(body, "/v1/x", "Accept-Encoding: gzip, br"))
            peer, request = worker.request()
            assert request.all("accept-encoding") == asked
            peer.close()


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("step", [1, 1000])
def test_an_answer_that_is_coded_all_the_same_is_decoded(
    beating: VastClient, worker: RawWorker, coding: str, step: int
) -> None:
    packed = CODED[coding]
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        pieces = [packed[start : start + step] for start in range(0, len(packed), step)]
        peer.send(coded_head(coding) + b"".join(map(chunk, pieces)) + chunk(b""))
        data, _ = client._chunked()
        while data.startswith(COMMENT):
            data = data.removeprefix(COMMENT)
        assert data == STREAMED
        client.send(post(b"{}"))
        peer.message()


@pytest.mark.parametrize(
    ("coding", "packed", "why"),
    [
        ("br", b"\x0b\x02\x80", "br can't be undone"),
        ("zstd", b"", "zstd can't be undone"),
        ("gzip, gzip", b"", "gzip, gzip can't be undone"),
        ("gzip", b"data: 1\n\n", "not in the coding"),
        ("gzip", CODED["gzip"][:-6], "inside its content coding"),
    ],
)
def test_one_that_can_not_be_decoded_is_refused(
    beating: VastClient, worker: RawWorker, coding: str, packed: bytes, why: str
) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(coded_head(coding) + (chunk(packed) if packed else b"") + chunk(b""))
        data, _ = client.ending()
        assert not data.endswith(b"0\r\n\r\n")
        error = json.loads(data.partition(b"event: error\ndata: ")[2].partition(b"\n\n")[0])["error"]
    assert error["code"] == "worker_answer_broken"
    assert why in error["message"]


def test_a_coded_answer_in_front_of_which_no_heartbeat_came_is_passed_on(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        peer.send(coded_head("gzip") + chunk(CODED["gzip"]) + chunk(b""))
        got = client.message()
        assert (got.body, got.one("content-encoding")) == (CODED["gzip"], "gzip")


@pytest.mark.parametrize(
    ("coding", "packed", "said"), [("gzip", gzip.compress(b"no such model", mtime=0), "no such model"), ("br", b"\x0b\x02", "")]
)
def test_a_coded_error_is_quoted_in_plain_words(
    beating: VastClient, worker: RawWorker, coding: str, packed: bytes, said: str
) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(answer(packed, "400 Bad Request", f"Content-Encoding: {coding}"))
        error = event_at_the_end(client)
    assert error["code"] == "worker_failed"
    assert "400" in error["message"] and said in error["message"]


@pytest.mark.parametrize("status", ["302 Found", "304 Not Modified"])
def test_what_is_no_answer_to_a_stream_can_not_follow(beating: VastClient, worker: RawWorker, status: str) -> None:
    with connect(beating.url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(f"HTTP/1.1 {status}\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n".encode())
        assert status[:3] in event_at_the_end(client)["message"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"{}"),
        post(b'{"stream": false}'),
        post(b'{"messages": [{"stream": true}]}'),
        post(STREAM, version="1.0"),
        post(STREAM, "/api/chat"),
        post(STREAM, "/api/generate?x=y"),
        post(STREAM, "/v1/x", "Accept: application/x-ndjson"),
    ],
    ids=["no stream", "stream: false", "deeper", "HTTP/1.0", "Ollama's chat", "Ollama's generate", "lines of JSON"],
)
def test_whoever_asked_for_no_event_stream_hears_nothing(beating: VastClient, worker: RawWorker, request_bytes: bytes) -> None:
    with connect(beating.url) as client:
        client.send(request_bytes)
        peer, _ = worker.request()
        assert client.is_silent(4 * BEAT)
        peer.send(answer(b"no", "403 Forbidden"))
        got = client.message()
        assert (got.status, got.body) == (403, b"no")


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


@pytest.mark.parametrize(
    ("status", "body"),
    [("404 Not Found", b'{"error": "no such model"}'), ("404 Not Found", b""), ("503 Service Unavailable", b"busy")],
)
def test_a_workers_own_error_is_an_error_event_with_its_words(
    start_proxy: StartProxy, worker: RawWorker, status: str, body: bytes
) -> None:
    with connect(start_proxy(heartbeat=BEAT, retries=0).url) as client:
        client.send(post(STREAM))
        peer, _ = worker.request()
        hear_beats(client)
        peer.send(answer(body, status))
        error = event_at_the_end(client)
    assert error["code"] == "worker_failed"
    assert f"answered {status[:3]}" in error["message"]
    assert body.decode() in error["message"]
    assert "gave no reason" not in error["message"]


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
