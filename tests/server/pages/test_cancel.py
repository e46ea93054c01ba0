"""A request that somebody cancels: its worker stops, its client is told, and nobody else can do it."""

from __future__ import annotations

import requests

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ...support.raw_worker import EVENT_STREAM, RawWorker, asked, chunk, connect, only_worker, post
from ...support.waiting import LONG, wait_until

worker = only_worker


def cancel(client: VastClient, number: int = 1, **fields: str) -> requests.Response:
    return requests.post(f"{client.url}/_vespa/exchanges/{number}/cancel", headers=fields, timeout=LONG)


def last_outcome(client: VastClient) -> str | None:
    recent = requests.get(f"{client.url}/_vespa/status", timeout=LONG).json()["recent"]
    return recent[0]["outcome"] if recent else None


def test_one_that_waits_for_a_worker(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.workers.clear()
    with connect(proxy.url) as client:
        client.send(post())
        sandbox.autoscaler.wait_for(lambda requests: [one for one in requests if one.path == "/route/"])
        assert cancel(proxy).json() == {"cancelled": 1}
        told = client.message()
    assert (told.status, told.error["code"], told.one("x-should-retry")) == (499, "cancelled", "false")
    wait_until(lambda: last_outcome(proxy) == "cancelled")
    assert requests.get(f"{proxy.url}/_vespa/status", timeout=LONG).json()["totals"]["failures"] == 0


def test_one_whose_worker_is_silent_is_heard_by_the_worker(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        peer = asked(client, worker)
        assert cancel(proxy).status_code == 200
        peer.wait_gone()
        assert client.message().status == 499


def test_a_stream_breaks_off_with_an_event(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        peer = asked(client, worker)
        peer.send(EVENT_STREAM + chunk(b"data: 1\n\n"))
        client.until(b"data: 1\n\n")
        assert cancel(proxy).status_code == 200
        peer.wait_gone()
        rest, _ = client.ending()
        assert b"event: error" in rest and b'"cancelled"' in rest
        assert not rest.endswith(b"0\r\n\r\n")
    wait_until(lambda: last_outcome(proxy) == "cancelled")


def test_what_isn_t_in_progress_can_t_be_cancelled(proxy: VastClient) -> None:
    assert requests.post(f"{proxy.url}/v1/completions", json={"prompt": "Hi"}, timeout=LONG).status_code == 200
    for number in (1, 2, 10**14):
        assert cancel(proxy, number).status_code == 404


def test_neither_a_visit_nor_a_page_of_another_site_cancels(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        peer = asked(client, worker)
        visited = requests.get(f"{proxy.url}/_vespa/exchanges/1/cancel", timeout=LONG)
        assert (visited.status_code, visited.headers["Allow"]) == (405, "POST")
        assert cancel(proxy, Origin="https://elsewhere.example").status_code == 403
        assert cancel(proxy, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
        # Such a page may ask for an answer, and not end those of others.
        assert cancel(proxy, Origin="http://localhost:1").status_code == 403
        assert cancel(proxy, **{"Sec-Fetch-Site": "same-site"}).status_code == 403
        own = {"Origin": proxy.url, "Sec-Fetch-Site": "same-origin"}
        assert requests.post(f"{proxy.url}/_vespa/exchanges/7/cancel", headers=own, timeout=LONG).status_code == 404
        assert peer.is_silent(0.1)
