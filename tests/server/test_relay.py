"""Answers on their way to the client, from a worker of raw sockets: pace, framing, headers, errors."""

from __future__ import annotations

import gzip

import pytest
import requests

from vespa_client import VastClient

from ..support.raw_worker import (
    CHUNKED,
    EVENT_STREAM,
    UNTIL_CLOSE,
    Message,
    Peer,
    RawWorker,
    answer,
    asked,
    background,
    chunk,
    connect,
    get,
    only_worker,
    post,
    raw_client,
    swap,
)

REASONLESS = ("401 Unauthorized", "404 Not Found", "405 Method Not Allowed", "410 Gone", "500 Internal Server Error")

worker, client = only_worker, raw_client


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/x-ndjson", "text/plain", "audio/mpeg"])
def test_each_chunk_is_seen_before_the_worker_sends_the_next(client: Peer, worker: RawWorker, content_type: str) -> None:
    peer = asked(client, worker)
    peer.send(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    assert ("Content-Type", content_type) in client.head()[1]
    for piece in (b'data: {"n": 1}\n\n', b"d", b"ata: 2\n", b"\n"):
        peer.send(chunk(piece))
        assert client.exactly(len(chunk(piece))) == chunk(piece)
    peer.send(chunk(b""))
    assert client.exactly(5) == b"0\r\n\r\n"


def test_the_first_chunk_goes_out_with_the_head(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(CHUNKED + chunk(b"first"))
    client.head()
    assert client.exactly(10) == chunk(b"first")


def test_a_body_with_a_length_is_seen_byte_by_byte(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
    assert ("Content-Length", "3") in client.head()[1]
    for byte in (b"a", b"b", b"c"):
        peer.send(byte)
        assert client.exactly(1) == byte


def test_a_body_up_to_the_close_is_seen_byte_by_byte(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(UNTIL_CLOSE)
    assert ("Transfer-Encoding", "chunked") in client.head()[1]
    for byte in (b"a", b"b"):
        peer.send(byte)
        assert client.exactly(6) == chunk(byte)
    peer.close()
    assert client.exactly(5) == b"0\r\n\r\n"


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 4", "Content-Type: text/plain"])
def test_the_head_is_seen_before_any_body(client: Peer, worker: RawWorker, framing: str) -> None:
    peer = asked(client, worker)
    peer.send(f"HTTP/1.1 200 Fine\r\n{framing}\r\n\r\n".encode())
    assert client.head()[0] == "HTTP/1.1 200 Fine"


def test_the_head_does_not_wait_for_the_data_of_a_chunk_whose_size_came_with_it(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(CHUNKED + b"5\r\n")
    assert client.head()[0] == "HTTP/1.1 200 OK"
    peer.send(b"later\r\n")
    assert client.exactly(10) == chunk(b"later")


def test_chunks_that_come_split_at_every_byte_are_decoded(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    for byte in CHUNKED + b"00A;name=value\r\n0123456789\r\n1\r\nx\r\n0\r\nTrailer: dropped\r\n\r\n":
        peer.send(bytes([byte]))
    assert client.message().body == b"0123456789x"


def test_several_chunks_in_one_segment_go_out_at_once(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(CHUNKED + chunk(b"one ") + chunk(b"two ") + chunk(b"three"))
    client.head()
    assert client.exactly(len(chunk(b"one two three"))) == chunk(b"one two three")
    peer.send(chunk(b""))
    assert client.exactly(5) == b"0\r\n\r\n"


def test_one_giant_chunk_is_not_waited_for(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(CHUNKED + b"40000000\r\n")
    client.head()
    for piece in (b"trickle", b"of", b"bytes"):
        peer.send(piece)
        assert client.exactly(len(chunk(piece))) == chunk(piece)


def test_requests_sees_an_event_before_the_worker_sends_the_next(proxy: VastClient, worker: RawWorker) -> None:
    with requests.Session() as session:
        with background(lambda: session.post(f"{proxy.url}/v1/x", json={}, stream=True, timeout=10)) as asking:
            peer, _ = worker.request()
            peer.send(EVENT_STREAM + chunk(b"data: 1\n\n"))
            pieces = asking.result().iter_content(chunk_size=None)
        assert next(pieces) == b"data: 1\n\n"
        peer.send(chunk(b"data: 2\n\n"))
        assert next(pieces) == b"data: 2\n\n"
        peer.send(chunk(b""))
        assert list(pieces) == []


def test_a_known_length_stays_a_length_and_the_connection_goes_on(client: Peer, worker: RawWorker) -> None:
    for body in (b"twelve bytes", b"", b"x" * 300_000):
        _, received = swap(client, worker, post(), answer(body))
        assert received.body == body
        assert received.one("content-length") == str(len(body))
        assert received.one("connection") is received.one("transfer-encoding") is None


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (EVENT_STREAM, chunk(b"data: 1\n\n") + chunk(b"")),
        (CHUNKED, chunk(b"one") + chunk(b"two") + chunk(b"")),
        (UNTIL_CLOSE, b"onetwo"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"old"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", b"onetwo"),
        (b"HTTP/1.1 200\r\nContent-Length: 6\r\n\r\n", b"onetwo"),
    ],
)
def test_every_framing_reaches_every_kind_of_client(
    proxy: VastClient, worker: RawWorker, version: str, head: bytes, body: bytes
) -> None:
    with connect(proxy.url) as client:
        _, received = swap(client, worker, post(version=version), head + body)
        expected = body if b"chunked" not in head else b"".join(line for line in body.split(b"\r\n")[1:-3:2])
        assert received.body == expected
        if version == "1.0":
            assert received.one("transfer-encoding") is None
            assert received.one("connection") == "close"
            assert client.rest() == b""
        else:
            lengths = [received.one("transfer-encoding"), received.one("content-length")]
            assert lengths in (["chunked", None], [None, str(len(expected))])


def test_an_http_1_0_client_that_asks_for_it_is_kept(client: Peer, worker: RawWorker) -> None:
    for _ in range(2):
        _, received = swap(client, worker, post(b"{}", "/v1/x", "Connection: keep-alive", version="1.0"), answer(b"ok"))
        assert received.one("connection") == "keep-alive"
        assert received.body == b"ok"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_what_has_no_body_has_no_framing_and_keeps_the_connection(client: Peer, worker: RawWorker, status: str) -> None:
    _, received = swap(client, worker, post(), f'HTTP/1.1 {status}\r\nETag: "a"\r\n\r\n'.encode(), bodiless=True)
    assert received.start == f"HTTP/1.1 {status}"
    assert received.fields_but_id == [("ETag", '"a"')]
    assert swap(client, worker, post(), answer(b"next"))[1].body == b"next"


def test_a_304_says_the_length_that_the_worker_said(client: Peer, worker: RawWorker) -> None:
    _, received = swap(client, worker, get(), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\n\r\n", bodiless=True)
    assert received.one("content-length") == "17"
    assert swap(client, worker, post(), answer(b"next"))[1].body == b"next"


@pytest.mark.parametrize("framing", [("Content-Length", "12345"), ("Transfer-Encoding", "chunked"), ("X-None", "y")])
def test_the_answer_to_head_ends_with_its_head(client: Peer, worker: RawWorker, framing: tuple[str, str]) -> None:
    told = f"HTTP/1.1 200 OK\r\n{framing[0]}: {framing[1]}\r\n\r\n".encode()
    sent, received = swap(client, worker, get(method="HEAD"), told, bodiless=True)
    assert sent.method == "HEAD"
    assert received.one("content-length") == ("12345" if framing[0] == "Content-Length" else None)
    assert received.one("transfer-encoding") in (None, "chunked")
    assert swap(client, worker, post(), answer(b"next"))[1].body == b"next"


def test_an_error_to_head_stays_without_a_body(client: Peer, worker: RawWorker) -> None:
    _, received = swap(client, worker, get(method="HEAD"), b"HTTP/1.1 404 Not Found\r\n\r\n", bodiless=True)
    assert received.status == 404
    assert swap(client, worker, post(), answer(b"next"))[1].body == b"next"


def test_interim_answers_of_the_worker_are_passed_over(client: Peer, worker: RawWorker) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    _, received = swap(client, worker, post(), interim + answer(b"final"))
    assert (received.status, received.body, received.one("link")) == (200, b"final", None)


def test_a_switch_of_protocols_is_no_answer(client: Peer, worker: RawWorker) -> None:
    _, received = swap(client, worker, post(), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    assert (received.status, received.one("x-vespa-error")) == (502, "worker_answer_broken")


@pytest.mark.parametrize("framed", ["length", "chunked", "close"])
def test_gzip_is_passed_intact(client: Peer, worker: RawWorker, framed: str) -> None:
    packed = gzip.compress(b"hello " * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
    sent = {
        "length": head + b"Content-Length: %d\r\n\r\n" % len(packed) + packed,
        "chunked": head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(packed[:7]) + chunk(packed[7:]) + chunk(b""),
        "close": head + b"\r\n" + packed,
    }[framed]
    request, received = swap(client, worker, post(b"{}", "/v1/x", "Accept-Encoding: gzip, br"), sent)
    assert request.all("accept-encoding") == ["gzip, br"]
    assert received.body == packed
    assert received.one("content-encoding") == "gzip"


def test_requests_decodes_what_the_worker_packed(proxy: VastClient, worker: RawWorker) -> None:
    with background(lambda: requests.post(f"{proxy.url}/v1/x", json={}, timeout=10)) as asking:
        peer, request = worker.request()
        assert "gzip" in request.all("accept-encoding")[0]
        peer.send(answer(gzip.compress(b'{"a": 1}'), "200 OK", "Content-Encoding: gzip"))
        assert asking.result().json() == {"a": 1}


def test_no_encoding_is_asked_for_that_the_client_did_not_ask_for(client: Peer, worker: RawWorker) -> None:
    request, _ = swap(client, worker, post(), answer())
    assert request.all("accept-encoding") == []


def test_redirects_are_passed_on_and_not_followed(client: Peer, worker: RawWorker) -> None:
    for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
        _, received = swap(client, worker, post(), answer(b"", status, f"Location: {worker.url}/elsewhere?a=%2f"))
        assert received.start == f"HTTP/1.1 {status}"
        assert received.one("location") == "/elsewhere?a=%2f"
        assert worker.was_left_alone()


def test_the_order_the_case_and_the_repeats_of_headers_stay(client: Peer, worker: RawWorker) -> None:
    lines = ["set-cookie: a=1; Path=/", "X-Order: first", "Set-Cookie: b=2, c=3", "X-ORDER: second", "Server: of the worker",
             "Date: Mon, 23 Nov 2026 10:00:00 GMT", "X-Name: caf\u00e9"]  # fmt: skip
    _, received = swap(client, worker, post(), answer(b"ok", "200 OK", *lines))
    expected = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    assert [field for field in received.fields_but_id if field[0].lower() != "content-length"] == expected


def test_no_cookie_of_an_answer_is_kept(client: Peer, worker: RawWorker) -> None:
    swap(client, worker, post(), answer(b"ok", "200 OK", "Set-Cookie: id=1"))
    request, _ = swap(client, worker, post(), answer())
    assert request.all("cookie") == []


def test_hop_by_hop_headers_of_an_answer_are_dropped(client: Peer, worker: RawWorker) -> None:
    hop = ["Connection: X-Named, keep-alive", "X-Named: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic",
           "Upgrade: h2c", "Proxy-Connection: keep-alive", "Trailer: X-Sum", "TE: trailers"]  # fmt: skip
    _, received = swap(client, worker, post(), answer(b"ok", "200 OK", *hop, "X-Kept: 1"))
    assert received.fields_but_id == [("X-Kept", "1"), ("Content-Length", "2")]


def test_a_worker_can_not_pass_its_answer_off_as_the_proxys(client: Peer, worker: RawWorker) -> None:
    _, received = swap(client, worker, post(), answer(b"no", "400 Bad Request", "X-Vespa-Error: bad_request"))
    assert received.one("x-vespa-error") is None


def test_a_workers_error_passes_untouched(client: Peer, worker: RawWorker) -> None:
    body = b'{"error": {"message": "no such model"}}'
    for status in (*REASONLESS, "422 Unprocessable Entity", "418 I'm a teapot", "599 Odd"):
        _, received = swap(client, worker, post(), answer(body, status, "Content-Type: application/json", "X-Own: 1"))
        assert received.start == f"HTTP/1.1 {status}"
        assert received.fields_but_id == [
            ("Content-Type", "application/json"),
            ("X-Own", "1"),
            ("Content-Length", str(len(body))),
        ]
        assert received.body == body


def test_a_chunked_error_passes_untouched(client: Peer, worker: RawWorker) -> None:
    head = b"HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n"
    _, received = swap(client, worker, post(), head + chunk(b"Trace") + chunk(b"back") + chunk(b""))
    assert (received.status, received.body, received.one("x-vespa-error")) == (500, b"Traceback", None)


def assert_our_error(received: Message, status: str) -> None:
    assert received.start == f"HTTP/1.1 {status}"
    assert received.one("content-type") == "application/json"
    assert received.one("x-vespa-error") == received.error["code"] == "worker_failed"
    assert status[:3] in received.error["message"]
    assert received.error["hint"]
    assert received.error["param"] is None


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\n",
        # What the official worker's server adds to an answer without a body.
        b"Content-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n",
        b"Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_an_empty_error_is_given_ours_under_its_own_status(client: Peer, worker: RawWorker, framing: bytes) -> None:
    for status in REASONLESS:
        _, received = swap(client, worker, post(), f"HTTP/1.1 {status}\r\nX-Own: 1\r\n".encode() + framing)
        assert_our_error(received, status)
        assert received.one("x-own") == "1"
        assert received.one("content-encoding") is None
        assert received.one("x-should-retry") is None
