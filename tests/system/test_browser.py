"""A real browser: what pages of strangers try reaches nobody, and pages of this machine have what they ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vespa_client import VastClient
from vespa_client.sandbox import HangUp, Request, Sandbox

from ..support import javascript
from ..support.browser import AccessLog, Browser, Pages, missing

node_modules = javascript.node_modules

if reason := missing():
    pytest.skip(f"none of the tests with a real browser: {reason}", allow_module_level=True)

StartProxy = Callable[..., VastClient]

KEY = "a-key-of-the-proxy"
STRANGER = "evil.example"
OWN_NAMES = ("localhost", "127.0.0.1", "app.localhost")
ANSWER = "I am the sandbox's stand-in, not a real model. You said: Hello!"
WRONG_COST = {"X-Serverless-Cost": "much"}
COST_ERROR = "X-Serverless-Cost takes one number, 0 or more."
COST_HINT = "Send the workload in the units of your endpoint"
EVENT_STREAM = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}
# What a stranger's page sees of each of its attempts (js/attempts.js): that it failed, or as much as if nobody had been there.
SEEN_BY_A_STRANGER = {
    "simple_fetch": "TypeError",
    "preflighted_fetch": "TypeError",
    "no_cors_fetch": "opaque",
    "no_cors_fetch_without_referrer": "opaque",
    "fetch_that_outlives_the_page": "TypeError",
    "fetch_of_a_redirect": "TypeError",
    "get": "TypeError",
    "no_cors_get": "opaque",
    "xhr": "error",
    "worker": "TypeError",
    "frame_with_the_pages_origin": "TypeError",
    "image": "error",
    "image_of_a_redirect": "error",
    "script": "error",
    "module": "error",
    "stylesheet": "error",
    "imported_stylesheet": "error",
    "icon": "icon",
    "manifest": "manifest",
    "font": "NetworkError",
    "video": "error",
    "object": "error",
    "frame": "load",
    "form_into_a_frame": "load",
    "event_source": "error",
    "web_socket": "error",
    "beacon": "true",
    "report": "load",
}
DEPARTURES = ("location", "link", "link_without_referrer", "form", "refresh", "redirect")
# A request as an SDK makes it. Settles with what the page can read of the answer.
ASK = """
const [url, headers, body] = args;
try {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer not-used", ...headers },
    body: JSON.stringify(body ?? { prompt: "Hello!" }),
  });
  const named = ["X-Vespa-Error", "Retry-After"].map((name) => answer.headers.get(name));
  return [answer.status, ...named, await answer.json()];
} catch (problem) {
  return problem.name;
}
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def pages() -> Iterator[Pages]:
    site = Pages()
    site.start()
    yield site
    site.stop()


@pytest.fixture
def browser(chromium: Browser, pages: Pages, proxy: VastClient) -> Iterator[Browser]:
    """The browser, whose page ends before the servers do."""
    yield chromium
    chromium.leave()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[AccessLog]:
    logger, handler = logging.getLogger("vespa_client"), AccessLog()
    caplog.set_level(logging.INFO, logger.name)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def address(proxy: VastClient, path: str = "", host: str = "localhost") -> str:
    """The proxy's URL, by that name of this machine."""
    return f"http://{host}:{proxy.url.rpartition(':')[2]}{path}"


def attempt(browser: Browser, page: str, name: str, url: str) -> str:
    """Open the page and have it try this. Returns what it saw."""
    browser.open(page)
    seen: str = browser.run('return (await import("/js/attempts.js")).attempts[args[0]](args[1])', name, url)
    return seen


def depart(browser: Browser, page: str, name: str, url: str) -> None:
    """Open the page and have it leave for the URL in this way."""
    browser.open(page)
    browser.run('(await import("/js/attempts.js")).departures[args[0]](args[1])', name, url)


def reached(sandbox: Sandbox) -> set[str]:
    """The paths that Vast.ai was asked for: those of the worker's requests, and /route/ for an assignment."""
    return {request.path for request in (*sandbox.autoscaler.routes, *sandbox.worker.requests)}


def asked_for(path: str) -> Callable[[list[Request]], bool]:
    """Whether a request of that path is among them."""
    return lambda requests: path in [request.path for request in requests]


class TestStrangers:
    def test_nothing_that_a_page_can_do_reaches_the_worker(
        self, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox, log: AccessLog
    ) -> None:
        sandbox.worker.answer_with(200, b"{}", JSON, times=None)
        targets = {name: address(proxy, f"/v1/{name}") for name in SEEN_BY_A_STRANGER}
        seen, lines = {}, []
        for name, url in targets.items():
            seen[name] = attempt(browser, pages.at(STRANGER), name, url)
            # Waits, since what a page hasn't sent ends with the page.
            lines += log.of(f"/v1/{name}")
        assert seen == SEEN_BY_A_STRANGER
        assert [line for line in lines if "forbidden_origin" not in line] == []
        assert reached(sandbox) == set()
        # From a page of this machine each of them does, so that it is the stranger who was refused. A WebSocket is nobody's.
        for name, url in targets.items():
            attempt(browser, pages.at("localhost"), name, url)
            if name == "web_socket":
                assert "upgrade_refused" in log.of(f"/v1/{name}", count=2)[-1]
            else:
                sandbox.worker.wait_for(asked_for(f"/v1/{name}"))

    def test_a_ping_is_refused(self, browser: Browser, pages: Pages, proxy: VastClient, log: AccessLog) -> None:
        attempt(browser, pages.at(STRANGER), "ping", address(proxy, "/v1/strange"))
        assert "forbidden_origin" in log.of("/v1/strange")[0]
        attempt(browser, pages.at("localhost"), "ping", address(proxy, "/v1/own"))
        assert "bad_request: The body is not JSON" in log.of("/v1/own")[0]

    @pytest.mark.parametrize("host", [STRANGER, "localhost"])
    @pytest.mark.parametrize("name", ["sandboxed_frame", "data_url"])
    def test_a_page_without_an_origin_is_a_stranger_wherever_it_is(
        self, name: str, host: str, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox, log: AccessLog
    ) -> None:
        assert attempt(browser, pages.at(host), name, address(proxy, "/v1/x")) == "TypeError"
        assert "without an origin may not ask" in log.of("/v1/x")[0]
        assert reached(sandbox) == set()

    def test_a_file_is_a_stranger(
        self, browser: Browser, proxy: VastClient, sandbox: Sandbox, log: AccessLog, tmp_path: Path
    ) -> None:
        (tmp_path / "downloaded.html").write_text("<!doctype html><p>A file.</p>")
        browser.open((tmp_path / "downloaded.html").as_uri())
        assert browser.run(ASK, address(proxy, "/v1/x")) == "TypeError"
        assert "without an origin may not ask" in log.of("/v1/x")[0]
        assert reached(sandbox) == set()

    @pytest.mark.parametrize("name", DEPARTURES)
    def test_a_way_that_leads_from_a_page_to_the_proxy_ends_there(
        self, name: str, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox, log: AccessLog
    ) -> None:
        sandbox.worker.answer_with(200, b"{}", JSON, times=None)
        depart(browser, pages.at(STRANGER), name, address(proxy, "/v1/x"))
        assert "forbidden_origin" in log.of("/v1/x")[0]
        assert "/v1/x" not in reached(sandbox)
        depart(browser, pages.at("localhost"), name, address(proxy, "/v1/x"))
        sandbox.worker.wait_for(asked_for("/v1/x"))

    def test_a_person_may_go_there(self, browser: Browser, proxy: VastClient) -> None:
        browser.open(address(proxy, "/v1/models"))
        assert '"id": "sandbox"' in browser.text()

    def test_the_icon_of_a_refusal_is_not_asked_for(
        self, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox
    ) -> None:
        depart(browser, pages.at(STRANGER), "location", address(proxy, "/v1/x"))
        with pytest.raises(TimeoutError):
            sandbox.autoscaler.wait_for(asked_for("/route/"), timeout=2.0)

    @pytest.mark.parametrize("name", ["prefetch", "speculation"])
    def test_a_load_ahead_of_time_reaches_nobody(
        self, name: str, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox, log: AccessLog
    ) -> None:
        attempt(browser, pages.at(STRANGER), name, address(proxy, "/v1/models"))
        assert "forbidden_origin" in log.of("/v1/models")[0]
        assert reached(sandbox) == set()


class TestReboundNames:
    def test_a_page_whose_name_comes_to_mean_the_proxy(
        self, browser: Browser, sandbox: Sandbox, start_proxy: StartProxy
    ) -> None:
        # Until then, the site that the page comes from: it can ask what it likes.
        site = start_proxy(allow_host=("rebound.example",))
        sandbox.worker.answer_with(200, b"<!doctype html><p>A page.</p>", {"Content-Type": "text/html"})
        browser.open(address(site, "/", "rebound.example"))
        assert browser.run('return (await fetch("/v1/models")).status') == 200
        site.stop()
        sandbox.autoscaler.clear_requests()
        sandbox.worker.clear_requests()
        start_proxy(port=int(site.url.rpartition(":")[2]))
        assert browser.run('return (await fetch("/v1/models")).status') == 421
        assert browser.run(ASK, "/v1/completions")[:2] == [421, "unknown_host"]
        assert reached(sandbox) == set()

    def test_a_visit_under_such_a_name(
        self, browser: Browser, proxy: VastClient, sandbox: Sandbox, start_proxy: StartProxy
    ) -> None:
        browser.open(address(proxy, "/v1/models", "rebound.example"))
        assert '"code": "unknown_host"' in browser.text()
        assert reached(sandbox) == set()
        # Where the name is allowed, the same leads to the worker.
        browser.open(address(start_proxy(allow_host=("rebound.example",)), "/v1/models", "rebound.example"))
        assert '"id": "sandbox"' in browser.text()

    def test_a_page_beside_it(
        self, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox, log: AccessLog
    ) -> None:
        browser.open(pages.at("rebound.example"))
        assert browser.run(ASK, address(proxy, "/v1/x", "rebound.example")) == "TypeError"
        assert [line for line in log.of("/v1/x") if "unknown_host" not in line] == []
        assert reached(sandbox) == set()


class TestOwnPages:
    @pytest.mark.parametrize("host", OWN_NAMES)
    def test_each_event_comes_as_it_is_made(
        self, host: str, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox, log: AccessLog
    ) -> None:
        def body(request: Request) -> Iterator[bytes]:
            yield b"data: 1\n\n"
            pages.wait_for(asked_for("/saw/1"))
            yield b"data: 2\n\n"
            pages.wait_for(asked_for("/saw/2"))

        sandbox.worker.answer_with(200, body, EVENT_STREAM)
        browser.open(pages.at(host))
        seen = browser.run(
            """
            const headers = { "Content-Type": "application/json", Authorization: "Bearer not-used" };
            const answer = await fetch(args[0], { method: "POST", headers, body: '{"stream": true}' });
            const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(), seen = [];
            for (let piece; !(piece = await reader.read()).done; ) {
              seen.push(piece.value);
              await fetch(`/saw/${seen.length}`);
            }
            return seen;
            """,
            address(proxy, "/v1/x", host),
        )
        assert seen == ["data: 1\n\n", "data: 2\n\n"]
        # The preflight is the proxy's to answer.
        assert [line.split(" ")[1] for line in log.of("/v1/x")] == ["OPTIONS", "POST"]
        assert [request.method for request in sandbox.worker.requests] == ["POST"]
        assert len(sandbox.autoscaler.routes) == 1

    @pytest.mark.parametrize("host", OWN_NAMES)
    def test_errors_can_be_read(
        self, host: str, browser: Browser, pages: Pages, sandbox: Sandbox, start_proxy: StartProxy
    ) -> None:
        url = address(start_proxy(wait=0.0), "/v1/chat/completions", host)
        browser.open(pages.at(host))
        status, code, _, body = browser.run(ASK, url, WRONG_COST)
        assert (status, code) == (400, "bad_request")
        assert COST_ERROR in body["error"]["message"]
        status, code, _, body = browser.run(ASK, url.replace("/v1/", "/v9/"))
        assert (status, code) == (404, None)
        assert "The sandbox's model has no /v9/chat/completions" in body["error"]["message"]
        sandbox.autoscaler.cold()
        status, code, retry_after, _ = browser.run(ASK, url)
        assert (status, code) == (503, "no_worker_ready")
        assert int(retry_after) > 0

    def test_an_answer_before_the_whole_body_can_be_read(self, browser: Browser, pages: Pages, start_proxy: StartProxy) -> None:
        browser.open(pages.at("localhost"))
        url = address(start_proxy(max_body=1000), "/v1/x")
        status, code, *_ = browser.run('args.push({}, { prompt: "x".repeat(8_000_000) });' + ASK, url)
        assert (status, code) == (413, "body_too_large")

    def test_half_an_answer_does_not_look_whole(
        self, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox
    ) -> None:
        def half(request: Request) -> Iterator[bytes]:
            yield b'{"half": '
            raise HangUp

        sandbox.worker.answer_with(200, half, JSON)
        browser.open(pages.at("localhost"))
        seen = browser.run(
            """
            const answer = await fetch(args[0], { method: "POST", body: "{}" });
            return [answer.status, await answer.text().catch((problem) => problem.name)];
            """,
            address(proxy, "/v1/x"),
        )
        assert seen == [200, "TypeError"]

    def test_a_tab_that_is_closed_cancels_what_it_waits_for(
        self, browser: Browser, pages: Pages, proxy: VastClient, sandbox: Sandbox
    ) -> None:
        sandbox.model.token_delay = 30.0
        browser.open(pages.at("localhost"))
        body = '{"model": "sandbox", "stream": true, "messages": [{"role": "user", "content": "Hello!"}]}'
        browser.run('await fetch(args[0], { method: "POST", body: args[1] })', address(proxy, "/v1/chat/completions"), body)
        assert sandbox.model.active == 1
        browser.close()
        sandbox.model.wait_for(lambda asked: asked[-1].outcome == "cancelled")

    def test_further_origins_by_label(
        self, browser: Browser, pages: Pages, start_proxy: StartProxy, sandbox: Sandbox, log: AccessLog
    ) -> None:
        proxy = start_proxy(cors_origin=(pages.at("*.app.example").rstrip("/"),))
        url = address(proxy, "/v1/chat/completions")
        browser.open(pages.at("app.example"))
        assert browser.run(ASK, url) == "TypeError"
        assert "forbidden_origin" in log.of("/v1/chat/completions")[0]
        assert reached(sandbox) == set()
        browser.open(pages.at("my.app.example"))
        assert browser.run(ASK, url, {}, {"messages": [{"role": "user", "content": "Hello!"}]})[0] == 200

    def test_a_name_that_containers_use(
        self, browser: Browser, pages: Pages, proxy: VastClient, start_proxy: StartProxy, sandbox: Sandbox
    ) -> None:
        browser.open(pages.at("localhost"))
        name = "host.docker.internal"
        assert browser.run(ASK, address(proxy, "/v1/x", name)) == "TypeError"
        assert reached(sandbox) == set()
        assert browser.run(ASK, address(start_proxy(allow_host=(name,)), "/v1/x", name))[0] == 404
        assert reached(sandbox) == {"/route/", "/v1/x"}


@pytest.mark.timeout(300)
class TestOpenAI:
    @pytest.fixture
    def sdk(self, node_modules: Path, browser: Browser, pages: Pages) -> Callable[..., Any]:
        """Calls a function of js/openai_page.js in a page of this machine."""
        pages.modules = node_modules / "node_modules"
        browser.open(pages.at("localhost"))
        source = 'return (await import("/js/openai_page.js"))[args[0]](...args.slice(1))'
        return lambda *arguments: browser.run(source, *arguments)

    def test_plain_and_streamed(self, sdk: Callable[..., Any], proxy: VastClient, sandbox: Sandbox) -> None:
        assert sdk("plain", address(proxy, "/v1")) == ANSWER
        pieces = sdk("streamed", address(proxy, "/v1"))
        assert "".join(pieces) == ANSWER
        assert len(pieces) > 2
        assert [request.method for request in sandbox.worker.requests] == ["POST", "POST"]

    def test_an_error_is_its_own_class_with_our_words(self, sdk: Callable[..., Any], proxy: VastClient) -> None:
        error = sdk("plain", address(proxy, "/v1"), "not-used", WRONG_COST)
        assert (error["name"], error["status"]) == ("BadRequestError", 400)
        assert error["code"] == error["marked"] == "bad_request"
        assert COST_ERROR in error["message"]
        assert COST_HINT in error["message"]

    def test_an_abort_cancels_the_worker(self, sdk: Callable[..., Any], proxy: VastClient, sandbox: Sandbox) -> None:
        sandbox.model.token_delay = 30.0
        assert sdk("aborted", address(proxy, "/v1")) == 1
        sandbox.model.wait_for(lambda asked: asked[-1].outcome == "cancelled")

    def test_the_proxys_key_is_its_api_key(self, sdk: Callable[..., Any], start_proxy: StartProxy, sandbox: Sandbox) -> None:
        url = address(start_proxy(proxy_key=KEY), "/v1")
        error = sdk("plain", url, "another")
        assert (error["name"], error["status"]) == ("AuthenticationError", 401)
        assert error["code"] == error["marked"] == "proxy_key_missing"
        assert reached(sandbox) == set()
        assert sdk("plain", url, KEY) == ANSWER
        assert KEY not in str(sandbox.worker.requests[-1].headers)
