"""The status page in real Chromium: a scripted load, and at each moment what stands on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from vespa_client import VastClient
from vespa_client.journal.record import Problem
from vespa_client.sandbox import Sandbox

from ..support import javascript, status_page
from ..support.browser import Browser, missing
from ..support.raw_worker import EVENT_STREAM, Peer, RawWorker, answer, asked, chunk, connect, only_worker, post
from ..support.status_page import StatusPage
from ..support.waiting import LONG, wait_until

node_modules = javascript.node_modules
chromium, browser = status_page.chromium, status_page.browser
worker = only_worker

if reason := missing():
    pytest.skip(f"none of the tests of the status page: {reason}", allow_module_level=True)

StartProxy = Callable[..., VastClient]

KEY = "a-key-of-the-proxy"
COLD = "0 of 2 workers ready: 1 loading, 1 stopped"
CHAT = "/v1/chat/completions"
STREAM = json.dumps({"model": "my-model", "stream": True, "messages": [{"role": "user", "content": "Hello!"}]}).encode()
# What a script would do that has found its way into the page.
INTRUDE = """
const seen = [];
document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
const add = (tag, attributes) => document.body.append(Object.assign(document.createElement(tag), attributes));
const attempts = [
  () => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.bad = 1'>"),
  () => add("script", { textContent: "window.bad = 1" }),
  () => add("script", { src: "/v1/script" }),
  () => (0, eval)("window.bad = 1"),
  () => add("img", { src: "https://elsewhere.example/x.png" }),
  () => add("iframe", { src: "https://elsewhere.example/" }),
];
const tryIt = (attempt) => { try { attempt(); } catch (problem) { seen.push(problem.name); } };
// Later, since what a test runs at once may do more than a page.
for (const attempt of attempts) {
  await new Promise((resolve) => setTimeout(() => resolve(tryIt(attempt))));
}
await fetch("https://elsewhere.example/").catch(() => seen.push("no fetch"));
await new Promise((resolve) => setTimeout(resolve, 100));
return [window.bad ?? null, seen];
"""


@pytest.fixture
def page(browser: Browser, proxy: VastClient) -> StatusPage:
    """The page, open and connected."""
    return StatusPage(browser, proxy).open()


def event(text: str) -> bytes:
    """A piece of a chat completion's stream."""
    return chunk(b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": text}}]}).encode())


def stream(peer: Peer, *texts: str) -> None:
    """Answer with a whole event stream."""
    peer.send(EVENT_STREAM + b"".join(map(event, texts)) + chunk(b"data: [DONE]\n\n") + chunk(b""))


def serve(client: Peer, worker: RawWorker, request: bytes | None = None, reply: bytes = answer(b"{}")) -> None:
    """One request from beginning to end."""
    with asked(client, worker, request or post(STREAM, CHAT)) as peer:
        peer.send(reply)
    client.message()


def routed(sandbox: Sandbox) -> Callable[[], bool]:
    """Whether anybody has asked for a worker."""
    return lambda: bool(sandbox.autoscaler.routes)


class TestTheLoad:
    def test_a_cold_start_is_seen_at_each_moment(
        self, page: StatusPage, proxy: VastClient, sandbox: Sandbox, worker: RawWorker
    ) -> None:
        assert page.text("#now-line") == "Nothing is in progress"
        sandbox.autoscaler.cold(None, COLD)
        with connect(proxy.url) as client:
            client.send(post(STREAM, CHAT))
            page.wait_for("#now-line", "Waiting for a worker")
            page.wait_for("#now-more", f"The autoscaler says: {COLD}")
            page.wait_for("#progress li", "waiting for a worker")
            assert COLD in page.text("#progress .said")
            assert "Waiting for a worker" in page.value("document.title")
            before = page.value("document.querySelector('#progress .fill').getBoundingClientRect().width")
            wait_until(lambda: page.value("document.querySelector('#progress .fill').getBoundingClientRect().width") > before)
            # Its words are those of now, and not of when it began to wait.
            sandbox.autoscaler.cold(None, "0 of 2 workers ready: 2 loading")
            page.wait_for("#now-more", "The autoscaler says: 0 of 2 workers ready: 2 loading")
            page.wait_for("#progress .said", "2 loading")
            sandbox.autoscaler.warm()
            peer, _ = worker.request()
            with peer:
                page.wait_for("#now-line", "Waiting for the worker's first byte")
                assert worker.address in page.text("#progress .said")
                peer.send(EVENT_STREAM + event("Hel"))
                page.wait_for("#now-line", "Passing answers on")
                page.wait_for("#progress .said", "1 event")
                peer.send(event("lo") + chunk(b"data: [DONE]\n\n") + chunk(b""))
            client.message()
        page.wait_for("#now-line", "Nothing is in progress")
        assert page.rows("#progress li") == []
        [row] = page.rows("#recent tr")
        assert row.startswith("#1 ") and f"POST {CHAT} 200" in row
        spent = page.value("document.querySelector('#recent .bar').getAttribute('aria-label')")
        assert [part.split(" ")[0] for part in spent.split(" · ")][-1] == "stream" and "wait " in spent
        assert page.text("#recent-count") == "1"
        page.wait_for("#stat-requests", "1")

    def test_trouble_with_the_autoscaler_is_not_put_into_its_mouth(
        self, page: StatusPage, proxy: VastClient, sandbox: Sandbox
    ) -> None:
        sandbox.autoscaler.answer_with(500, b"oops", times=None)
        with connect(proxy.url) as client:
            client.send(post(STREAM, CHAT))
            said = page.wait_for("#now-more", "he autoscaler answered 500")
            assert said == "1 request. The autoscaler answered 500"

    def test_an_error_comes_with_its_hint_and_leads_to_its_request(self, page: StatusPage, proxy: VastClient) -> None:
        requests.post(f"{proxy.url}/v1/x", data="no json", timeout=LONG)
        said = page.wait_for("#errors", "bad_request 400")
        assert "The body is not JSON" in said and "Check quotes and commas there" in said
        page.click("#errors button")
        assert page.value("document.activeElement.getAttribute('aria-label')") == "Request 1: details"
        assert page.value("document.activeElement.getAttribute('aria-expanded')") == "true"
        detail = page.text("#recent tr.detail")
        assert "refused: bad_request" in detail and "Check quotes" in detail and "Request id" in detail

    def test_a_worker_s_own_error_is_none_of_the_proxy_s_and_not_passed_over(
        self, page: StatusPage, proxy: VastClient, sandbox: Sandbox
    ) -> None:
        assert "None. What clients are told" in page.text("#errors-none")
        sandbox.worker.answer_with(500, b'{"error": "no memory"}')
        requests.post(f"{proxy.url}/v1/x", json={}, timeout=LONG)
        page.wait_for("#errors-none", "What failed did so with a worker's answer")

    def test_a_retry_is_told_with_its_worker_and_its_reason(
        self, page: StatusPage, proxy: VastClient, worker: RawWorker
    ) -> None:
        with connect(proxy.url) as client:
            with asked(client, worker, post(STREAM, CHAT)) as first:
                first.send(answer(b"", "429 Too Many Requests"))
            second, _ = worker.request()
            with second:
                stream(second, "Hello")
            client.message()
        page.wait_for("#recent tr", "↻1")
        page.click("#recent button")
        assert f"{worker.address} did not take it: it answered 429" in page.wait_for("#recent tr.detail", "did not take it")
        page.wait_for("#stat-retried", "1")
        assert page.rows("#workers tr")[0].startswith(f"{worker.address} 2 1 ")

    def test_an_answer_that_breaks_off_is_a_failure(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        with connect(proxy.url) as client:
            with asked(client, worker, post(STREAM, CHAT)) as peer:
                peer.send(EVENT_STREAM + event("Hel"))
            client.ending()
        page.wait_for("#recent tr", "200 broken")
        page.wait_for("#stat-failed", "1")
        assert "1 request, 1 failed" in page.text("#charts")
        assert "worker_answer_broken" in page.text("#errors")

    def test_the_charts_words_are_of_all_the_15_minutes(self, page: StatusPage, proxy: VastClient) -> None:
        for status, ago in ((200, 100), (200, 60), (500, 0)):
            record = proxy._totals.begin("POST", CHAT)
            record.started_at -= ago
            record.worker = "203.0.113.7:1"
            if status == 500:
                record.refuse(status, Problem("a_code", "Trouble.", "Wait."))
            else:
                record.enter("first_byte")
                record.begin(status)
                record.take_tokens(1, 20, "usage")
                record.seconds["first_byte"] = 2.0
            proxy._totals.finish(record)
        page.wait_for("#charts", "3 requests, 1 failed")
        first, tokens, _ = page.rows("#charts figcaption")
        assert re.fullmatch(r"Time to first byte ?last \d ms, p95 \d ms", first)
        assert re.fullmatch(r"Tokens a second ?10 a request, 40 in all", tokens)

    def test_many_at_a_time_are_summed_up(self, page: StatusPage, proxy: VastClient, sandbox: Sandbox) -> None:
        sandbox.autoscaler.cold(None, COLD)
        clients = [connect(proxy.url) for _ in range(70)]
        for client in clients:
            client.send(post(STREAM, CHAT))
        page.wait_for("#progress-count", "70")
        assert page.wait_for("#now-more", "70 requests.")
        assert len(page.rows("#progress li")) == 60
        assert page.text("#progress-rest") == "and 10 others"
        for client in clients:
            client.close()
        wait_until(lambda: page.text("#progress-count") == "0")
        assert page.rows("#recent .outcome") == ["left"] * 70

    def test_the_list_can_be_narrowed(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        with connect(proxy.url) as client:
            serve(client, worker)
            serve(client, worker, post(b"{}", "/v1/embeddings"), answer(b"{}", "500 Wrong"))
        requests.post(f"{proxy.url}/v1/x", data="no json", timeout=LONG)
        page.wait_for("#recent-count", "3")
        for field, value, left in (
            ("#filter-outcome", "failed", ["#2"]),
            ("#filter-outcome", "refused", ["#3"]),
            ("#filter-outcome", "", ["#3", "#2", "#1"]),
            ("#filter-path", "EMBED", ["#2"]),
            ("#filter-path", "", ["#3", "#2", "#1"]),
            ("#filter-worker", worker.address, ["#2", "#1"]),
        ):
            page.fill(field, value)
            assert page.rows("#recent button") == left
        assert page.text("#recent-count") == "2 of 3"
        page.fill("#filter-path", "nowhere")
        assert page.text("#recent-none") == "None of the recent requests is of that kind."

    def test_a_request_is_cancelled_by_two_clicks(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        with connect(proxy.url) as client:
            with asked(client, worker, post(STREAM, CHAT)) as peer:
                page.wait_for("#progress li", "waiting for the first byte")
                page.click("#progress button")
                assert page.text("#progress button") == "Sure?"
                assert page.value("document.querySelector('#progress button').getAttribute('aria-label')").startswith("Really")
                assert peer.is_silent(0.1)
                page.click("#progress button")
                peer.wait_gone()
            assert client.message().status == 499
        page.wait_for("#recent tr", "499 cancelled")

    def test_the_sandbox_s_own_troubles(self, browser: Browser, start_proxy: StartProxy) -> None:
        with Sandbox(token_delay=0.0, scenario="broken") as sandbox:
            proxy = start_proxy(
                endpoint=sandbox.endpoints[0].name,
                account_key=sandbox.account_key,
                console_url=sandbox.console_url,
                autoscaler_url=sandbox.autoscaler_url,
                retries=1,
            )
            page = StatusPage(browser, proxy).open()
            for _ in range(6):
                with requests.post(f"{proxy.url}{CHAT}", data=STREAM, timeout=LONG, stream=True) as came:
                    try:
                        assert came.content
                    except requests.exceptions.ChunkedEncodingError:
                        assert came.status_code == 200
            page.wait_for("#recent-count", "6")
            outcomes = list(reversed(page.rows("#recent .c-outcome")))
            assert outcomes == ["200", "200 broken", "500", "200 ↻1", "502 refused", "502 refused ↻1"]
            browser.leave()
            proxy.stop()


class TestTheEndpoint:
    def test_its_key_and_the_settings_are_there_and_no_key_is(
        self, page: StatusPage, sandbox: Sandbox, browser: Browser
    ) -> None:
        said = page.text("#endpoint")
        assert "from the console, asked with --account-key or VAST_ACCOUNT_KEY" in said
        assert page.text("#endpoint-title") == sandbox.endpoints[0].name
        page.click(".about summary")
        assert "account_key (set)" in page.rows("#settings tr")
        everything = page.value("document.documentElement.outerHTML")
        for secret in (sandbox.account_key, *(endpoint.api_key for endpoint in sandbox.endpoints)):
            assert secret not in everything

    def test_its_workers_are_those_that_vast_ai_sees(self, page: StatusPage, sandbox: Sandbox) -> None:
        page.wait_for("#fleet-said", "2 workers, asked")
        assert page.rows("#fleet-states li") == [
            "1 idle billed: GPU time, storage, traffic",
            "1 stopped billed: storage, traffic",
        ]
        assert [row.split(" ")[-4:-2] for row in page.rows("#fleet tr")] == [["4090", "idle"], ["4090", "stopped"]]
        assert len([request for request in sandbox.autoscaler.requests if request.path == "/get_endpoint_workers/"]) == 1

    def test_what_vast_ai_does_not_tell_disturbs_nothing(
        self, browser: Browser, proxy: VastClient, sandbox: Sandbox, worker: RawWorker
    ) -> None:
        sandbox.autoscaler.answer_with(200, {"error_msg": "still loading"}, path="/get_endpoint_workers/", times=None)
        page = StatusPage(browser, proxy).open()
        page.wait_for("#fleet-said", "still loading")
        with connect(proxy.url) as client:
            serve(client, worker)
        page.wait_for("#recent tr", f"POST {CHAT} 200")

    def test_a_visit_asks_for_no_worker(self, page: StatusPage, proxy: VastClient, sandbox: Sandbox) -> None:
        page.wait_for("#fleet-said", "2 workers, asked")
        page.open()
        page.wait_for("#fleet-said", "2 workers, asked")
        assert not sandbox.autoscaler.routes
        assert not sandbox.worker.requests
        assert page.text("#stat-requests") == "0"

    def test_the_proxy_goes_and_comes_back(self, page: StatusPage, proxy: VastClient, start_proxy: StartProxy) -> None:
        port = int(proxy.url.rpartition(":")[2])
        proxy.stop()
        page.wait_for("#now-line", "Not connected to the proxy")
        page.wait_for("#live-text", "not connected")
        again = start_proxy(port=port)
        page.wait_for("#live-text", "live")
        requests.post(f"{again.url}/v1/x", data="no json", timeout=LONG)
        page.wait_for("#recent tr", "400 refused")


class TestUsingIt:
    def test_a_prompt_streams_into_the_page(self, page: StatusPage, sandbox: Sandbox, worker: RawWorker) -> None:
        cost = page.text("#try-cost")
        assert "starts one, whose GPU is billed by the second" in cost
        page.fill("#try-prompt", "Say hello")
        page.fill("#try-tokens", "7")
        page.click("#try-send")
        peer, request = worker.request()
        with peer:
            payload = request.envelope["payload"]
            assert payload == {"max_tokens": 7, "stream": True, "messages": [{"role": "user", "content": "Say hello"}]}
            peer.send(EVENT_STREAM + event("Hel"))
            page.wait_for("#try-answer", "Hel")
            assert not page.value("document.getElementById('try-stop').disabled")
            peer.send(event("lo <b>you</b>") + chunk(b"data: [DONE]\n\n") + chunk(b""))
        page.wait_for("#try-answer", "Hello <b>you</b>")
        page.wait_for("#try-state", "#1: ")
        assert page.value("document.querySelectorAll('#try-answer *').length") == 0

    def test_stopping_a_prompt_hangs_up_on_the_worker(self, page: StatusPage, worker: RawWorker) -> None:
        page.fill("#try-prompt", "Say hello")
        page.click("#try-send")
        with worker.request()[0] as peer:
            page.click("#try-stop")
            peer.wait_gone()
        page.wait_for("#try-state", "Stopped")
        page.wait_for("#recent tr", "left")

    def test_a_prompt_that_fails_says_why(self, page: StatusPage, worker: RawWorker) -> None:
        page.fill("#try-prompt", "Say hello")
        page.click("#try-send")
        with worker.request()[0] as peer:
            peer.send(answer(b"", "500 Wrong"))
        page.wait_for("#try-answer", "The worker answered 500 without saying why.")

    def test_addresses_and_snippets_are_copied(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        with connect(proxy.url) as client:
            serve(client, worker)
        base = page.address.removesuffix("/_vespa/")
        page.wait_for("#snippet", 'model="my-model"')
        # A page's clipboard needs a person's permission: what it is given is looked at.
        page.browser.run("navigator.clipboard.writeText = async (text) => { window.copied = text }")
        page.click("#copy-base")
        page.wait_for("#copy-base", "Copied")
        assert page.value("window.copied") == f"{base}/v1"
        for index, part in enumerate((f'OpenAI(base_url="{base}/v1"', f'baseURL: "{base}/v1"', f"curl -N {base}/v1")):
            page.browser.run(
                "const kind = document.getElementById('snippet-kind'); kind.selectedIndex = args[0];"
                "kind.dispatchEvent(new Event('change'))",
                index,
            )
            page.click("#copy-snippet")
            wait_until(lambda part=part: part in page.value("window.copied"))  # type: ignore[misc]

    def test_the_proxy_s_key_is_asked_for_once_and_kept_in_the_tab(
        self, browser: Browser, start_proxy: StartProxy, sandbox: Sandbox
    ) -> None:
        page = StatusPage(browser, start_proxy(proxy_key=KEY)).open(state="")
        page.wait_for("#key-form", "This proxy asks for its key")
        assert page.value("document.activeElement.id") == "key"
        browser.press("a-wrong-one\ue007")
        page.wait_for("#key-problem", "That isn't the key of this proxy.")
        browser.press(f"{KEY}\ue007")
        page.wait_for("#live-text", "live")
        assert page.text("#key-form") == ""
        page.open()
        assert page.value("JSON.stringify([sessionStorage, localStorage, document.cookie])") == json.dumps(
            [{"vespa-proxy-key": KEY}, {}, ""], separators=(",", ":")
        )
        assert KEY not in page.value("document.documentElement.outerHTML")
        assert KEY not in page.value("document.URL")
        page.wait_for("#snippet", "YOUR_PROXY_KEY")
        page.fill("#try-prompt", "Say hello")
        page.click("#try-send")
        page.wait_for("#try-answer", "I am the sandbox's stand-in")
        assert KEY not in str([request.headers for request in sandbox.worker.requests])
        # Another tab has it not.
        browser.close()
        page.open(state="").wait_for("#key-form", "This proxy asks for its key")


class TestItsManners:
    def test_nothing_can_be_put_into_it(self, page: StatusPage) -> None:
        """No script that isn't a file of the page's runs, and no text becomes markup."""
        bad, seen = page.browser.run(INTRUDE)
        assert bad is None
        assert {"TypeError", "EvalError", "img-src", "frame-src", "connect-src", "no fetch"} <= set(seen)

    def test_no_address_is_shown_as_what_it_says(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        path = "/v1/%3Cimg%20src=x%20onerror=alert(1)%3E"
        with connect(proxy.url) as client:
            serve(client, worker, post(b'{"model": "<script>alert(1)</script>"}', path))
        page.wait_for("#recent tr", path)
        page.click("#recent button")
        page.wait_for("#recent tr.detail", "<script>alert(1)</script>")

    def test_its_console_stays_empty(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        with connect(proxy.url) as client:
            serve(client, worker)
        page.wait_for("#recent tr", CHAT)
        page.wait_for("#fleet-said", "2 workers, asked")
        assert page.browser.console() == []

    def test_nothing_jumps(self, page: StatusPage, proxy: VastClient, sandbox: Sandbox, worker: RawWorker) -> None:
        page.wait_for("#fleet-said", "2 workers, asked")
        requests.post(f"{proxy.url}/v1/x", data="no json", timeout=LONG)
        page.wait_for("#errors", "bad_request")
        with connect(proxy.url) as client, asked(client, worker, post(STREAM, CHAT)) as peer:
            page.wait_for("#progress li", "waiting for the first byte")
            stream(peer, "Hello")
            client.message()
        page.wait_for("#recent-count", "2")
        page.wait_for("#workers", worker.address)
        assert sum(shift[0] for shift in page.shifts()) < 0.01, page.shifts()

    def test_keys_do_what_a_mouse_does(self, page: StatusPage, proxy: VastClient) -> None:
        requests.post(f"{proxy.url}/v1/x", data="no json", timeout=LONG)
        page.wait_for("#recent tr", "400 refused")
        tab, enter = "\ue004", "\ue007"
        page.browser.press(tab)
        assert page.value("document.activeElement.className") == "skip"
        page.browser.press(enter)
        assert page.value("document.activeElement.id") == "main"
        for _ in range(30):
            page.browser.press(tab)
            if page.value("document.activeElement.getAttribute('aria-label')") == "Request 1: details":
                break
        page.browser.press(enter)
        assert "The body is not JSON" in page.text("#recent tr.detail")
        page.browser.press(enter)
        assert page.text("#recent tr.detail") == ""

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [360, 768, 1280])
    def test_it_fits_the_screen_and_axe_finds_nothing(
        self,
        width: int,
        theme: str,
        browser: Browser,
        proxy: VastClient,
        sandbox: Sandbox,
        worker: RawWorker,
        node_modules: Path,
        tmp_path: Path,
    ) -> None:
        browser.emulate(width, theme)
        page = StatusPage(browser, proxy).open()
        requests.post(f"{proxy.url}/v1/x", data="no json", timeout=LONG)
        with connect(proxy.url) as client, connect(proxy.url) as other:
            serve(client, worker, reply=answer(b"{}", "500 Wrong"))
            with asked(client, worker, post(STREAM, CHAT)):
                sandbox.autoscaler.cold(None, COLD)
                other.send(post(STREAM, CHAT))
                page.wait_for("#progress-count", "2")
                page.wait_for("#workers", worker.address)
                page.wait_for("#fleet-said", "2 workers, asked")
                page.click("#recent button")
                page.click("#chart-table summary")
                page.click(".about summary")
                page.wait_for("#chart-table tbody", "1")
                assert page.value("document.documentElement.scrollWidth") <= width
                picture = tmp_path / f"{width}-{theme}.png"
                browser.picture(picture)
                assert picture.stat().st_size > 20_000
                assert page.violations(node_modules) == []

    def test_axe_finds_nothing_where_the_key_is_asked_for(
        self, browser: Browser, start_proxy: StartProxy, node_modules: Path
    ) -> None:
        page = StatusPage(browser, start_proxy(proxy_key=KEY)).open(state="")
        page.wait_for("#key-form", "This proxy asks for its key")
        assert page.violations(node_modules) == []
