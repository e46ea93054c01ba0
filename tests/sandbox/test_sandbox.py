"""The sandbox, which other tests stand on: spoken to by other people's programs (SDKs, requests, pycryptodome)."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import logging
import math
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

import anthropic
import openai
import pytest
import requests
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from vespa_client.sandbox import Answer, HangUp, Request, Sandbox
from vespa_client.sandbox.envelope import NotAnEnvelope, read_envelope, read_query
from vespa_client.sandbox.reply import count_tokens, tokenize, write_reply
from vespa_client.sandbox.signing import SigningKey

WAIT = 5.0
HOUR = 3600.0
AUTH_FIELDS = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")
HELLO = {"messages": [{"role": "user", "content": "Hello, sandbox!"}]}


@pytest.fixture
def web() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def route(
    sandbox: Sandbox, web: requests.Session, cost: str = "1.0", more: str = "", key: str | None = None
) -> requests.Response:
    endpoint = sandbox.endpoints[0]
    return web.post(
        sandbox.autoscaler_url + "/route/",
        data=f'{{"endpoint": "{endpoint.name}", "cost": {cost}{more}}}',
        headers={"Authorization": f"Bearer {key or endpoint.api_key}"},
        timeout=WAIT,
    )


def assigned(sandbox: Sandbox, web: requests.Session, cost: str = "1.0") -> tuple[str, dict[str, Any]]:
    answer = route(sandbox, web, cost).json()
    return answer["url"], {name: answer[name] for name in AUTH_FIELDS}


def ask(
    sandbox: Sandbox, web: requests.Session, path: str, payload: Any, method: str = "POST", **options: Any
) -> requests.Response:
    url, auth = assigned(sandbox, web)
    body = json.dumps({"auth_data": auth, "payload": payload})
    return web.request(method, url + path, data=body, timeout=WAIT, **options)


def as_query(auth: dict[str, Any]) -> str:
    return urlencode(
        {f"serverless_{name}": value if isinstance(value, str) else json.dumps(value) for name, value in auth.items()}
    )


def send_raw(url: str, data: bytes) -> socket.socket:
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port), timeout=WAIT)
    sock.sendall(data)
    return sock


def post_raw(sandbox: Sandbox, web: requests.Session, path: str, payload: Any) -> socket.socket:
    url, auth = assigned(sandbox, web)
    body = json.dumps({"auth_data": auth, "payload": payload}).encode()
    return send_raw(url, b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body))


# The sandbox as a whole


def test_start_and_stop_are_idempotent_and_leave_nothing(web: requests.Session) -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox(token_delay=0)
    with pytest.raises(RuntimeError, match="not been started"):
        _ = sandbox.console_url
    sandbox.stop()
    assert sandbox.start() is sandbox.start()
    first = sandbox.worker.url
    assert ask(sandbox, web, "/echo", 1).status_code == 200
    sandbox.stop()
    sandbox.stop()
    assert set(threading.enumerate()) <= before
    parts = urlsplit(first)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port), timeout=WAIT)
    sandbox.start()
    assert sandbox.autoscaler.workers == [sandbox.worker.url]
    assert ask(sandbox, web, "/echo", 1).status_code == 200
    sandbox.stop()


def test_stop_ends_streams_idle_connections_and_pauses_at_once(web: requests.Session) -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox(token_delay=HOUR).start()
    streams = [post_raw(sandbox, web, "/v1/chat/completions", {**HELLO, "stream": stream}) for stream in (True, False)]
    idle = send_raw(sandbox.worker.url, b"")
    half = send_raw(sandbox.worker.url, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12")
    sandbox.model.wait_for(lambda _: sandbox.model.active == 2)
    started = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - started < 1
    assert set(threading.enumerate()) <= before
    for sock in streams:
        received = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
        assert not received.endswith(b"0\r\n\r\n")
    for sock in (*streams, idle, half):
        sock.close()
    assert [request.outcome for request in sandbox.worker.requests] == ["cancelled", "cancelled"]


def test_no_key_or_signature_in_a_repr(sandbox: Sandbox, web: requests.Session) -> None:
    url, auth = assigned(sandbox, web)
    web.get(f"{url}/v1/models?{as_query(auth)}", timeout=WAIT)
    text = repr([sandbox, sandbox.endpoints, sandbox.autoscaler.requests, sandbox.worker.requests])
    for secret in (sandbox.account_key, sandbox.endpoints[0].api_key, auth["signature"]):
        assert secret not in text


def test_names_and_keys() -> None:
    one, two = Sandbox(endpoints=["a"]), Sandbox()
    assert [endpoint.name for endpoint in one.endpoints] == ["a"]
    assert [(endpoint.id, endpoint.name, endpoint.state) for endpoint in two.endpoints] == [
        (1, "sandbox-llm", "active"),
        (2, "sandbox-echo", "active"),
    ]
    keys = [one.account_key, two.account_key, *(endpoint.api_key for endpoint in two.endpoints)]
    assert len(set(keys)) == 4


# Console


def list_endpoints(sandbox: Sandbox, web: requests.Session, key: str | None = None) -> requests.Response:
    return web.get(
        sandbox.console_url + "/api/v0/endptjobs/",
        params={"autoscaler_instance": "prod"},
        headers={"Authorization": f"Bearer {key or sandbox.account_key}"},
        timeout=WAIT,
    )


def test_console_lists_endpoints(sandbox: Sandbox, web: requests.Session) -> None:
    answer = list_endpoints(sandbox, web).json()
    assert answer["success"] is True
    assert [sorted(result) for result in answer["results"]] == [
        ["api_key", "endpoint_name", "endpoint_state", "id", "user_id"]
    ] * 2
    assert answer["results"][1]["api_key"] == sandbox.endpoints[1].api_key
    assert sandbox.console.requests[0].target == "/api/v0/endptjobs/?autoscaler_instance=prod"


def test_console_refuses_other_keys(sandbox: Sandbox, web: requests.Session) -> None:
    for key in ("wrong", sandbox.endpoints[0].api_key):
        answer = list_endpoints(sandbox, web, key)
        assert (answer.status_code, answer.json()["success"]) == (401, False)


def test_rotated_keys(sandbox: Sandbox, web: requests.Session) -> None:
    old = sandbox.endpoints[0].api_key
    new = sandbox.console.rotate_key("sandbox-llm")
    assert list_endpoints(sandbox, web).json()["results"][0]["api_key"] == new != old
    assert route(sandbox, web, key=old).status_code == 401
    assert route(sandbox, web, key=new).status_code == 200


def test_root_certificate(sandbox: Sandbox, web: requests.Session) -> None:
    url = sandbox.console_url + "/static/jvastai_root.cer"
    assert web.get(url, timeout=WAIT).status_code == 404
    sandbox.console.root_certificate = b"-----BEGIN"
    assert web.get(url, timeout=WAIT).content == b"-----BEGIN"


# Autoscaler


def verify(pem: str, text: str, signature: str) -> None:
    key = RSA.import_key(pem)
    pkcs1_15.new(key).verify(SHA256.new(text.encode()), base64.b64decode(signature))


@pytest.mark.parametrize("cost", ["500.0", "500", "0", "0.1", "1e-07", "123456789.25"])
def test_assignment_is_signed_and_the_cost_echoed(sandbox: Sandbox, web: requests.Session, cost: str) -> None:
    answer = route(sandbox, web, cost)
    fields = answer.json()
    assert f'"cost": {cost},' in answer.text
    assert fields["url"] == sandbox.worker.url
    assert fields["__request_id"]
    pem = web.get(sandbox.autoscaler_url + "/pubkey/", timeout=WAIT).text
    assert RSA.import_key(pem).size_in_bits() == 2048
    signed = {name: fields[name] for name in ("cost", "endpoint", "reqnum", "request_idx", "url")}
    verify(pem, json.dumps(signed, indent=4, sort_keys=True), fields["signature"])
    signed["cost"] += 1
    with pytest.raises(ValueError, match="Invalid signature"):
        verify(pem, json.dumps(signed, indent=4, sort_keys=True), fields["signature"])


def test_request_idx_is_kept_and_reqnum_counts(sandbox: Sandbox, web: requests.Session) -> None:
    mores = ("", ', "request_idx": 0', ', "request_idx": null', ', "request_idx": 2, "replay_timeout": 60.0')
    answers = [route(sandbox, web, more=more).json() for more in mores]
    assert [answer["request_idx"] for answer in answers] == [1, 2, 3, 2]
    assert [answer["reqnum"] for answer in answers] == [1, 2, 3, 4]


def test_cold(sandbox: Sandbox, web: requests.Session) -> None:
    sandbox.autoscaler.cold(2, status="1 loading")
    first = route(sandbox, web).json()
    assert sorted(first) == ["__request_id", "endpoint", "request_idx", "status"]
    assert first["status"] == "1 loading"
    again = [route(sandbox, web, more=f', "request_idx": {first["request_idx"]}').json() for _ in range(2)]
    assert [answer["request_idx"] for answer in again] == [first["request_idx"]] * 2
    assert ["url" in answer for answer in again] == [False, True]
    sandbox.autoscaler.cold()
    assert all("url" not in route(sandbox, web).json() for _ in range(5))
    sandbox.autoscaler.warm()
    assert "url" in route(sandbox, web).json()
    sandbox.autoscaler.workers.clear()
    assert "url" not in route(sandbox, web).json()
    sandbox.endpoints[0].state = "stopped"
    assert "stopped" in route(sandbox, web).json()["status"]


def test_refusals(sandbox: Sandbox, web: requests.Session) -> None:
    for key in ("wrong", sandbox.account_key):
        answer = route(sandbox, web, key=key)
        assert (answer.status_code, answer.json()) == (401, {"error": "Authentication failed"})
    other = route(sandbox, web, key=sandbox.endpoints[1].api_key)
    assert other.status_code == 400
    for cost in ("-1", '"1"', "true", "null", "NaN", ", "):
        answer = route(sandbox, web, cost)
        assert answer.status_code == 400
        assert answer.json() == {"error": "Invalid endpoint or missing required parameters"}


def test_workers_take_turns_and_official_ones_register(sandbox: Sandbox, web: requests.Session) -> None:
    sandbox.autoscaler.workers[:] = ["http://a:1", ("http://b:2", "pyworker")]
    answers = [route(sandbox, web).json() for _ in range(4)]
    assert [answer["url"] for answer in answers] == ["http://a:1", "http://b:2"] * 2
    pem = web.get(sandbox.autoscaler_url + "/pubkey/", timeout=WAIT).text
    verify(pem, json.dumps({"url": "http://b:2"}, indent=4, sort_keys=True), answers[1]["signature"])
    sandbox.autoscaler.workers.clear()
    report = {"id": 1, "mtoken": "", "url": "http://127.0.0.1:3", "max_perf": 0, "error_msg": ""}
    for pace, known in (
        (0, []),
        (7.5, [("http://127.0.0.1:3", "pyworker")]),
        (7.5, [("http://127.0.0.1:3", "pyworker")]),
    ):
        answer = web.post(sandbox.autoscaler_url + "/worker_status/", json={**report, "max_perf": pace}, timeout=WAIT)
        assert answer.status_code == 200
        assert sandbox.autoscaler.workers == known
    answer = web.post(sandbox.autoscaler_url + "/delete_requests/", json={"requests": []}, timeout=WAIT)
    assert answer.status_code == 200
    assert {request.path for request in sandbox.autoscaler.routes} == {"/route/"}


def test_signing_key() -> None:
    key = SigningKey()
    signature = key.sign("text")
    assert key.sign("text") == signature
    assert key.verify("text", signature)
    assert not key.verify("texts", signature)
    for wrong in ("", "x", "é", signature[:-4], base64.b64encode(bytes(256)).decode(), SigningKey().sign("text")):
        assert not key.verify("text", wrong)


# Worker


def test_worker_passes_the_payload_on_as_it_came(sandbox: Sandbox, web: requests.Session) -> None:
    payload = '{"b" : 1.50, "a":[1E2, "\\u00e9\\ud83d\\ude00", "é😀"], "b" : 2 }'
    url, auth = assigned(sandbox, web, "500.0")
    body = f' {{ "payload" :{payload} , "auth_data":{json.dumps(auth)}}} '.encode()
    answer = web.post(url + "/echo/x%20y?a=1&a=2&b=", data=body, headers={"X-Custom": "1"}, timeout=WAIT)
    assert answer.text.encode().endswith(f'"payload": {payload}}}'.encode())
    echo = answer.json()
    assert (echo["method"], echo["path"], echo["query"]) == ("POST", "/echo/x%20y", "a=1&a=2&b=")
    assert echo["headers"] == [["Content-Type", "application/json"]]
    record = sandbox.worker.wait_for(lambda requests: requests[-1].outcome == "answered" and requests[-1])
    assert (record.method, record.body, record.status) == ("POST", body, 200)
    assert record.auth_data is not None
    assert json.dumps(record.auth_data["cost"]) == "500.0"
    assert record.payload == json.loads(payload)
    assert record.header("x-custom") == "1"
    assert record.ended_at is not None
    assert record.ended_at >= record.received_at


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("payload", [{}, [], 0, None, "text", True, [1, [2]]])
def test_worker_takes_any_payload(sandbox: Sandbox, web: requests.Session, method: str, payload: Any) -> None:
    echo = ask(sandbox, web, "/echo", payload, method).json()
    assert (echo["method"], echo["payload"]) == (method, payload)


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
def test_worker_reads_auth_data_from_the_query(sandbox: Sandbox, web: requests.Session, method: str) -> None:
    url, auth = assigned(sandbox, web, "500.0")
    answer = web.request(method, f"{url}/echo/p?z=%20A&empty&{as_query(auth)}&z=2&e=", timeout=WAIT)
    assert answer.status_code == 200
    if method == "HEAD":
        assert (answer.content, sandbox.model.requests[-1].method) == (b"", "HEAD")
        assert int(answer.headers["Content-Length"]) > 0
    else:
        assert answer.json()["query"] == "z=%20A&empty&z=2&e="
        assert answer.json()["payload"] is None
    assert sandbox.worker.requests[-1].auth_data == auth


@pytest.mark.parametrize("field", AUTH_FIELDS)
def test_worker_refuses_what_is_not_signed(sandbox: Sandbox, web: requests.Session, field: str) -> None:
    url, auth = assigned(sandbox, web)
    changed = {**auth, field: auth[field] + ("x" if isinstance(auth[field], str) else 1)}
    lacking = {name: value for name, value in auth.items() if name != field}
    for sent, by_body, by_query in ((changed, 401, 401), (lacking, 422, 400)):
        answer = web.post(url + "/echo", json={"auth_data": sent, "payload": {}}, timeout=WAIT)
        assert answer.status_code == by_body
        query_answer = web.get(f"{url}/echo?{as_query(sent)}", timeout=WAIT)
        assert query_answer.status_code == by_query
        if by_body == 401:
            assert answer.content == query_answer.content == b""
    assert sandbox.model.requests == []


def test_worker_wants_the_costs_own_text(sandbox: Sandbox, web: requests.Session) -> None:
    url, auth = assigned(sandbox, web, "500.0")
    assert web.get(f"{url}/echo?{as_query({**auth, 'cost': 500})}", timeout=WAIT).status_code == 401
    assert web.get(f"{url}/echo?{as_query(auth)}", timeout=WAIT).status_code == 200


def test_worker_refuses_an_assignment_that_comes_twice(sandbox: Sandbox, web: requests.Session) -> None:
    url, auth = assigned(sandbox, web)
    answers = [web.post(url + "/echo", json={"auth_data": auth, "payload": {}}, timeout=WAIT) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert [request.auth_data for request in sandbox.worker.replayed] == [auth]
    assert len(sandbox.model.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"null", b'{"payload": 1}', b'{"auth_data": {}}', b"\xff", b'{"a": 1} x'),
        *(b'{"auth_data": 1, "payload": 1}', b'{"a" 1}', b'{"a": 1,}', b'{"a": 1'),
        *(b"[" * 10**5, b'{"payload":' + b"[" * 10**5),
    ],
)
def test_not_an_envelope(body: bytes) -> None:
    with pytest.raises(NotAnEnvelope) as raised:
        read_envelope(body, "")
    assert raised.value.status == 422


def test_query_fields_must_be_numbers_and_come_once() -> None:
    auth = {"cost": 1.5, "endpoint": "1", "reqnum": 1, "request_idx": 2, "signature": "a+/=", "url": "http://x"}
    assert read_query("q&" + as_query(auth)) == (auth, None, b"", "q")
    for wrong in ("serverless_cost=1", "serverless_more=1"):
        with pytest.raises(NotAnEnvelope):
            read_query(f"{as_query(auth)}&{wrong}")
    for wrong in ("", "x", "true", '"1"', "[1]"):
        with pytest.raises(NotAnEnvelope):
            read_query(as_query({**auth, "cost": 0}).replace("cost=0", f"cost={wrong}"))


def test_large_payload(sandbox: Sandbox, web: requests.Session) -> None:
    text = "x" * 20_000_000
    answer = ask(sandbox, web, "/echo", {"image": text})
    assert answer.json()["payload"] == {"image": text}


# Leaving clients


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_is_noticed_while_the_model_is_silent(web: requests.Session, stream: bool, how: str) -> None:
    with Sandbox(token_delay=HOUR) as sandbox:
        sock = post_raw(sandbox, web, "/v1/chat/completions", {**HELLO, "stream": stream})
        sandbox.model.wait_for(lambda requests: requests)
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left = time.monotonic()
        sock.close()
        for component in (sandbox.worker, sandbox.model):
            gone = component.wait_for(lambda _, component=component: component.cancelled)[0]
            assert gone.ended_at is not None
            assert gone.ended_at - left < 0.5
            assert component.active == 0


def test_a_client_that_leaves_is_noticed_while_the_model_speaks(sandbox: Sandbox, web: requests.Session) -> None:
    ended = threading.Event()

    def endless(request: Request) -> Iterator[bytes]:
        try:
            yield from itertools.repeat(b"x" * 1000)
        finally:
            ended.set()

    sandbox.model.answer_with(200, endless)
    sock = post_raw(sandbox, web, "/any", {})
    assert sock.recv(10)
    sock.close()
    assert ended.wait(WAIT)
    assert sandbox.worker.wait_for(lambda _: sandbox.worker.cancelled)


# Scripts and records


def test_scripted_answers_come_in_their_order(sandbox: Sandbox, web: requests.Session) -> None:
    worker = sandbox.worker
    worker.answer_with(429)
    worker.answer_with(503, {"busy": True}, {"Retry-After": "1"}, times=2)
    worker.answer_by(lambda request: None)
    answers = [ask(sandbox, web, "/echo", 1) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [429, 503, 503, 200, 200]
    assert (answers[0].content, answers[1].json(), answers[1].headers["Retry-After"]) == (b"", {"busy": True}, "1")
    assert answers[1].headers["Content-Type"] == "application/json"
    worker.answer_with(500, "always", times=None)
    assert [ask(sandbox, web, "/x", 1).text for _ in range(3)] == ["always"] * 3
    worker.clear_script()
    assert ask(sandbox, web, "/echo", 1).status_code == 200
    worker.clear_requests()
    assert worker.requests == []
    with pytest.raises(ValueError, match="one answer"):
        worker.answer_with(200, iter([b"x"]), times=2)


def test_scripts_of_the_autoscaler_are_for_route_alone(sandbox: Sandbox, web: requests.Session) -> None:
    sandbox.autoscaler.answer_with(502, "<html>")
    sandbox.autoscaler.answer_with(503, path="/pubkey/")
    assert web.get(sandbox.autoscaler_url + "/pubkey/", timeout=WAIT).status_code == 503
    assert web.get(sandbox.autoscaler_url + "/pubkey/", timeout=WAIT).status_code == 200
    answer = route(sandbox, web)
    assert (answer.status_code, answer.text) == (502, "<html>")
    assert route(sandbox, web).status_code == 200


def test_pieces_go_out_one_by_one(sandbox: Sandbox, web: requests.Session) -> None:
    second = threading.Event()

    def pieces(request: Request) -> Iterator[bytes]:
        yield b"first"
        assert second.wait(WAIT)
        yield b"second"

    sandbox.worker.answer_with(200, pieces)
    with web.post(sandbox.worker.url, stream=True, timeout=WAIT) as answer:
        chunks = answer.iter_content(None)
        assert next(chunks) == b"first"
        second.set()
        assert list(chunks) == [b"second"]
        assert answer.headers["Transfer-Encoding"] == "chunked"


def broken(request: Request) -> Iterator[bytes]:
    yield b"half"
    raise HangUp


def test_answers_can_be_framed_in_each_way(sandbox: Sandbox, web: requests.Session) -> None:
    def received(method: str = "GET", version: str = "1.1") -> tuple[str, bytes]:
        sock = send_raw(sandbox.worker.url, f"{method} / HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        with sock:
            head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")
            return head.decode(), body

    script = sandbox.worker.answer_with
    script(200, b"whole")
    head, body = received()
    assert ("Content-Length: 5" in head, body) == (True, b"whole")
    script(200, [b"a", b"", b"bc"])
    assert received()[1] == b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
    script(200, broken)
    assert received()[1] == b"4\r\nhalf\r\n"
    script(200, [b"ab", b"c"], {"Content-Length": "3"})
    head, body = received()
    assert ("Transfer-Encoding" in head, body) == (False, b"abc")
    script(200, b"short", {"Content-Length": "10"})
    assert received()[1] == b"short"
    script(200, [b"a", b"b"], until_close=True)
    head, body = received()
    assert ("Length" in head, "Transfer" in head, body) == (False, False, b"ab")
    script(200, [b"a", b"b"])
    assert received(version="1.0")[1] == b"ab"
    for status in (204, 304):
        script(status)
        head, body = received()
        assert ("Content-Length" in head, body) == (False, b"")
    script(200, [b"a"])
    assert received("HEAD")[1] == b""
    sandbox.worker.hang_up()
    assert received() == ("", b"")
    sandbox.worker.hang_up(reset=True)
    with pytest.raises(ConnectionResetError):
        received()
    outcomes = sandbox.worker.wait_for(lambda requests: [r.outcome for r in requests if r.outcome][11:] and requests)
    assert [index for index, request in enumerate(outcomes) if request.outcome == "broken"] == [2, 10, 11]


def test_a_length_that_lies_ends_the_connection(sandbox: Sandbox, web: requests.Session) -> None:
    sandbox.worker.answer_with(200, b"short", {"Content-Length": "10"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError), web.get(sandbox.worker.url, timeout=WAIT):
        pass


def test_a_failing_script_is_a_500_and_logged(
    sandbox: Sandbox, web: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: Request) -> Answer:
        raise ZeroDivisionError

    sandbox.worker.answer_by(fail)
    assert web.get(sandbox.worker.url + "/x", timeout=WAIT).status_code == 500
    assert [record.levelno for record in caplog.records if record.name == "vespa_client"] == [logging.ERROR]


def test_wait_for(sandbox: Sandbox, web: requests.Session) -> None:
    with pytest.raises(TimeoutError, match="worker"):
        sandbox.worker.wait_for(lambda requests: requests, timeout=0.01)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(sandbox.worker.wait_for, lambda requests: len(requests) >= 3 and requests, WAIT)
        for _ in range(3):
            ask(sandbox, web, "/echo", 1)
        assert len(waiting.result()) == 3


def test_records_are_bounded(sandbox: Sandbox, web: requests.Session) -> None:
    sandbox.worker.answer_with(200, times=None)
    body = b"x" * 30_000_000
    for _ in range(3):
        web.post(sandbox.worker.url, data=body, timeout=WAIT)
    assert len(sandbox.worker.requests) == 2


# The server below


def test_request_bodies_chunked_expected_and_pipelined(sandbox: Sandbox) -> None:
    sandbox.model.token_delay = 0.001
    chat = json.dumps(HELLO).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    chunked = b"%bTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n%b\r\n%x\r\n%b\r\n0\r\nTrailer: 1\r\n\r\n" % (
        head,
        chat[:5],
        len(chat) - 5,
        chat[5:],
    )
    known = b"\r\n%bContent-Length: %d\r\nExpect: 100-continue\r\n\r\n%b" % (head, len(chat), chat)
    last = b"GET /v1/models HTTP/1.0\r\n\r\n"
    with send_raw(sandbox.model.url, chunked + known + last) as sock:
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert received.count(b"HTTP/1.1 100 Continue\r\n\r\n") == 1
    assert received.count(b"Hello, sandbox!") == 2


@pytest.mark.parametrize("garbage", [b"x\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01 tls\n\n", b"GET /"])
def test_garbage_is_refused_quietly(sandbox: Sandbox, garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with send_raw(sandbox.model.url, garbage) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: sock.recv(65536), b"")).startswith((b"HTTP/1.1 400 ", b""))
    assert sandbox.model.requests == []
    assert not caplog.records


def test_many_connections_at_once(sandbox: Sandbox) -> None:
    sandbox.model.token_delay = HOUR
    body = json.dumps({**HELLO, "stream": True}).encode()
    data = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    socks = [send_raw(sandbox.model.url, data) for _ in range(300)]
    sandbox.model.wait_for(lambda _: sandbox.model.active == 300)
    for sock in socks:
        sock.close()
    sandbox.model.wait_for(lambda _: sandbox.model.active == 0)
    assert len(sandbox.model.cancelled) == 300


def test_worker_with_tls(web: requests.Session, tmp_path: Any) -> None:
    certificate, key = make_certificate()
    (tmp_path / "pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    with Sandbox(token_delay=0, worker_tls=context) as sandbox:
        sandbox.console.root_certificate = certificate
        web.verify = str(tmp_path / "pem")
        assert sandbox.worker.url.startswith("https://127.0.0.1:")
        assert ask(sandbox, web, "/v1/chat/completions", HELLO).status_code == 200
        sandbox.model.token_delay = 0.001
        events = ask(sandbox, web, "/v1/chat/completions", {**HELLO, "stream": True}).text
        assert events.endswith("data: [DONE]\n\n")
        sandbox.model.token_delay = HOUR
        with ask(sandbox, web, "/v1/chat/completions", {**HELLO, "stream": True}, stream=True):
            pass
        web.close()
        assert sandbox.worker.wait_for(lambda _: sandbox.worker.cancelled)


def make_certificate() -> tuple[bytes, bytes]:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# A backend of one's own


@pytest.fixture
def behind(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox whose backend is the other sandbox's model."""
    with Sandbox(backend_url=sandbox.model.url + "/v1/") as behind:
        yield behind


def test_backend_gets_the_payload_alone(sandbox: Sandbox, behind: Sandbox, web: requests.Session) -> None:
    echo = ask(behind, web, "/echo?x=1", [1.50], headers={"X-Custom": "1", "Cookie": "a=b"}).json()
    assert (echo["path"], echo["query"], echo["payload"]) == ("/echo", "x=1", [1.5])
    names = sorted(name.lower() for name, _ in echo["headers"])
    assert names == ["accept-encoding", "content-length", "content-type", "host"]
    for method in ("GET", "DELETE", "HEAD"):
        url, auth = assigned(behind, web)
        answer = web.request(method, f"{url}/echo?x=1&{as_query(auth)}", timeout=WAIT)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert sandbox.model.requests[-1].method == method
        assert sandbox.model.requests[-1].target == "/echo?x=1"
    assert behind.model.requests == []


def test_backend_streams(sandbox: Sandbox, behind: Sandbox, web: requests.Session) -> None:
    second = threading.Event()

    def pieces(request: Request) -> Iterator[bytes]:
        yield b"first"
        assert second.wait(WAIT)
        yield b"second"

    for headers in ({}, {"Content-Length": "11"}):
        second.clear()
        sandbox.model.answer_with(206, pieces, {"X-Kept": "1", "Set-Cookie": "a=b", **headers})
        with ask(behind, web, "/any", {}, stream=True) as answer:
            assert (answer.status_code, answer.headers["X-Kept"]) == (206, "1")
            assert answer.raw.read1(100) == b"first"
            second.set()
            assert answer.raw.read() == b"second"
            assert ("Content-Length" in answer.headers) == bool(headers)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "11"}])
def test_backend_that_breaks_breaks_the_answer(
    sandbox: Sandbox, behind: Sandbox, web: requests.Session, headers: dict[str, str]
) -> None:
    sandbox.model.answer_with(200, broken, headers)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        ask(behind, web, "/any", {})


def test_backend_hears_of_a_client_that_leaves(sandbox: Sandbox, behind: Sandbox, web: requests.Session) -> None:
    sandbox.model.token_delay = HOUR
    for stream in (True, False):
        sandbox.model.clear_requests()
        behind.worker.clear_requests()
        sock = post_raw(behind, web, "/v1/chat/completions", {**HELLO, "stream": stream})
        sandbox.model.wait_for(lambda requests: requests)
        sock.close()
        assert sandbox.model.wait_for(lambda _: sandbox.model.cancelled)
        assert behind.worker.wait_for(lambda _: behind.worker.cancelled)


def test_backend_that_is_not_there(web: requests.Session) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Sandbox(backend_url=url) as sandbox:
            answer = ask(sandbox, web, "/v1/models", {})
    assert answer.status_code == 500
    assert url in answer.json()["error"]["message"]
    for wrong in ("localhost:8000", "ftp://x", "http://"):
        with pytest.raises(ValueError, match="http"):
            Sandbox(backend_url=wrong)


# The built-in model


@pytest.fixture
def gpt(sandbox: Sandbox) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=sandbox.model.url + "/v1", api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(sandbox: Sandbox) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox.model.url, api_key="x", max_retries=0) as client:
        yield client


SAYS = "I am the sandbox's stand-in, not a real model. You said: Hello, sandbox!"
MESSAGES: Any = HELLO["messages"]


def test_models(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    assert [model.id for model in gpt.models.list()] == ["sandbox"]
    assert gpt.models.retrieve("sandbox").object == "model"
    assert [model.id for model in claude.models.list()] == ["sandbox"]


def test_chat(gpt: openai.OpenAI) -> None:
    answer = gpt.chat.completions.create(model="llama-2-7b", messages=[{"role": "system", "content": "Be kind."}, *MESSAGES])
    assert (answer.model, answer.object, len(answer.choices)) == ("llama-2-7b", "chat.completion", 1)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (SAYS, "stop")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == count_tokens(["Be kind.", "Hello, sandbox!"])
    assert answer.usage.completion_tokens == count_tokens([SAYS])
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_streamed(gpt: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(gpt.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options))
    assert chunks[0].choices[0].delta.role == "assistant"
    tokens = [chunk.choices[0].delta.content for chunk in chunks[1:-2]]
    assert "".join(map(str, tokens)) == SAYS
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(tokens)
    assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {(chunks[0].id, "chat.completion.chunk", "m")}
    plain = list(gpt.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert len(plain) == len(chunks) - 1


def test_chat_stops(gpt: openai.OpenAI) -> None:
    def reply(**options: Any) -> tuple[str | None, str, int]:
        answer = gpt.chat.completions.create(model="m", messages=MESSAGES, **options)
        assert answer.usage is not None
        return answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.completion_tokens

    assert reply(max_tokens=3) == ("I am the", "length", 3)
    assert reply(max_completion_tokens=2, max_tokens=3) == ("I am", "length", 2)
    assert reply(max_tokens=10_000)[1] == "stop"
    assert reply(stop=" the") == ("I am", "stop", 2)
    assert reply(stop=["not", " the", ""]) == ("I am", "stop", 2)
    assert reply(stop=[" the"], max_tokens=1) == ("I", "length", 1)
    several = gpt.chat.completions.create(model="m", messages=MESSAGES, n=3, max_tokens=2)
    assert [(choice.index, choice.message.content) for choice in several.choices] == [
        (0, "I am"),
        (1, "I am"),
        (2, "I am"),
    ]
    assert several.usage is not None
    assert several.usage.completion_tokens == 6
    streamed: dict[int, str] = {0: "", 1: ""}
    for chunk in gpt.chat.completions.create(model="m", messages=MESSAGES, n=2, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == {0: SAYS, 1: SAYS}


def test_content_parts(gpt: openai.OpenAI) -> None:
    content: Any = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    ]
    answer = gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert str(answer.choices[0].message.content).endswith("You said: See\n[image_url]")


def test_completions(gpt: openai.OpenAI) -> None:
    answer = gpt.completions.create(model="m", prompt="Hello, sandbox!")
    assert (answer.choices[0].text, answer.object) == (SAYS, "text_completion")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == count_tokens(["Hello, sandbox!"])
    many = gpt.completions.create(model="m", prompt=["a", "b"], n=2)
    assert [choice.text[-1] for choice in many.choices] == ["a", "a", "b", "b"]
    numbers = gpt.completions.create(model="m", prompt=[1, 2, 3])
    assert numbers.usage is not None
    assert numbers.usage.prompt_tokens == 3
    chunks = list(gpt.completions.create(model="m", prompt="Hello, sandbox!", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == SAYS
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_embeddings(gpt: openai.OpenAI) -> None:
    texts = [
        "the cat sat on the mat",
        "a cat sat on a mat",
        "stock prices fell sharply",
        "",
        "stock prices fell sharply",
    ]
    by_base64 = gpt.embeddings.create(model="m", input=texts)
    by_float = gpt.embeddings.create(model="m", input=texts, encoding_format="float")
    vectors = [item.embedding for item in by_float.data]
    assert [item.embedding for item in by_base64.data] == vectors
    assert [len(vector) for vector in vectors] == [256] * 5
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-6) for vector in vectors)
    assert vectors[2] == vectors[4]

    def nearness(one: int, other: int) -> float:
        return sum(a * b for a, b in zip(vectors[one], vectors[other], strict=True))

    assert nearness(0, 1) > nearness(0, 2)
    assert by_float.usage.prompt_tokens == count_tokens(texts)
    for dimensions in (1, 1536):
        (item,) = gpt.embeddings.create(model="m", input="x", dimensions=dimensions).data
        assert len(item.embedding) == dimensions
    assert len(gpt.embeddings.create(model="m", input=[[1, 2], [3]]).data) == 2


def test_anthropic(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(model="claude", max_tokens=100, system="Be kind.", messages=MESSAGES)
    assert [block.text for block in answer.content if block.type == "text"] == [SAYS]
    assert (answer.model, answer.stop_reason, answer.stop_sequence) == ("claude", "end_turn", None)
    assert answer.usage.input_tokens == count_tokens(["Be kind.", "Hello, sandbox!"])
    assert answer.usage.output_tokens == count_tokens([SAYS])
    assert claude.messages.count_tokens(model="claude", messages=MESSAGES).input_tokens == count_tokens(["Hello, sandbox!"])
    assert claude.messages.create(model="m", max_tokens=1, messages=MESSAGES).stop_reason == "max_tokens"
    stopped = claude.messages.create(model="m", max_tokens=9, messages=MESSAGES, stop_sequences=[" the"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", " the")


def test_anthropic_streamed(claude: anthropic.Anthropic, sandbox: Sandbox, web: requests.Session) -> None:
    with claude.messages.stream(model="claude", max_tokens=100, messages=MESSAGES) as stream:
        assert "".join(stream.text_stream) == SAYS
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", count_tokens([SAYS]))
    body = {"model": "m", "max_tokens": 2, "messages": MESSAGES, "stream": True}
    text = web.post(sandbox.model.url + "/v1/messages", json=body, timeout=WAIT).text
    events = [event.split("\n") for event in text.removesuffix("\n\n").split("\n\n")]
    kinds = [line.removeprefix("event: ") for line, _ in events]
    opening, closing = (
        ("message_start", "content_block_start", "ping"),
        ("content_block_stop", "message_delta", "message_stop"),
    )
    assert kinds == [*opening, *["content_block_delta"] * 2, *closing]
    assert [json.loads(data.removeprefix("data: "))["type"] for _, data in events] == kinds


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/chat/completions", {}, "messages"),
        ("/v1/chat/completions", {"messages": []}, "messages"),
        ("/v1/chat/completions", {"messages": [{"content": "x"}]}, "messages[0].role"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ("/v1/chat/completions", {**HELLO, "max_tokens": 0}, "max_tokens"),
        ("/v1/chat/completions", {**HELLO, "max_tokens": True}, "max_tokens"),
        ("/v1/chat/completions", {**HELLO, "n": 1000}, "n"),
        ("/v1/chat/completions", {**HELLO, "stop": [1]}, "stop"),
        ("/v1/chat/completions", {**HELLO, "model": 1}, "model"),
        ("/v1/chat/completions", {**HELLO, "stream": "yes"}, "stream"),
        ("/v1/chat/completions", {**HELLO, "stream_options": {}}, "stream_options"),
        ("/v1/completions", {}, "prompt"),
        ("/v1/completions", {"prompt": [{}]}, "prompt"),
        ("/v1/embeddings", {"input": []}, "input"),
        ("/v1/embeddings", {"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ("/v1/embeddings", {"input": "x", "dimensions": 10**6}, "dimensions"),
        ("/v1/messages", {**HELLO, "model": "m"}, "max_tokens"),
        ("/v1/messages", {**HELLO, "max_tokens": 1}, "model"),
        ("/v1/messages", {"model": "m", "max_tokens": 1, "messages": [{"role": "x"}]}, "messages.0.role"),
        ("/v1/chat/completions", [], None),
    ],
)
def test_bad_requests(sandbox: Sandbox, web: requests.Session, path: str, body: Any, param: str | None) -> None:
    answer = web.post(sandbox.model.url + path, json=body, timeout=WAIT)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error["message"]


def test_errors_as_sdks_see_them(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        gpt.chat.completions.create(model="m", messages=[])
    with pytest.raises(openai.NotFoundError, match="/v1/responses"):
        gpt.responses.create(model="m", input="x")
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        claude.messages.create(model="m", max_tokens=1, messages=[])


def test_wrong_methods(sandbox: Sandbox, web: requests.Session) -> None:
    for method, path in (("GET", "/v1/chat/completions"), ("POST", "/v1/models"), ("DELETE", "/v1/embeddings")):
        assert web.request(method, sandbox.model.url + path, timeout=WAIT).status_code == 405


def test_pace(web: requests.Session) -> None:
    with Sandbox(token_delay=0.01) as sandbox:
        for stream in (True, False):
            started = time.monotonic()
            ask(sandbox, web, "/v1/chat/completions", {**HELLO, "stream": stream, "max_tokens": 10})
            assert time.monotonic() - started >= 0.1


def test_tokens_joined_are_the_text() -> None:
    for text in ("", "a", " a  b\n\nc ", "conversations", "你好世界", "é😀_x1!?", "\t\n"):
        assert "".join(tokenize(text)) == text
    for limit in range(1, 30):
        reply = write_reply("How are you?", limit, [])
        assert tokenize(reply.text) == list(reply.tokens)


def test_keep_alive(sandbox: Sandbox) -> None:
    parts = urlsplit(sandbox.model.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=WAIT)
    connection.connect()
    sock = connection.sock
    for stream in (False, True, False):
        connection.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "stream": stream}))
        assert b"sandbox" in connection.getresponse().read()
        assert connection.sock is sock
    connection.close()
