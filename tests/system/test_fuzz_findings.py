"""What the fuzzers found (scripts/fuzz), each in its shortest form."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable

import pytest

from vespa_client import VastClient
from vespa_client.http1.heads import MAX_ANSWER_FIELDS
from vespa_client.net.dialing import dial
from vespa_client.net.lifeline import Lifeline
from vespa_client.sandbox import Sandbox
from vespa_client.server.answer_writer import AnswerWriter

from ..server.translation.dialogue import MESSAGES, asks
from ..support.raw_worker import CHUNKED, Peer, RawWorker, answer, chunk, connect, get, only_worker, post, raw_client, swap
from ..support.waiting import SHORT

worker, client = only_worker, raw_client

_EVENTS = [("Content-Type", "text/event-stream")]
_ASSIGNMENT = '{"url": %s, "endpoint": "x", "cost": 1.0, "reqnum": 1, "request_idx": %s, "signature": "s"}'


# Requests.


@pytest.mark.parametrize("lines", ["", "Host: localhost\r\nHost: localhost\r\n"], ids=["no Host", "two of them"])
def test_an_ambiguous_host_ends_the_connection(client: Peer, lines: str) -> None:
    client.send(f"GET /v1/x HTTP/1.1\r\n{lines}\r\n".encode())
    refusal = client.message()
    assert (refusal.status, refusal.one("Connection")) == (400, "close")
    assert client.rest() == b""


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_connection_that_closes_ends_in_good_order_though_more_was_sent(
    client: Peer, worker: RawWorker, version: str
) -> None:
    # RFC 9112, 9.6. To an HTTP/1.0 client, the end of the connection is the end of this body.
    client.send(post(b"{}", "/v1/x", "Connection: close", version=version))
    peer, _ = worker.request()
    client.send(get())
    peer.send(CHUNKED + chunk(b"all of it") + chunk(b""))
    assert client.message().body == b"all of it"
    assert client.rest() == b""


def test_a_preflight_with_a_body_says_that_the_connection_ends_or_has_it_go_on(client: Peer, worker: RawWorker) -> None:
    lines = ("Origin: http://localhost:3000", "Access-Control-Request-Method: POST", "Content-Length: 2")
    client.send(get("/v1/x", *lines, method="OPTIONS") + b"{}" + get("/_vespa/nothing"))
    preflight = client.message(bodiless=True)
    assert preflight.status == 204
    if preflight.one("Connection") != "close":
        assert client.message().status == 404


def test_behind_a_page_that_was_asked_for_with_a_body_the_connection_ends_and_says_so(client: Peer) -> None:
    client.send(get("/_vespa/", "Content-Length: 2", method="HEAD") + b"{}" + get("/_vespa/nothing"))
    page = client.message(bodiless=True)
    assert (page.status, page.one("Connection")) == (200, "close")
    assert client.rest() == b""


def test_a_no_break_space_is_no_blank_in_a_header(client: Peer) -> None:
    client.send(post(b"{}", "/v1/x", "Content-Encoding: \xa0identity"))
    assert client.message().status == 415


# The far side.


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:65536",
        "http://[::::]:9",
        "http://[:::1]:9",
        "http://[1.2.3.4]:9",
    ],
)
def test_an_assignment_whose_url_names_no_place_is_a_502(sandbox: Sandbox, client: Peer, url: str) -> None:
    sandbox.autoscaler.answer_with(200, _ASSIGNMENT % (f'"{url}"', "1"))
    client.send(post())
    refusal = client.message()
    assert (refusal.status, refusal.error["code"]) == (502, "autoscaler_error")


def test_an_assignment_to_port_0_is_a_502(sandbox: Sandbox, client: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    autoscaler = int(sandbox.autoscaler_url.rpartition(":")[2])
    ports: list[int] = []

    def dial_noting(host: str, port: int, seconds: float, lifeline: Lifeline) -> socket.socket:
        ports.append(port)
        return dial(host, autoscaler, seconds, lifeline)

    monkeypatch.setattr("vespa_client.outbound.connection.dial", dial_noting)
    sandbox.autoscaler.answer_with(200, _ASSIGNMENT % ('"http://127.0.0.1:0"', "1"))
    client.send(post())
    refusal = client.message()
    assert set(ports) <= {autoscaler}
    assert (refusal.status, refusal.error["code"]) == (502, "autoscaler_error")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_calls_a_number_reaches_no_worker(sandbox: Sandbox, client: Peer, constant: str) -> None:
    sandbox.autoscaler.answer_with(200, _ASSIGNMENT % (f'"{sandbox.worker.url}"', constant))
    client.send(post())
    # Whether it is an error, or no answer, after which the autoscaler is asked again.
    client.message()
    assert not any(constant.encode() in request.body for request in sandbox.worker.requests)


@pytest.mark.parametrize("depth", [500, 900])
@pytest.mark.parametrize("url", ["null", "a worker's"])
def test_an_assignment_that_is_nested_deeply_does_not_fail_inside_the_proxy(
    sandbox: Sandbox, client: Peer, depth: int, url: str
) -> None:
    # Nobody listens on port 1.
    text = _ASSIGNMENT % ("null" if url == "null" else '"http://127.0.0.1:1"', "[" * depth + "]" * depth)
    sandbox.autoscaler.answer_with(200, text)
    client.send(post())
    seen = client.message()
    assert seen.status != 500


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
def test_a_length_of_5000_digits_does_not_fail_inside_the_proxy(
    client: Peer, worker: RawWorker, method: str, status: str
) -> None:
    client.send(get(method=method))
    peer, _ = worker.request()
    peer.send(f"HTTP/1.1 {status}\r\nContent-Length: {'9' * 5000}\r\n\r\n".encode())
    assert " 500 " not in client.head()[0]


def test_the_most_lines_an_answer_may_have_are_with_the_proxys_own_the_most_that_python_reads(
    start_proxy: Callable[..., VastClient], worker: RawWorker
) -> None:
    # All that the proxy ever adds: translated, for a web page that is shown, of an error without words, behind a retry.
    lines = ("Origin: http://localhost:3000", "Sec-Fetch-Mode: navigate", "Connection: close")
    with connect(start_proxy(translate="always", retries=1).url) as client:
        client.send(asks(MESSAGES, *lines, stream=False))
        with worker.request()[0] as first:
            first.send(answer(b"", "503 Busy"))
        with worker.request()[0] as second:
            second.send(b"HTTP/1.1 500 Oops\r\n" + b"X: y\r\n" * MAX_ANSWER_FIELDS + b"\r\n")
        status, _, block = client.until(b"\r\n\r\n").partition(b"\r\n")
    assert b" 500 " in status
    assert len(http.client.parse_headers(io.BytesIO(block))) == 99
    with pytest.raises(http.client.HTTPException):
        http.client.parse_headers(io.BytesIO(b"One: more\r\n" + block))


def test_an_answer_with_more_lines_is_a_502_that_says_so(client: Peer, worker: RawWorker) -> None:
    _, refusal = swap(client, worker, post(), b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_ANSWER_FIELDS + 1) + b"\r\n")
    assert (refusal.status, refusal.error["code"]) == (502, "worker_answer_broken")
    assert f"the head has more than {MAX_ANSWER_FIELDS} lines" in refusal.error["message"]


def test_a_client_is_not_probed_behind_the_end_of_its_event_stream() -> None:
    # What comes there is no part of this answer, and the next one's beginning to a client that has asked for one.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Peer(socket.create_connection(listener.getsockname()))
        ours, _ = listener.accept()
    with ours, client:
        writer = AnswerWriter(ours)
        writer.begin(200, "OK", _EVENTS, None, b"data: 1\n\n")
        writer.end()
        client.head()
        client.until(chunk(b""))
        writer.probe()
        assert client.is_silent(SHORT)
