"""Translated answers on their way to the client, over raw sockets: what goes out when, and how it ends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from vespa_client import VastClient

from ...support.raw_worker import Message, Peer, RawWorker, answer, chunk, connect, only_worker
from ...support.waiting import SHORT, wait_until
from .dialogue import (
    CHAT,
    DIALECTS,
    MESSAGES,
    OLLAMA,
    RESPONSES,
    SSE,
    asks,
    chunks,
    completion,
    event,
    events_of,
    finish,
    json_answer,
    lines_of,
    said_in,
    text,
)

StartProxy = Callable[..., VastClient]

worker = only_worker
FIRST = {RESPONSES: b"response.output_text.delta", MESSAGES: b"text_delta", OLLAMA: b'"content":"one"'}
LAST = {RESPONSES: b"response.completed", MESSAGES: b"message_stop", OLLAMA: b'"done":true'}


@pytest.fixture
def translating(start_proxy: StartProxy) -> VastClient:
    return start_proxy(translate="always", retries=0, pass_route=())


@pytest.fixture
def client(translating: VastClient) -> Iterator[Peer]:
    with connect(translating.url) as peer:
        yield peer


def ask(client: Peer, worker: RawWorker, request: bytes) -> Peer:
    """The worker's side of the request, which is a chat completion by now."""
    client.send(request)
    peer, received = worker.request()
    assert received.start == f"POST {CHAT} HTTP/1.1"
    return peer


def answered(client: Peer, worker: RawWorker, request: bytes, reply: bytes) -> Message:
    with ask(client, worker, request) as peer:
        peer.send(reply)
        return client.message()


def failure_in(path: str, data: bytes) -> str:
    """The message of the failure at the end of a stream."""
    if path == OLLAMA:
        return str(lines_of(data)[-1]["error"])
    events = events_of(data)
    if path == MESSAGES:
        assert events[-1]["type"] == "error"
        return str(events[-1]["error"]["message"])
    kinds = [event["type"] for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.failed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return str(events[-1]["response"]["error"]["message"])


def error_in(path: str, message: Message) -> str:
    """The message of an answer that is an error."""
    assert message.one("Content-Type") == "application/json"
    error: Any = json.loads(message.body)["error"]
    return str(error if path == OLLAMA else error["message"])


@pytest.mark.parametrize("path", [*DIALECTS, f"{MESSAGES}?beta=true"])
def test_what_comes_goes_out_at_once(path: str, client: Peer, worker: RawWorker) -> None:
    kind = path.partition("?")[0]
    peer = ask(client, worker, asks(path))
    peer.send(SSE + chunk(text("one")))
    start, fields = client.head()
    assert start == "HTTP/1.1 200 OK"
    names = dict(fields)
    assert names["X-Vespa-Translated"] == ("ollama" if path == OLLAMA else kind.rpartition("/")[2])
    assert names["Content-Type"].startswith("application/x-ndjson" if path == OLLAMA else "text/event-stream")
    assert names["Cache-Control"] == "no-cache"
    client.until(FIRST[kind])
    # An event that hasn't ended is all that may be held back.
    half = text("two")
    peer.send(chunk(half[:40]))
    assert client.is_silent(SHORT) or b"two" not in client.until(b"\r\n")
    peer.send(chunk(half[40:]))
    client.until(b"two")
    peer.send(chunks(finish(), b""))
    client.until(LAST[kind])
    assert client.until(b"0\r\n\r\n").endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("path", DIALECTS)
def test_a_plain_answer_is_translated_whole(path: str, client: Peer, worker: RawWorker) -> None:
    got = answered(client, worker, asks(path, stream=False), json_answer(completion("Good morning"), "200 OK", "X-Own: kept"))
    assert got.status == 200
    assert b"Good morning" in got.body
    assert got.one("Content-Length") == str(len(got.body))
    assert got.one("X-Own") == "kept"
    assert got.one("X-Vespa-Translated")


@pytest.mark.parametrize("path", DIALECTS)
def test_a_backend_that_doesn_t_stream_is_made_to(path: str, client: Peer, worker: RawWorker) -> None:
    got = answered(client, worker, asks(path), json_answer(completion("Good morning")))
    assert b"Good morning" in got.body
    assert LAST[path] in got.body


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize(
    "reply",
    [
        SSE + chunks(text("Hi"), finish(), b""),
        json_answer({"hello": "world"}),
        json_answer([]),
        answer(b"<html>Welcome</html>", "200 OK", "Content-Type: text/html"),
        answer(b"", "200 OK"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        answer(b"", "302 Found", "Location: /elsewhere"),
        answer(b"[" * 100_000, "200 OK", "Content-Type: application/json"),
    ],
    ids=["stream", "object", "list", "page", "empty", "204", "302", "nested"],
)
def test_what_is_no_completion_is_a_clear_error(path: str, reply: bytes, client: Peer, worker: RawWorker) -> None:
    got = answered(client, worker, asks(path, stream=False), reply)
    assert got.status == 502
    assert got.one("X-Vespa-Error") == "worker_answer_not_understood"
    assert error_in(path, got)


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_of_the_worker_s_is_said_in_the_dialect_s_shape(
    path: str, stream: bool, client: Peer, worker: RawWorker
) -> None:
    reply = json_answer({"object": "error", "message": "Too many words.", "code": 400}, "400 Bad Request")
    got = answered(client, worker, asks(path, stream=stream), reply)
    assert (got.status, got.one("X-Vespa-Error")) == (400, None)
    assert error_in(path, got) == "Too many words."
    assert got.one("X-Vespa-Translated")


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize(
    "reply",
    [
        answer(b"", "500 Internal Server Error"),
        answer(b" \n", "500 Internal Server Error", "Content-Type: text/plain"),
        answer(b"\x0b\x02\x80", "500 Internal Server Error", "Content-Encoding: br"),
        answer(b"plain", "500 Internal Server Error", "Content-Encoding: gzip"),
    ],
    ids=["empty", "blank", "brotli", "no gzip"],
)
def test_an_error_without_words_is_given_ours(path: str, reply: bytes, client: Peer, worker: RawWorker) -> None:
    got = answered(client, worker, asks(path), reply)
    assert (got.status, got.one("X-Vespa-Error")) == (500, "worker_failed")
    assert got.one("Content-Encoding") is None
    assert "without saying why" in error_in(path, got)


@pytest.mark.parametrize("path", DIALECTS)
def test_words_in_a_coding_that_nobody_asked_for_are_words(path: str, client: Peer, worker: RawWorker) -> None:
    said = gzip.compress(b'{"error": {"message": "Too many words."}}')
    got = answered(client, worker, asks(path), answer(said, "500 Internal Server Error", "Content-Encoding: gzip"))
    assert (got.status, got.one("X-Vespa-Error"), got.one("Content-Encoding")) == (500, None, None)
    assert error_in(path, got) == "Too many words."


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_what_is_coded_all_the_same_is_decoded(path: str, status: str, client: Peer, worker: RawWorker) -> None:
    value = completion("Good morning") if status == "200 OK" else {"error": {"message": "Good morning"}}
    coded = gzip.compress(json.dumps(value).encode())
    reply = answer(coded, status, "Content-Type: application/json", "Content-Encoding: gzip", "ETag: 7")
    got = answered(client, worker, asks(path, stream=False), reply)
    assert got.status == int(status[:3])
    assert b"Good morning" in got.body
    assert (got.one("Content-Encoding"), got.one("ETag")) == (None, None)


@pytest.mark.parametrize("path", DIALECTS)
def test_a_coding_that_nobody_knows_is_a_clear_error(path: str, client: Peer, worker: RawWorker) -> None:
    reply = answer(b"\x0b\x02\x80oops\x03", "200 OK", "Content-Type: application/json", "Content-Encoding: br")
    got = answered(client, worker, asks(path, stream=False), reply)
    assert got.status == 502
    assert "br" in error_in(path, got)


def test_an_error_that_was_tried_again_says_so(start_proxy: StartProxy, worker: RawWorker) -> None:
    busy = json_answer({"error": {"message": "Busy."}}, "429 Too Many Requests", "Retry-After: 0")
    with connect(start_proxy(translate="always", retries=1).url) as client:
        client.send(asks(MESSAGES))
        for _ in range(2):
            peer, _ = worker.request()
            with peer:
                peer.send(busy)
        got = client.message()
    assert (got.status, got.one("x-should-retry"), got.one("Retry-After")) == (429, "false", "0")
    assert json.loads(got.body)["error"]["type"] == "rate_limit_error"


BREAKS: dict[str, tuple[bytes, str]] = {
    "end inside the body": (chunk(text("one")), "lost inside its answer"),
    "end inside an event": (chunk(text("one") + b'data: {"choi'), "lost inside its answer"),
    "status line in the body": (chunk(text("one")) + b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "lost inside its answer"),
    "whole without a finish": (chunks(text("one"), b""), ""),
    "an error event": (chunks(text("one"), event({"error": {"message": "Out of memory."}}), b""), "Out of memory."),
    "no JSON": (chunks(text("one"), event(b"<html>"), b""), ""),
    "an event too large": (chunks(text("one"), b"data: " + b"x" * (5 << 20), b""), ""),
    "nothing at all": (chunk(b""), ""),
}


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("fault", BREAKS)
def test_half_an_answer_never_looks_whole(path: str, fault: str, client: Peer, worker: RawWorker) -> None:
    body, words = BREAKS[fault]
    with ask(client, worker, asks(path)) as peer:
        peer.send(SSE + body)
    client.head()
    said, whole = said_in(client)
    assert not whole
    assert LAST[path] not in said
    assert words in failure_in(path, said)


@pytest.mark.parametrize("path", DIALECTS)
def test_half_an_answer_in_http_1_0_ends_in_a_reset(path: str, client: Peer, worker: RawWorker) -> None:
    with ask(client, worker, asks(path, version="1.0")) as peer:
        peer.send(SSE + chunk(text("one")))
    client.head()
    said, was_reset = client.ending()
    assert was_reset
    assert LAST[path] not in said


@pytest.mark.parametrize("path", DIALECTS)
def test_a_whole_answer_in_http_1_0_ends_in_good_order(path: str, client: Peer, worker: RawWorker) -> None:
    got = answered(client, worker, asks(path, version="1.0"), SSE + chunks(text("one"), finish(), b""))
    assert LAST[path] in got.body
    assert got.one("Transfer-Encoding") is None


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_generation(path: str, stream: bool, client: Peer, worker: RawWorker) -> None:
    peer = ask(client, worker, asks(path, stream=stream))
    if stream:
        peer.send(SSE + chunk(text("one")))
        client.until(FIRST[path])
    client.close()
    peer.wait_gone()


@pytest.mark.parametrize("path", DIALECTS)
def test_the_connections_serve_again(path: str, client: Peer, worker: RawWorker) -> None:
    peer = ask(client, worker, asks(path))
    for _ in range(3):
        peer.send(SSE + chunks(text("one"), finish()))
        client.until(b"0\r\n\r\n")
        peer.send(chunk(b""))
        client.send(asks(path))
        peer.message()
    assert worker.was_left_alone()


@pytest.mark.parametrize("path", DIALECTS)
def test_what_follows_the_end_is_nobody_s(path: str, client: Peer, worker: RawWorker) -> None:
    peer = ask(client, worker, asks(path))
    peer.send(SSE + chunks(text("one"), finish(), text("two")))
    assert b"two" not in client.until(b"0\r\n\r\n")
    peer.wait_gone()
    with ask(client, worker, asks(path)) as other:
        other.send(SSE + chunks(text("three"), finish(), b""))
        assert LAST[path] in client.message().body


def test_the_model_is_known_from_then_on(translating: VastClient, client: Peer, worker: RawWorker) -> None:
    answered(client, worker, asks(RESPONSES), SSE + chunks(text("one"), finish(), b""))
    client.send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [row["id"] for row in json.loads(client.message().body)["data"]] == ["m"]


class TestHeartbeats:
    BEAT = 0.03
    # For Codex no comment counts as a sign of life.
    PINGS: ClassVar = {RESPONSES: b"event: response.in_progress", MESSAGES: b'"ping"', OLLAMA: b'"content":""'}

    @pytest.fixture
    def beating(self, start_proxy: StartProxy) -> Iterator[Peer]:
        with connect(start_proxy(translate="always", heartbeat=self.BEAT, retries=0).url) as peer:
            yield peer

    @pytest.mark.parametrize("path", PINGS)
    def test_they_go_before_the_answer_and_inside_it(self, path: str, beating: Peer, worker: RawWorker) -> None:
        peer = ask(beating, worker, asks(path))
        start, fields = beating.head()
        assert start == "HTTP/1.1 200 OK"
        assert dict(fields)["X-Vespa-Translated"]
        beating.until(self.PINGS[path])
        peer.send(SSE + chunk(text("one")))
        beating.until(FIRST[path])
        beating.until(self.PINGS[path])
        peer.send(chunks(finish(), b""))
        beating.until(LAST[path])
        assert beating.until(b"0\r\n\r\n")

    def test_the_events_are_numbered_through(self, beating: Peer, worker: RawWorker) -> None:
        peer = ask(beating, worker, asks(RESPONSES, "Connection: close"))
        beating.head()
        peer.send(SSE + chunk(text("one")))
        peer.send(chunks(finish(), b""))
        said, whole = said_in(beating)
        assert whole
        assert [event["sequence_number"] for event in events_of(said)] == list(range(len(events_of(said))))

    @pytest.mark.parametrize("path", PINGS)
    def test_an_error_behind_them_is_the_dialect_s_failure(self, path: str, beating: Peer, worker: RawWorker) -> None:
        peer = ask(beating, worker, asks(path))
        beating.head()
        peer.send(json_answer({"error": {"message": "Out of memory."}}, "500 Internal Server Error"))
        said, whole = said_in(beating)
        assert not whole
        assert "Out of memory." in failure_in(path, said)
        assert '{"' not in failure_in(path, said)

    @pytest.mark.parametrize("path", PINGS)
    def test_a_plain_answer_behind_them_is_a_stream(self, path: str, beating: Peer, worker: RawWorker) -> None:
        peer = ask(beating, worker, asks(path))
        beating.head()
        beating.until(self.PINGS[path])
        peer.send(json_answer(completion("Good morning")))
        beating.until(b"Good morning")
        beating.until(LAST[path])

    @pytest.mark.parametrize("path", PINGS)
    def test_a_plain_answer_may_be_long_in_coming(self, path: str, beating: Peer, worker: RawWorker) -> None:
        peer = ask(beating, worker, asks(path))
        whole = json_answer(completion("Good morning"))
        peer.send(whole[:-10])
        beating.head()
        for _ in range(5):
            beating.until(self.PINGS[path])
        peer.send(whole[-10:])
        beating.until(LAST[path])


def test_many_clients_get_their_own_answers(translating: VastClient, worker: RawWorker) -> None:
    clients = [connect(translating.url) for _ in range(16)]
    for number, each in enumerate(clients):
        each.send(asks(DIALECTS[number % 3], metadata={"number": f"{number}"}) if number % 3 < 2 else asks(OLLAMA))
    peers = [worker.request()[0] for _ in clients]
    for peer in peers:
        peer.send(SSE + chunk(text("one")))
    for number, each in enumerate(clients):
        each.until(FIRST[DIALECTS[number % 3]])
    for peer in reversed(peers):
        peer.send(chunks(finish(), b""))
    for number, each in enumerate(clients):
        each.until(LAST[DIALECTS[number % 3]])
        each.until(b"0\r\n\r\n")
        each.close()
    wait_until(worker.was_left_alone)
