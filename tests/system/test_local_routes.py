"""What the proxy answers itself, over raw sockets: framing, keys, pages of browsers, and that nobody is asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..server.translation.dialogue import DIALECTS, MESSAGES, OLLAMA, RESPONSES, SSE, asks, completion, json_answer
from ..support.raw_worker import Message, Peer, RawWorker, answer, connect, get, only_worker, post, swap
from ..support.waiting import SHORT

StartProxy = Callable[..., VastClient]

worker = only_worker
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
ORIGIN = "Origin: http://localhost:3000"
KEY = "a-key-of-the-proxy-0123456789"


@pytest.fixture
def start(start_proxy: StartProxy) -> StartProxy:
    """Starts proxies that answer what they can themselves, as they do for people."""
    return lambda **settings: start_proxy(**{"pass_route": (), **settings})


@pytest.fixture
def client(start: StartProxy) -> Iterator[Peer]:
    with connect(start().url) as peer:
        yield peer


@pytest.fixture
def nobody_is_asked(sandbox: Sandbox, worker: RawWorker) -> Iterator[None]:
    """Neither the autoscaler nor the worker hears of what the test asks for."""
    yield
    assert sandbox.autoscaler.routes == []
    assert worker.was_left_alone()


def ask(client: Peer, request: bytes, bodiless: bool = False) -> Message:
    client.send(request)
    return client.message(bodiless)


@pytest.mark.usefixtures("nobody_is_asked")
class TestLocally:
    def test_one_connection_serves_them_all(self, client: Peer) -> None:
        for path in ("/", "/v1/models", "/v1/models/x", "/health", "/api/tags", "/api/version", "/robots.txt"):
            got = ask(client, get(path))
            assert (got.status, got.one("Content-Length")) == (200, str(len(got.body)))
            assert got.one("X-Vespa-Local")
            head = ask(client, get(path, method="HEAD"), bodiless=True)
            assert (head.status, head.one("Content-Length")) == (200, str(len(got.body)))
        assert ask(client, get("/favicon.ico"), bodiless=True).status == 204
        assert ask(client, get("/v1/chat/completions", method="HEAD"), bodiless=True).status == 200
        for path in ("/sw.js", "/.well-known/security.txt"):
            assert ask(client, get(path)).status == 404
            assert ask(client, get(path, method="HEAD"), bodiless=True).status == 404
        assert ask(client, get("/v1/models")).status == 200

    def test_a_body_that_nobody_needs_is_read(self, client: Peer) -> None:
        for body in (b"{}", b"x" * 100_000):
            request = post(body, "/v1/models").replace(b"POST", b"GET")
            assert ask(client, request).status == 200

    def test_http_1_0_is_answered(self, client: Peer) -> None:
        got = ask(client, get("/v1/models", version="1.0"))
        assert (got.status, got.one("Connection")) == (200, "close")
        assert client.rest() == b""

    def test_an_absolute_target_is_one_like_any_other(self, client: Peer) -> None:
        assert ask(client, get("http://localhost/v1/models?a=b")).one("X-Vespa-Local") == "models"

    @pytest.mark.parametrize("path", [RESPONSES, "/v1/realtime?model=x", "/"])
    def test_a_websocket_is_told_to_fall_back(self, path: str, client: Peer) -> None:
        got = ask(client, get(path, *UPGRADE))
        assert got.status == 426
        assert (got.one("Upgrade"), got.one("Connection")) == ("HTTP/1.1", "close, Upgrade")
        assert client.rest() == b""

    def test_a_websocket_with_a_body_ends_the_connection(self, client: Peer) -> None:
        got = ask(client, post(b"x" * 100, RESPONSES, *UPGRADE))
        assert got.status == 426
        assert client.rest() == b""

    def test_who_waits_for_leave_to_send_a_body_gets_none_for_a_route_that_can_t_work(self, client: Peer) -> None:
        head = post(b"", "/v1/files", "Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: 1000000")
        got = ask(client, head)
        assert got.status == 501
        assert got.one("x-should-retry") == "false"
        assert client.rest() == b""

    @pytest.mark.parametrize("path", ["/v1/files", "/v1/messages/batches", "/v1/responses/resp_1"])
    def test_a_route_that_can_t_work_says_so_in_its_sdk_s_shape(self, path: str, client: Peer) -> None:
        got = ask(client, get(path))
        assert (got.status, got.one("X-Vespa-Error")) == (501, "route_not_served")
        said = json.loads(got.body)
        assert "--pass-route" in said["error"]["message"]
        assert (said.get("type") == "error") or path.startswith("/v1/responses")
        assert ask(client, get("/v1/models")).status == 200

    def test_a_page_that_may_ask_may_read_who_answered(self, client: Peer) -> None:
        got = ask(client, get("/v1/models", ORIGIN))
        assert got.one("Access-Control-Allow-Origin") == "http://localhost:3000"
        exposed = got.one("Access-Control-Expose-Headers") or ""
        assert "X-Vespa-Local" in exposed and "X-Vespa-Translated" in exposed

    def test_a_stranger_s_page_is_told_nothing(self, client: Peer) -> None:
        assert ask(client, get("/v1/models", "Origin: https://evil.example")).status == 403
        assert client.rest() == b""

    def test_the_proxy_s_key_is_asked_for(self, start: StartProxy) -> None:
        proxy = start(proxy_key=KEY)
        for path in ("/", "/v1/models", "/health", "/api/tags"):
            with connect(proxy.url) as client:
                assert ask(client, get(path)).status == 401
            with connect(proxy.url) as client:
                assert ask(client, get(path, f"Authorization: Bearer {KEY}")).status == 200

    def test_a_bad_cost_is_said_to_be_one_in_the_dialect_s_shape(self, client: Peer) -> None:
        got = ask(client, asks(MESSAGES, "X-Serverless-Cost: many"))
        assert got.status == 400
        said = json.loads(got.body)
        assert (said["type"], said["error"]["type"]) == ("error", "invalid_request_error")

    @pytest.mark.parametrize("body", [b"", b"no JSON", b"[1]", b'"x"', b"{}", b'{"messages": 7, "input": {}, "model": []}'])
    @pytest.mark.parametrize("path", DIALECTS)
    def test_a_bad_body_is_said_to_be_one_in_the_dialect_s_shape(self, path: str, body: bytes, start: StartProxy) -> None:
        with connect(start(translate="always").url) as client:
            got = ask(client, post(body, path))
        assert got.status in (400, 415) or (path == OLLAMA and got.status == 200)
        if got.status != 200:
            error = json.loads(got.body)["error"]
            assert isinstance(error, str) is (path == OLLAMA)


@pytest.mark.parametrize("path", DIALECTS)
def test_the_proxy_s_own_errors_have_the_dialect_s_shape(path: str, start: StartProxy, sandbox: Sandbox) -> None:
    sandbox.autoscaler.cold()
    for translate in ("always", "auto", "never"):
        with connect(start(translate=translate, wait=0).url) as client:
            got = ask(client, asks(path))
        assert got.status == 503
        said = json.loads(got.body)
        if path == MESSAGES:
            assert said["type"] == "error"
            assert said["error"]["type"] == "overloaded_error"
        elif path == OLLAMA:
            assert list(said) == ["error"]
        else:
            assert said["error"]["code"] == got.one("X-Vespa-Error")


@pytest.mark.parametrize("translate", ["always", "never"])
def test_a_page_s_request_can_be_translated(translate: str, start: StartProxy, worker: RawWorker) -> None:
    with connect(start(translate=translate).url) as client:
        _, got = swap(client, worker, asks(RESPONSES, ORIGIN, stream=False), json_answer(completion()))
    assert got.one("Access-Control-Allow-Origin") == "http://localhost:3000"
    assert (got.one("X-Vespa-Translated") == "responses") is (translate == "always")


def test_a_worker_can_t_put_our_marks_on_its_answers(client: Peer, worker: RawWorker) -> None:
    marks = ("X-Vespa-Local: models", "X-Vespa-Translated: messages", "X-Vespa-Error: not_found", "X-Own: kept")
    _, got = swap(client, worker, post(), answer(b"{}", "200 OK", *marks))
    assert got.one("X-Own") == "kept"
    assert not {"x-vespa-local", "x-vespa-translated", "x-vespa-error"} & {name.lower() for name, _ in got.fields}


def test_a_worker_s_own_list_is_learned_in_passing(start: StartProxy, worker: RawWorker) -> None:
    proxy = start(models="worker")
    listed = {"object": "list", "data": [{"id": "org/own", "object": "model", "max_model_len": 4096}]}
    with connect(proxy.url) as client:
        _, got = swap(client, worker, get("/v1/models"), json_answer(listed))
        assert json.loads(got.body) == listed
        tags = json.loads(ask(client, get("/api/tags")).body)
    assert [model["model"] for model in tags["models"]] == ["org/own"]


def test_a_mended_route_is_the_worker_s(client: Peer, worker: RawWorker) -> None:
    for path in ("/chat/completions", "/v1/v1/chat/completions", "/v1//chat/completions"):
        received, _ = swap(client, worker, post(b'{"a": 1}', f"{path}?b=c"), answer())
        assert received.target == "/v1/chat/completions?b=c"
        assert received.payload == b'{"a": 1}'
    assert client.is_silent(SHORT)


def test_a_missing_route_is_learned_from_the_worker(client: Peer, worker: RawWorker, sandbox: Sandbox) -> None:
    client.send(asks(RESPONSES, stream=False))
    peer, first = worker.request()
    with peer:
        peer.send(answer(b"404: Not Found", "404 Not Found"))
    peer, second = worker.request()
    with peer:
        peer.send(json_answer(completion("Hi")))
    assert [first.target, second.target] == [RESPONSES, "/v1/chat/completions"]
    assert client.message().one("X-Vespa-Translated") == "responses"
    received, got = swap(client, worker, asks(RESPONSES, stream=False), json_answer(completion("Hi")))
    assert received.target == "/v1/chat/completions"
    assert b"Hi" in got.body
    assert len(sandbox.autoscaler.routes) == 3


def test_a_wrong_model_is_no_missing_route(client: Peer, worker: RawWorker) -> None:
    missing = json_answer({"error": {"message": "The model `m` does not exist.", "type": "NotFoundError"}}, "404 Not Found")
    client.send(asks(MESSAGES, stream=False))
    for _ in range(2):
        peer, _ = worker.request()
        with peer:
            peer.send(missing)
    got = client.message()
    assert got.status == 404
    error = json.loads(got.body)["error"]
    assert (error["type"], error["message"]) == ("not_found_error", "The model `m` does not exist.")
    received, own = swap(client, worker, asks(MESSAGES, stream=False), answer(b'{"type": "message"}'))
    assert received.target == MESSAGES
    assert own.body == b'{"type": "message"}'
    assert own.one("X-Vespa-Translated") is None


def test_what_isn_t_translated_goes_through_byte_for_byte(client: Peer, worker: RawWorker) -> None:
    body = b'{ "model":"m",\t"max_tokens" : 1e0, "stream":true, "x":"\\u00e9" }'
    wire = b"9\r\ndata: 1\n\n\r\n0\r\n\r\n"
    for path in (MESSAGES, f"{RESPONSES}?x=%2F"):
        received, got = swap(client, worker, post(body, path), SSE + wire)
        assert (received.target, received.payload) == (path, body)
        assert got.wire_body == wire
