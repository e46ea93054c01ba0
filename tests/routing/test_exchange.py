"""The life of a request: which worker gets it, what is tried again, and what never is."""

from __future__ import annotations

import concurrent.futures
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support.raw_worker import Message, Peer, RawWorker, answer, background, connect, get, only_worker, post, raw_client, swap
from ..support.waiting import SHORT

TURNED_AWAY = ("429 Too Many Requests", "503 Service Unavailable")
MAY_HAVE_RUN = ("502 Bad Gateway", "504 Gateway Timeout")

worker, client = only_worker, raw_client


@pytest.fixture
def workers(sandbox: Sandbox) -> Iterator[list[RawWorker]]:
    """Two workers, assigned in turn."""
    with RawWorker() as first, RawWorker() as second:
        sandbox.autoscaler.workers[:] = [first.url, second.url]
        yield [first, second]


def free_url() -> str:
    """An address on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def places(sandbox: Sandbox) -> list[Any]:
    """The request_idx of each call of /route/, as the proxy sent it."""
    return [json.loads(route.body).get("request_idx") for route in sandbox.autoscaler.routes]


def assert_one_place(sandbox: Sandbox, received: list[Message]) -> None:
    """All assignments were for one place in the queue, and no two were the same."""
    assignments = [message.envelope["auth_data"] for message in received]
    place = assignments[0]["request_idx"]
    assert {assignment["request_idx"] for assignment in assignments} == {place}
    reqnums = [assignment["reqnum"] for assignment in assignments]
    assert len(set(reqnums)) == len(reqnums)
    assert places(sandbox)[0] is None
    assert set(places(sandbox)[1:]) == {place}


def test_the_envelope_has_the_assignment_and_the_body_as_it_was(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    received, _ = swap(client, worker, post(b'{"n": 1.50,\t"n":2}', "/v1/x?a=%2f"), answer())
    assert (received.method, received.target) == ("POST", "/v1/x?a=%2f")
    assert received.one("host") == worker.address
    assert list(received.envelope) == ["auth_data", "payload"]
    assert received.payload == b'{"n": 1.50,\t"n":2}'
    assignment = received.envelope["auth_data"]
    assert list(assignment) == ["cost", "endpoint", "reqnum", "request_idx", "signature", "url"]
    assert (assignment["url"], assignment["endpoint"]) == (worker.url, sandbox.endpoints[0].name)
    assert len(sandbox.autoscaler.routes) == 1


def test_the_endpoint_key_goes_to_the_autoscaler_alone(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    received, got = swap(client, worker, post(), answer())
    key = sandbox.endpoints[0].api_key
    assert sandbox.autoscaler.routes[0].header("authorization") == f"Bearer {key}"
    for message in (received, got):
        assert key not in repr(message)
        assert sandbox.account_key not in repr(message)


def test_a_worker_that_refuses_the_connection_is_passed_by(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    sandbox.autoscaler.workers[:] = [free_url(), worker.url]
    received, got = swap(client, worker, post(b'{"a": 1}'), answer(b"served"))
    assert (got.body, received.payload) == (b"served", b'{"a": 1}')
    assert len(sandbox.autoscaler.routes) == 2
    assert_one_place(sandbox, [received])


def test_a_worker_that_does_not_take_the_connection_is_passed_by(
    start_proxy: Callable[..., VastClient], worker: RawWorker, sandbox: Sandbox
) -> None:
    # A full queue of connections: the system answers none of the packets that ask for one more.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, socket.create_connection(hole.getsockname()):
        sandbox.autoscaler.workers[:] = [f"http://127.0.0.1:{hole.getsockname()[1]}", worker.url]
        with connect(start_proxy(connect_timeout=SHORT).url) as client:
            received, got = swap(client, worker, post(), answer(b"served"))
    assert got.body == b"served"
    assert_one_place(sandbox, [received])


@pytest.mark.parametrize("status", TURNED_AWAY)
@pytest.mark.parametrize("body", [b"", b"queue full"])
def test_a_request_that_is_turned_away_is_given_to_another_worker(
    client: Peer, workers: list[RawWorker], sandbox: Sandbox, status: str, body: bytes
) -> None:
    client.send(post(b'{"a": 1}'))
    first, one = workers[0].request()
    first.send(answer(body, status))
    second, two = workers[1].request()
    second.send(answer(b"served"))
    got = client.message()
    assert (got.status, got.body) == (200, b"served")
    assert one.payload == two.payload == b'{"a": 1}'
    assert_one_place(sandbox, [one, two])


def test_a_query_that_is_turned_away_is_signed_afresh(client: Peer, workers: list[RawWorker], sandbox: Sandbox) -> None:
    client.send(get("/v1/models?b=1&a=2"))
    first, one = workers[0].request()
    first.send(answer(b"", "503 Service Unavailable"))
    second, two = workers[1].request()
    second.send(answer(b"served"))
    assert client.message().body == b"served"
    assert one.target.startswith("/v1/models?b=1&a=2&serverless_cost=")
    assert two.target.startswith("/v1/models?b=1&a=2&serverless_cost=")
    reqnums = [message.target.partition("serverless_reqnum=")[2].partition("&")[0] for message in (one, two)]
    assert len(set(reqnums)) == 2


def test_the_last_refusal_is_the_answer_when_all_tries_are_used_up(
    start_proxy: Callable[..., VastClient], worker: RawWorker, sandbox: Sandbox
) -> None:
    received = []
    with connect(start_proxy(retries=1).url) as client:
        client.send(post())
        for _ in range(2):
            peer, message = worker.request()
            peer.send(answer(b"", "429 Too Many Requests", "Retry-After: 1", "Connection: close"))
            received.append(message)
        got = client.message()
    assert (got.start, got.one("x-vespa-error")) == ("HTTP/1.1 429 Too Many Requests", "worker_failed")
    assert got.one("retry-after") == "1"
    assert got.one("x-should-retry") == "false"
    assert "429" in got.error["message"]
    assert_one_place(sandbox, received)
    assert worker.was_left_alone()


def test_a_refusal_with_a_body_passes_untouched_when_all_tries_are_used_up(
    start_proxy: Callable[..., VastClient], worker: RawWorker
) -> None:
    with connect(start_proxy(retries=1).url) as client:
        client.send(post())
        for _ in range(2):
            worker.request()[0].send(answer(b"queue full", "503 Service Unavailable", "Connection: close"))
        got = client.message()
    assert (got.status, got.body, got.one("x-vespa-error")) == (503, b"queue full", None)
    # For SDKs that would try again: it has been tried.
    assert got.one("x-should-retry") == "false"


@pytest.mark.parametrize("status", MAY_HAVE_RUN)
@pytest.mark.parametrize("request_of", [post(b'{"a": 1}'), get("/v1/models"), get("/v1/models", method="DELETE")])
def test_a_gateway_that_fails_may_have_had_it_run(
    client: Peer, worker: RawWorker, sandbox: Sandbox, status: str, request_of: bytes
) -> None:
    """A 504 says that the request was passed on and taken (RFC 9110, 15.6.5), a 502 that a backend was asked."""
    said = answer(b'{"error": "upstream"}', status, "Retry-After: 1", "X-Gateway: envoy")
    _, got = swap(client, worker, request_of, said)
    assert (got.start, got.body) == (f"HTTP/1.1 {status}", b'{"error": "upstream"}')
    assert (got.one("retry-after"), got.one("x-gateway")) == ("1", "envoy")
    assert (got.one("x-vespa-error"), got.one("x-should-retry")) == (None, None)
    assert len(sandbox.autoscaler.routes) == 1
    assert worker.was_left_alone()


@pytest.mark.parametrize("status", MAY_HAVE_RUN)
def test_a_gateway_without_words_is_given_them_and_is_not_asked_again(
    client: Peer, worker: RawWorker, sandbox: Sandbox, status: str
) -> None:
    _, got = swap(client, worker, post(), answer(b"", status))
    assert (got.start, got.one("x-vespa-error")) == (f"HTTP/1.1 {status}", "worker_failed")
    assert "did not send it again" in got.error["hint"]
    assert len(sandbox.autoscaler.routes) == 1


@pytest.mark.parametrize("status", MAY_HAVE_RUN)
def test_a_gateways_failure_after_a_refusal_is_the_answer(
    client: Peer, workers: list[RawWorker], sandbox: Sandbox, status: str
) -> None:
    client.send(post())
    workers[0].request()[0].send(answer(b"", "503 Service Unavailable"))
    workers[1].request()[0].send(answer(b"upstream", status))
    got = client.message()
    assert (got.start, got.body) == (f"HTTP/1.1 {status}", b"upstream")
    assert len(sandbox.autoscaler.routes) == 2


def test_without_retries_a_refusal_is_the_answer(start_proxy: Callable[..., VastClient], worker: RawWorker) -> None:
    with connect(start_proxy(retries=0).url) as client:
        _, got = swap(client, worker, post(), answer(b"queue full", "429 Too Many Requests"))
    assert (got.status, got.body, got.one("x-should-retry")) == (429, b"queue full", None)


def test_workers_that_can_not_be_reached_are_named_in_the_error(
    start_proxy: Callable[..., VastClient], sandbox: Sandbox
) -> None:
    urls = [free_url(), free_url()]
    sandbox.autoscaler.workers[:] = urls
    with connect(start_proxy(retries=1).url) as client:
        client.send(post())
        got = client.message()
    assert (got.status, got.one("x-vespa-error"), got.one("x-should-retry")) == (502, "worker_unreachable", "false")
    for url in urls:
        assert f"{url.removeprefix('http://')}: connection refused" in got.error["message"]
    assert len(sandbox.autoscaler.routes) == 2


def test_a_connection_that_had_gone_stale_is_replaced_without_a_word(
    client: Peer, worker: RawWorker, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is while the news of the worker's close is still on its way: loopback is too fast for that.
    monkeypatch.setattr("vespa_client.outbound.connection.Connection.is_usable", lambda connection: True)
    swap(client, worker, post(b'{"n": 1}'), answer(b"first"))
    received, got = swap(client, worker, post(b'{"n": 2}'), answer(b"second"))
    assert (got.status, got.body) == (200, b"second")
    assert received.payload == b'{"n": 2}'
    # One assignment went down with the connection, and was not sent again.
    assert len(sandbox.autoscaler.routes) == 3
    assert received.envelope["auth_data"]["reqnum"] == 3
    assert places(sandbox) == [None, None, received.envelope["auth_data"]["request_idx"]]


def test_a_connection_that_the_worker_has_closed_is_not_used_again(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    swap(client, worker, post(), answer(b"first"))
    received, got = swap(client, worker, post(), answer(b"second"))
    assert got.body == b"second"
    assert len(sandbox.autoscaler.routes) == 2
    assert received.envelope["auth_data"]["reqnum"] == 2


def test_connections_are_kept(client: Peer, worker: RawWorker) -> None:
    client.send(post())
    kept, _ = worker.request()
    for number in range(3):
        kept.send(answer(b"%d" % number))
        assert client.message().body == b"%d" % number
        client.send(post())
        kept.message()
    kept.send(answer())
    client.message()
    assert worker.was_left_alone()


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_worker_that_hangs_up_on_a_request_of_a_kept_connection_is_not_asked_again(
    client: Peer, worker: RawWorker, sandbox: Sandbox, way: str
) -> None:
    client.send(post())
    kept, _ = worker.request()
    kept.send(answer(b"first"))
    assert client.message().body == b"first"
    client.send(post())
    kept.message()
    kept.close() if way == "close" else kept.reset()
    got = client.message()
    assert (got.status, got.one("x-vespa-error")) == (502, "worker_answer_broken")
    assert len(sandbox.autoscaler.routes) == 2
    assert worker.was_left_alone()


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_worker_that_hangs_up_on_a_request_it_has_is_not_asked_again(
    client: Peer, worker: RawWorker, sandbox: Sandbox, way: str
) -> None:
    client.send(post())
    peer, _ = worker.request()
    peer.close() if way == "close" else peer.reset()
    got = client.message()
    assert (got.status, got.one("x-vespa-error")) == (502, "worker_answer_broken")
    assert worker.address in got.error["message"]
    assert "may have run" in got.error["hint"]
    assert len(sandbox.autoscaler.routes) == 1
    assert worker.was_left_alone()


@pytest.mark.parametrize("status", ["500 Internal Server Error", "401 Unauthorized", "408 Request Timeout", "501 No"])
def test_other_errors_of_a_worker_are_its_answer(client: Peer, worker: RawWorker, sandbox: Sandbox, status: str) -> None:
    _, got = swap(client, worker, post(), answer(b"no", status))
    assert (got.start, got.body) == (f"HTTP/1.1 {status}", b"no")
    assert len(sandbox.autoscaler.routes) == 1


def test_half_a_head_is_not_asked_for_again(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    _, got = swap(client, worker, post(), b"HTTP/1.1 200 OK\r\nContent-")
    assert (got.status, got.one("x-vespa-error")) == (502, "worker_answer_broken")
    assert len(sandbox.autoscaler.routes) == 1


def test_half_a_head_on_a_kept_connection_is_not_asked_for_again(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    client.send(post())
    kept, _ = worker.request()
    kept.send(answer())
    client.message()
    client.send(post())
    kept.message()
    kept.send(b"HTTP/1.1 200 OK\r\n")
    kept.close()
    assert client.message().status == 502
    assert len(sandbox.autoscaler.routes) == 2
    assert worker.was_left_alone()


def test_a_worker_without_a_first_byte_is_given_up_after_the_timeout(
    start_proxy: Callable[..., VastClient], worker: RawWorker, sandbox: Sandbox
) -> None:
    with connect(start_proxy(timeout=SHORT).url) as client:
        client.send(post())
        peer, _ = worker.request()
        got = client.message()
        peer.wait_gone()
    assert (got.status, got.one("x-vespa-error"), got.one("x-should-retry")) == (504, "worker_timeout", "false")
    assert len(sandbox.autoscaler.routes) == 1


def test_no_assignment_is_used_twice(client: Peer, workers: list[RawWorker], sandbox: Sandbox) -> None:
    reqnums = []
    for number in range(6):
        client.send(post())
        peer, received = workers[number % 2].request()
        reqnums.append(received.envelope["auth_data"]["reqnum"])
        refused = number in (0, 3)
        peer.send(answer(b"", "503 Service Unavailable" if refused else "200 OK", "Connection: close"))
        peer.close()
        if refused:
            other, received = workers[(number + 1) % 2].request()
            reqnums.append(received.envelope["auth_data"]["reqnum"])
            other.send(answer(b"", "200 OK", "Connection: close"))
            other.close()
            sandbox.autoscaler.assign(sandbox.endpoints[0].name, 1.0)
        assert client.message().status == 200
    assert len(set(reqnums)) == len(reqnums) == 8


def test_a_worker_that_answers_before_it_has_the_whole_body_is_heard(client: Peer, worker: RawWorker) -> None:
    body = b'"' + b"x" * (32 << 20) + b'"'
    with background(lambda: client.send(post(body))):
        peer = worker.accept()
        peer.head()
        peer.send(answer(b"too large", "413 Content Too Large", "Connection: close"))
        peer.end_of_sending()
        peer.exactly(1 << 20)
        peer.close()
    got = client.message()
    assert (got.status, got.body) == (413, b"too large")


def test_a_worker_that_drops_half_a_body_did_not_run_it(client: Peer, workers: list[RawWorker], sandbox: Sandbox) -> None:
    body = b'"' + b"x" * (32 << 20) + b'"'
    with background(lambda: client.send(post(body))):
        peer = workers[0].accept()
        peer.head()
        peer.reset()
        second = workers[1].accept()
        assert second.head()[0] == "POST /v1/x HTTP/1.1"
        second.until(b'"payload": "')
        second.count(32 << 20, b"x")
        assert second.exactly(2) == b'"}'
        second.send(answer(b"served"))
    assert client.message().body == b"served"
    assert len(sandbox.autoscaler.routes) == 2


def test_a_cold_endpoint_is_polled_in_the_same_place(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold(2)
    received, got = swap(client, worker, post(), answer(b"warm"))
    assert got.body == b"warm"
    assert len(sandbox.autoscaler.routes) == 3
    assert_one_place(sandbox, [received])


def test_when_the_wait_is_over_the_error_says_why(
    start_proxy: Callable[..., VastClient], worker: RawWorker, sandbox: Sandbox
) -> None:
    sandbox.autoscaler.cold(status="0 of 3 workers ready: 2 loading, 1 stopped")
    with connect(start_proxy(wait=SHORT).url) as client:
        client.send(post())
        got = client.message()
        assert (got.status, got.one("x-vespa-error")) == (503, "no_worker_ready")
        assert int(got.one("retry-after") or 0) > 0
        assert got.one("x-should-retry") == "false"
        assert "0 of 3 workers ready: 2 loading, 1 stopped" in got.error["message"]
        assert "--wait" in got.error["hint"]
        assert worker.was_left_alone()
        sandbox.autoscaler.warm()
        assert swap(client, worker, post(), answer(b"warm"))[1].body == b"warm"


def test_a_wait_of_nothing_asks_once(start_proxy: Callable[..., VastClient], worker: RawWorker, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    with connect(start_proxy(wait=0).url) as client:
        client.send(post())
        assert client.message().status == 503
    assert len(sandbox.autoscaler.routes) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_autoscaler_in_trouble_is_asked_again(client: Peer, worker: RawWorker, sandbox: Sandbox, status: int) -> None:
    sandbox.autoscaler.answer_with(status, b"<html>busy</html>")
    assert swap(client, worker, post(), answer(b"served"))[1].body == b"served"
    assert len(sandbox.autoscaler.routes) == 2


def test_nothing_is_routed_without_a_request(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    client.send(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
    assert client.is_silent(SHORT)
    assert sandbox.autoscaler.routes == []
    assert swap(client, worker, b"}", answer(b"served"))[1].body == b"served"


def test_each_of_many_is_told_when_all_workers_are_dead(start_proxy: Callable[..., VastClient], sandbox: Sandbox) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        sandbox.autoscaler.workers[:] = [f"http://127.0.0.1:{nobody.getsockname()[1]}"]
        url = start_proxy(retries=1).url
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(requests.get, f"{url}/v1/models", timeout=30) for _ in range(12)]
            assert [one.result().status_code for one in asked] == [502] * 12
