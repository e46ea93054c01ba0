"""Who may ask: host names, web pages' origins, and the proxy's own key."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import requests
from openai import AuthenticationError, OpenAI

from vespa_client import VastClient
from vespa_client.access import Access
from vespa_client.errors import ForbiddenOrigin, UnknownHost
from vespa_client.http1 import RequestHead
from vespa_client.sandbox import Sandbox

KEY = "a-key-of-the-proxy"


def head(**fields: str) -> RequestHead:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return RequestHead("GET", "/", 1, list({"Host": "localhost:8010", **named}.items()))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8010",
        "localhost.",
        "app.localhost:80",
        "127.0.0.1:8010",
        "127.9.9.9",
        "[::1]:8010",
        "10.0.0.5:1",
    ],
)
def test_names_of_this_machine_are_answered_to(host: str) -> None:
    Access("10.0.0.5").check(head(Host=host), "10.0.0.5")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:1", "10.0.0.5", "notlocalhost"],
)
def test_other_names_are_misdirected(host: str) -> None:
    with pytest.raises(UnknownHost, match="doesn't go by the name") as raised:
        Access("127.0.0.1").check(head(Host=host), "127.0.0.1")
    assert raised.value.status == 421
    assert "--allow-host" in raised.value.hint


def test_what_an_absolute_target_names_is_checked_as_well() -> None:
    access = Access("127.0.0.1")
    local = head()._replace(authority="[::1]:8010")
    access.check(local, "127.0.0.1")
    with pytest.raises(UnknownHost, match=r"evil\.example"):
        access.check(local._replace(authority="evil.example"), "127.0.0.1")


def test_a_further_name_can_be_allowed() -> None:
    access = Access("127.0.0.1", allow_host=["host.docker.internal"])
    access.check(head(Host="Host.Docker.Internal:8010"), "127.0.0.1")
    with pytest.raises(UnknownHost):
        access.check(head(Host="x.host.docker.internal"), "127.0.0.1")


def test_an_address_of_this_machine_is_a_name_where_all_are_listened_on() -> None:
    access = Access("0.0.0.0")
    access.check(head(Host="192.0.2.7:8010"), "192.0.2.7")
    with pytest.raises(UnknownHost):
        access.check(head(Host="0.0.0.0:8010"), "192.0.2.7")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("192.0.2.7:8010", "::ffff:192.0.2.7"),
        ("[::ffff:192.0.2.7]:8010", "192.0.2.7"),
        ("[2001:DB8:0::7]", "2001:db8::7"),
        ("[::ffff:127.0.0.1]", "::1"),
    ],
)
def test_an_address_is_known_in_each_way_of_writing_it(host: str, local: str) -> None:
    access = Access("::")
    access.check(head(Host=host), local)
    with pytest.raises(UnknownHost):
        access.check(head(Host="192.0.2.8"), local)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:5173",
        "http://[::1]:3000",
        "http://tauri.localhost",
        "app://obsidian.md",
        "tauri://localhost",
        "vscode-webview://1abc",
        "vscode-file://vscode-app",
        "capacitor://localhost",
        "file://",
    ],
)
def test_pages_and_apps_of_this_machine_are_welcome(origin: str) -> None:
    access, asked = Access("127.0.0.1"), head(Origin=origin, Sec_Fetch_Site="cross-site")
    access.check(asked, "127.0.0.1")
    assert ("Access-Control-Allow-Origin", origin) in access.answer_fields(asked.fields)
    assert ("Vary", "Origin") in access.answer_fields(asked.fields)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://evil.example#localhost",
        "http://localhost\\.evil.example",
        "ftp://localhost",
        "chrome-extension://abc",
        "localhost",
    ],
)
def test_other_pages_are_forbidden(origin: str) -> None:
    access, asked = Access("127.0.0.1"), head(Origin=origin)
    with pytest.raises(ForbiddenOrigin):
        access.check(asked, "127.0.0.1")
    assert access.answer_fields(asked.fields) == []


def test_a_page_without_an_origin_is_told_by_the_fetch_metadata() -> None:
    access = Access("127.0.0.1")
    with pytest.raises(ForbiddenOrigin):
        access.check(head(Sec_Fetch_Site="cross-site"), "127.0.0.1")
    for site in ("none", "same-origin", "same-site"):
        access.check(head(Sec_Fetch_Site=site), "127.0.0.1")
        assert access.answer_fields(head(Sec_Fetch_Site=site).fields) == []


def test_what_a_page_has_fetched_in_advance_counts_as_its_own_request() -> None:
    access = Access("127.0.0.1")
    for purpose in ("prefetch", "prefetch;prerender"):
        with pytest.raises(ForbiddenOrigin):
            access.check(head(Sec_Fetch_Site="none", Sec_Purpose=purpose), "127.0.0.1")
        with pytest.raises(ForbiddenOrigin):
            access.check(head(Sec_Purpose=purpose), "127.0.0.1")
        access.check(head(Sec_Fetch_Site="same-origin", Sec_Purpose=purpose), "127.0.0.1")


def test_further_origins_can_be_allowed_by_label() -> None:
    access = Access("127.0.0.1", cors_origin=["https://*.example.com", "https://app.test:8443"])
    for origin in ("https://a.example.com", "https://A.Example.com", "https://app.test:8443"):
        access.check(head(Origin=origin), "127.0.0.1")
    for origin in ("https://example.com", "https://a.b.example.com", "https://a.example.com.evil", "https://app.test"):
        with pytest.raises(ForbiddenOrigin):
            access.check(head(Origin=origin), "127.0.0.1")


def test_a_preflight_is_answered_by_the_proxy_alone(proxy: VastClient, sandbox: Sandbox) -> None:
    asked = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-os",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = requests.options(f"{proxy.url}/v1/chat/completions", headers=asked, timeout=10)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert not sandbox.autoscaler.routes


def test_answers_and_errors_are_readable_to_a_welcome_page(proxy: VastClient) -> None:
    origin = {"Origin": "http://localhost:3000"}
    for path, status in (("/v1/models", 200), ("/_vespa/none", 404)):
        answer = requests.get(proxy.url + path, headers=origin, timeout=10)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "http://localhost:3000")
        assert "X-Vespa-Error" in answer.headers["access-control-expose-headers"]


def test_a_workers_own_cors_headers_are_not_passed_on(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.worker.answer_with(200, b"{}", {"Access-Control-Allow-Origin": "*"})
    assert "access-control-allow-origin" not in requests.get(f"{proxy.url}/v1/models", timeout=10).headers


@pytest.mark.parametrize(
    "fields", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_nothing_of_a_stranger_reaches_the_autoscaler(proxy: VastClient, sandbox: Sandbox, fields: dict[str, str]) -> None:
    answer = requests.post(f"{proxy.url}/v1/completions", json={"prompt": "x"}, headers=fields, timeout=10)
    assert answer.status_code in (403, 421)
    assert not sandbox.autoscaler.routes


def test_the_proxys_key_is_the_sdks_api_key(start_proxy: Callable[..., VastClient], sandbox: Sandbox) -> None:
    url = start_proxy(proxy_key=KEY, forward_header=("Authorization", "X-Api-Key")).url
    with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        assert client.models.list().data
    with (
        OpenAI(base_url=f"{url}/v1", api_key="another", max_retries=0) as client,
        pytest.raises(AuthenticationError, match="asks for its key"),
    ):
        client.models.list()
    assert requests.get(f"{url}/v1/models", headers={"X-Api-Key": KEY}, timeout=10).ok
    assert all(KEY not in value for request in sandbox.worker.requests for _, value in request.headers)


def test_a_host_beyond_this_machine_gets_a_key_of_its_own(start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy(host="0.0.0.0")
    assert client.proxy_key and client.proxy_key not in repr(client)
    assert requests.get(f"{client.url}/v1/models", timeout=10).status_code == 401
    assert requests.get(f"{client.url}/v1/models", headers={"X-Api-Key": client.proxy_key}, timeout=10).ok


def test_off_says_no_to_the_key_on_purpose(start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy(host="0.0.0.0", proxy_key="off")
    assert client.proxy_key is None
    assert requests.get(f"{client.url}/v1/models", timeout=10).ok


def test_a_worker_without_tls_beyond_this_machine_is_told_of_once_or_refused(
    start_proxy: Callable[..., VastClient], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.autoscaler.workers[:] = ["http://worker.invalid:8000"]
    caplog.set_level(logging.WARNING, "vespa_client")
    for require_tls, word in ((False, "resolved"), (True, "--require-tls")):
        url = start_proxy(retries=0, require_tls=require_tls).url
        assert word in requests.get(f"{url}/v1/models", timeout=10).json()["error"]["message"]
    assert caplog.text.count("in the clear") == 1
