"""What of a request is translated, and when: the worker is a list of answers, and what it is asked is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vespa_client.dialects import Dialect
from vespa_client.errors import Untranslatable
from vespa_client.net.timed_socket import TimedSocket
from vespa_client.payload.worker_request import WorkerRequest
from vespa_client.routing.exchange import WorkerAnswer
from vespa_client.server.answer_writer import AnswerWriter
from vespa_client.server.local.answer import LocalAnswer
from vespa_client.server.translation.translator import Passage, Translator
from vespa_client.server.translation.voice import TranslatedVoice
from vespa_client.settings.table import Settings

CHAT = "/v1/chat/completions"
BODIES = {
    "/v1/responses": {"model": "m", "input": "Hello", "stream": True},
    "/v1/messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}], "stream": True},
    "/api/chat": {"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
    "/api/generate": {"model": "m", "prompt": "Hello"},
}
NAMES = {"/v1/responses": "responses", "/v1/messages": "messages", "/api/chat": "ollama", "/api/generate": "ollama"}


def request(path: str, body: dict[str, Any] | None = None, method: str = "POST") -> WorkerRequest:
    payload = json.dumps(BODIES[path.partition("?")[0]] if body is None else body).encode()
    fields = [("Accept-Encoding", "gzip"), ("Content-Type", "application/json"), ("anthropic-version", "2023-06-01")]
    return WorkerRequest(method, path, fields, "1", (payload,), streams=b'"stream": true' in payload)


class Workers:
    """Answers with one status after the other, and the last one for ever."""

    def __init__(self, *statuses: int, content_type: str = "text/plain") -> None:
        self._statuses = list(statuses)
        self._fields = [("Content-Type", content_type)]
        self.asked: list[WorkerRequest] = []
        self.closed = 0

    def __call__(self, asked: WorkerRequest) -> WorkerAnswer:
        self.asked.append(asked)
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        answer = SimpleNamespace(status_code=status, fields=self._fields, close=self._close)
        return WorkerAnswer(cast("Any", answer), "worker", retried=False)

    def _close(self) -> None:
        self.closed += 1

    def paths(self) -> list[str]:
        return [asked.target for asked in self.asked]


def translator(**settings: Any) -> Translator:
    return Translator(Settings(endpoint="e", **settings))


def writer() -> AnswerWriter:
    return AnswerWriter(cast("TimedSocket", None), "POST")


def dialect_of(translating: Translator, asked: WorkerRequest) -> Dialect:
    dialect = translating.dialect_of(asked)
    assert dialect is not None
    return dialect


def immediate(path: str, body: dict[str, Any] | None) -> LocalAnswer | None:
    translating, asked = translator(), request(path, body)
    return translating.immediate(dialect_of(translating, asked), asked)


def go(translating: Translator, asked: WorkerRequest, workers: Workers) -> tuple[Passage, int, AnswerWriter]:
    """The request's passage, the status that came of it, and the writer of its answer."""
    writing = writer()
    passage = translating.passage(dialect_of(translating, asked), asked, writing)
    return passage, passage.ask(workers).answer.status_code, writing


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("status", [404, 405, 501])
def test_the_worker_s_own_route_is_tried_first_and_once(path: str, status: int) -> None:
    translating, workers = translator(), Workers(status, 200)
    passage, got, writing = go(translating, request(path), workers)
    assert (got, workers.paths(), workers.closed) == (200, [path, CHAT], 1)
    assert passage.translation is not None
    assert writing.added == [("X-Vespa-Translated", NAMES[path])]
    go(translating, request(path), workers)
    assert workers.paths() == [path, CHAT, CHAT]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500, 503])
def test_another_answer_of_the_worker_s_is_its_own(status: int) -> None:
    asked, workers = request("/v1/messages?beta=true"), Workers(status)
    passage, got, writing = go(translator(), asked, workers)
    assert got == status
    assert passage.translation is None
    assert workers.asked == [asked], "byte for byte"
    assert writing.added == []


def test_what_one_dialect_lacks_another_may_have() -> None:
    translating, workers = translator(), Workers(404, 200)
    go(translating, request("/v1/responses"), workers)
    go(translating, request("/v1/messages"), workers)
    assert workers.paths() == ["/v1/responses", CHAT, "/v1/messages"]


def test_it_is_forgotten_where_the_translated_route_fails_likewise() -> None:
    translating, workers = translator(), Workers(404, 404, 200)
    _, got, _ = go(translating, request("/v1/responses"), workers)
    assert got == 404
    passage, got, _ = go(translating, request("/v1/responses"), workers)
    assert (got, passage.translation) == (200, None)
    assert workers.paths() == ["/v1/responses", CHAT, "/v1/responses"]


def test_an_error_of_the_translated_route_is_no_reason_to_forget() -> None:
    translating, workers = translator(), Workers(404, 500, 200)
    go(translating, request("/v1/responses"), workers)
    go(translating, request("/v1/responses"), workers)
    assert workers.paths() == ["/v1/responses", CHAT, CHAT]


@pytest.mark.parametrize("path", BODIES)
def test_always_means_at_once(path: str) -> None:
    workers = Workers(200)
    go(translator(translate="always"), request(path), workers)
    assert workers.paths() == [CHAT]


@pytest.mark.parametrize("path", BODIES)
def test_never_means_never(path: str) -> None:
    assert translator(translate="never").dialect_of(request(path)) is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/responses"), ("PUT", "/v1/messages"), ("POST", "/v1/embeddings")])
def test_other_requests_pass_as_they_are(method: str, path: str) -> None:
    assert translator(translate="always").dialect_of(request(path, {}, method)) is None


def test_what_can_t_be_carried_over_is_refused_before_anything_is_asked() -> None:
    workers = Workers(200)
    with pytest.raises(Untranslatable) as caught:
        go(translator(translate="always"), request("/v1/responses", {"input": "x", "previous_response_id": "y"}), workers)
    assert not workers.asked
    assert caught.value.param == "previous_response_id"


def test_a_worker_that_may_know_better_is_asked_first() -> None:
    translating, asked = translator(), request("/v1/responses", {"input": "x", "previous_response_id": "y"})
    assert go(translating, asked, Workers(200))[1] == 200
    workers = Workers(404)
    with pytest.raises(Untranslatable):
        go(translating, asked, workers)
    assert workers.paths() == ["/v1/responses"]
    with pytest.raises(Untranslatable):
        go(translating, asked, workers)
    assert workers.paths() == ["/v1/responses"]


def test_a_404_in_json_is_remembered_when_the_translated_request_has_succeeded() -> None:
    translating, workers = translator(), Workers(404, 500, 404, 200, content_type="application/json")
    for _ in range(3):
        go(translating, request("/v1/messages"), workers)
    assert workers.paths() == ["/v1/messages", CHAT, "/v1/messages", CHAT, CHAT]


def test_an_earlier_response_that_a_worker_has_not_says_nothing_of_its_route() -> None:
    translating, asked = translator(), request("/v1/responses", {"input": "x", "previous_response_id": "y"})
    with pytest.raises(Untranslatable):
        go(translating, asked, Workers(404, content_type="application/json"))
    assert go(translating, asked, Workers(200))[1] == 200


def test_hosted_tools_are_dropped_where_that_was_asked_for() -> None:
    tools = [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {"type": "object"}}]
    asked = request("/v1/responses", {"input": "x", "tools": tools})
    workers = Workers(200)
    go(translator(translate="always", drop_hosted_tools=True), asked, workers)
    (sent,) = json.loads(workers.asked[0].payload[0])["tools"]
    assert sent["function"]["name"] == "f"


def test_what_is_translated_is_asked_for_in_no_coding() -> None:
    workers = Workers(200)
    go(translator(translate="always"), request("/v1/messages"), workers)
    fields = workers.asked[0].fields
    assert [value for name, value in fields if name.lower() == "accept-encoding"] == ["identity"]
    assert [value for name, value in fields if name.lower() == "content-type"] == ["application/json"]
    assert ("anthropic-version", "2023-06-01") in fields


def test_the_cost_is_that_of_what_it_becomes() -> None:
    asked = request("/v1/messages", {**BODIES["/v1/messages"], "max_tokens": 777})
    workers = Workers(200)
    go(translator(translate="always"), asked._replace(cost_is_estimated=True), workers)
    assert float(workers.asked[0].cost) >= 777
    go(translator(translate="always"), asked, workers)
    assert workers.asked[1].cost == "1"


@pytest.mark.parametrize(("stream", "streams"), [({"stream": True}, True), ({"stream": False}, False), ({}, True)])
def test_ollama_streams_unless_told_otherwise(stream: dict[str, bool], streams: bool) -> None:
    passage, _, writing = go(
        translator(translate="always"), request("/api/chat", {**BODIES["/api/chat"], **stream}), Workers(200)
    )
    assert passage.streams is streams
    assert isinstance(writing.voice, TranslatedVoice) is streams


def test_the_client_of_a_plain_answer_has_no_stream() -> None:
    passage, _, writing = go(translator(translate="always"), request("/v1/responses", {"input": "x"}), Workers(200))
    assert not passage.streams
    assert not isinstance(writing.voice, TranslatedVoice)


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_loading_a_model_asks_no_worker(path: str) -> None:
    answer = immediate(path, {"model": "m", "keep_alive": "5m"})
    assert answer is not None
    assert json.loads(answer.body)["done"] is True


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("body", [None, {}, {"model": 7}, {"messages": "x"}])
def test_nothing_else_is_answered_at_once(path: str, body: dict[str, Any] | None) -> None:
    if body is None or not path.startswith("/api/"):
        assert immediate(path, body) is None
    else:
        immediate(path, body)


Steps = Callable[[], Sequence[int]]
