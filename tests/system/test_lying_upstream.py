"""An upstream that lies: a clean 502 for what is no answer, nothing of it in the client's stream, and nobody else is called."""

from __future__ import annotations

import contextlib
import gzip
import json

import pytest

from vespa_client import VastClient
from vespa_client.outbound import connection
from vespa_client.sandbox import Sandbox

from ..support.raw_worker import Peer, RawWorker, answer, background, get, only_worker, post, raw_client, swap

worker, client = only_worker, raw_client

INJECTED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected"

LIES = {
    "a head of 1 MB": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**20 + b"\r\nContent-Length: 2\r\n\r\nok",
    "101 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100 + b"Content-Length: 2\r\n\r\nok",
    "another protocol": b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"<html>\r\n\r\nok</html>",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status that is none": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status in words": b"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok",
    "a line break in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok",
    "a NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok",
    "CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b=c\r\nContent-Length: 2\r\n\r\nok",
    "LF in a value": b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b=c\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "a folded value": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "a name with a space": b"HTTP/1.1 200 OK\r\nX y: a\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 8\r\n\r\nok" + INJECTED,
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 8\r\n\r\nok" + INJECTED,
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INJECTED,
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a switch that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + INJECTED,
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_answer_is_a_502_and_nothing_of_it_comes_through(client: Peer, worker: RawWorker, lie: str) -> None:
    client.send(post())
    peer, _ = worker.request()
    with background(lambda: _send(peer, LIES[lie])):
        got = client.message()
    assert (got.status, got.one("x-vespa-error")) == (502, "worker_answer_broken")
    assert got.one("set-cookie") is None
    assert swap(client, worker, post(), answer(b"the next one"))[1].body == b"the next one"


def test_a_million_headers_are_not_waited_for(client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    with background(lambda: [_send(peer, b"X: y\r\n" * 1000) for _ in range(1000)]):
        got = client.message()
    assert (got.status, got.one("x-vespa-error")) == (502, "worker_answer_broken")


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def test_interim_answers_without_end_are_not_waited_for(client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()
    with background(lambda: [_send(peer, INTERIM * 1000) for _ in range(100)]):
        got = client.message()
    assert (got.status, got.one("x-vespa-error")) == (502, "worker_answer_broken")
    assert "interim" in got.error["message"]
    most = INTERIM * (connection._MOST_INTERIM - 1)
    assert swap(client, worker, post(), most + answer(b"the next one"))[1].body == b"the next one"
    assert swap(client, worker, post(), most + INTERIM + answer(b"too late"))[1].status == 502


def _send(peer: Peer, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the proxy has heard enough
        peer.send(data)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1:1",
        "file:///etc/passwd",
        "127.0.0.1:1",
        "//127.0.0.1:1",
        "https://user:password@127.0.0.1:1",
        "http://evil.example@127.0.0.1:1",
        "http://127.0.0.1:1/path",
        "http://127.0.0.1:1/../",
        "http://127.0.0.1:1?query",
        "http://127.0.0.1:1#fragment",
        "http://127.0.0.1:1\r\nX-Injected: yes",
        "http://127.0.0.1:1\n",
        "http://127.0.0.1 :1",
        "http://127.0.0.1\t:1",
        "http://127.0.0.1\\@evil.example:1",
        "http://[::1",
        "http://[::1]evil.example:1",
        "http://127.0.0.1:port",
        "http://127.0.0.1:0",
        "http://:1",
        "http://b\u00fccher.example:1",
        "http://127.0.0.1%00.evil.example:1",
        5,
        ["http://127.0.0.1:1"],
    ],
)
def test_an_assignment_to_what_is_no_worker_is_a_502_and_nobody_is_called(
    client: Peer, worker: RawWorker, sandbox: Sandbox, url: object
) -> None:
    port = worker.url.rpartition(":")[2]
    named = url.replace(":1", f":{port}") if isinstance(url, str) and "[" not in url else url
    given = sandbox.autoscaler.assign(sandbox.endpoints[0].name, 1.0)
    sandbox.autoscaler.answer_with(200, json.dumps({**(given or {}), "url": named}))
    client.send(post())
    got = client.message()
    assert (got.status, got.one("x-vespa-error")) == (502, "autoscaler_error")
    assert "log-in" not in got.error["message"] and "password" not in got.error["message"]
    assert worker.was_left_alone()


def test_a_bomb_is_not_unpacked(client: Peer, worker: RawWorker, sandbox: Sandbox, proxy: VastClient) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    # Nobody was asked for it, and it is no JSON: the question is put again.
    sandbox.autoscaler.answer_with(200, bomb, packed)
    client.send(get(method="GET"))
    peer, asked = worker.request()
    assert asked.one("accept-encoding") is None
    assert all(request.header("accept-encoding") is None for request in sandbox.autoscaler.routes)
    # A worker's is the client's to open.
    peer.send(answer(bomb, "200 OK", "Content-Encoding: gzip"))
    got = client.message()
    assert (got.status, got.body, got.one("content-encoding")) == (200, bomb, "gzip")


def test_a_redirect_is_followed_by_nobody(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    with RawWorker() as elsewhere:
        sandbox.autoscaler.answer_with(307, b"", {"Location": elsewhere.url + "/route/"})
        client.send(post())
        assert client.message().one("x-vespa-error") == "autoscaler_error"
        lines = (f"Location: {elsewhere.url}/v1/x", "Refresh: 0")
        got = swap(client, worker, post(), answer(b"", "307 Temporary Redirect", *lines))[1]
        assert (got.status, got.one("x-vespa-error")) == (502, "redirect_refused")
        assert elsewhere.was_left_alone()


def test_what_an_assignment_says_beside_its_address_reaches_the_worker_as_data_alone(
    client: Peer, worker: RawWorker, sandbox: Sandbox
) -> None:
    given = sandbox.autoscaler.assign(sandbox.endpoints[0].name, 1.0) | {
        "signature": 's"\r\nX-Injected: yes\r\n\r\n',
        "endpoint": "\u2028&a=b",
    }
    sandbox.autoscaler.answer_with(200, json.dumps(given))
    received, _ = swap(client, worker, get(), answer())
    assert received.one("x-injected") is None
    assert "serverless_signature=s%22%0D%0AX-Injected%3A%20yes%0D%0A%0D%0A&" in received.target
    assert "serverless_endpoint=%E2%80%A8%26a%3Db&" in received.target
