"""``/_vespa/metrics``: right numbers, in both formats, as the official parser and promtool have them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.server.pages.exposition import OPEN_METRICS, PROMETHEUS_TEXT, counter, exposed, info, wants_open

from ...support.prometheus import Prometheus, needs_prometheus
from ...support.raw_worker import RawWorker, answer, asked, chunk, connect, get, only_worker, post
from ...support.waiting import LONG, wait_until

StartProxy = Callable[..., VastClient]

worker = only_worker

OPEN = {"Accept": "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"}
OBSERVABILITY = Path(__file__).parents[3] / "scripts" / "observability"


def metrics(client: VastClient, headers: dict[str, str] = OPEN) -> dict[str, Metric]:
    answer = requests.get(f"{client.url}/_vespa/metrics", headers=headers, timeout=LONG)
    assert answer.status_code == 200
    parse = parse_open if answer.headers["Content-Type"] == OPEN_METRICS else parse_text
    return {family.name: family for family in parse(answer.text)}


def value(client: VastClient, family: str, ending: str = "", **labels: str) -> float:
    samples = metrics(client)[family].samples
    return sum(sample.value for sample in samples if sample.name == family + ending and labels.items() <= sample.labels.items())


def ask(client: VastClient, path: str = "/v1/completions", **body: Any) -> requests.Response:
    return requests.post(f"{client.url}{path}", json={"prompt": "Hi", **body}, timeout=LONG)


def busy(client: VastClient) -> None:
    """Some of all that can be counted."""
    ask(client)
    ask(client, stream=True)
    ask(client, "/v1/nothing")
    requests.post(f"{client.url}/v1/x", data="no json", timeout=LONG)
    wait_until(lambda: client.status().totals.requests >= 4)


@pytest.mark.parametrize(("accept", "kind"), [("", PROMETHEUS_TEXT), ("*/*", PROMETHEUS_TEXT), (OPEN["Accept"], OPEN_METRICS)])
def test_both_formats_are_what_the_official_parser_reads(proxy: VastClient, accept: str, kind: str) -> None:
    busy(proxy)
    answer = requests.get(f"{proxy.url}/_vespa/metrics", headers={"Accept": accept}, timeout=LONG)
    assert answer.headers["Content-Type"] == kind
    families = metrics(proxy, {"Accept": accept})
    assert {family.type for family in families.values()} >= {"counter", "gauge", "histogram"}
    assert all(family.documentation for family in families.values())
    assert "vespa_client_requests" in families and "process_cpu_seconds" in families


def test_both_formats_say_the_same(proxy: VastClient) -> None:
    busy(proxy)

    def samples(headers: dict[str, str]) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        families = metrics(proxy, headers).values()
        return {(one.name, tuple(sorted(one.labels.items()))) for family in families for one in family.samples}

    assert samples(OPEN) == samples({})


def test_requests_are_counted_by_what_they_were(proxy: VastClient) -> None:
    busy(proxy)
    count = lambda **labels: value(proxy, "vespa_client_requests", "_total", **labels)  # noqa: E731
    assert count(method="POST", route="completions", status="200", outcome="whole") == 2
    assert count(route="other", status="400", outcome="refused") == 1
    assert count() == 4
    assert value(proxy, "vespa_client_request_duration_seconds", "_count") == 4
    assert value(proxy, "vespa_client_tokens", "_total", direction="out") > 0
    assert value(proxy, "vespa_client_sent_bytes", "_total") > value(proxy, "vespa_client_received_bytes", "_total") > 0


def test_the_time_between_two_events_is_counted(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        client.send(post())
        peer, _ = worker.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in (b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"):
            peer.send(chunk(event))
            client.until(event)
        peer.send(chunk(b""))
        client.until(b"0\r\n\r\n")
    wait_until(lambda: value(proxy, "vespa_client_between_events_seconds", "_count") == 2)


def test_requests_in_progress_are_counted_by_what_they_wait_for(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        peer = asked(client, worker)
        assert value(proxy, "vespa_client_requests_in_progress", phase="first_byte") == 1
        with peer:
            peer.send(answer())
        client.message()
    wait_until(lambda: value(proxy, "vespa_client_requests_in_progress") == 0)


def test_what_waited_and_what_was_retried(proxy: VastClient, sandbox: Sandbox) -> None:
    workers = list(sandbox.autoscaler.workers)
    sandbox.autoscaler.workers.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, proxy)
        wait_until(lambda: value(proxy, "vespa_client_requests_in_progress", phase="waiting") == 1)
        sandbox.worker.answer_with(429)
        sandbox.autoscaler.workers[:] = workers
        assert asked.result(LONG).status_code == 200
    wait_until(lambda: value(proxy, "vespa_client_wait_seconds", "_count") == 1)
    assert value(proxy, "vespa_client_retries", "_total", reason="turned_away") == 1
    assert value(proxy, "vespa_client_key_fetches", "_total") == 1


def test_the_process_and_the_build(proxy: VastClient) -> None:
    families = metrics(proxy)
    assert families["vespa_client_build"].type == "info"
    assert families["vespa_client_build"].samples[0].labels["endpoint"] == proxy.endpoint_name
    assert families["process_threads"].samples[0].value > 2
    assert families["process_cpu_seconds"].samples[0].value > 0
    assert families["process_open_fds"].samples[0].value > 3


def test_it_is_right_under_200_parallel_requests(proxy: VastClient) -> None:
    with ThreadPoolExecutor(200) as pool:
        readers = [pool.submit(metrics, proxy) for _ in range(20)]
        assert {answer.status_code for answer in pool.map(lambda _: ask(proxy), range(400))} == {200}
        assert all(reader.result(LONG) for reader in readers)
    wait_until(lambda: value(proxy, "vespa_client_requests", "_total", status="200") == 400)
    buckets = [one.value for one in metrics(proxy)["vespa_client_first_byte_seconds"].samples if one.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == 400


def test_no_visit_asks_the_autoscaler_or_counts(proxy: VastClient, sandbox: Sandbox) -> None:
    for _ in range(3):
        assert value(proxy, "vespa_client_requests", "_total") == 0
    assert not sandbox.autoscaler.routes


def test_labels_are_escaped() -> None:
    odd = 'a "b" \\ c\nd'
    families = [info("x", "Help\nwith \\ lines.", {"name": odd}), counter("y", "Y.", {(("name", odd),): 1})]
    for is_open, parse in ((True, parse_open), (False, parse_text)):
        parsed = list(parse(exposed(families, open_metrics=is_open).decode()))
        assert [family.samples[0].labels["name"] for family in parsed] == [odd, odd]
        assert parsed[0].documentation == "Help\nwith \\ lines."


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/html, */*;q=0.8", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
        ("application/openmetrics-text;q=0.1, text/plain;q=0.5", False),
        ("application/openmetrics-text; q=0", False),
        ("application/openmetrics-text; q=x", False),
    ],
)
def test_the_format_is_what_is_liked_best(accept: str, expected: bool) -> None:
    assert wants_open(accept) is expected


@needs_prometheus
def test_promtool_finds_nothing_to_say(proxy: VastClient) -> None:
    busy(proxy)
    text = requests.get(f"{proxy.url}/_vespa/metrics", timeout=LONG).content
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=LONG, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@needs_prometheus
def test_promtool_takes_the_alerts() -> None:
    rules = OBSERVABILITY / "prometheus-alerts.yml"
    checked = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, timeout=LONG, check=False)
    assert checked.returncode == 0, checked.stderr
    assert b"8 rules found" in checked.stdout


@pytest.fixture
def prometheus(proxy: VastClient, tmp_path: Path) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes the proxy, with our alerts."""
    busy(proxy)
    shutil.copy(OBSERVABILITY / "prometheus-alerts.yml", tmp_path)
    with Prometheus(tmp_path, proxy.url) as running:
        yield running


def dashboard_queries() -> list[str]:
    dashboard = json.loads((OBSERVABILITY / "grafana-dashboard.json").read_text("utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@needs_prometheus
def test_a_real_prometheus_scrapes_it_and_takes_alerts_and_dashboard(prometheus: Prometheus, proxy: VastClient) -> None:
    wait_until(lambda: prometheus.query('vespa_client_requests_total{outcome="refused"}') != [], seconds=30)
    [target] = prometheus.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    [group] = prometheus.get("rules")["groups"]
    assert len(group["rules"]) == 8
    wait_until(lambda: {rule["health"] for rule in prometheus.get("rules")["groups"][0]["rules"]} == {"ok"}, seconds=30)
    known = set(prometheus.get("label/__name__/values"))
    for query in dashboard_queries():
        filled = query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
        prometheus.query(filled)  # raises where it is no query
        named = {word for word in prometheus.names_in(query) if word.startswith(("vespa_client_", "process_"))}
        assert named and named <= known, query


def test_the_metrics_keep_to_the_proxy_s_key(start_proxy: StartProxy) -> None:
    client = start_proxy(proxy_key="the-proxy-s-own-key")
    assert requests.get(f"{client.url}/_vespa/metrics", timeout=LONG).status_code == 401
    allowed = requests.get(
        f"{client.url}/_vespa/metrics", headers={"Authorization": "Bearer the-proxy-s-own-key"}, timeout=LONG
    )
    assert allowed.status_code == 200


def test_a_raw_scrape_keeps_its_connection(proxy: VastClient) -> None:
    with connect(proxy.url) as client:
        for _ in range(3):
            client.send(get("/_vespa/metrics"))
            assert b"vespa_client_requests_in_progress" in client.message().body
        client.send(post(b"{}", "/_vespa/metrics"))
        assert client.message().status == 405
