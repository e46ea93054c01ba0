"""What the record and the request's id say of answers that are no worker's own words: local ones, and translated ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ...support.raw_worker import EVENT_STREAM, RawWorker, asked, chunk, connect
from ...support.waiting import LONG
from .test_status import StartProxy, settled, status

QUESTION = [{"role": "user", "content": "Hi"}]
TRANSLATED: dict[str, dict[str, Any]] = {
    "/v1/messages": {"model": "my-model", "max_tokens": 50, "messages": QUESTION},
    "/v1/responses": {"model": "my-model", "input": "Hi"},
    "/api/chat": {"model": "my-model", "messages": QUESTION},
    "/api/generate": {"model": "my-model", "prompt": "Hi"},
}
ROUTES = {"/v1/messages": "messages", "/v1/responses": "responses", "/api/chat": "ollama", "/api/generate": "ollama"}


@pytest.fixture
def proxy(start_proxy: StartProxy) -> VastClient:
    return start_proxy(translate="always", pass_route=())


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("path", TRANSLATED)
def test_a_translated_answer_has_its_tokens_its_model_and_its_id(proxy: VastClient, path: str, streams: bool) -> None:
    answer = requests.post(f"{proxy.url}{path}", json={**TRANSLATED[path], "stream": streams}, timeout=LONG)
    assert answer.status_code == 200
    exchange = the_one(proxy)
    assert exchange["id"] == answer.headers["X-Vespa-Request-Id"]
    assert answer.headers["X-Vespa-Translated"]
    assert (exchange["outcome"], exchange["route"], exchange["model"]) == ("whole", ROUTES[path], "my-model")
    assert exchange["bytes_out"] == len(answer.content)
    assert exchange["tokens_from"] == "usage"
    assert (exchange["tokens_in"], exchange["tokens_out"]) == tokens_told(path, answer.text, streams)
    assert (exchange["events"] > 2) == streams
    totals = status(proxy)["totals"]
    assert (totals["tokens_in"], totals["tokens_out"]) == (exchange["tokens_in"], exchange["tokens_out"])


def tokens_told(path: str, text: str, streams: bool) -> tuple[int, int]:
    """What the client was told of the tokens: the last that is said counts."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("data: {", "{"))]
    said = [json.loads(line) for line in lines] if streams else [json.loads(text)]
    if path.startswith("/api/"):
        return said[-1]["prompt_eval_count"], said[-1]["eval_count"]
    usage = [found for event in said if (found := (event.get("response") or event).get("usage"))][-1]
    return usage["input_tokens"], usage["output_tokens"]


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "landing"), ("/v1/models", "models"), ("/health", "health"), ("/favicon.ico", "probe")]
)
def test_a_local_answer_is_one_with_its_kind_and_its_id(proxy: VastClient, path: str, kind: str) -> None:
    answer = requests.get(f"{proxy.url}{path}", timeout=LONG)
    assert answer.headers["X-Vespa-Local"] == kind
    exchange = the_one(proxy)
    assert exchange["id"] == answer.headers["X-Vespa-Request-Id"]
    assert (exchange["outcome"], exchange["in_words"]) == ("local", f"answered by the proxy itself: {kind}")
    assert (exchange["worker"], exchange["status"]) == (None, answer.status_code)
    assert exchange["bytes_out"] == len(answer.content)


@pytest.mark.parametrize(("method", "given"), [("POST", b"no json"), ("HEAD", b""), ("BREW", b"")])
def test_an_error_of_the_proxy_s_own_has_its_bytes(proxy: VastClient, method: str, given: bytes) -> None:
    answer = requests.request(
        method, f"{proxy.url}/v1/x?cost=%", data=given, headers={"X-Serverless-Cost": "a lot"}, timeout=LONG
    )
    assert answer.headers["X-Vespa-Error"]
    exchange = the_one(proxy)
    assert (exchange["outcome"], exchange["bytes_out"]) == ("refused", len(answer.content))
    assert (exchange["bytes_out"] == 0) == (method == "HEAD")


def test_so_have_our_words_for_a_worker_that_has_none(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.worker.answer_with(500, b"")
    answer = requests.post(f"{proxy.url}/v1/x", json={}, timeout=LONG)
    assert answer.headers["X-Vespa-Error"] == "worker_failed"
    assert the_one(proxy)["bytes_out"] == len(answer.content)


def test_so_has_the_last_event_of_a_stream_that_broke_off(proxy: VastClient, sandbox: Sandbox) -> None:
    with RawWorker() as worker, connect(proxy.url) as client:
        sandbox.autoscaler.workers[:] = [worker.url]
        with asked(client, worker) as peer:
            peer.send(EVENT_STREAM + chunk(b"data: 1\n\n"))
        seen = client.rest()
    body = b"".join(seen.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2])
    assert body.startswith(b"data: 1\n\n") and b"worker_answer_broken" in body
    assert the_one(proxy)["bytes_out"] == len(body)


def test_a_page_elsewhere_may_read_what_says_where_an_answer_came_from(proxy: VastClient) -> None:
    answer = requests.get(f"{proxy.url}/v1/models", headers={"Origin": "http://localhost:3000"}, timeout=LONG)
    exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"X-Vespa-Request-Id", "X-Vespa-Local", "X-Vespa-Translated", "X-Vespa-Error"} <= exposed


def test_a_model_s_name_that_is_half_a_character_breaks_no_page(proxy: VastClient) -> None:
    body = rb'{"model": "half \ud83d", "messages": [], "max_tokens": 1}'
    requests.post(f"{proxy.url}/v1/chat/completions", data=body, timeout=LONG)
    assert the_one(proxy)["model"] == "half ?"


def the_one(proxy: VastClient) -> dict[str, Any]:
    settled(proxy)
    [exchange] = status(proxy)["recent"]
    assert isinstance(exchange, dict)
    return exchange
