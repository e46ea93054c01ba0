"""Programs on this machine that call as no web site does: apps with an origin of their own, and containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import openai
import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support import raw_worker
from ..support.raw_worker import EVENT_STREAM, Peer, RawWorker, asked, chunk, get, post
from ..support.waiting import LONG

worker = raw_worker.only_worker
client = raw_worker.raw_client

CONTAINER = "host.docker.internal"
PATH = "/v1/chat/completions"
ORIGINS = (
    "app://obsidian.md",
    "app://-",
    "file://",
    "tauri://localhost",
    "http://tauri.localhost",
    "https://tauri.localhost",
    "vscode-webview://1q2w3e4r5t6y7u8i9o0p",
    "vscode-file://vscode-app",
    "capacitor://localhost",
)
# As Chromium sends them for Electron's renderers, to which localhost is another site.
FETCHED = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_app_streams_behind_its_preflight(origin: str, client: Peer, worker: RawWorker) -> None:
    asks = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type,x-stainless-os")
    private = "Access-Control-Request-Private-Network: true"
    client.send(get(PATH, f"Origin: {origin}", *asks, private, *FETCHED, method="OPTIONS"))
    preflight = client.message(bodiless=True)
    assert preflight.status == 204
    assert preflight.one("Access-Control-Allow-Origin") == origin
    assert "POST" in (preflight.one("Access-Control-Allow-Methods") or "")
    assert preflight.one("Access-Control-Allow-Headers") == "authorization,content-type,x-stainless-os"
    assert preflight.one("Access-Control-Allow-Private-Network") == "true"
    given = ("Authorization: Bearer not-used", "Content-Type: application/json", "X-Stainless-OS: Unknown")
    client.send(post(b'{"stream": true}', PATH, f"Origin: {origin}", *given, *FETCHED))
    peer, request = worker.request()
    with peer:
        assert request.start.startswith(f"POST {PATH} ")
        assert request.one("Authorization") is None
        peer.send(EVENT_STREAM + chunk(b"data: 1\n\n"))
        start, fields = client.head()
        assert start == "HTTP/1.1 200 OK"
        assert ("Access-Control-Allow-Origin", origin) in fields
        assert ("Vary", "Origin") in fields
        assert client.until(b"\n\n").endswith(b"data: 1\n\n")
        peer.send(chunk(b"data: 2\n\n") + chunk(b""))
        assert client.until(b"0\r\n\r\n").endswith(b"data: 2\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_app_can_read_an_error(origin: str, client: Peer) -> None:
    client.send(post(b"{'not': JSON}", PATH, f"Origin: {origin}", *FETCHED))
    error = client.message()
    assert (error.status, error.error["code"]) == (400, "bad_request")
    assert error.one("Access-Control-Allow-Origin") == origin
    assert "X-Vespa-Error" in (error.one("Access-Control-Expose-Headers") or "")


def test_a_page_of_this_machine_can_read_which_flag_allows_a_name(client: Peer) -> None:
    named = post(b"{}", PATH, "Origin: http://localhost:3000").replace(b"Host: localhost", f"Host: {CONTAINER}".encode())
    client.send(named)
    error = client.message()
    assert (error.status, error.error["code"]) == (421, "unknown_host")
    assert error.one("Access-Control-Allow-Origin") == "http://localhost:3000"


@pytest.fixture
def in_container(start_proxy: Callable[..., VastClient]) -> Iterator[Callable[..., openai.OpenAI]]:
    """Makes an SDK as a server in a container has it (Open WebUI), where the proxy goes by another name.

    Keywords are settings.
    """
    opened: list[openai.OpenAI] = []

    def connect(**settings: object) -> openai.OpenAI:
        url = start_proxy(**settings).url
        host = {"Host": f"{CONTAINER}:{urlsplit(url).port}"}
        opened.append(
            openai.OpenAI(base_url=f"{url}/v1", api_key="not-used", default_headers=host, max_retries=0, timeout=LONG)
        )
        return opened[-1]

    yield connect
    for sdk in opened:
        sdk.close()


def test_a_container_has_to_be_allowed_its_name(in_container: Callable[..., openai.OpenAI], sandbox: Sandbox) -> None:
    with pytest.raises(openai.APIStatusError, match=f"--allow-host {CONTAINER}") as caught:
        in_container().models.list()
    assert (caught.value.status_code, caught.value.code) == (421, "unknown_host")
    assert not sandbox.autoscaler.routes


def test_a_container_with_its_name_allowed(in_container: Callable[..., openai.OpenAI]) -> None:
    sdk = in_container(allow_host=(CONTAINER,))
    assert [model.id for model in sdk.models.list()] == ["sandbox"]
    stream = sdk.chat.completions.create(model="sandbox", messages=[{"role": "user", "content": "Hello!"}], stream=True)
    assert "Hello!" in "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_a_container_gives_the_proxys_key(in_container: Callable[..., openai.OpenAI], sandbox: Sandbox) -> None:
    sdk = in_container(allow_host=(CONTAINER,), proxy_key="a-key-of-the-proxy")
    with pytest.raises(openai.AuthenticationError):
        sdk.models.list()
    assert not sandbox.autoscaler.routes
    assert sdk.with_options(api_key="a-key-of-the-proxy").models.list().data


def test_the_name_alone_lets_no_web_page_in(start_proxy: Callable[..., VastClient], worker: RawWorker) -> None:
    url = start_proxy(allow_host=(CONTAINER,)).url
    request = post(b"{}", PATH, "Origin: https://evil.example").replace(b"Host: localhost", f"Host: {CONTAINER}".encode())
    with raw_worker.connect(url) as stranger, raw_worker.connect(url) as container:
        stranger.send(request)
        assert stranger.message().status == 403
        assert worker.was_left_alone()
        assert asked(container, worker, request.replace(b"Origin:", b"X-Page:"))
