"""Which paths are taken for an SDK's route, and which stay what they are."""

from __future__ import annotations

import pytest

from vespa_client.server.local.base_url import is_sdk_route, mended

ROUTES = (
    "chat/completions",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "messages/count_tokens",
    "models",
    "models/org/name",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
    "images/generations",
    "images/edits",
    "images/variations",
)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("prefix", ["/", "//", "/v1//", "/v1/v1/", "/v1/v1/v1/", "//v1/", "/v1//v1/"])
def test_a_base_url_is_mended(route: str, prefix: str) -> None:
    assert mended(prefix + route) == f"/v1/{route}"


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_right_stays(route: str) -> None:
    assert mended(f"/v1/{route}") is None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/v1",
        "/v2/completions",
        "/generate/sync",
        "/messages/",
        "/chat",
        "/api/chat",
        "/v1/v1/files",
        "*",
    ],
)
def test_what_no_sdk_means_stays(path: str) -> None:
    assert mended(path) is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/v1/audio/speech"])
def test_what_sdks_post_to(path: str) -> None:
    assert is_sdk_route(path)


@pytest.mark.parametrize("path", ["/v1/models", "/chat/completions", "/v1/rerank", "/v1/chat", "/v1/messages/x", "/api/pull"])
def test_what_they_do_not(path: str) -> None:
    assert not is_sdk_route(path)
