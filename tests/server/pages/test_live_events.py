"""``/_vespa/events``: a snapshot, then each change, for readers that hold nobody up."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.server.pages import events as events_module
from vespa_client.server.pages.events import MOST_FOLLOWERS

from ...support.raw_worker import RawWorker, answer, asked, connect, get, only_worker, post
from ...support.waiting import LONG, wait_until

StartProxy = Callable[..., VastClient]
Event = tuple[str, Any]

worker = only_worker


@contextmanager
def events(client: VastClient) -> Iterator[Iterator[Event]]:
    """What comes, event by event, with the snapshot first."""
    with requests.get(f"{client.url}/_vespa/events", stream=True, timeout=LONG) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield read(answer)


def read(answer: requests.Response) -> Iterator[Event]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith(b"event: "):
            name = line[7:].decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


def until(stream: Iterator[Event], wanted: str, where: Callable[[Any], bool] = lambda seen: True) -> list[Event]:
    """The events up to the wanted one, which comes last."""
    seen = []
    for name, data in stream:
        seen.append((name, data))
        if name == wanted and where(data):
            return seen
    raise AssertionError(f"the stream ended before {wanted}: {[name for name, _ in seen]}")


def test_a_snapshot_comes_first_and_is_the_status(proxy: VastClient) -> None:
    with events(proxy) as stream:
        name, first = next(stream)
    assert name == "snapshot"
    assert first.keys() == requests.get(f"{proxy.url}/_vespa/status", timeout=LONG).json().keys()


def test_an_exchange_begins_goes_on_and_finishes(proxy: VastClient, worker: RawWorker) -> None:
    with events(proxy) as stream, connect(proxy.url) as client:
        next(stream)
        peer = asked(client, worker)
        begun = until(stream, "begun")[-1][1]
        if begun["phase"] != "first_byte":
            until(stream, "phase", lambda seen: seen["phase"] == "first_byte")
        with peer:
            peer.send(answer())
        finished = until(stream, "finished")[-1][1]
        assert begun["number"] == finished["number"] == 1
        assert (finished["outcome"], finished["status"], finished["worker"]) == ("whole", 200, worker.address)


def test_the_wait_for_a_worker_is_told_with_the_autoscaler_s_words(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.autoscaler.workers.clear()
    with events(proxy) as stream:
        next(stream)
        with connect(proxy.url) as client:
            client.send(post())
            seen = next(data for name, data in stream if name in ("begun", "phase") and data["phase"] == "waiting")
            assert seen["waiting_for"]
            sandbox.autoscaler.cold(status="2 loading")
            until(stream, "progress", lambda steps: steps == [{"number": 1, "waiting_for": "2 loading"}])
        assert until(stream, "finished")[-1][1]["outcome"] == "left"


def test_how_far_a_stream_is_comes_now_and_then(proxy: VastClient, worker: RawWorker) -> None:
    with events(proxy) as stream, connect(proxy.url) as client:
        next(stream)
        peer = asked(client, worker)
        with peer:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            progress = until(stream, "progress")[-1][1]
            assert progress == [{"number": 1, "bytes_out": 3, "events": 0}]
            peer.send(b"def")
            client.message()
        until(stream, "finished")


def test_a_change_of_the_endpoint_is_told(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    proxy = start_proxy(retries=0, connect_timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = taken.getsockname()[1]
    sandbox.autoscaler.workers[:] = [f"http://127.0.0.1:{gone}"]
    with events(proxy) as stream:
        next(stream)
        assert requests.post(f"{proxy.url}/v1/x", json={}, timeout=LONG).status_code == 502
        told = until(stream, "endpoint", lambda seen: bool(seen["dead_workers"]))[-1][1]
        assert told["dead_workers"] == [f"127.0.0.1:{gone}"]


def test_readers_that_leave_are_forgotten_and_too_many_are_refused(proxy: VastClient) -> None:
    peers = [connect(proxy.url) for _ in range(MOST_FOLLOWERS)]
    try:
        for peer in peers:
            peer.send(get("/_vespa/events"))
            peer.until(b"event: snapshot")
        refused = requests.get(f"{proxy.url}/_vespa/events", timeout=LONG)
        assert (refused.status_code, refused.headers["X-Vespa-Error"]) == (503, "too_many_connections")
    finally:
        for peer in peers:
            peer.close()
    wait_until(lambda: requests.get(f"{proxy.url}/_vespa/events", stream=True, timeout=LONG).status_code == 200)


def test_a_reader_that_reads_nothing_holds_no_request_up(proxy: VastClient) -> None:
    with connect(proxy.url) as idle:
        idle.send(get("/_vespa/events"))
        for _ in range(300):
            assert requests.post(f"{proxy.url}/v1/completions", json={"prompt": "Hi"}, timeout=LONG).status_code == 200


def test_an_open_page_doesn_t_keep_the_proxy_from_stopping(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    with events(proxy) as stream:
        next(stream)
        assert proxy.stop(drain=LONG) == 0
        # That the autoscaler was reached may be told still.
        assert {name for name, _ in stream} <= {"endpoint"}


def test_an_open_page_isn_t_a_request_that_was_cut(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    with connect(proxy.url) as reader:
        reader.send(get("/_vespa/events"))
        reader.until(b"event: snapshot")
        assert proxy.stop() == 0


def test_head_is_the_head_alone(proxy: VastClient) -> None:
    answer = requests.head(f"{proxy.url}/_vespa/events", timeout=LONG)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


def test_the_sums_follow_what_has_ended(proxy: VastClient, worker: RawWorker) -> None:
    with events(proxy) as stream, connect(proxy.url) as client:
        first = next(stream)[1]
        with asked(client, worker) as peer:
            peer.send(answer())
        overview = until(stream, "overview")[-1][1]
    assert set(overview) == {"now", "proxy", "totals", "series", "workers", "errors"}
    assert (first["totals"]["requests"], overview["totals"]["requests"]) == (0, 1)
    assert overview["workers"][0]["address"] == worker.address


def test_in_a_crowd_the_newest_and_what_failed_are_told_and_the_sums_have_all(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_STEP", 2.0)
    proxy = start_proxy(pass_route=())
    with events(proxy) as stream:
        next(stream)
        with requests.Session() as session:
            for number in range(1, 41):
                path, status = ("/v1/realtime", 501) if number in (5, 6) else ("/v1/models", 200)
                assert session.get(f"{proxy.url}{path}", timeout=LONG).status_code == status
        seen = until(stream, "overview", lambda seen: seen["totals"]["requests"] == 40)
    told = [data["number"] for name, data in seen if name == "finished"]
    assert {5, 6, 40} <= set(told)
    assert len(told) < 30


def test_what_goes_on_is_told_though_it_began_in_a_crowd(
    proxy: VastClient, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_MOST_A_STEP", 0)
    with events(proxy) as stream, connect(proxy.url) as client:
        next(stream)
        peer = asked(client, worker)
        whole = until(stream, "snapshot")[-1][1]
        assert [exchange["number"] for exchange in whole["in_progress"]] == [1]
        with peer:
            peer.send(answer())
        assert until(stream, "finished")[-1][1]["number"] == 1
