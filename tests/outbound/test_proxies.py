"""Outbound proxies: which hosts are behind one, and requests that go through a real one on loopback."""

from __future__ import annotations

import base64
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.outbound_proxy import OutboundProxy
from tests.support.tls_material import Authority
from tests.support.waiting import LONG
from vespa_client import ConfigurationError, NetworkError, VastClient
from vespa_client.outbound.proxies import OutboundProxies
from vespa_client.sandbox import Request, Sandbox
from vespa_client.sandbox.messages import ClientGone

PASSWORD = "marked-password-4711"


def proxies(**settings: str) -> OutboundProxies:
    return OutboundProxies(settings)


def test_without_settings_every_way_is_direct() -> None:
    assert proxies().for_host("https", "run.vast.ai", None) is None


def test_each_scheme_has_its_own() -> None:
    both = proxies(http="http://plain:1", https="http://secure:2")
    assert both.for_host("http", "203.0.113.7", 41234) == "http://plain:1"
    assert both.for_host("https", "203.0.113.7", 41234) == "http://secure:2"
    assert proxies(http="http://plain:1").for_host("https", "run.vast.ai", None) is None


def test_all_proxy_stands_in_where_a_scheme_has_none() -> None:
    some = proxies(all="http://any:3", https="http://secure:2")
    assert some.for_host("http", "run.vast.ai", None) == "http://any:3"
    assert some.for_host("https", "run.vast.ai", None) == "http://secure:2"


def test_a_proxy_without_a_scheme_speaks_plain_http() -> None:
    assert proxies(https="10.0.0.1:3128").for_host("https", "run.vast.ai", None) == "http://10.0.0.1:3128"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" http://plain:1 ", "http://plain:1"),
        ("\thttp://plain:1\r\n", "http://plain:1"),
        (" plain:1", "http://plain:1"),
        ("//plain:1", "http://plain:1"),
        ("HTTP://plain:1", "http://plain:1"),
        ("HTTPS://plain:1/", "https://plain:1/"),
    ],
)
def test_a_proxys_address_is_taken_as_people_write_it(written: str, meant: str) -> None:
    assert proxies(https=written).for_host("https", "run.vast.ai", None) == meant
    assert proxies(all=written).for_host("https", "run.vast.ai", None) == meant


def test_blanks_are_no_proxy() -> None:
    assert proxies(https=" ").for_host("https", "run.vast.ai", None) is None
    assert proxies(https=" ", all="http://any:3").for_host("https", "run.vast.ai", None) == "http://any:3"


@pytest.mark.parametrize("host", ["localhost.", "LOCALHOST", "0:0::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known_in_every_form(host: str) -> None:
    assert proxies(all="http://any:2").for_host("http", host, 8010) is None


def test_its_password_is_known_as_a_secret() -> None:
    some = proxies(http="http://me:p%40ss@plain:1", https="token@secure:2", all="http://any:3")
    assert some.passwords == ["p%40ss", "token", "p@ss", "token"]
    assert proxies(http="http://plain:1/a@b").passwords == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "a.localhost"])
def test_this_machine_is_never_behind_one(host: str) -> None:
    assert proxies(http="http://plain:1", all="http://any:2").for_host("http", host, 8010) is None


@pytest.mark.parametrize(
    ("exceptions", "host", "port", "direct"),
    [
        ("vast.ai", "run.vast.ai", None, True),
        ("vast.ai", "vast.ai", None, True),
        (".vast.ai", "run.vast.ai", None, True),
        ("VAST.AI", "Run.Vast.Ai", None, True),
        ("vast.ai", "notvast.ai", None, False),
        ("run.vast.ai", "console.vast.ai", None, False),
        ("other.test, vast.ai ,", "run.vast.ai", None, True),
        ("*", "203.0.113.7", 41234, True),
        ("203.0.113.7", "203.0.113.7", 41234, True),
        ("203.0.113.0/24", "203.0.113.7", 41234, True),
        ("203.0.113.0/24", "203.0.114.7", 41234, False),
        ("203.0.113.0/24", "run.vast.ai", None, False),
        ("run.vast.ai/24", "run.vast.ai", None, False),
        ("worker.test:41234", "worker.test", 41234, True),
        ("worker.test:41234", "worker.test", 41235, False),
        ("2001:db8::1", "2001:db8::1", 41234, True),
        ("2001:db8::/32", "2001:db8::7", 41234, True),
        ("", "run.vast.ai", None, False),
        (".", "run.vast.ai", None, False),
        # With a star or a dot before it, and a dot behind it, which a host may have too.
        ("*.vast.ai", "run.vast.ai", None, True),
        ("*.vast.ai", "vast.ai", None, True),
        ("*.vast.ai", "notvast.ai", None, False),
        ("*.VAST.ai.", "run.vast.ai", None, True),
        ("run.vast.ai.", "run.vast.ai", None, True),
        ("run.vast.ai", "run.vast.ai.", None, True),
        (".vast.ai.", "run.vast.ai", None, True),
        ("*.", "run.vast.ai", None, False),
        # Apart by blanks, or by both.
        ("other.test vast.ai", "run.vast.ai", None, True),
        ("other.test\tvast.ai", "run.vast.ai", None, True),
        ("  other.test ,, vast.ai  ", "run.vast.ai", None, True),
        ("other.test;vast.ai", "run.vast.ai", None, True),
        ("other.test *", "run.vast.ai", None, True),
        # IPv6 by value, with brackets or without them.
        ("[2001:db8::1]", "2001:db8::1", 41234, True),
        ("2001:DB8:0:0::1", "2001:db8::1", 41234, True),
        ("2001:0db8::0001", "2001:db8::1", 41234, True),
        ("2001:db8::1", "2001:DB8:0::1", 41234, True),
        ("2001:db8::1", "2001:db8::2", 41234, False),
        ("[2001:db8::1]:41234", "2001:db8::1", 41234, True),
        ("[2001:db8::1]:41234", "2001:db8::1", 41235, False),
        ("fe80::1%eth0", "fe80::1", 41234, True),
        ("[fe80::1%25eth0]:41234", "fe80::1%eth0", 41234, True),
        # With a dot behind it, which makes no name of an address.
        ("203.0.113.7.", "203.0.113.7", 41234, True),
        ("203.0.113.7", "203.0.113.7.", 41234, True),
        ("::ffff:203.0.113.7", "203.0.113.7", 41234, True),
        # Networks.
        ("[2001:db8::]/32", "2001:db8::7", 41234, True),
        ("2001:DB8::1/64", "2001:db8::7", 41234, True),
        ("2001:db8::/32", "2001:db9::7", 41234, False),
        ("203.0.113.9/24", "203.0.113.7", 41234, True),
        ("203.0.113.0/255.255.255.0", "203.0.113.7", 41234, True),
        ("203.0.113.7/32", "203.0.113.7", 41234, True),
        ("0.0.0.0/0", "203.0.113.7", 41234, True),
        ("0.0.0.0/0", "2001:db8::1", 41234, False),
        ("203.0.113.0/33", "203.0.113.7", 41234, False),
        ("[2001:db8::/32]", "2001:db8::7", 41234, True),
        ("[2001:db8::/32]", "2001:db9::7", 41234, False),
        ("fe80::%eth0/10", "fe80::1%eth0", 41234, True),
        ("::ffff:203.0.113.0/120", "203.0.113.7", 41234, True),
        ("::ffff:203.0.113.0/120", "203.0.114.7", 41234, False),
        ("::ffff:0:0/64", "203.0.113.7", 41234, False),
        # Ports, those that an address leaves out as well.
        ("203.0.113.7:41234", "203.0.113.7", 41234, True),
        ("203.0.113.7:41234", "203.0.113.7", 41235, False),
        ("vast.ai:443", "run.vast.ai", None, True),
        ("vast.ai:", "run.vast.ai", None, True),
        ("[2001:db8::1]:", "2001:db8::1", 41234, True),
        ("*:443", "run.vast.ai", None, True),
        ("*:443", "run.vast.ai", 8443, False),
        ("vast.ai:80", "run.vast.ai", None, False),
        ("*.vast.ai:443", "run.vast.ai", None, True),
        # What is part of a name or of an address only.
        ("3.0.113.7", "203.0.113.7", 41234, False),
        ("ai", "run.vast.ai", None, True),
        ("un.vast.ai", "run.vast.ai", None, False),
        ("[", "run.vast.ai", None, False),
        (":443", "run.vast.ai", None, False),
    ],
)
def test_no_proxy_excepts_hosts(exceptions: str, host: str, port: int | None, direct: bool) -> None:
    found = proxies(https="http://secure:2", no=exceptions).for_host("https", host, port)
    assert (found is None) is direct


def test_a_kind_of_proxy_that_is_not_supported_is_said_without_its_password() -> None:
    some = proxies(all=f"socks5://user:{PASSWORD}@127.0.0.1:1080", no="except.test")
    with pytest.raises(ConfigurationError) as caught:
        some.for_host("https", "run.vast.ai", None)
    assert "'socks5'" in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint
    assert PASSWORD not in str(caught.value) + repr(caught.value) + caught.value.hint
    # Who doesn't need it isn't troubled by it.
    assert some.for_host("https", "except.test", None) is None
    assert some.for_host("http", "localhost", 8010) is None


@pytest.mark.parametrize(
    "broken", ["http://", "http://[::1", "http://host:port", "http://:3128", "http://host:0", "PROXY host:1", "http://host :1"]
)
def test_a_proxy_that_is_no_address_is_said(broken: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        proxies(https=broken).for_host("https", "run.vast.ai", None)
    assert "outbound proxy" in caught.value.message


def test_the_environment_counts_when_nothing_else_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:2")
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("NO_PROXY", "except.test")
    found = OutboundProxies()
    assert found.for_host("https", "run.vast.ai", None) == "http://secure:2"
    assert found.for_host("http", "run.vast.ai", None) == "http://plain:1"
    assert found.for_host("https", "except.test", None) is None


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:2")
    found = OutboundProxies()
    monkeypatch.setenv("HTTPS_PROXY", "http://another:3")
    assert found.for_host("https", "run.vast.ai", None) == "http://secure:2"


@pytest.fixture(scope="module")
def vast() -> Authority:
    return Authority()


@pytest.fixture
def secure_sandbox(vast: Authority) -> Iterator[Sandbox]:
    """Its worker is https://worker.test:PORT, with a certificate for that name. Only the proxy knows where that is."""
    sandbox = Sandbox(token_delay=0.0, worker_tls=vast.server("worker.test"), worker_kind="vespa")
    sandbox.console.root_certificate = vast.pem
    with sandbox:
        sandbox.autoscaler.workers[:] = [named(sandbox.worker.url)]
        yield sandbox


def ask(method: str, url: str, **details: Any) -> requests.Response:
    """An app's request, whose way is direct whatever the environment says."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=LONG, **details)


def named(url: str) -> str:
    return url.replace("127.0.0.1", "worker.test")


def start(sandbox: Sandbox, **settings: Any) -> VastClient:
    given: dict[str, Any] = {
        "endpoint": sandbox.endpoints[0].name,
        "account_key": sandbox.account_key,
        "console_url": sandbox.console_url,
        "autoscaler_url": sandbox.autoscaler_url,
        "port": 0,
        "pass_route": ("/",),
        **settings,
    }
    return VastClient(**given).start()


def test_a_tls_worker_is_reached_through_a_tunnel(secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        with start(secure_sandbox) as client:
            body = {"messages": [{"role": "user", "content": "hello"}]}
            answers = [ask("POST", f"{client.url}/v1/chat/completions", json=body) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        # One tunnel serves all three, and console and autoscaler, which are on loopback here, need none.
        port = urlsplit(secure_sandbox.worker.url).port
        assert [(asked.method, asked.target) for asked in company.asked] == [("CONNECT", f"worker.test:{port}")]
        assert [request.header("host") for request in secure_sandbox.worker.requests] == [f"worker.test:{port}"] * 3


def test_a_stream_comes_through_a_tunnel_as_it_arrives(secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()

    def pieces(request: object) -> Iterator[bytes]:
        yield b"data: first\n\n"
        assert seen.wait(LONG)
        yield b"data: second\n\n"

    with OutboundProxy() as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        secure_sandbox.worker.answer_with(200, pieces, {"Content-Type": "text/event-stream"})
        with (
            start(secure_sandbox) as client,
            ask("GET", f"{client.url}/stream", stream=True) as answer,
        ):
            chunks = answer.iter_content(chunk_size=None)
            assert next(chunks) == b"data: first\n\n"
            seen.set()
            assert b"".join(chunks) == b"data: second\n\n"


def test_the_log_in_of_the_proxy_url_goes_to_the_proxy_alone(
    secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me%40work:{PASSWORD}@127.0.0.1:{company.port}")
        with start(secure_sandbox, debug=True) as client:
            assert ask("GET", f"{client.url}/v1/models").status_code == 200
        expected = "Basic " + base64.b64encode(f"me@work:{PASSWORD}".encode()).decode()
        assert [asked.field("proxy-authorization") for asked in company.asked] == [expected]
    for component in (secure_sandbox.worker, secure_sandbox.autoscaler, secure_sandbox.console):
        assert all(request.header("proxy-authorization") is None for request in component.requests)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert logged
    assert PASSWORD not in logged
    assert expected.split()[1] not in logged


def test_no_key_is_shown_to_the_proxy(secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        with start(secure_sandbox) as client:
            key = {"Authorization": "Bearer of-the-client"}
            assert ask("GET", f"{client.url}/v1/models", headers=key).status_code == 200
        assert [asked.field("authorization") for asked in company.asked] == [None]


def test_a_plain_worker_is_asked_for_in_absolute_form(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.autoscaler.workers[:] = [named(sandbox.worker.url)]
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:{PASSWORD}@127.0.0.1:{company.port}")
        with start(sandbox) as client:
            got = ask("GET", f"{client.url}/v1/models?a=%2F&a=b+c")
            posted = ask("POST", f"{client.url}/v1/embeddings", json={"input": "x"})
        assert (got.status_code, posted.status_code) == (200, 200)
        first, second = company.asked
    authority = urlsplit(named(sandbox.worker.url)).netloc
    assert first.method == "GET"
    assert first.target.startswith(f"http://{authority}/v1/models?a=%2F&a=b+c&serverless_")
    assert (second.method, second.target) == ("POST", f"http://{authority}/v1/embeddings")
    assert first.field("host") == second.field("host") == authority
    assert (first.field("proxy-authorization") or "").startswith("Basic ")
    assert [request.path for request in sandbox.worker.requests] == ["/v1/models", "/v1/embeddings"]
    assert sandbox.worker.requests[0].query.startswith("a=%2F&a=b+c&serverless_")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [("403 Forbidden", "403 Forbidden"), ("407 Proxy Authentication Required", "407 Proxy Authentication Required")],
)
def test_a_proxy_that_refuses_high_ports_is_said(
    secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, refusal: str, said: str
) -> None:
    with OutboundProxy(refuse=lambda host, port: refusal if port > 1024 else None) as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@127.0.0.1:{company.port}")
        with start(secure_sandbox, retries=1) as client:
            answer = ask("GET", f"{client.url}/v1/models")
    assert answer.status_code == 502
    error = answer.json()["error"]
    assert f"the outbound proxy refused the way there ({said})" in error["message"]
    assert "high ports" in error["hint"]
    assert "NO_PROXY" in error["hint"]
    assert PASSWORD not in answer.text
    assert len(company.asked) == 2
    assert secure_sandbox.worker.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_away_is_named_as_what_is_away(
    sandbox: Sandbox, secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    behind = sandbox if scheme == "http" else secure_sandbox
    behind.autoscaler.workers[:] = [named(behind.worker.url)]
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://me:{PASSWORD}@127.0.0.1:{refusing_port()}")
    with start(behind, retries=0) as client:
        answer = ask("GET", f"{client.url}/v1/models")
    assert answer.status_code == 502
    assert "the outbound proxy can't be reached: connection refused" in answer.json()["error"]["message"]
    assert PASSWORD not in answer.text


def test_a_certificate_is_verified_through_a_tunnel_too(
    vast: Authority, secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure_sandbox.autoscaler.workers[:] = [secure_sandbox.worker.url.replace("127.0.0.1", "other.test")]
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        with start(secure_sandbox, retries=0) as client:
            answer = ask("GET", f"{client.url}/v1/models")
    assert answer.status_code == 502
    assert "certificate is not trusted" in answer.json()["error"]["message"]
    assert secure_sandbox.worker.requests == []


def test_no_proxy_leads_past_the_proxy(secure_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        monkeypatch.setenv("NO_PROXY", "worker.test")
        at_home(monkeypatch)
        with start(secure_sandbox) as client:
            assert ask("GET", f"{client.url}/v1/models").status_code == 200
        assert company.asked == []


def test_console_and_autoscaler_are_behind_the_proxy_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutboundProxy() as company:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{company.port}")
        urls = {
            "console_url": sandbox.console_url.replace("127.0.0.1", "console.test"),
            "autoscaler_url": sandbox.autoscaler_url.replace("127.0.0.1", "run.test"),
        }
        with start(sandbox, **urls) as client:
            assert ask("GET", f"{client.url}/v1/models").status_code == 200
        assert [urlsplit(asked.target).hostname for asked in company.asked] == ["console.test", "run.test"]


def test_a_console_behind_a_proxy_that_refuses_is_said_with_what_to_check(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutboundProxy(refuse=lambda host, port: "403 Forbidden") as company:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        with pytest.raises(NetworkError) as caught:
            start(sandbox, console_url="https://console.test")
    assert "the outbound proxy refused the way there (403 Forbidden)" in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint


def refusing_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name worker.test leads to this machine."""
    look_up: Callable[..., Any] = socket.getaddrinfo

    def here(host: str, *rest: Any, **named: Any) -> Any:
        return look_up("127.0.0.1" if host == "worker.test" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.fixture
def over_tls(vast: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboundProxy]:
    """An outbound proxy that is itself spoken to in TLS, for both schemes."""
    with OutboundProxy(tls=vast.server()) as company:
        monkeypatch.setenv("HTTP_PROXY", f"https://me:{PASSWORD}@127.0.0.1:{company.port}")
        monkeypatch.setenv("HTTPS_PROXY", f"https://me:{PASSWORD}@127.0.0.1:{company.port}")
        yield company


def test_a_plain_worker_is_asked_for_through_a_proxy_with_tls(
    vast: Authority, sandbox: Sandbox, over_tls: OutboundProxy, tmp_path: Path
) -> None:
    sandbox.autoscaler.workers[:] = [named(sandbox.worker.url)]
    with start(sandbox, ca_file=str(vast.pem_file(tmp_path))) as client:
        answers = [ask("POST", f"{client.url}/v1/embeddings", json={"input": "x"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    authority = urlsplit(named(sandbox.worker.url)).netloc
    assert [(asked.method, asked.target) for asked in over_tls.asked] == [("POST", f"http://{authority}/v1/embeddings")] * 2
    assert all((asked.field("proxy-authorization") or "").startswith("Basic ") for asked in over_tls.asked)


def test_tls_goes_inside_the_proxys_tls(
    vast: Authority, secure_sandbox: Sandbox, over_tls: OutboundProxy, tmp_path: Path
) -> None:
    with start(secure_sandbox, ca_file=str(vast.pem_file(tmp_path))) as client:
        answers = [ask("POST", f"{client.url}/v1/embeddings", json={"input": "x"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    port = urlsplit(secure_sandbox.worker.url).port
    assert [(asked.method, asked.target) for asked in over_tls.asked] == [("CONNECT", f"worker.test:{port}")]


def test_a_client_that_leaves_is_heard_inside_the_proxys_tls(
    vast: Authority, secure_sandbox: Sandbox, over_tls: OutboundProxy, tmp_path: Path
) -> None:
    gone = threading.Semaphore(0)

    def pieces(request: Request) -> Iterator[bytes]:
        yield b"data: x\n\n"
        try:
            request.pause(LONG)
        except ClientGone:
            gone.release()
            raise

    secure_sandbox.worker.answer_with(200, pieces, {"Content-Type": "text/event-stream"}, times=None)
    with start(secure_sandbox, ca_file=str(vast.pem_file(tmp_path))) as client:
        for _ in range(2):
            with ask("GET", f"{client.url}/stream", stream=True) as answer:
                assert next(answer.iter_content(chunk_size=None))
            assert gone.acquire(timeout=LONG)
