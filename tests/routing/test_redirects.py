"""Where a worker's answer may lead: what each address becomes, and that no client goes past the proxy with its key."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import requests

from vespa_client import VastClient
from vespa_client.errors import RedirectRefused
from vespa_client.http1.fields import Fields, ReceivedFields, values_of
from vespa_client.routing.redirects import Redirects

from ..support.raw_worker import Peer, RawWorker, answer, background, connect, get, only_worker, post, raw_client, swap
from ..support.waiting import LONG

worker, client = only_worker, raw_client
StartProxy = Callable[..., VastClient]

WORKER = "http://203.0.113.7:41234"
PROXY = "http://localhost:8010/v1/x"


def settled(name: str, value: str, status: int = 307, worker: str = WORKER, allowed: tuple[str, ...] = ()) -> list[str]:
    """What the client gets of one header."""
    fields: Fields = ReceivedFields([("Server", "x"), (name, value), ("X-Last", "y")])
    kept = Redirects(allowed).settled(status, fields, worker)
    assert [field for field in kept if field[0] in ("Server", "X-Last")] == [("Server", "x"), ("X-Last", "y")]
    assert [given for given, _ in kept if given not in ("Server", "X-Last")] in ([name], [])
    return list(values_of(kept, name.lower()))


OWN = {
    "http://203.0.113.7:41234": "/",
    "http://203.0.113.7:41234/": "/",
    "http://203.0.113.7:41234/v1/models/?a=%2f&b#c": "/v1/models/?a=%2f&b#c",
    "http://203.0.113.7:41234?a=b": "/?a=b",
    "http://203.0.113.7:41234#c": "/#c",
    "HTTP://203.0.113.7:41234/x": "/x",
    # What it takes itself for behind a TLS of its own.
    "https://203.0.113.7:41234/x": "/x",
    "//203.0.113.7:41234/x": "/x",
    " \thttp://203.0.113.7:41234/x\t": "/x",
    "ht\ttp://203.0.113.7:4\t1234/x": "/x",
    # Which would else be a host's name.
    "http://203.0.113.7:41234//evil.example/x": "/.//evil.example/x",
    "http://203.0.113.7:41234/\\evil.example/x": "/./\\evil.example/x",
    "http://203.0.113.7:41234/\t/evil.example/x": "/.//evil.example/x",
}


@pytest.mark.parametrize("address", OWN)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_the_workers_own_address_comes_back_as_a_path(address: str, status: int) -> None:
    assert settled("Location", address, status) == [OWN[address]]
    assert urlsplit(urljoin(PROXY, OWN[address])).netloc == "localhost:8010"


@pytest.mark.parametrize(
    ("worker", "address", "path"),
    [
        ("http://worker.test", "http://worker.test:80/x", "/x"),
        ("https://worker.test", "https://worker.test:443/x", "/x"),
        ("https://worker.test:443", "https://worker.test/x", "/x"),
        ("https://worker.test", "//worker.test/x", "/x"),
        ("https://worker.test", "http://worker.test:443/x", "/x"),
        ("http://Worker.Test:8080", "http://WORKER.TEST.:8080/x", "/x"),
        ("http://[2001:db8::1]:8080", "http://[2001:DB8:0::1]:8080/x", "/x"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]/x", "/x"),
    ],
)
def test_its_own_address_is_known_in_every_form(worker: str, address: str, path: str) -> None:
    assert settled("Location", address, worker=worker) == [path]


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/v1/x",
        "x/y",
        "../x",
        "./a:b",
        "?a=http://evil.example/",
        "#c",
        "",
        "/a//b",
        "..//x",
        "/%2f/x",
        "/a\\b",
        "/caf\xe9",
    ],
)
def test_a_relative_one_passes(address: str) -> None:
    assert settled("Location", address) == [address]
    assert urlsplit(urljoin(PROXY, address)).netloc == "localhost:8010"


ELSEWHERE = [
    "http://evil.example/x",
    "https://evil.example",
    "//evil.example/x",
    "///evil.example/x",
    "/\\evil.example/x",
    "\\\\evil.example/x",
    "\\/evil.example/x",
    "/\t/evil.example/x",
    "\t//evil.example/x",
    "\xa0//evil.example/x",
    "ht\ttp://evil.example/x",
    "http:evil.example/x",
    "http:/evil.example/x",
    "http:\\\\evil.example/x",
    "http:///evil.example/x",
    "https:/x",
    # Another port, another host that begins alike, a log-in.
    "http://203.0.113.7:41235/x",
    "http://203.0.113.7/x",
    "https://203.0.113.7/x",
    "http://203.0.113.7:41234.evil.example/x",
    "http://203.0.113.7:412345/x",
    "http://user:password@203.0.113.7:41234/x",
    "http://203.0.113.7:41234@evil.example/x",
    "http://203.0.113.7:41234\\@evil.example/x",
    "http://203.0.113.7:41234 /x",
    "http://203.0.113.7:/x",
    "http://[::ffff:203.0.113.7]:41234/x",
    "http://[evil/x",
    "http://evil.example:port/x",
    "http://%65vil.example/x",
    "http://caf\xe9.example/x",
    "http://localhost:8010/x",
    "ftp://203.0.113.7:41234/x",
    "ws://203.0.113.7:41234/x",
    "javascript:alert(1)",
    "data:text/html,x",
    "mailto:x@y",
    "scheme:x",
]


@pytest.mark.parametrize("address", ELSEWHERE)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_any_other_is_refused(address: str, status: int) -> None:
    with pytest.raises(RedirectRefused) as caught:
        settled("Location", address, status)
    problem = caught.value
    assert (problem.status, problem.code) == (502, "redirect_refused")
    assert "203.0.113.7:41234" in problem.message
    assert str(status) in problem.message
    assert "password" not in problem.message + problem.hint
    assert all(char.isprintable() for char in problem.message + problem.hint)


def test_it_is_named_without_its_query_and_with_what_lets_it_through() -> None:
    with pytest.raises(RedirectRefused) as caught:
        settled("Location", "https://files.example:8443/a/b?signature=secret#c")
    assert "to https://files.example:8443/a/b, which" in caught.value.message
    assert "--allow-redirect files.example." in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(RedirectRefused) as caught:
        settled("Location", "javascript:alert(1)")
    assert "--allow-redirect" not in caught.value.hint


def test_a_long_one_is_cut_short() -> None:
    with pytest.raises(RedirectRefused) as caught:
        settled("Location", "https://files.example/" + "x" * 50_000)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("allowed", "address", "passes"),
    [
        ("files.example", "https://files.example/x?y=%20", True),
        ("files.example", "HTTPS://Files.Example.:8443/x", True),
        ("FILES.example", "//files.example/x", True),
        ("files.example", "https://more.files.example/x", False),
        ("files.example", "https://files.example.evil.example/x", False),
        ("files.example", "https://files.example@evil.example/x", False),
        ("files.example", "https://evil.example\\@files.example/x", False),
        ("files.example", "https://user:password@files.example/x", False),
        ("files.example", "ftp://files.example/x", False),
        ("files.example", "https:files.example/x", False),
        ("files.example:8443", "https://files.example:8443/x", True),
        ("files.example:8443", "https://files.example/x", False),
        ("files.example:443", "https://files.example/x", True),
        ("files.example:80", "//files.example/x", True),
        ("127.0.0.1", "http://127.0.0.1:9/x", True),
        ("[2001:db8::1]", "http://[2001:DB8::1]:9/x", True),
        ("2001:db8::1", "http://[2001:db8:0::1]/x", True),
        ("[2001:db8::1]:9", "http://[2001:db8::1]:9/x", True),
        ("[2001:db8::1]:9", "http://[2001:db8::1]:10/x", False),
    ],
)
def test_a_host_that_was_named_may_be_gone_to(allowed: str, address: str, passes: bool) -> None:
    if passes:
        assert settled("Location", address, allowed=("other.example", allowed)) == [address]
    else:
        with pytest.raises(RedirectRefused):
            settled("Location", address, allowed=("other.example", allowed))


def test_each_of_several_counts() -> None:
    def both(*values: str) -> list[str]:
        return list(values_of(Redirects().settled(302, [("Location", value) for value in values], WORKER), "location"))

    assert both(f"{WORKER}/a", "/b") == ["/a", "/b"]
    for values in (("/a", "//evil.example"), ("//evil.example", "/a")):
        with pytest.raises(RedirectRefused):
            both(*values)


@pytest.mark.parametrize("status", [200, 201, 202, 401, 404, 503])
def test_what_nobody_follows_is_not_refused(status: int) -> None:
    assert settled("Location", "https://files.example/x", status) == ["https://files.example/x"]
    assert settled("Location", f"{WORKER}/jobs/1", status) == ["/jobs/1"]


@pytest.mark.parametrize("name", ["Content-Location", "Operation-Location", "Azure-AsyncOperation"])
def test_other_headers_with_an_address_lead_back_too(name: str) -> None:
    for status in (200, 202, 302):
        assert settled(name, f"{WORKER}/jobs/1?a=b", status) == ["/jobs/1?a=b"]
        assert settled(name, "https://files.example/x", status) == ["https://files.example/x"]
        assert settled(name, "jobs/1", status) == ["jobs/1"]


def test_links_lead_back_too() -> None:
    links = f'<{WORKER}/x?page=2>; rel="next", </y>; rel=prev, <https://files.example/z>; rel=help'
    expected = '</x?page=2>; rel="next", </y>; rel=prev, <https://files.example/z>; rel=help'
    assert settled("Link", links, 200) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "0"),
        ("5; url=/x", "5; url=/x"),
        (f"5; url={WORKER}/x", "5; url=/x"),
        (f"5;URL='{WORKER}/x'", "5;URL='/x'"),
        (f"0, {WORKER}/x", "0, /x"),
        ("5; url=http://evil.example/x", None),
        ("5;url='//evil.example'", None),
        ("0 http://evil.example", None),
        ("; URL = \\\\evil.example", None),
        ("http://evil.example", None),
    ],
)
def test_what_browsers_refresh_from_is_the_proxy_or_nothing(value: str, expected: str | None) -> None:
    assert settled("Refresh", value, 200) == ([] if expected is None else [expected])


def test_a_browser_may_refresh_from_a_host_that_was_named() -> None:
    assert settled("Refresh", "0; url=https://files.example/x", allowed=("files.example",)) == [
        "0; url=https://files.example/x"
    ]


def test_no_other_server_is_named_for_all_that_is_asked_for() -> None:
    assert settled("Alt-Svc", 'h2="evil.example:443"', 200) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/v1/models/?a=1&serverless_cost=1&serverless_signature=c2ln%3D", "/v1/models/?a=1"),
        ("/v1/models/?serverless_cost=1&serverless_url=http%3A%2F%2Fx&b=2", "/v1/models/?b=2"),
        ("/v1/models/?serverless_cost=1#c", "/v1/models/#c"),
        ("/v1/models/?my_serverless_cost=1&serverless_colour=2", "/v1/models/?my_serverless_cost=1&serverless_colour=2"),
    ],
)
def test_an_assignment_that_came_in_the_query_does_not_go_back_with_it(address: str, expected: str) -> None:
    assert settled("Location", address) == settled("Location", WORKER + address) == [expected]


def test_answers_without_an_address_are_left_as_they_are() -> None:
    fields = ReceivedFields([("Server", "x")])
    assert Redirects().settled(307, fields, WORKER) is fields


# Through the proxy


def test_a_redirect_that_leads_away_is_a_502_that_says_where(client: Peer, worker: RawWorker) -> None:
    lines = ("Location: http://evil.example:81/elsewhere?key=1", "Set-Cookie: a=b")
    _, got = swap(client, worker, post(), answer(b"moved", "307 Temporary Redirect", *lines))
    assert (got.status, got.one("x-vespa-error"), got.one("location"), got.one("set-cookie")) == (
        502,
        "redirect_refused",
        None,
        None,
    )
    assert "http://evil.example:81/elsewhere" in got.error["message"]
    assert worker.address in got.error["message"]
    assert "--allow-redirect evil.example" in got.error["hint"]
    # The client's connection goes on.
    assert swap(client, worker, post(), answer(b"ok"))[1].body == b"ok"


def test_its_worker_is_not_taken_for_dead_and_nothing_is_asked_again(client: Peer, worker: RawWorker) -> None:
    for _ in range(2):
        _, got = swap(client, worker, post(), answer(b"", "302 Found", "Location: //evil.example"))
        assert got.one("x-vespa-error") == "redirect_refused"
    assert worker.was_left_alone()


def test_a_redirect_after_a_heartbeat_is_an_error_event(start_proxy: StartProxy, worker: RawWorker) -> None:
    with connect(start_proxy(heartbeat=0.05).url) as client:
        client.send(post(b'{"stream": true}'))
        peer, _ = worker.request()
        assert client.head()[0] == "HTTP/1.1 200 OK"
        peer.send(answer(b"", "302 Found", "Location: http://evil.example/x"))
        said = client.until(b"}\n\n")
    assert b"event: error" in said
    assert b"redirect_refused" in said


@pytest.fixture
def stranger() -> Iterator[RawWorker]:
    """Where a worker would like its clients to go."""
    with RawWorker() as listening:
        yield listening


def test_one_that_was_allowed_passes_as_it_was_sent(start_proxy: StartProxy, worker: RawWorker, stranger: RawWorker) -> None:
    proxy = start_proxy(allow_redirect=("files.example", "127.0.0.1"))
    with connect(proxy.url) as client:
        _, got = swap(client, worker, get(), answer(b"", "307 Temporary Redirect", f"Location: {stranger.url}/x?y=%2f"))
    assert (got.status, got.one("location")) == (307, f"{stranger.url}/x?y=%2f")


def by_requests(url: str) -> int:
    return requests.post(url, json={"prompt": "x"}, headers={"x-api-key": "REAL-KEY"}, timeout=LONG).status_code


def by_httpx(url: str) -> int:
    headers = {"x-api-key": "REAL-KEY"}
    return httpx.post(
        url, json={"prompt": "x"}, headers=headers, follow_redirects=True, timeout=LONG, trust_env=False
    ).status_code


def by_curl(url: str) -> int:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    command = ["curl", "-sL", "--noproxy", "*", "-o", "-", "-w", "\n%{http_code}", "-H", "x-api-key: REAL-KEY", "-d", "{}", url]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONG).stdout.rpartition("\n")[2])


CLIENTS = [by_requests, by_httpx, by_curl]


@pytest.mark.parametrize("ask", CLIENTS)
@pytest.mark.parametrize("form", ["{url}/x", "//{address}/x", "\t{url}//x"])
def test_no_client_is_led_past_the_proxy(
    proxy: VastClient, worker: RawWorker, stranger: RawWorker, ask: Callable[[str], int], form: str
) -> None:
    place = form.format(url=stranger.url, address=stranger.address)
    with background(lambda: ask(f"{proxy.url}/v1/x")) as asking:
        peer, _ = worker.request()
        peer.send(answer(b"", "307 Temporary Redirect", f"Location: {place}"))
        assert asking.result() == 502
    assert stranger.was_left_alone()


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_client_that_follows_comes_back_to_the_proxy(proxy: VastClient, worker: RawWorker, ask: Callable[[str], int]) -> None:
    with background(lambda: ask(f"{proxy.url}/v1/x")) as asking:
        peer, _ = worker.request()
        peer.send(answer(b"", "308 Permanent Redirect", f"Location: {worker.url}//x/?a=b", "Connection: close"))
        peer.close()
        peer, received = worker.request()
        peer.send(answer(b"here"))
        assert asking.result() == 200
    # By the proxy, with an assignment and without the client's key.
    assert (received.method, received.target.lstrip("/.")) == ("POST", "x/?a=b")
    assert list(received.envelope) == ["auth_data", "payload"]
    assert received.all("x-api-key") == []


def test_a_setting_for_it_may_be_one_host(start_proxy: StartProxy, worker: RawWorker) -> None:
    given: dict[str, Any] = {"allow_redirect": "evil.example"}
    with connect(start_proxy(**given).url) as client:
        _, got = swap(client, worker, get(), answer(b"", "302 Found", "Location: http://evil.example/"))
    assert got.one("location") == "http://evil.example/"
