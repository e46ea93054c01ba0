"""Requests on their way in, over raw sockets: how they are read, what is refused, and what a worker gets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import requests

from vespa_client import VastClient
from vespa_client.journal.record import Record
from vespa_client.sandbox import Sandbox

from ..support.faults import Log, proxy_log
from ..support.raw_worker import Message, Peer, RawWorker, answer, chunk, connect, get, only_worker, post, raw_client, swap
from ..support.waiting import LONG

MEGABYTE = 1 << 20
ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

worker, client, log = only_worker, raw_client, proxy_log


@pytest.fixture
def nothing_goes_upstream(sandbox: Sandbox, worker: RawWorker) -> Iterator[None]:
    """Neither the autoscaler nor the worker hears of what the test asks for."""
    yield
    assert sandbox.autoscaler.routes == []
    assert worker.was_left_alone()


def refused(client: Peer, request: bytes, status: int, code: str = "bad_request") -> Message:
    """Send what must be refused. Returns the answer."""
    client.send(request)
    got = client.message()
    assert (got.status, got.one("x-vespa-error"), got.error["code"]) == (status, code, code)
    assert got.one("content-type") == "application/json"
    return got


BODIES = [
    b'{"a":1,  "b" :\t[ 1 , 2 ]\r\n}\n',
    b' {"a": "caf\xc3\xa9 \xf0\x9f\x98\x80 \\u00e9 \\ud83d\\ude00 \\/"} ',
    b'{"a": 1e400, "b": 12345678901234567890123456789012345678901234567890, "c": -0.0, "d": 1.10, "e": 1E+2}',
    b'{"a": 1, "a": 2, "": {"a": null}}',
    b"[1, [2, [3]]]",
    b'"text"',
    b"17",
    b"-1.50e-7",
    b"true",
    b"null",
    b"[]",
    b'{"digits": ' + b"7" * 5000 + b"}",
    b'{"auth_data": {"url": "http://elsewhere"}, "payload": {}}',
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_reaches_the_worker_byte_for_byte(client: Peer, worker: RawWorker, method: str) -> None:
    for body in BODIES:
        received, _ = swap(client, worker, post(body).replace(b"POST", method.encode(), 1), answer())
        assert received.method == method
        assert received.payload == body
        json.loads(received.body, parse_int=float)


def test_a_byte_order_mark_is_not_part_of_json(client: Peer, worker: RawWorker) -> None:
    received, _ = swap(client, worker, post(b'\xef\xbb\xbf{"a": 1}'), answer())
    assert received.payload == b'{"a": 1}'


def test_no_body_is_an_empty_object(client: Peer, worker: RawWorker) -> None:
    for request in (post(b""), get(method="POST"), get(method="PUT")):
        received, _ = swap(client, worker, request, answer())
        assert received.envelope["payload"] == {}
        assert received.one("content-type") == "application/json"


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    head = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n"
    return head + b"".join(map(chunk, pieces)) + b"0\r\n" + trailer + b"\r\n"


def test_a_chunked_body_is_put_together(client: Peer, worker: RawWorker) -> None:
    sent = chunked(b'{"a"', b": ", b"1}", trailer=b"X-Sum: 1\r\n")
    received, _ = swap(client, worker, sent, answer())
    assert (received.payload, received.one("x-sum"), received.one("transfer-encoding")) == (b'{"a": 1}', None, None)
    assert swap(client, worker, chunked(), answer())[0].payload == b"{}"


def test_a_request_that_comes_byte_by_byte_is_read(client: Peer, worker: RawWorker) -> None:
    for byte in b"\r\n" + chunked(b'{"a"', b": 1}"):
        client.send(bytes([byte]))
    peer, received = worker.request()
    assert received.payload == b'{"a": 1}'
    peer.send(answer(b"read"))
    assert client.message().body == b"read"


def test_json_under_another_name_is_taken_and_called_json(client: Peer, worker: RawWorker) -> None:
    # "curl -d" calls what it sends a form, a browser's fetch calls it text.
    for content_type in ("application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "image/png", "", "garbage"):
        received, _ = swap(client, worker, post(b'{"a": 1}', "/v1/x", f"Content-Type: {content_type}"), answer())
        assert (received.payload, received.one("content-type")) == (b'{"a": 1}', "application/json")


def test_nothing_that_was_said_of_the_body_is_said_of_the_envelope(client: Peer, worker: RawWorker) -> None:
    # The official worker reads by the charset, and JSON has none.
    for content_type in ("application/json; charset=latin-1", "application/vnd.api+json", "application/json"):
        lines = [f"Content-Type: {content_type}", "content-type: text/plain", "Content-MD5: x", "Digest: x",
                 "Content-Digest: x", "Content-Encoding: identity", "Content-Language: de", "Repr-Digest: x",
                 "Want-Repr-Digest: x"]  # fmt: skip
        received, _ = swap(client, worker, post('{"a": "café"}'.encode(), "/v1/x", *lines), answer())
        assert received.payload == '{"a": "café"}'.encode()
        about = [field for field in received.fields if field[0] not in ("Host", "Content-Length")]
        assert about == [("Want-Repr-Digest", "x"), ("Content-Type", "application/json")]


def test_a_body_in_any_coding_is_refused_wherever_it_is_said(client: Peer) -> None:
    for lines in (["gzip"], ["identity", "gzip"], ["identity, br"]):
        request = post(b"{}", "/v1/x", *(f"Content-Encoding: {line}" for line in lines))
        got = refused(client, request, 415, "unsupported_body")
        assert "identity" not in got.error["message"]


NO_JSON = [
    # Not {"a": 1,}, of which Python 3.13 has the comma for the fault.
    (b'{"a": 1 "b"}', "byte 8 (line 1, column 9)"),
    (b'{"a":\n  x}', "byte 8 (line 2, column 3)"),
    (b"{'a': 1}", "byte 1 "),
    (b'{"a": 1} {}', "byte 9 "),
    (b'{"a": NaN}', "NaN"),
    (b"[Infinity]", "Infinity"),
    (b"-Infinity", "-Infinity"),
    (b"a=1&b=2", "byte 0 "),
    (b'{"a": 01}', "byte 7 "),
    (b'{"a": "\x01"}', "byte 7 "),
    (b"   ", "byte"),
    (b'{"a": "\xff\xfe"}', "UTF-8 near byte 7"),
    ('{"a": 1}'.encode("utf-16"), "UTF-8 near byte 0"),
    (b"[" * 100_000, "nested"),
]


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_what_is_no_json_is_refused_with_the_place(client: Peer) -> None:
    for body, place in NO_JSON:
        got = refused(client, post(body, "/v1/x", "Content-Type: application/json"), 400)
        assert place in got.error["message"]
        assert got.one("connection") is None


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_files_are_refused_with_what_a_worker_can_take(client: Peer) -> None:
    for kind in ("multipart/form-data; boundary=x", "image/png", "Audio/WAV", "application/octet-stream"):
        request = post(b"--x\r\n\r\n\x89PNG\xff\r\n--x--", "/v1/audio", f"Content-Type: {kind}")
        got = refused(client, request, 415, "unsupported_body")
        assert kind.partition(";")[0].lower() in got.error["message"]
        assert "base64" in got.error["hint"]


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_a_packed_body_is_refused(client: Peer) -> None:
    refused(client, post(b"\x1f\x8b", "/v1/x", "Content-Encoding: gzip"), 415, "unsupported_body")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.usefixtures("nothing_goes_upstream")
def test_a_body_under_a_method_that_carries_none_is_refused(client: Peer, method: str) -> None:
    client.send(post(b'{"a": 1}').replace(b"POST", method.encode(), 1))
    got = client.message(bodiless=method == "HEAD")
    assert (got.status, got.one("x-vespa-error")) == (400, "bad_request")


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_a_page_of_the_proxys_own_that_is_not_there_is_not_asked_of_a_worker(client: Peer) -> None:
    for path in ("/_vespa/nowhere?a=1", "/_vespa/v1/models"):
        refused(client, get(path), 404, "not_found")


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_other_methods_are_refused_with_those_there_are(client: Peer) -> None:
    for method in ("TRACE", "PROPFIND", "get"):
        got = refused(client, get(method=method), 405, "method_not_allowed")
        assert got.one("allow") == ALLOWED


MALFORMED = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"hello\r\n\r\n", 400),
    (b"GET /v1/x HTTP/2.0\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /v1/x HTTP/1.1\r\n\r\n", 400),
    (b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /v1/x HTTP/1.1\nHost: localhost\n\n", 400),
    (b"GET /v1/x HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
    (b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    (b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}", 400),
    (b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400),
    (b"POST /v1/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
]


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(proxy: VastClient) -> None:
    for request, status in MALFORMED:
        with connect(proxy.url) as client:
            assert refused(client, request, status).one("connection") == "close"
            client.end_of_sending()
            assert client.rest() == b""


STRANGERS = [
    ("Host: evil.example", "/v1/x", 421, "unknown_host"),
    ("Host: localhost", "http://evil.example/v1/x", 421, "unknown_host"),
    ("Host: localhost\r\nOrigin: null", "/v1/x", 403, "forbidden_origin"),
]


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_who_may_not_ask_is_told_so_and_ends_the_connection(proxy: VastClient) -> None:
    for lines, target, status, code in STRANGERS:
        with connect(proxy.url) as client:
            got = refused(client, f"GET {target} HTTP/1.1\r\n{lines}\r\n\r\n".encode(), status, code)
            assert got.one("connection") == "close"
            assert client.rest() == b""


TARGETS = [
    ("/v1/models", "/v1/models?"),
    ("/v1/models?", "/v1/models?"),
    ("/v1/models?a=1", "/v1/models?a=1&"),
    ("/?b=2&a=1&b=3&a=", "/?b=2&a=1&b=3&a=&"),
    ("/x?a=%2f&b=%2F&c=+&d=%20&e=a/b?c", "/x?a=%2f&b=%2F&c=+&d=%20&e=a/b?c&"),
    ("/a%2Fb//c/../d;v=1?&&a", "/a%2Fb//c/../d;v=1?&&a&"),
    ("/x?a=1&", "/x?a=1&"),
    ("http://LOCALHOST:1/x?a=1", "/x?a=1&"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_the_query_stays_as_the_client_wrote_it(client: Peer, worker: RawWorker, method: str) -> None:
    for target, sent in TARGETS:
        received, _ = swap(client, worker, get(target, method=method), answer(b""), bodiless=True)
        assert received.method == method
        assert received.target.startswith(f"{sent}serverless_cost=1.0&serverless_endpoint=")
        assert received.one("content-length") is received.one("content-type") is None
        names = [part.partition("=")[0] for part in received.target.removeprefix(sent).split("&")]
        assert names == [f"serverless_{name}" for name in ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")]


def test_the_assignment_in_a_query_is_escaped(client: Peer, worker: RawWorker) -> None:
    received, _ = swap(client, worker, get(), answer())
    assert received.target.endswith("&serverless_url=" + worker.url.replace(":", "%3A").replace("/", "%2F"))
    signature = received.target.partition("serverless_signature=")[2].partition("&")[0]
    assert not set(signature) & set("+/= ")


def test_the_target_of_a_post_stays_as_the_client_wrote_it(client: Peer, worker: RawWorker) -> None:
    received, _ = swap(client, worker, post(b"{}", "/a%2fb//c?x=%2F&x=&&y"), answer())
    assert received.target == "/a%2fb//c?x=%2F&x=&&y"


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_options_is_answered_with_what_is_allowed(client: Peer) -> None:
    for target in ("*", "/v1/x"):
        client.send(get(target, method="OPTIONS"))
        got = client.message(bodiless=True)
        assert (got.status, got.one("allow")) == (204, ALLOWED)


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_options_with_a_body_leaves_none_of_it_to_be_read_as_a_request(client: Peer) -> None:
    for _ in range(2):
        client.send(post(get("/smuggled")).replace(b"POST", b"OPTIONS", 1))
        assert client.message(bodiless=True).status == 204


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_cost_keeps_its_text_and_stays_here(client: Peer, worker: RawWorker, sandbox: Sandbox, method: str) -> None:
    for cost in ("500", "500.0", "1e3", "0", "0.0", "2.50", "1E-7"):
        line = f"X-Serverless-Cost: {cost}"
        received, _ = swap(client, worker, post(b"{}", "/x", line) if method == "POST" else get("/x", line), answer())
        assert f'"cost": {cost}' in sandbox.autoscaler.routes[-1].body.decode()
        assert received.one("x-serverless-cost") is None
        # The stand-in's autoscaler writes the number as Python does, and that text is what it signs.
        signed = json.dumps(json.loads(cost))
        assert f"serverless_cost={signed}&" in received.target or f'"cost": {signed},'.encode() in received.body


def test_the_autoscalers_numbers_keep_their_text(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    odd = f'{{"url": "{worker.url}", "endpoint": "e", "cost": 5.00E2, "reqnum": 1e0, "request_idx": 12345678901234567890, '
    for request in (post(), get()):
        sandbox.autoscaler.answer_with(200, odd + '"signature": "a+/="}')
        received, _ = swap(client, worker, request, answer())
        if received.method == "GET":
            assert "?serverless_cost=5.00E2&serverless_endpoint=e&serverless_reqnum=1e0&" in received.target
            assert "&serverless_request_idx=12345678901234567890&serverless_signature=a%2B%2F%3D&" in received.target
        else:
            assert b'"cost": 5.00E2, "endpoint": "e", "reqnum": 1e0, "request_idx": 12345678901234567890' in received.body


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_another_cost_is_refused(client: Peer) -> None:
    for cost in ("-1", "-0", "nan", "inf", "Infinity", "1_0", "", "one", "1,5", "0x10", "01", ".5", "1e999", "\u0661"):
        line = b"X-Serverless-Cost: " + cost.encode()
        got = refused(client, get().replace(b"Host", line + b"\r\nHost"), 400)
        assert "X-Serverless-Cost" in got.error["message"]


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_two_costs_are_refused(client: Peer) -> None:
    refused(client, get("/x", "X-Serverless-Cost: 5", "x-serverless-cost: 5"), 400)


def test_end_to_end_headers_go_on_and_others_stay(client: Peer, worker: RawWorker) -> None:
    kept = ["user-agent: a/1", "X-Order: 1", "x-order: 2", "Accept: text/event-stream", "OpenAI-Organization: o",
            "traceparent: 00-1", "X-Empty:", "Range: bytes=0-1", "Idempotency-Key: 1"]  # fmt: skip
    dropped = ["Connection: keep-alive, X-Mine", "X-Mine: 1", "Keep-Alive: 5", "TE: trailers", "Upgrade: h2c", "Trailer: X",
               "Proxy-Connection: x", "Proxy-Authorization: Basic x"]  # fmt: skip
    secret = ["Authorization: Bearer s", "Cookie: s=1", "X-Api-Key: s", "api-key: s", "x-goog-api-key: s", "Private-Token: s"]
    received, _ = swap(client, worker, post(b"{}", "/x", *kept, *dropped, *secret, "Content-Type: application/json"), answer())
    expected = [("Host", worker.address), *((name, value.strip()) for name, _, value in (line.partition(":") for line in kept))]
    expected += [("Content-Type", "application/json"), ("Content-Length", str(len(received.body)))]
    assert received.fields == expected


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key", "Api-Key"])
def test_a_credential_goes_on_where_it_was_let_through(
    start_proxy: Callable[..., VastClient], worker: RawWorker, name: str
) -> None:
    lines = ["Authorization: 1", "Cookie: 1", "X-Api-Key: 1", "Api-Key: 1"]
    with connect(start_proxy(forward_header=(name.lower(),)).url) as client:
        received, _ = swap(client, worker, post(b"{}", "/x", *lines), answer())
    let_through = [given for given, value in received.fields if value == "1"]
    assert let_through == [name]


def test_what_is_held_back_is_told_once_and_how_to_let_it_through(client: Peer, worker: RawWorker, log: Log) -> None:
    lines = ["X-Goog-Api-Key: sk-1", "x-goog-api-key: sk-2", "Private-Token: sk-3", "Accept: */*", "Connection: X-Hop-Key",
             "X-Hop-Key: sk-4"]  # fmt: skip
    swap(client, worker, post(b"{}", "/x", *lines), answer())
    log.wait_for("-> 200")
    told = [line for line in log.lines if "held back" in line]
    assert len(told) == 2
    assert "x-goog-api-key is held back" in told[0].lower() and "--forward-header x-goog-api-key" in told[0].lower()
    assert "Private-Token is held back" in told[1] and "--forward-header Private-Token" in told[1]
    assert not [line for line in log.lines if "sk-" in line]


def test_header_bytes_beyond_ascii_stay(client: Peer, worker: RawWorker) -> None:
    received, _ = swap(client, worker, get("/x", "X-Name: caf\u00e9\tx"), answer())
    assert received.one("x-name") == "caf\u00e9\tx"


WAITING = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-Continue\r\nContent-Length: %d\r\n%b\r\n"


def test_leave_to_send_a_body_is_given(client: Peer, worker: RawWorker) -> None:
    client.send(WAITING % (2, b""))
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    received, got = swap(client, worker, b"{}", answer(b"ok"))
    assert (received.payload, received.one("expect"), got.body) == (b"{}", None, b"ok")


def test_no_leave_is_given_to_who_does_not_wait_for_it(client: Peer, worker: RawWorker) -> None:
    received, got = swap(client, worker, WAITING % (2, b"") + b"{}", answer(b"ok"))
    assert (received.payload, got.status) == (b"{}", 200)


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (WAITING % (2, b"X-Serverless-Cost: -1\r\n"), 400, "bad_request"),
        (WAITING % (10**12, b""), 413, "body_too_large"),
        (WAITING.replace(b"/v1/x", b"/_vespa/x") % (2, b""), 404, "not_found"),
        (WAITING.replace(b"POST", b"BREW") % (2, b""), 405, "method_not_allowed"),
        (WAITING.replace(b"100-Continue", b"miracles") % (2, b""), 417, "bad_request"),
    ],
)
@pytest.mark.usefixtures("nothing_goes_upstream")
def test_what_is_refused_by_its_head_is_refused_before_the_body(client: Peer, head: bytes, status: int, code: str) -> None:
    assert refused(client, head, status, code).one("connection") == "close"
    client.end_of_sending()
    assert client.rest() == b""


def test_pipelined_requests_are_answered_in_order(proxy: VastClient, sandbox: Sandbox) -> None:
    with connect(proxy.url) as client:
        asked = [b'{"prompt": "question %d", "max_tokens": 40}' % number for number in range(5)]
        client.send(b"".join(post(body, "/v1/completions") for body in asked) + get("/v1/models", "Connection: close"))
        for number in range(5):
            assert f"question {number}" in json.loads(client.message().body)["choices"][0]["text"]
        last = client.message()
        assert (last.status, last.one("connection")) == (200, "close")
        assert client.rest() == b""


@pytest.mark.parametrize("line", ["Connection: close", "connection: Keep-Alive, CLOSE"])
def test_a_client_that_asks_for_the_end_gets_it(client: Peer, worker: RawWorker, line: str) -> None:
    _, got = swap(client, worker, get("/x", line), answer())
    assert got.one("connection") == "close"
    assert client.rest() == b""


def test_an_http_1_0_client_is_answered_and_let_go(client: Peer, worker: RawWorker) -> None:
    _, got = swap(client, worker, b"GET /x HTTP/1.0\r\n\r\n", answer(b"old"))
    assert (got.status, got.body) == (200, b"old")
    assert client.rest() == b""


def test_a_client_that_leaves_inside_its_body_is_dropped_in_silence(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
    client.end_of_sending()
    assert client.rest() == b""
    assert sandbox.autoscaler.routes == []


def test_a_reset_inside_the_body_is_a_client_that_leaves(
    start_proxy: Callable[..., VastClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vespa_client")
    running = start_proxy()
    client = connect(running.url)
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
    client.head()  # it waits for the body now
    client.reset()
    running.stop(LONG)
    assert [record.levelname for record in caplog.records if record.name == "vespa_client"] == ["INFO"]
    assert caplog.messages[-1].endswith(", left")


def test_a_line_that_is_held_back_is_not_logged(
    start_proxy: Callable[..., VastClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vespa_client")
    running = start_proxy(pass_route=())
    told: list[tuple[str, int]] = []

    def holds(record: Record, level: int) -> bool:
        told.append((record.path, level))
        return record.path == "/robots.txt"

    running._totals.holds_line = holds
    for path in ("/robots.txt", "/favicon.ico"):
        requests.get(running.url + path, timeout=LONG)
    running.stop(LONG)
    assert told == [("/robots.txt", logging.INFO), ("/favicon.ico", logging.INFO)]
    assert [message.split(" -> ")[0] for message in caplog.messages if " GET " in message] == ["#2 GET /favicon.ico"]


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_a_body_above_the_limit_is_refused_by_its_length(start_proxy: Callable[..., VastClient]) -> None:
    with connect(start_proxy(max_body=1000).url) as client:
        # All of it is sent before the answer is read: the answer is to be seen all the same.
        got = refused(client, post(b'"' + b"x" * (4 * MEGABYTE) + b'"'), 413, "body_too_large")
        assert "1000" in got.error["message"]
        assert "--max-body" in got.error["hint"]
        assert got.one("connection") == "close"


@pytest.mark.usefixtures("nothing_goes_upstream")
def test_a_chunked_body_above_the_limit_is_refused(start_proxy: Callable[..., VastClient]) -> None:
    with connect(start_proxy(max_body=1000).url) as client:
        refused(client, chunked(b'"', b"x" * 500, b"y" * (4 * MEGABYTE), b'"'), 413, "body_too_large")


def test_a_body_at_the_limit_is_taken(start_proxy: Callable[..., VastClient], worker: RawWorker) -> None:
    body = b'"' + b"x" * 998 + b'"'
    with connect(start_proxy(max_body=1000).url) as client:
        for request in (post(body), chunked(body)):
            assert swap(client, worker, request, answer())[0].payload == body


def test_requests_sees_an_early_error_though_it_still_sends(start_proxy: Callable[..., VastClient]) -> None:
    url = start_proxy(max_body="1K").url
    got = requests.post(f"{url}/v1/x", data=b'"' + b"x" * (8 * MEGABYTE) + b'"', timeout=LONG)
    assert (got.status_code, got.headers["X-Vespa-Error"]) == (413, "body_too_large")
