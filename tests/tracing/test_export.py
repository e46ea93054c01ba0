"""Traces end to end: a real collector, a real proxy and its worker. What comes, when, and what never does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from opentelemetry import context, trace

from vespa_client import VastClient
from vespa_client.outbound.session import Session
from vespa_client.sandbox import Sandbox

from ..support.collector import Collector, SpanSeen
from ..support.raw_worker import Peer, RawWorker, answer, connect, only_worker, post, raw_client
from ..support.waiting import LONG, SHORT, wait_until

StartProxy = Callable[..., VastClient]

worker, client = only_worker, raw_client

PROMPT = "a prompt of mine"
CHAT: dict[str, Any] = {"model": "my-model", "messages": [{"role": "user", "content": PROMPT}]}
TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUICK = 5.0
"""Seconds: a stop that has nothing to wait for takes far less, and one that waited for the exporter's own limit takes more."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the environment names."""
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def proxy(collector: Collector, start_proxy: StartProxy) -> VastClient:
    """A proxy that traces."""
    return start_proxy()


def chat(proxy: VastClient, path: str = "/v1/chat/completions", **more: Any) -> requests.Response:
    headers = more.pop("headers", {})
    return requests.post(f"{proxy.url}{path}", json={**CHAT, **more}, headers=headers, timeout=LONG)


def only_root(proxy: VastClient, collector: Collector) -> SpanSeen:
    """The one exchange's span, when the proxy has stopped."""
    proxy.stop()
    [root] = collector.roots
    return root


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


class TestAnExchange:
    def test_a_chat(self, proxy: VastClient, collector: Collector, sandbox: Sandbox) -> None:
        before = time.time_ns()
        told = chat(proxy)
        root = only_root(proxy, collector)
        usage = told.json()["usage"]
        address, _, port = sandbox.worker.url.partition("://")[2].rpartition(":")
        body = len(told.request.body or b"")
        assert (root.name, root.kind, root.is_error, root.parent) == ("chat my-model", "client", False, "")
        assert root.attributes == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "vast.ai",
            "gen_ai.request.model": "my-model",
            "gen_ai.usage.input_tokens": usage["prompt_tokens"],
            "gen_ai.usage.output_tokens": usage["completion_tokens"],
            "server.address": address,
            "server.port": int(port),
            "http.request.method": "POST",
            "http.request.body.size": body,
            "http.response.status_code": 200,
            "http.response.body.size": len(told.content),
            "url.path": "/v1/chat/completions",
            "vespa.request.id": told.headers["X-Vespa-Request-Id"],
            "vespa.endpoint": sandbox.endpoints[0].name,
            "vespa.route": "chat",
            "vespa.outcome": "whole",
            "vespa.worker": f"{address}:{port}",
            "vespa.waits": 0,
            "vespa.retries": 0,
            "vespa.tokens_from": "usage",
        }
        assert root.resource["service.name"] == "vespa-client"
        assert before - 10**6 <= root.start < root.end <= time.time_ns() + 10**6

    def test_its_phases_follow_one_another_from_its_beginning_to_its_end(self, proxy: VastClient, collector: Collector) -> None:
        chat(proxy)
        root = only_root(proxy, collector)
        phases = collector.phases(root)
        names = [phase.name for phase in phases]
        assert [names[0], names[1], names[-2], names[-1]] == ["reading", "routing", "first_byte", "streaming"]
        assert {(phase.kind, phase.trace_id) for phase in phases} == {("internal", root.trace_id)}
        assert [phase.start for phase in phases] == [root.start, *(phase.end for phase in phases[:-1])]
        assert phases[-1].end == root.end

    def test_its_times_are_those_of_the_record(self, proxy: VastClient, collector: Collector) -> None:
        heard: list[Any] = []
        proxy.on_exchange(heard.append)
        chat(proxy)
        root = only_root(proxy, collector)
        [exchange] = heard
        spent: dict[str, float] = dict.fromkeys(exchange.phases, 0.0)
        for phase in collector.phases(root):
            spent[phase.name] += (phase.end - phase.start) / 1e9
        assert root.start / 1e9 == pytest.approx(exchange.started, abs=0.001)
        assert spent == pytest.approx(exchange.phases, abs=0.001)

    def test_a_stream(self, proxy: VastClient, collector: Collector) -> None:
        assert chat(proxy, stream=True).text.endswith("data: [DONE]\n\n")
        root = only_root(proxy, collector)
        assert root.attributes["gen_ai.request.stream"] is True
        assert root.attributes["gen_ai.usage.output_tokens"] > 0
        assert collector.phases(root)[-1].name == "streaming"

    def test_a_retry(self, proxy: VastClient, collector: Collector, worker: RawWorker, client: Peer) -> None:
        client.send(post(b"{}", "/v1/completions"))
        for reply in (answer(b"", "503 Service Unavailable"), answer(b"{}")):
            peer, _ = worker.request()
            with peer:
                peer.send(reply)
        client.message()
        root = only_root(proxy, collector)
        [(name, at, attributes)] = root.events
        retrying = [phase for phase in collector.phases(root) if phase.name == "retrying"]
        assert (name, [at]) == ("vespa.retry", [phase.start for phase in retrying])
        assert attributes == {
            "vespa.worker": worker.address,
            "vespa.retry.kind": "turned_away",
            "vespa.retry.reason": "it answered 503",
        }
        assert (root.attributes["vespa.retries"], root.is_error) == (1, False)
        names = [phase.name for phase in collector.phases(root)]
        assert names.count("routing") == 2 and names.index("retrying") < len(names) - 2

    def test_a_cold_start(self, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        with Sandbox(token_delay=0.0, scenario="cold", cold_seconds=SHORT) as sandbox:
            proxy = VastClient(
                sandbox.endpoints[0].name,
                account_key=sandbox.account_key,
                console_url=sandbox.console_url,
                autoscaler_url=sandbox.autoscaler_url,
                port=0,
            )
            with proxy:
                assert chat(proxy).status_code == 200
        [root] = collector.roots
        [waiting] = [phase for phase in collector.phases(root) if phase.name == "waiting"]
        assert waiting.end - waiting.start > SHORT / 2 * 1e9
        assert root.attributes["vespa.waits"] > 0

    def test_a_request_that_no_worker_took(self, start_proxy: StartProxy, collector: Collector, sandbox: Sandbox) -> None:
        sandbox.autoscaler.workers[:] = []
        proxy = start_proxy(wait=0)
        assert chat(proxy).status_code == 503
        root = only_root(proxy, collector)
        assert (root.name, root.is_error) == ("chat my-model", True)
        assert (root.attributes["error.type"], root.attributes["http.response.status_code"]) == ("no_worker_ready", 503)
        assert root.attributes["vespa.outcome"] == "refused"
        assert "server.address" not in root.attributes

    def test_a_worker_s_own_error(self, proxy: VastClient, collector: Collector, worker: RawWorker, client: Peer) -> None:
        client.send(post(b"{}", "/v1/embeddings"))
        peer, _ = worker.request()
        with peer:
            peer.send(answer(b'{"error": "no"}', "422 Unprocessable Content"))
        client.message()
        root = only_root(proxy, collector)
        assert (root.name, root.is_error, root.attributes["error.type"]) == ("embeddings", True, "422")

    def test_a_client_that_leaves(self, proxy: VastClient, collector: Collector, worker: RawWorker, client: Peer) -> None:
        client.send(post(b"{}", "/v1/completions"))
        peer, _ = worker.request()
        client.close()
        peer.rest()
        peer.close()
        wait_until(lambda: proxy.status().totals.requests == 1)
        root = only_root(proxy, collector)
        assert (root.is_error, root.attributes["vespa.outcome"]) == (False, "left")
        assert "http.response.status_code" not in root.attributes and "error.type" not in root.attributes

    def test_what_is_no_call_of_a_model(self, proxy: VastClient, collector: Collector) -> None:
        requests.get(f"{proxy.url}/v1/models?api_key=secret-in-a-query", timeout=LONG)
        requests.get(f"{proxy.url}/_vespa/status", timeout=LONG)
        root = only_root(proxy, collector)
        assert (root.name, root.kind) == ("GET models", "server")
        assert root.attributes["url.path"] == "/v1/models"
        assert not [name for name in root.attributes if name.startswith(("gen_ai.", "server."))]


class TestTheClientsTrace:
    def test_it_is_gone_on_with(self, proxy: VastClient, collector: Collector) -> None:
        chat(proxy, headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})
        root = only_root(proxy, collector)
        assert (root.trace_id, root.parent) == (TRACE_ID, PARENT_ID)
        assert {span.trace_id for span in collector.spans} == {TRACE_ID}

    def test_its_state_is_on_each_span(self, proxy: VastClient, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
        parent = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        for state in ("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "not, a=state"):
            chat(proxy, headers={**parent, "tracestate": state})
        proxy.stop()
        assert {root.parent for root in collector.roots} == {PARENT_ID}
        told = [{span.trace_state for span in (root, *collector.phases(root))} for root in collector.roots]
        assert told == [{"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}, {""}]
        assert not warnings(caplog)

    def test_one_that_is_not_sampled_is_not_sent(self, proxy: VastClient, collector: Collector) -> None:
        chat(proxy, headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"})
        chat(proxy, headers={"traceparent": f"00-{'0' * 32}-{PARENT_ID}-00"})
        assert only_root(proxy, collector).parent == ""

    def test_each_without_one_has_its_own(self, proxy: VastClient, collector: Collector) -> None:
        chat(proxy)
        chat(proxy)
        proxy.stop()
        assert len({root.trace_id for root in collector.roots}) == len(collector.roots) == 2


class TestTheEnvironment:
    def test_the_service_and_its_attributes(
        self, collector: Collector, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=lab")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "my-service")
        proxy = start_proxy()
        chat(proxy)
        resource = only_root(proxy, collector).resource
        assert (resource["service.name"], resource["deployment.environment.name"]) == ("my-service", "lab")

    def test_how_it_is_sent(self, collector: Collector, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/my/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=mine")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        proxy = start_proxy()
        chat(proxy)
        proxy.stop()
        [export] = collector.exports
        assert (export.path, export.headers["x-team"], export.headers["content-encoding"]) == ("/my/traces", "mine", "gzip")
        assert collector.roots

    @pytest.mark.parametrize(
        ("variable", "value"),
        [("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")],
    )
    def test_what_turns_it_off(
        self, collector: Collector, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        proxy = start_proxy()
        assert chat(proxy).status_code == 200
        proxy.stop()
        assert collector.exports == []

    def test_spans_are_sent_while_it_runs(
        self, collector: Collector, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        proxy = start_proxy()
        for count in (1, 2):
            chat(proxy)
            collector.wait_for_exports(count)

    def test_a_full_batch_does_not_wait(
        self, collector: Collector, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
        proxy = start_proxy()
        chat(proxy)
        chat(proxy)
        collector.wait_for_exports(2)


class TestTheCollector:
    def test_one_that_is_down_costs_a_line(
        self, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with Collector() as gone:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        caplog.set_level(logging.DEBUG, "vespa_client")
        proxy = start_proxy()

        def failures() -> int:
            return sum(record.getMessage().startswith("The collector") for record in caplog.records)

        while (before := failures()) < 3:
            assert chat(proxy).status_code == 200
            wait_until(lambda before=before: failures() > before)  # type: ignore[misc]
        began = time.monotonic()
        proxy.stop()
        assert time.monotonic() - began < QUICK
        assert warnings(caplog) == ["The collector doesn't get all traces: connection refused. Requests go on without."]
        assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]

    @pytest.mark.parametrize("status", [400, 503])
    def test_one_that_refuses(
        self, proxy: VastClient, collector: Collector, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        collector.status = status
        chat(proxy)
        began = time.monotonic()
        proxy.stop()
        assert time.monotonic() - began < QUICK
        assert warnings(caplog) == [f"The collector doesn't get all traces: it answered {status}. Requests go on without."]

    def test_one_that_hangs_holds_nobody_up(
        self, collector: Collector, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        collector.holds = True
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
        proxy = start_proxy()
        chat(proxy)
        collector.wait_for_exports(1)
        for _ in range(4):
            assert chat(proxy).elapsed.total_seconds() < QUICK / 2
        began = time.monotonic()
        proxy.stop()
        assert time.monotonic() - began < QUICK
        assert "vespa-traces" not in {thread.name for thread in threading.enumerate()}
        assert warnings(caplog) == [
            "The collector doesn't get all traces: it takes fewer than there are. Requests go on without."
        ]

    def test_one_that_never_answers_the_handshake_holds_no_end_up(
        self, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with RawWorker() as deaf:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", deaf.url.replace("http:", "https:"))
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(4 * LONG))
            monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
            proxy = start_proxy()
            chat(proxy)
            deaf.accept().exactly(1)
            proxy.stop()
            assert "vespa-traces" not in {thread.name for thread in threading.enumerate()}

    def test_the_proxy_itself_is_none(
        self, start_proxy: StartProxy, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        other = start_proxy()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", other.url.replace("127.0.0.1", "localhost"))
        proxy = start_proxy()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", proxy.url)
        chat(proxy)
        proxy.stop()
        assert warnings(caplog) == ["The collector doesn't get all traces: it is the proxy itself. Requests go on without."]
        assert [request.path for request in sandbox.worker.requests] == ["/v1/chat/completions"]


class TestAsAGuest:
    def test_two_clients_have_each_their_own(self, collector: Collector, start_proxy: StartProxy, sandbox: Sandbox) -> None:
        first, second = (start_proxy(endpoint=endpoint.name) for endpoint in sandbox.endpoints[:2])
        chat(first)
        first.stop()
        chat(second)
        second.stop()
        names = [root.attributes["vespa.endpoint"] for root in collector.roots]
        assert names == [endpoint.name for endpoint in sandbox.endpoints[:2]]

    def test_it_can_be_started_again(self, proxy: VastClient, collector: Collector) -> None:
        for count in (1, 2):
            proxy.start()
            chat(proxy)
            proxy.stop()
            assert len(collector.roots) == count

    def test_the_program_s_own_provider_and_context_are_left_alone(self, proxy: VastClient, collector: Collector) -> None:
        with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 1, is_remote=False))):
            chat(proxy)
            root = only_root(proxy, collector)
        assert root.parent == ""
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)

    def test_it_counts_as_no_reader_of_the_events(self, proxy: VastClient) -> None:
        assert "\nvespa_client_event_readers 0\n" in requests.get(f"{proxy.url}/_vespa/metrics", timeout=LONG).text

    def test_what_it_sends_is_traced_by_nobody(
        self, proxy: VastClient, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        suppressed: list[object] = []
        send = Session.send

        def noted(session: Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            suppressed.append(context.get_value("suppress_instrumentation"))
            return send(session, request, **kwargs)

        monkeypatch.setattr(Session, "send", noted)
        chat(proxy)
        proxy.stop()
        assert suppressed == [True]

    def test_no_secret_and_no_text_is_in_it(self, proxy: VastClient, collector: Collector, sandbox: Sandbox) -> None:
        secrets = {"authorization": "Bearer sk-of-the-client-1234567890"}
        said = chat(proxy, headers=secrets).json()["choices"][0]["message"]["content"]
        chat(proxy, "/v1/chat/completions?key=query-secret", stream=True)
        requests.get(f"{proxy.url}/v1/x?api_key=query-secret", headers=secrets, timeout=LONG)
        proxy.stop()
        sent = b"".join(export.body for export in collector.exports)
        signatures = [request.auth_data.get("signature", "") for request in sandbox.worker.requests if request.auth_data]
        for secret in (
            PROMPT,
            said,
            "sk-of-the-client",
            "query-secret",
            sandbox.account_key,
            sandbox.endpoints[0].api_key,
            *signatures,
        ):
            assert secret.encode() not in sent
        assert len(collector.roots) == 3


def test_half_a_character_in_a_model_s_name_costs_no_trace(proxy: VastClient, collector: Collector, worker: RawWorker) -> None:
    with connect(proxy.url) as client:
        client.send(post(b'{"model": "a\\ud800"}', "/v1/completions"))
        peer, _ = worker.request()
        with peer:
            peer.send(answer(b"{}"))
        client.message()
    assert only_root(proxy, collector).name == "text_completion a?"
