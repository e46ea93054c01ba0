"""The sandbox's worker in the official one's place, and beside it: the same requests, the same answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.official_worker import OfficialWorker, official
from tests.support.waiting import LONG
from vespa_client.sandbox import Sandbox

__all__ = ["official"]

CHAT = "/v1/chat/completions"
PAYLOAD: Any = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
AUTH_FIELDS = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")


class Site:
    """One of the two workers, with the autoscaler that assigns it."""

    def __init__(self, autoscaler_url: str, endpoint: str, key: str) -> None:
        self.autoscaler_url, self.endpoint, self.key = autoscaler_url, endpoint, key

    def assign(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"endpoint": self.endpoint, "cost": 1.5}
        answer = requests.post(f"{self.autoscaler_url}/route/", json=body, headers=headers, timeout=LONG).json()
        return {name: answer[name] for name in AUTH_FIELDS}

    def ask(self, method: str, path: str, payload: Any = PAYLOAD, **changed: Any) -> requests.Response:
        auth = self.assign()
        body = json.dumps({"auth_data": {**auth, **changed}, "payload": payload})
        return requests.request(method, auth["url"] + path, data=body, timeout=LONG)


@pytest.fixture(params=["sandbox", "official"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "sandbox":
        with Sandbox(token_delay=0.0) as running:
            yield Site(running.autoscaler_url, running.endpoints[0].name, running.endpoints[0].api_key)
    else:
        worker: OfficialWorker = request.getfixturevalue("official")
        name, key = next(iter(worker.endpoint_keys.items()))
        yield Site(worker.autoscaler_url, name, key)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/models", "/", "/v1/chat/completions/"])
def test_unknown_routes(site: Site, path: str) -> None:
    for method in ("POST", "GET", "DELETE"):
        answer = site.ask(method, path)
        assert (answer.status_code, answer.text) == (404, "404: Not Found")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_other_methods(site: Site, method: str) -> None:
    answer = site.ask(method, CHAT)
    assert (answer.status_code, answer.text) == (405, "405: Method Not Allowed")
    assert answer.headers["Allow"] == "POST"


def test_the_address_alone_is_signed(site: Site) -> None:
    assert site.ask("POST", CHAT).status_code == 200
    assert site.ask("POST", CHAT, cost=99.0, reqnum=1).status_code == 200
    refused = site.ask("POST", CHAT, url="http://elsewhere")
    assert (refused.status_code, refused.content) == (401, b"")


def test_an_assignment_may_come_twice(site: Site) -> None:
    body = {"auth_data": site.assign(), "payload": PAYLOAD}
    url = body["auth_data"]["url"]
    assert [requests.post(url + CHAT, json=body, timeout=LONG).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("payload", [[], None, "text", 1])
def test_a_payload_is_an_object(site: Site, payload: Any) -> None:
    assert site.ask("POST", CHAT, payload).status_code in (422, 500)


def test_of_a_streams_headers_only_the_type_goes_on(site: Site) -> None:
    answer = site.ask("POST", CHAT, {**PAYLOAD, "stream": True})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert "Cache-Control" not in answer.headers
    assert answer.text.endswith("data: [DONE]\n\n")


def test_routes_may_be_changed() -> None:
    with Sandbox(token_delay=0.0) as sandbox:
        site = Site(sandbox.autoscaler_url, sandbox.endpoints[0].name, sandbox.endpoints[0].api_key)
        assert site.ask("POST", "/v1/messages").status_code == 404
        sandbox.worker.routes.append("/v1/messages")  # type: ignore[attr-defined]
        assert site.ask("POST", "/v1/messages", {**PAYLOAD, "max_tokens": 9}).status_code == 200
