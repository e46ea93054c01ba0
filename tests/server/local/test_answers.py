"""The table of what the proxy answers itself: each row, its variants, and what turns it off."""

from __future__ import annotations

import json
import logging

import pytest

from vespa_client.errors import NotFound, RouteNotServed, Untranslatable, UpgradeRefused, VespaError

from .heads import ENDPOINT, answers, head, value

ANSWERED = {
    "/": "landing",
    "/v1/models": "models",
    "/v1/models/": "models",
    f"/v1/models/{ENDPOINT}": "models",
    "/health": "health",
    "/healthz": "health",
    "/ping": "health",
    "/favicon.ico": "probe",
    "/robots.txt": "probe",
    "/api/hello": "probe",
    "/api/version": "ollama",
    "/api/tags": "ollama",
    "/api/ps": "ollama",
}
MISSING = ("/sw.js", "/.well-known/appspecific/com.chrome.devtools.json", "/.well-known/oauth-authorization-server")
WORKERS = ("/v1/x", "/health/live", "/v1", "/v1/", "/api/pull", "/favicon.png", "/index.html", "*", "/%76%31/models")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?", "?limit=1000&after=x"])
@pytest.mark.parametrize("path", ANSWERED)
def test_probes_are_answered(path: str, query: str, method: str) -> None:
    answer = answers()[0].answer(head(path + query, method), b"")
    assert answer is not None
    assert answer.kind == ANSWERED[path]
    assert answer.status in (200, 204)
    assert ("X-Vespa-Local", answer.kind) in answer.fields


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", MISSING)
def test_what_browsers_and_apps_look_for_in_vain_is_missing(path: str, method: str) -> None:
    with pytest.raises(NotFound):
        answers()[0].answer(head(path, method), b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", WORKERS)
def test_everything_else_is_the_worker_s(path: str, method: str) -> None:
    table, _ = answers()
    table.check_head(head(path, method))
    assert table.answer(head(path, method), b"") is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
@pytest.mark.parametrize("path", ANSWERED)
def test_other_methods_are_the_worker_s(path: str, method: str) -> None:
    assert answers()[0].answer(head(path, method), b"{}") is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/images/edits", "/api/chat"])
def test_whether_a_route_is_there_is_said_without_a_worker(path: str) -> None:
    table, _ = answers()
    answer = table.answer(head(path, "HEAD"), b"")
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"")
    assert ("Allow", "POST, OPTIONS") in answer.fields
    assert table.answer(head(path, "POST"), b"{}") is None
    assert table.answer(head(path, "GET"), b"") is None


@pytest.mark.parametrize("path", ["/health", "/healthz", "/ping"])
def test_health_passes_where_it_was_asked_for(path: str) -> None:
    assert answers(pass_health=True)[0].answer(head(path), b"") is None


def test_a_worker_s_own_list_passes_where_it_was_asked_for() -> None:
    table, _ = answers(models="worker")
    assert table.answer(head("/v1/models"), b"") is None
    assert table.answer(head("/v1/models/x"), b"") is None
    assert table.answer(head("/api/tags"), b"") is not None


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/health", "/v1/files/7", "/favicon.ico"])
def test_a_route_passes_where_it_was_asked_for(path: str) -> None:
    table, _ = answers(pass_route=("/v1/models", "/health", "/v1/files/", "/favicon.ico"))
    table.check_head(head(path))
    assert table.answer(head(path), b"") is None


def test_a_route_that_passes_is_not_mended() -> None:
    table, _ = answers(pass_route=("/models",))
    assert table.check_head(head("/models")).target == "/models"
    assert table.check_head(head("/completions?a=/models")).target == "/v1/completions?a=/models"


def test_passing_one_route_passes_none_that_begins_alike() -> None:
    assert answers(pass_route=("/v1/model",))[0].answer(head("/v1/models"), b"") is not None


@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c, websocket"])
@pytest.mark.parametrize("passed", [(), ("/v1/realtime",)])
def test_a_websocket_is_refused_so_that_clients_fall_back(upgrade: str, passed: tuple[str, ...]) -> None:
    table, _ = answers(pass_route=passed)
    for path in ("/v1/responses", "/v1/realtime?model=x", "/anything"):
        with pytest.raises(UpgradeRefused) as caught:
            table.check_head(head(path, "GET", ("Upgrade", upgrade), ("Connection", "Upgrade")))
        assert caught.value.status == 426


def test_h2c_is_passed_over() -> None:
    answers()[0].check_head(head("/v1/x", "GET", ("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings")))


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
def test_a_route_that_can_t_work_is_refused_whatever_its_method(method: str) -> None:
    table, _ = answers()
    with pytest.raises(RouteNotServed):
        table.check_head(head("/v1/files?limit=2", method))


def test_a_mended_base_url_is_told_once_a_route(caplog: pytest.LogCaptureFixture) -> None:
    table, _ = answers()
    with caplog.at_level(logging.INFO, "vespa_client"):
        for number in range(100):
            assert table.check_head(head(f"/models/{number}?a=b")).target == f"/v1/models/{number}?a=b"
            assert table.check_head(head("/v1/v1/responses", "POST")).target == "/v1/responses"
    assert len(caplog.messages) == 2


def test_tokens_are_counted_without_a_worker() -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}'
    table, _ = answers()
    assert value(table.answer(head("/v1/messages/count_tokens?beta=true", "POST"), body))["input_tokens"] > 0
    with pytest.raises(Untranslatable):
        table.answer(head("/v1/messages/count_tokens", "POST"), b"[]")


def test_tokens_are_the_worker_s_to_count_where_nothing_is_translated() -> None:
    assert answers(translate="never")[0].answer(head("/v1/messages/count_tokens", "POST"), b"{}") is None


def test_ollama_s_clients_find_the_model() -> None:
    table, _ = answers(model=("llama:8192",))
    (tag,) = value(table.answer(head("/api/tags"), b""))["models"]
    assert tag["model"] == "llama"
    shown = value(table.answer(head("/api/show", "POST"), json.dumps({"model": "llama:latest"}).encode()))
    assert 8192 in shown["model_info"].values()
    with pytest.raises(NotFound):
        table.answer(head("/api/show", "POST"), b'{"model": "other"}')


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"model": 7}', b"\xff", b"[" * 100_000, b'{"model": ""}'])
@pytest.mark.parametrize("path", ["/api/show", "/v1/messages/count_tokens"])
def test_bad_bodies_are_clear_errors(path: str, body: bytes) -> None:
    with pytest.raises(VespaError) as caught:
        answers()[0].answer(head(path, "POST"), body)
    assert 400 <= caught.value.status < 500
