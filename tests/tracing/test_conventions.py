"""The words of a span: OpenTelemetry's where it has some."""

from __future__ import annotations

import pytest

from vespa_client.journal.record import Problem, Record
from vespa_client.tracing.conventions import attributes, error_type, is_model_call, span_name


def exchange(path: str, method: str = "POST", *, model: str = "m", status: int | None = 200) -> Record:
    record = Record(7, method, path)
    record.ask_for_model(model)
    if status is not None:
        record.begin(status)
    return record


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/completions", "chat m"),
        ("/v1/completions", "text_completion m"),
        ("/v1/responses", "chat m"),
        ("/v1/messages", "chat m"),
        ("/api/chat", "chat m"),
        ("/api/generate", "text_completion m"),
        ("/api/embed", "embeddings m"),
        ("/generate/sync", "text_completion m"),
        ("/v1/embeddings", "embeddings m"),
        ("/v1/rerank", "rerank m"),
        ("/v1/images/generations", "generate_content m"),
        ("/v1/audio/speech", "generate_content m"),
        ("/v1/messages/count_tokens", "POST tokens"),
        ("/session/create", "POST sessions"),
        ("/my/own", "POST"),
    ],
)
def test_the_name(path: str, expected: str) -> None:
    record = exchange(path)
    assert span_name(record) == expected
    assert is_model_call(record) is expected.endswith(" m")
    assert (attributes(record, "lab").get("gen_ai.operation.name") or "POST") == expected.partition(" ")[0]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/v1/models/my-model", "GET models"), ("GET", "/v1/chat/completions", "GET chat"), ("BREW", "/pot", "HTTP")],
)
def test_the_name_of_what_asks_no_model(method: str, path: str, expected: str) -> None:
    assert span_name(exchange(path, method)) == expected


def test_a_model_that_is_not_named_has_no_place_in_the_name() -> None:
    record = exchange("/v1/completions", model="")
    assert span_name(record) == "text_completion"
    assert "gen_ai.request.model" not in attributes(record, "lab")


def test_an_answer_of_the_proxy_s_own_is_no_model_s() -> None:
    record = exchange("/api/generate", status=None)
    record.answer_locally(200)
    assert span_name(record) == "POST ollama"


def test_a_method_that_nobody_knows_is_told_apart() -> None:
    found = attributes(exchange("/pot", "BREW"), "lab")
    assert (found["http.request.method"], found["http.request.method_original"]) == ("_OTHER", "BREW")


@pytest.mark.parametrize(
    ("worker", "place"),
    [
        ("203.0.113.7:41234", ("203.0.113.7", 41234)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("worker.example", ("worker.example", None)),
        (None, (None, None)),
    ],
)
def test_the_worker_s_place(worker: str | None, place: tuple[str | None, int | None]) -> None:
    record = exchange("/v1/completions")
    record.worker = worker
    found = attributes(record, "lab")
    assert (found.get("server.address"), found.get("server.port"), found.get("vespa.worker")) == (*place, worker)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/images/edits", "image"),
        ("/v1/audio/speech", "speech"),
        ("/v1/audio/transcriptions", "text"),
        ("/v1/completions", None),
    ],
)
def test_the_output(path: str, kind: str | None) -> None:
    assert attributes(exchange(path), "lab").get("gen_ai.output.type") == kind


class TestErrors:
    @pytest.mark.parametrize("outcome", ["left", "cancelled"])
    def test_an_end_that_somebody_wanted_is_none(self, outcome: str) -> None:
        record = exchange("/v1/completions", status=502)
        record.outcome = outcome
        assert error_type(record) is None

    @pytest.mark.parametrize(
        ("path", "status", "expected"),
        [
            ("/v1/completions", 200, None),
            ("/v1/completions", 404, "404"),
            ("/v1/models", 404, None),
            ("/v1/models", 500, "500"),
        ],
    )
    def test_a_worker_s(self, path: str, status: int, expected: str | None) -> None:
        assert error_type(exchange(path, "POST", status=status)) == expected

    def test_an_answer_that_broke_off(self) -> None:
        record = exchange("/v1/completions")
        record.break_off(Problem("worker_answer_broken", "It broke, and said: a prompt", "Send it again."))
        assert error_type(record) == "worker_answer_broken"
        assert "a prompt" not in repr(attributes(record, "lab"))
