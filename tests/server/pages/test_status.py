"""``/_vespa/status``: a shape that is kept to, right numbers, no secret, and nobody asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.journal.record import PHASES
from vespa_client.sandbox import Sandbox
from vespa_client.settings.table import settings_table

from ...support.raw_worker import Peer, RawWorker, answer, asked, connect, get, only_worker, post
from ...support.waiting import LONG, wait_until

StartProxy = Callable[..., VastClient]

worker = only_worker

SAMPLE = Path(__file__).with_name("sample-status.json")


def status(client: VastClient) -> dict[str, Any]:
    answer = requests.get(f"{client.url}/_vespa/status", timeout=LONG)
    assert answer.status_code == 200
    parsed: dict[str, Any] = answer.json()
    return parsed


def settled(client: VastClient) -> dict[str, Any]:
    """The status when nothing is in progress: an exchange ends after its answer."""
    wait_until(lambda: not status(client)["in_progress"])
    return status(client)


def ask(client: VastClient, path: str = "/v1/completions", **body: Any) -> requests.Response:
    given = requests.post(f"{client.url}{path}", json={"prompt": "Hi", "model": "my-model", **body}, timeout=LONG)
    settled(client)
    return given


def shape(value: Any) -> Any:
    """The names and the types; what may be null, a number or text is not told apart by one example."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value and isinstance(value[0], dict) else []
    return None


def test_it_has_the_shape_of_the_sample_that_is_documented(proxy: VastClient) -> None:
    sample = json.loads(SAMPLE.read_text("utf-8"))
    ask(proxy)
    seen = status(proxy)
    assert seen["version"] == sample["version"] == 1
    assert list(seen) == list(sample)
    for part in ("proxy", "endpoint", "waiting", "series"):
        assert shape(seen[part]).keys() == shape(sample[part]).keys(), part
    assert seen["settings"].keys() == settings_table().keys() >= sample["settings"].keys()
    assert seen["recent"][0].keys() == sample["recent"][0].keys()
    assert seen["totals"].keys() == sample["totals"].keys()
    assert seen["workers"][0].keys() == sample["workers"][0].keys()
    assert seen["series"]["slots"][0].keys() == sample["series"]["slots"][0].keys()
    assert tuple(seen["recent"][0]["phases"]) == tuple(sample["recent"][0]["phases"]) == PHASES


def test_an_exchange_that_is_over(proxy: VastClient, sandbox: Sandbox) -> None:
    given = ask(proxy)
    [exchange] = status(proxy)["recent"]
    assert (exchange["number"], exchange["method"], exchange["path"]) == (1, "POST", "/v1/completions")
    assert (exchange["route"], exchange["model"]) == ("completions", "my-model")
    assert exchange["id"] == given.headers["X-Vespa-Request-Id"]
    assert (exchange["status"], exchange["outcome"], exchange["phase"]) == (200, "whole", "done")
    assert sandbox.worker.url.endswith(exchange["worker"])
    assert exchange["bytes_out"] == len(given.content)
    assert sum(exchange["phases"].values()) == pytest.approx(exchange["seconds"], abs=0.002)
    assert 0 < exchange["time_to_first_byte"] <= exchange["seconds"]


def test_the_tokens_are_those_that_the_answer_tells_of(proxy: VastClient) -> None:
    usage = ask(proxy).json()["usage"]
    [exchange] = status(proxy)["recent"]
    assert (exchange["tokens_in"], exchange["tokens_out"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert exchange["tokens_from"] == "usage" and exchange["tokens_per_second"] > 0
    totals = status(proxy)["totals"]
    assert (totals["tokens_in"], totals["tokens_out"]) == (usage["prompt_tokens"], usage["completion_tokens"])


def test_a_stream_without_usage_is_counted_by_its_events(proxy: VastClient) -> None:
    streamed = ask(proxy, stream=True)
    [exchange] = status(proxy)["recent"]
    assert exchange["events"] == streamed.content.count(b"\n\n") > 2
    assert (exchange["tokens_in"], exchange["tokens_out"]) == (None, exchange["events"] - 1)
    assert exchange["tokens_from"] == "events"


def test_an_exchange_in_progress_and_its_phase(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        peer = asked(client, worker, post(b'{"model": "m"}', "/v1/chat/completions"))
        [running] = status(proxy)["in_progress"]
        assert (running["phase"], running["outcome"], running["worker"]) == ("first_byte", None, worker.address)
        assert running["phases"]["first_byte"] > 0
        with peer:
            peer.send(answer())
        client.message()
        wait_until(lambda: not status(proxy)["in_progress"])


def test_who_waits_for_a_worker_says_what_the_autoscaler_said(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.workers.clear()
    with connect(proxy.url) as client:
        client.send(post())
        wait_until(lambda: status(proxy)["waiting"]["count"] == 1)
        seen = status(proxy)
        assert seen["waiting"]["said"] and seen["waiting"]["said"] == seen["in_progress"][0]["waiting_for"]
        assert seen["in_progress"][0]["phase"] == "waiting"
    wait_until(lambda: status(proxy)["waiting"]["count"] == 0)
    assert status(proxy)["recent"][0]["outcome"] == "left"


def test_an_error_is_there_with_its_hint(proxy: VastClient) -> None:
    refused = requests.post(f"{proxy.url}/v1/x", data="no json", timeout=LONG)
    settled(proxy)
    seen = status(proxy)
    assert refused.json()["request_id"] == refused.headers["X-Vespa-Request-Id"] == seen["recent"][0]["id"]
    [error] = seen["errors"]
    assert (error["code"], error["status"], error["count"]) == ("bad_request", 400, 1)
    assert error["hint"] and seen["recent"][0]["error"]["hint"] == error["hint"]
    assert seen["totals"]["by_outcome"] == {"refused": 1}
    assert seen["totals"]["failures"] == 0


def test_a_retry_says_which_worker_failed_and_why(proxy: VastClient, sandbox: Sandbox, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        first = asked(client, worker)
        with first:
            first.send(answer(b"", "429 Too Many Requests"))
        second, _ = worker.request()
        with second:
            second.send(answer())
        assert client.message().status == 200
    wait_until(lambda: bool(status(proxy)["recent"]))
    seen = status(proxy)
    assert seen["recent"][0]["retries"] == [
        {"worker": worker.address, "kind": "turned_away", "reason": "it answered 429"},
    ]
    assert (seen["totals"]["retries"], seen["workers"][0]["failed_tries"]) == (1, 1)


def test_no_key_is_shown(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    client = start_proxy(proxy_key="the-proxy-s-own-key")
    asked = requests.get(f"{client.url}/_vespa/status", headers={"Authorization": "Bearer the-proxy-s-own-key"}, timeout=LONG)
    assert asked.status_code == 200
    assert asked.json()["settings"]["account_key"] == asked.json()["settings"]["proxy_key"] == "(set)"
    for secret in ("the-proxy-s-own-key", sandbox.account_key, *(endpoint.api_key for endpoint in sandbox.endpoints)):
        assert secret not in asked.text


def test_the_key_s_origin_is_shown(proxy: VastClient) -> None:
    key = status(proxy)["endpoint"]["key"]
    assert key["source"] == "the console, asked with --account-key or VAST_ACCOUNT_KEY"
    assert (key["fetches"], key["good"], key["trouble"]) == (1, True, "")


def test_it_is_asked_for_without_the_proxy_s_key_in_vain(start_proxy: StartProxy) -> None:
    client = start_proxy(proxy_key="the-proxy-s-own-key")
    for page in ("status", "events"):
        assert requests.get(f"{client.url}/_vespa/{page}", timeout=LONG).status_code == 401


def test_a_page_of_another_site_may_not_read_it(proxy: VastClient) -> None:
    for fields in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
        assert requests.get(f"{proxy.url}/_vespa/status", headers=fields, timeout=LONG).status_code in (403, 421)


def test_head_is_the_same_without_the_body(proxy: VastClient) -> None:
    answer = requests.head(f"{proxy.url}/_vespa/status", timeout=LONG)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 100
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_is_there_to_be_read(proxy: VastClient) -> None:
    refused = requests.post(f"{proxy.url}/_vespa/status", json={}, timeout=LONG)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_what_is_no_page_says_so(proxy: VastClient, sandbox: Sandbox) -> None:
    for path in ("/_vespa/nothing", "/_vespa/status/", "/_vespa/Status", "/_vespa/a/b", "/_vespa//"):
        refused = requests.get(f"{proxy.url}{path}", timeout=LONG)
        assert (refused.status_code, refused.headers["X-Vespa-Error"]) == (404, "not_found")
    assert not sandbox.autoscaler.routes


def test_no_visit_is_an_exchange_or_asks_the_autoscaler(proxy: VastClient, sandbox: Sandbox) -> None:
    for _ in range(3):
        seen = status(proxy)
    assert (seen["totals"]["requests"], seen["recent"], seen["in_progress"]) == (0, [], [])
    assert not sandbox.autoscaler.routes


def test_it_is_right_under_200_parallel_requests(proxy: VastClient) -> None:
    with ThreadPoolExecutor(200) as pool:
        asking = {"json": {"prompt": "Hi"}, "timeout": LONG}
        answers = list(pool.map(lambda _: requests.post(f"{proxy.url}/v1/completions", **asking).status_code, range(600)))
    assert set(answers) == {200}
    wait_until(lambda: status(proxy)["totals"]["requests"] == 600)
    seen = status(proxy)
    assert seen["totals"]["by_outcome"] == {"whole": 600}
    assert (len(seen["recent"]), seen["in_progress"]) == (200, [])
    assert sum(slot["requests"] for slot in seen["series"]["slots"]) == 600
    assert sum(worker["requests"] for worker in seen["workers"]) == 600
    numbers = [exchange["number"] for exchange in seen["recent"]]
    assert len(set(numbers)) == 200


def test_the_client_s_trace_is_noted_and_goes_on_as_it_came(proxy: VastClient, worker: RawWorker, client: Peer) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    client.send(post(b"{}", "/v1/x", f"traceparent: {parent}", "tracestate: a=1"))
    peer, request = worker.request()
    with peer:
        peer.send(answer())
    client.message()
    assert (request.one("traceparent"), request.one("tracestate")) == (parent, "a=1")
    wait_until(lambda: bool(status(proxy)["recent"]))
    assert status(proxy)["recent"][0]["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_query_that_may_hold_a_key_is_not_shown(proxy: VastClient, worker: RawWorker, client: Peer) -> None:
    client.send(get("/v1/x?api_key=hidden"))
    peer, _ = worker.request()
    with peer:
        peer.send(answer())
    client.message()
    wait_until(lambda: bool(status(proxy)["recent"]))
    assert "hidden" not in json.dumps(status(proxy))


@pytest.fixture
def client(proxy: VastClient) -> Any:
    with connect(proxy.url) as peer:
        yield peer
