"""The target reaches the worker as the client wrote it, and no target changes where the request goes.

requests and urllib3 rewrite targets: they resolve dots, escape and unescape, and take what looks like a host for one.
Here the bytes on the worker's socket are looked at, with and without an outbound proxy on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support.outbound_proxy import OutboundProxy
from ..support.raw_worker import Peer, RawWorker, answer, connect, get, post
from ..support.tls_material import Authority

# What a request for another host looks like, and what a rewriting client makes one of.
KIN_OF_ANOTHER_HOST = [
    "//evil.example",
    "//evil.example/",
    "//evil.example:80/v1",
    "///evil.example/v1",
    "////evil.example",
    "//@evil.example/",
    "//localhost@evil.example/v1",
    "//%5B::1%5D@evil.example/v1",
    "/@evil.example",
    "/@evil.example:80/v1",
    "/:80@evil.example/v1",
    "/:@evil.example",
    "/.evil.example/v1",
    "/http://evil.example/v1",
    "/https://evil.example",
    "/http:/evil.example",
    "/http:evil.example",
    "/%2F%2Fevil.example/v1",
    "/%2fevil.example",
    "/%5Cevil.example",
    "/%5C%5Cevil.example/v1",
    "/%40evil.example",
    "/%23@evil.example/",
    "/%3F@evil.example/",
    "/..//evil.example",
    "/.//evil.example/v1",
    "/;@evil.example/",
    "/?@evil.example",
    "/?http://evil.example/",
    "/??//evil.example",
    "/v1?next=//evil.example/",
    "/v1?next=http%3A%2F%2Fevil.example",
    "/v1/@evil.example?@evil.example",
    "/%00@evil.example",
    "/%0d%0aHost:%20evil.example",
    "/%0D%0A%0D%0AGET%20/smuggled%20HTTP/1.1",
    "/%20HTTP/1.1%0d%0a",
]

ODD = [
    "/",
    "/?",
    "/??",
    "/.",
    "/..",
    "/./",
    "/../",
    "/...",
    "/a/.",
    "/a/..",
    "/a/./b",
    "/a/../b",
    "/a/b/../../..",
    "/../../etc/passwd",
    "/a/..;/b",
    "/a/%2e%2e/b",
    "/a/%2E./b",
    "/%2e",
    "/.%2e/",
    "/a//b",
    "/a/",
    "/a//",
    "/a%2Fb",
    "/a%2fb",
    "/a%252Fb",
    "/a%5cb",
    "/%41%7e%2D%5f",
    "/~a-b_c.d",
    "/%7Ea",
    "/%7ea",
    "/%c3%a9",
    "/%C3%A9",
    "/%ff%fe",
    "/%e9",
    "/%00",
    "/%20",
    "/a+b",
    "/a%2Bb",
    "/a;v=1;w=2",
    "/;",
    "/a,b",
    "/a=b",
    "/a&b",
    "/a:b",
    "/:",
    "/*",
    "/$metadata",
    "/!'()*",
    "/a%25",
    "/%25zz",
    "/a?b",
    "/a?b=c&d=e",
    "/a?&&",
    "/a?=",
    "/a?=b&c=&d",
    "/a?b=1&b=2&B=3",
    "/a?b=/../c",
    "/a?b=./c//d",
    "/a?b=%2F&c=%2f",
    "/a?b=+%20+",
    "/a?b=%26&c=%3D",
    "/a?b=%23c",
    "/a?b?c?d",
    "/a?b;c;d",
    "/a?b=@:!$'()*,;",
    "/a?b%5B%5D=1",
    "/a?serverless_url=http://evil.example",
    "/a?b=" + "c" * 3000,
    "/" + "a/" * 500,
    "/%5Fvespa/a",
    "/_VESPA/a",
    "/a/_vespa/b",
]

# What clients leave bare, and how it comes out.
LEFT_BARE = {
    "/v1/x?include[]=a&include[]=b": "/v1/x?include%5B%5D=a&include%5B%5D=b",
    "/v1/x?filter[name]=y": "/v1/x?filter%5Bname%5D=y",
    "/v1/x?q={a|b}^`": "/v1/x?q=%7Ba%7Cb%7D%5E%60",
    "/files/report[1].txt": "/files/report%5B1%5D.txt",
    "/[..]/%5b/..": "/%5B..%5D/%5b/..",
    "//[evil.example]/": "//%5Bevil.example%5D/",
    "/@[::1]:80/": "/@%5B::1%5D:80/",
    "/caf\xc3\xa9?q=\xe2\x82\xac": "/caf%C3%A9?q=%E2%82%AC",
}

TARGETS = KIN_OF_ANOTHER_HOST + ODD


class Route:
    """A proxy, and a raw listener where its requests for the worker come out."""

    def __init__(self, client: Peer, listener: RawWorker, authority: str, before: str = "") -> None:
        self.client = client
        self.listener = listener
        self.authority = authority
        """The worker's host and port."""
        self.before = before
        """What stands before a target on the way to an outbound proxy."""

    def head_of(self, request: bytes) -> bytes:
        """Ask, and return the head that comes out, byte for byte. The client gets its answer."""
        self.client.send(request)
        with self.listener.accept() as peer:
            head = peer.until(b"\r\n\r\n")
            peer.send(answer(b"ok", "200 OK", "Connection: close"))
            assert self.client.message().body == b"ok"
        return head


@pytest.fixture(params=["direct", "through a proxy"])
def route(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    start_proxy: Callable[..., VastClient],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Route]:
    """The way to a plain worker: to its own socket, or to an outbound proxy's, which is asked in absolute form."""
    with RawWorker() as listener:
        if request.param == "direct":
            sandbox.autoscaler.workers[:] = [listener.url]
            authority, before = listener.address, ""
        else:
            monkeypatch.setenv("HTTP_PROXY", listener.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            authority = "worker.test:8000"
            before = f"http://{authority}"
            sandbox.autoscaler.workers[:] = [before]
        with connect(start_proxy().url) as client:
            yield Route(client, listener, authority, before)


def split_at_the_assignment(head: bytes) -> tuple[bytes, bytes]:
    """A GET's head before the assignment in its query, and behind it."""
    before, _, rest = head.partition(b"serverless_cost=")
    return before, rest.partition(b" ")[2]


def joint(target: str) -> str:
    """What stands between a target and the assignment."""
    _, mark, query = target.partition("?")
    if not mark:
        return "?"
    return "&" if query and not query.endswith("&") else ""


def test_a_get_comes_out_as_it_was_written_with_the_assignment_behind_it(route: Route) -> None:
    for target in TARGETS:
        before, behind = split_at_the_assignment(route.head_of(get(target)))
        assert before == f"GET {route.before}{target}{joint(target)}".encode()
        assert behind.startswith(f"HTTP/1.1\r\nHost: {route.authority}\r\n".encode())


def test_a_post_comes_out_as_it_was_written(route: Route) -> None:
    for target in TARGETS:
        head = route.head_of(post(b"{}", target))
        assert head.startswith(f"POST {route.before}{target} HTTP/1.1\r\nHost: {route.authority}\r\n".encode())


def test_a_target_in_absolute_form_comes_out_as_its_path(route: Route) -> None:
    for target in TARGETS:
        head = route.head_of(post(b"{}", f"http://LOCALHOST:1{target}"))
        assert head.startswith(f"POST {route.before}{target} HTTP/1.1\r\nHost: {route.authority}\r\n".encode())


def test_what_clients_leave_bare_comes_out_percent_encoded(route: Route) -> None:
    for target, encoded in LEFT_BARE.items():
        assert route.head_of(post(b"{}", target)).startswith(f"POST {route.before}{encoded} HTTP/1.1\r\n".encode())
        assert split_at_the_assignment(route.head_of(get(target)))[0] == f"GET {route.before}{encoded}{joint(target)}".encode()


signs = st.sampled_from("azAZ09-._~!$&'()*+,;=:@/?/?..@@")
escapes = st.builds("%{:02{}}".format, st.integers(0, 255), st.sampled_from("xX"))
targets = st.lists(signs | escapes, max_size=30).map(lambda parts: "/" + "".join(parts))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(targets.filter(lambda target: not target.startswith("/_vespa")))
def test_any_target_comes_out_as_it_was_written(route: Route, target: str) -> None:
    assert route.head_of(post(b"{}", target)).startswith(f"POST {route.before}{target} HTTP/1.1\r\n".encode())
    assert split_at_the_assignment(route.head_of(get(target)))[0] == f"GET {route.before}{target}{joint(target)}".encode()


@pytest.fixture(scope="module")
def vast() -> Authority:
    return Authority()


def test_a_tunnel_leads_to_the_worker_and_the_target_goes_through_it(vast: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(token_delay=0.0, worker_tls=vast.server("worker.test"), worker_kind="vespa")
    sandbox.console.root_certificate = vast.pem
    with sandbox, OutboundProxy() as company:
        port = urlsplit(sandbox.worker.url).port
        sandbox.autoscaler.workers[:] = [f"https://worker.test:{port}"]
        sandbox.worker.answer_with(200, b"ok", times=None)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
        settings: dict[str, object] = {
            "endpoint": sandbox.endpoints[0].name,
            "account_key": sandbox.account_key,
            "console_url": sandbox.console_url,
            "autoscaler_url": sandbox.autoscaler_url,
            "port": 0,
            "pass_route": ("/",),
        }
        with VastClient(**settings) as running, connect(running.url) as client:  # type: ignore[arg-type]
            for target in TARGETS:
                client.send(post(b"{}", target))
                assert client.message().body == b"ok"
        assert [request.target for request in sandbox.worker.requests] == TARGETS
        assert {(asked.method, asked.target) for asked in company.asked} == {("CONNECT", f"worker.test:{port}")}
