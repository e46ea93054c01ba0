"""Who may ask: host names, web pages' origins, and the proxy's own key."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
import requests
from openai import AuthenticationError, OpenAI

from vespa_client import VastClient
from vespa_client.errors import BadRequest, ConfigurationError, ForbiddenOrigin, ProxyKeyMissing, UnknownHost
from vespa_client.http1.fields import ReceivedFields
from vespa_client.http1.heads import RequestHead, parse_request_head
from vespa_client.sandbox import Sandbox
from vespa_client.server.access import Access
from vespa_client.settings.table import Settings

from ..support.raw_worker import connect, get, post

KEY = "a-key-of-the-proxy"


def head(**fields: str) -> RequestHead:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return RequestHead("GET", "/", 1, ReceivedFields([*{"Host": "localhost:8010", **named}.items()]))


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


@pytest.mark.parametrize(("allowed", "host"), [("0.0.0.0", "0.0.0.0:8010"), ("::", "[::]:8010"), ("[::]", "[::]")])
def test_the_address_of_all_addresses_is_a_name_where_it_is_allowed(allowed: str, host: str) -> None:
    for bound in ("0.0.0.0", "::", "127.0.0.1"):
        Access(bound, allow_host=[allowed]).check(head(Host=host), "192.0.2.7")
        with pytest.raises(UnknownHost):
            Access(bound).check(head(Host=host), "192.0.2.7")


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


@pytest.mark.parametrize(
    "sites",
    [
        ["cross-site, none"],
        ["none, cross-site"],
        ["none", "none"],
        ["none", "cross-site"],
        ["same-origin", "cross-site"],
        ['"cross-site"'],
        ["cross-site;a"],
        ["none;a"],
        ["Cross-Site"],
        [""],
        ["elsewhere"],
    ],
)
def test_fetch_metadata_that_no_browser_sends_counts_for_the_worst(sites: list[str]) -> None:
    asked = head()
    asked = asked._replace(fields=ReceivedFields([*asked.fields, *(("Sec-Fetch-Site", site) for site in sites)]))
    with pytest.raises(ForbiddenOrigin):
        Access("127.0.0.1").check(asked, "127.0.0.1")


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


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("HTTPS://*.example.com:443/", "https://app.example.com"),
        ("https://app.example.com:80", "https://app.example.com:80"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("app://app.example.com:443", "app://app.example.com:443"),
    ],
)
def test_a_port_that_browsers_leave_out_may_be_given(given: str, sent: str) -> None:
    access = Access("127.0.0.1", cors_origin=Settings(cors_origin=given).cors_origin)  # type: ignore[arg-type]
    access.check(head(Origin=sent), "127.0.0.1")
    scheme, _, rest = sent.partition("://")
    if scheme != "app":
        other = f"{scheme}://{rest.partition(':')[0]}" + ("" if ":" in rest else ":8443")
        with pytest.raises(ForbiddenOrigin):
            access.check(head(Origin=other), "127.0.0.1")


def test_a_page_without_an_origin_is_pointed_to_no_flag_that_the_start_refuses() -> None:
    with pytest.raises(ForbiddenOrigin) as raised:
        Access("127.0.0.1").check(head(Origin="null"), "127.0.0.1")
    assert raised.value.status == 403
    assert "--" not in raised.value.message + raised.value.hint
    assert "http://localhost" in raised.value.hint
    with pytest.raises(ConfigurationError):
        Settings(cors_origin="null")  # type: ignore[arg-type]


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
    del asked["Access-Control-Request-Private-Network"]
    answer = requests.options(f"{proxy.url}/v1/chat/completions", headers=asked, timeout=10)
    assert answer.status_code == 204
    assert "access-control-allow-private-network" not in answer.headers
    assert not sandbox.autoscaler.routes


def test_answers_and_errors_are_readable_to_a_welcome_page(proxy: VastClient) -> None:
    origin = {"Origin": "http://localhost:3000"}
    for path, status in (("/v1/models", 200), ("/_vespa/none", 404)):
        answer = requests.get(proxy.url + path, headers=origin, timeout=10)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "http://localhost:3000")
        assert "X-Vespa-Error" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("origin", "allowed"), [("http://localhost:3000", "http://localhost:3000"), ("https://evil.example", None), ("null", None)]
)
def test_a_welcome_page_can_read_why_its_target_was_refused(proxy: VastClient, origin: str, allowed: str | None) -> None:
    with connect(proxy.url) as client:
        client.send(get("/v1/a<b", f"Origin: {origin}"))
        got = client.message()
    assert (got.status, got.one("x-vespa-error"), got.one("access-control-allow-origin")) == (400, "bad_request", allowed)


def test_a_workers_page_that_is_opened_in_a_browser_gets_no_origin(proxy: VastClient, sandbox: Sandbox) -> None:
    sandbox.worker.answer_with(200, b"<script></script>", {"Content-Type": "text/html"}, times=None)

    def policy(**fields: str) -> str | None:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        answer = requests.get(f"{proxy.url}/page", headers=named, timeout=10)
        assert answer.text == "<script></script>"
        return answer.headers.get("content-security-policy")

    assert policy(Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate") == "sandbox"
    assert policy(Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="navigate", Origin="http://localhost:3000") == "sandbox"
    assert policy(Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors") is None
    assert policy() is None


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


WITH_KEY = [
    ("X-Goog-Api-Key", KEY),
    ("X_Api_Key", KEY),
    ("Cookie", f"theme=dark; session={KEY}; a=b"),
    ("Authorization", f"Token {KEY}"),
    ("Authorization", f'Digest username="me", key="{KEY}"'),
    ("Referer", f"http://localhost:8010/?key={KEY}&a=b"),
    ("X-Keys", f"one,{KEY},two"),
]


def test_the_proxys_key_goes_upstream_in_no_header(start_proxy: Callable[..., VastClient], sandbox: Sandbox) -> None:
    url = start_proxy(proxy_key=KEY, forward_header=("Authorization", "Cookie", "X-Api-Key", "X-Goog-Api-Key", "X_Api_Key")).url
    for name, value in WITH_KEY:
        asked = {"X-Api-Key": KEY, name: value, "X-Mine": "mine"}
        assert requests.get(f"{url}/v1/models", headers=asked, timeout=10).ok
        sent = {known.lower(): value for known, value in sandbox.worker.requests[-1].headers}
        assert sent["x-mine"] == "mine"
        assert name.lower() not in sent
        assert KEY not in f"{sent} {sandbox.autoscaler.routes[-1].headers}"


def test_what_only_contains_the_proxys_key_is_no_secret() -> None:
    access = Access("127.0.0.1", proxy_key=KEY)
    mine = [(f"X-{number}", value) for number, value in enumerate((f"{KEY}s", f"not-{KEY}", f"a={KEY}2", KEY.upper()))]
    asked = head(X_Api_Key=KEY)
    asked = asked._replace(target=f"/v1/{KEY}s", fields=ReceivedFields([*asked.fields, *mine]))
    assert access.without_key(asked) == asked._replace(fields=ReceivedFields([("Host", "localhost:8010"), *mine]))


@pytest.mark.parametrize("value", [f"token:{KEY}", f"({KEY})", f"[{KEY}]", f"{{{KEY}}}", f"<{KEY}>", f"{KEY}=", f"{KEY}."])
def test_whatever_signs_stand_around_the_proxys_key_it_is_one(value: str) -> None:
    asked = head(X_Api_Key=KEY, X_Other=value)
    assert Access("127.0.0.1", proxy_key=KEY).without_key(asked).fields == [("Host", "localhost:8010")]


TARGETS_WITH_KEY = [f"/v1/models?key={KEY}", f"/v1/models?a=b&key={KEY}&c=d", f"/?{KEY}", f"/{KEY}", f"/v1/{KEY}/models"]


@pytest.mark.parametrize(
    "target",
    [
        *TARGETS_WITH_KEY,
        f"/v1/{KEY}?a=b",
        f"/v1/models?{KEY}=b",
        f"/{KEY}:x",
    ],
)
def test_a_target_with_the_proxys_key_is_refused(start_proxy: Callable[..., VastClient], sandbox: Sandbox, target: str) -> None:
    with connect(start_proxy(proxy_key=KEY).url) as client:
        client.send(get(target, f"Authorization: Bearer {KEY}"))
        got = client.message()
        assert (got.status, got.one("x-vespa-error")) == (400, "bad_request")
        assert KEY not in got.body.decode()
        assert not sandbox.autoscaler.routes
        client.send(get(target))
        assert client.message().status == 401


@pytest.mark.parametrize("target", ["/v1/x?key=odd|[key]{1}", "/v1/x?key=odd%7C%5Bkey%5D%7B1%7D", "/v1/odd%7c[key]%7b1}/x"])
def test_a_key_in_a_target_is_found_however_it_is_written(target: str) -> None:
    key = "odd|[key]{1}"
    fields = [("Host", "localhost"), ("Authorization", f"Bearer {key}")]
    asked = parse_request_head(f"GET {target} HTTP/1.1".encode())._replace(fields=ReceivedFields(fields))
    with pytest.raises(BadRequest):
        Access("127.0.0.1", proxy_key=key).without_key(asked)


def test_who_has_no_key_learns_nothing_else(start_proxy: Callable[..., VastClient]) -> None:
    url = start_proxy(proxy_key=KEY, max_body=10).url
    for status, request in ((405, get(method="PROPFIND")), (413, post(b"x" * 11)), (404, get("/_vespa/none"))):
        for expected, line in ((401, b"X-Api-Key: another"), (status, b"X-Api-Key: " + KEY.encode())):
            with connect(url) as client:
                client.send(request.replace(b"Host", line + b"\r\nHost", 1))
                assert client.message().status == expected
    with pytest.raises(ProxyKeyMissing):
        Access("127.0.0.1", proxy_key=KEY).without_key(head()._replace(target=TARGETS_WITH_KEY[0]))


def test_a_host_beyond_this_machine_gets_a_key_of_its_own(start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy(host="0.0.0.0")
    assert client.proxy_key and client.proxy_key not in repr(client)
    # One that began with a dash would be a flag to a command line.
    assert re.fullmatch(r"[0-9a-f]{48}", client.proxy_key)
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
        for _ in range(2):
            assert word in requests.get(f"{url}/v1/models", timeout=10).json()["error"]["message"]
    assert caplog.text.count("in the clear") == 1
