"""Which models there are: those that were named, or listed, or seen, or guessed."""

from __future__ import annotations

import json

import pytest

from vespa_client.errors import NotFound
from vespa_client.payload.worker_request import WorkerRequest
from vespa_client.server.local.models import KnownModels, Model, list_answer, model_answer

from .heads import ENDPOINT, value

CHAT = "/v1/chat/completions"
LIST = WorkerRequest("GET", "/v1/models", [], "1")


def asking(model: str = "") -> WorkerRequest:
    return WorkerRequest("POST", CHAT, [], "1", model=model)


def known(*named: str) -> KnownModels:
    return KnownModels(named, ENDPOINT)


def names(models: KnownModels) -> list[str]:
    return [model.name for model in models.all()]


def listed(*rows: object) -> bytes:
    return json.dumps({"object": "list", "data": rows}).encode()


def test_what_was_named_comes_before_all_else() -> None:
    models = known("llama:8192", "qwen2.5:7b", "org/name")
    models.see_answer(asking("asked"), b'{"model": "answered"}')
    models.see_answer(LIST, listed({"id": "listed"}))
    assert models.all() == [Model("llama", 8192), Model("qwen2.5:7b"), Model("org/name")]


def test_the_worker_s_own_list_comes_before_what_was_seen() -> None:
    models = known()
    models.see_answer(asking("asked"), b'{"model": "answered"}')
    models.see_answer(LIST, listed({"id": "one", "max_model_len": 4096}, {"id": "two", "meta": {"n_ctx": 512}}))
    assert models.all() == [Model("one", 4096), Model("two", 512)]


def test_names_are_seen_in_answers_and_in_what_was_asked_for() -> None:
    models = known()
    models.see_answer(asking("asked"), b'data: {"id": "x", "model":"answered", "choices": []}\n\n')
    models.see_answer(asking("asked"), b"")
    models.see_answer(asking(), b'{"model": "caf\\u00e9 \\"1\\""}')
    assert names(models) == ["answered", "asked", 'café "1"']


def test_without_any_the_endpoint_s_name_is_the_guess() -> None:
    assert names(known()) == [ENDPOINT]


@pytest.mark.parametrize(
    "answered", [b"", b"no JSON", b'{"model": 7}', b'{"model": ""}', b'{"model": "\\ud800"}', b'"model": "\\q"']
)
def test_what_is_no_name_is_not_seen(answered: bytes) -> None:
    models = known()
    models.see_answer(asking("\udc80"), answered)
    assert names(models) == [ENDPOINT]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"data": 7}',
        b'{"data": {"id": "x"}}',
        b'{"data": [7]}',
        b'{"data": [{"id": 7}]}',
        b'{"data": [{"id": "\\ud800"}]}',
        b"[" * 100_000,
        listed({"id": "x" * (1 << 20)}),
    ],
)
def test_what_is_no_list_of_models_is_not_learned(body: bytes) -> None:
    models = known()
    models.see_answer(LIST, body)
    assert names(models) == [ENDPOINT]


def test_many_names_are_not_kept() -> None:
    models = known()
    for number in range(1000):
        models.see_answer(asking(f"model-{number}"), b"")
    assert len(models.all()) < 100


def test_a_model_that_is_known_is_found_and_another_is_not() -> None:
    models = known("org/name:4096")
    row = value(model_answer(models, "org%2Fname", 7, for_anthropic=False))
    assert (row["id"], row["object"], row["created"]) == ("org/name", "model", 7)
    assert row["context_length"] == row["max_model_len"] == 4096
    with pytest.raises(NotFound, match="other"):
        model_answer(models, "other", 7, for_anthropic=False)


def test_any_model_is_found_where_the_names_are_guessed() -> None:
    assert value(model_answer(known(), "whatever", 7, for_anthropic=False))["id"] == "whatever"


def test_a_list_is_in_openai_s_shape() -> None:
    got = value(list_answer(known("a:10", "b").all(), 7, for_anthropic=False))
    assert got["object"] == "list"
    assert [row["id"] for row in got["data"]] == ["a", "b"]
    assert "max_model_len" not in got["data"][1]
    assert "type" not in got["data"][0]


def test_anthropic_s_members_stand_beside_it() -> None:
    got = value(list_answer(known("a:10", "b").all(), 0, for_anthropic=True))
    assert (got["has_more"], got["first_id"], got["last_id"]) == (False, "a", "b")
    first = got["data"][0]
    assert (first["type"], first["display_name"], first["created_at"]) == ("model", "a", "1970-01-01T00:00:00Z")
    assert first["object"] == "model"
