"""What ``--capture`` has kept, as the status page shows it, in real Chromium."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from vespa_client import VastClient

from ..support import javascript, status_page
from ..support.browser import Browser, missing
from ..support.raw_worker import EVENT_STREAM, Peer, RawWorker, answer, asked, chunk, connect, only_worker, post
from ..support.status_page import StatusPage
from ..support.waiting import LONG, wait_until

node_modules = javascript.node_modules
chromium, browser = status_page.chromium, status_page.browser
worker = only_worker

if reason := missing():
    pytest.skip(f"none of the tests of the page's captured exchanges: {reason}", allow_module_level=True)

StartProxy = Callable[..., VastClient]

PROXY_KEY = "a-key-of-the-proxy"
CLIENT_KEY = "sk-a-key-of-the-client-s"
CHAT = "/v1/chat/completions"
TAB, ENTER, RIGHT, END = "\ue004", "\ue007", "\ue014", "\ue010"
MARKUP = "<img src=x onerror='window.bad = 1'><script>window.bad = 1</script>"
# No parser of numbers has these.
ODD = '{"n": 12345678901234567890, "m": 1.10, "s": "a \\"b\\": {c}, [d]", "e": [], "f": {}}'
LAID_OUT = """{
  "n": 12345678901234567890,
  "m": 1.10,
  "s": "a \\"b\\": {c}, [d]",
  "e": [],
  "f": {}
}"""
LISTS_ASKED_FOR = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/captured')).length"


@pytest.fixture
def proxy(start_proxy: StartProxy) -> VastClient:
    return start_proxy(capture=3)


@pytest.fixture
def page(browser: Browser, proxy: VastClient) -> StatusPage:
    """The page, open and connected, the captured exchanges not in view."""
    return StatusPage(browser, proxy).open()


def serve(proxy: VastClient, worker: RawWorker, request: bytes, reply: bytes) -> None:
    """One request from beginning to end."""
    with connect(proxy.url) as client:
        with asked(client, worker, request) as peer:
            peer.send(reply)
        client.message()


def event(text: str) -> bytes:
    return chunk(b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": text}}]}).encode())


def end(peer: Peer) -> None:
    peer.send(chunk(b"data: [DONE]\n\n") + chunk(b""))


def look(page: StatusPage) -> None:
    """Scroll to the captured exchanges."""
    page.browser.run("document.getElementById('capture').scrollIntoView()")


def show(page: StatusPage, number: int, *, said: str = "Came at") -> None:
    """Open that exchange."""
    look(page)
    wait_until(lambda: f"#{number}" in page.rows("#captured button"))
    page.browser.click(f'#captured [aria-label^="Exchange {number}:"]')
    page.wait_for("#kept-said", said)


def turn_to(page: StatusPage, tab: str) -> str:
    """Turn to that part of it. Returns what is to be read there."""
    page.browser.click(f"#kept-{tab}")
    return page.text("#kept-part")


def test_without_capture_there_is_nothing_of_it(browser: Browser, start_proxy: StartProxy) -> None:
    page = StatusPage(browser, start_proxy()).open()
    assert page.rows("#capture, #capture-pill") == []


class TestTheList:
    def test_it_is_asked_for_where_it_is_looked_at_and_grows(
        self, page: StatusPage, proxy: VastClient, worker: RawWorker
    ) -> None:
        assert page.text("#capture-pill") == "capturing"
        long = json.dumps({"prompt": "x" * 1_300_000}).encode()
        serve(proxy, worker, post(long, "/v1/completions"), answer(b"{}", "500 Wrong"))
        page.wait_for("#recent-count", "1")
        assert page.value(LISTS_ASKED_FOR) == 0
        look(page)
        row = page.wait_for("#captured tr", "#1")
        assert f"POST /v1/completions 500 {len(long) / 1e6:.1f} MB, cut 2 B" in row
        for number in range(2, 6):
            serve(proxy, worker, post(b"{}", f"/v1/x{number}"), answer(b"{}"))
        wait_until(lambda: page.rows("#captured button") == ["#5", "#4", "#3"])
        assert page.text("#capture-count") == "3"
        asked = page.value(LISTS_ASKED_FOR)
        page.browser.run("scrollTo(0, 0)")
        serve(proxy, worker, post(b"{}", "/v1/x6"), answer(b"{}"))
        page.wait_for("#recent tr", "#6")
        assert page.value(LISTS_ASKED_FOR) <= asked + 1  # one may have been under way

    def test_a_link_leads_to_it(self, page: StatusPage) -> None:
        page.browser.leave()
        page.address += "#capture"
        page.open()
        wait_until(lambda: 0 <= page.value("document.getElementById('capture').getBoundingClientRect().top") < 600)

    def test_nothing_jumps(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        serve(proxy, worker, post(b"{}", "/v1/x"), answer(b"{}"))
        look(page)
        page.wait_for("#captured tr", "#1")
        page.wait_for("#fleet-said", "2 workers, asked")
        page.browser.run("window.shifts.length = 0")
        serve(proxy, worker, post(b"{}", "/v1/y"), answer(ODD.encode()))
        page.wait_for("#captured tr", "#2")
        show(page, 2)
        heights = set()
        for tab in ("answer", "pieces", "timings", "request"):
            turn_to(page, tab)
            heights.add(page.value("document.getElementById('kept').offsetHeight"))
        assert len(heights) == 1
        serve(proxy, worker, post(b"{}", "/v1/z"), answer(b"{}"))
        page.wait_for("#captured tr", "#3")
        assert sum(shift[0] for shift in page.shifts()) < 0.01, page.shifts()


class TestAnExchange:
    def test_a_stream_has_its_events_with_their_times(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        request = json.dumps({"model": "my-model", "stream": True, "messages": [{"role": "user", "content": "Hé!"}]}).encode()
        with connect(proxy.url) as client:
            with asked(client, worker, post(request, CHAT, "X-Mine: yes")) as peer:
                peer.send(EVENT_STREAM + event("Hé"))
                client.until(b"data: ")
                time.sleep(0.25)  # a gap that can be told from none
                # Two that come together, of which one is in parts.
                peer.send(event("llo") + chunk(b"data: x"))
                client.until(b"data: x")
                peer.send(chunk(b"y"))
                client.until(b"y")
                peer.send(chunk(b"\n\n"))
                end(peer)
            client.message()
        show(page, 1)
        assert page.text("#kept-title") == f"#1 POST {CHAT}"
        assert page.text("#kept-said").endswith(", 200, answered")
        assert '{"delta": {"content": "H\\u00e9"}}' in turn_to(page, "answer")
        assert "text/event-stream" in page.text("#kept-part")
        assert "Events 4" in page.rows("#kept-tabs button")
        turn_to(page, "pieces")
        shown = page.rows(".pieces li")
        assert [row.rpartition(" B ")[2] for row in shown][2:] == ["data: xy", "data: [DONE]"]
        # In milliseconds: when, since the request came, and how long after the one before.
        times = page.value("[...document.querySelectorAll('.pieces li')].map((item) => item.children[0].textContent)")
        gaps = page.value("[...document.querySelectorAll('.pieces li')].map((item) => item.children[1].textContent)")
        assert gaps[0] == "" and 250 <= int(gaps[1].removeprefix("+").removesuffix(" ms")) < 1000
        moments = [int(moment.removesuffix(" ms")) for moment in times]
        assert moments == sorted(moments) and moments[1] - moments[0] >= 249
        said = turn_to(page, "timings")
        assert "stream" in said and "Worker" in said and worker.address in said
        assert "Hé!" in json.loads(turn_to(page, "request").split("Lay out JSON ")[1])["messages"][0]["content"]
        page.browser.click("#kept-part summary")
        assert "X-Mine yes" in page.text("#kept-part")

    def test_json_is_laid_out_and_stays_what_it_was(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        serve(proxy, worker, post(ODD.encode(), "/v1/x"), answer(b"no json", "200 OK", "Content-Type: text/plain"))
        show(page, 1)
        turn_to(page, "answer")
        assert page.rows("#kept-part button") == []
        turn_to(page, "request")
        assert page.value("document.querySelector('.kept-text').textContent") == ODD
        page.browser.click("#kept-part .quiet")
        assert page.value("document.querySelector('.kept-text').textContent") == LAID_OUT

    def test_what_is_long_is_shown_in_part_at_first(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        body = json.dumps({"prompt": "x" * 200_000}).encode()
        serve(proxy, worker, post(body, "/v1/x"), answer(b"\xff\xfe\x00\x01", "200 OK", "Content-Type: audio/x"))
        show(page, 1)
        turn_to(page, "request")
        assert page.value("document.querySelector('.kept-text').textContent.length") == 50_000
        page.click("#kept-part > button")
        assert page.value("document.querySelector('.kept-text').textContent") == body.decode()
        assert "4 B · audio/x It is no text" in turn_to(page, "answer")

    def test_it_is_brought_up_to_date_when_it_is_over(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        with connect(proxy.url) as client:
            with asked(client, worker, post(b'{"stream": true}', CHAT)) as peer:
                peer.send(EVENT_STREAM + event("Hel"))
                client.until(b"Hel")
                show(page, 1, said="in progress still")
                turn_to(page, "pieces")
                assert len(page.rows(".pieces li")) == 1
                peer.send(event("lo"))
                end(peer)
            client.message()
        page.wait_for("#kept-said", "200, answered")
        assert len(page.rows(".pieces li")) == 3
        for number in range(3):
            serve(proxy, worker, post(b"{}", f"/v1/x{number}"), answer(b"{}"))
        page.wait_for("#kept-said", "The proxy keeps it no more")
        assert len(page.rows(".pieces li")) == 3

    def test_no_text_becomes_markup(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        path = "/v1/%3Cimg%20src=x%20onerror=alert(1)%3E"
        body = json.dumps({"model": MARKUP}).encode()
        stream = EVENT_STREAM + chunk(f"data: {MARKUP}\n\n".encode()) + chunk(b"")
        serve(proxy, worker, post(body, path, f"X-Markup: {MARKUP}"), stream)
        show(page, 1)
        assert path in page.text("#captured tr") and path in page.text("#kept-title")
        for tab in ("request", "answer", "pieces", "timings"):
            assert MARKUP in turn_to(page, tab)
            assert page.value("document.querySelectorAll('#capture :is(img, script, b:not(.num))').length") == 0
        turn_to(page, "request")
        page.browser.click("#kept-part summary")
        assert f"X-Markup {MARKUP}" in page.text("#kept-part")
        assert page.value("window.bad ?? null") is None
        assert page.browser.console() == []


class TestTakingItAway:
    @pytest.fixture
    def page(self, browser: Browser, start_proxy: StartProxy, worker: RawWorker) -> StatusPage:
        """The page of a proxy that asks for its key, with one exchange in which there were keys."""
        proxy = start_proxy(capture=3, proxy_key=PROXY_KEY)
        page = StatusPage(browser, proxy).open(state="")
        page.wait_for("#key-form", "This proxy asks for its key")
        browser.press(f"{PROXY_KEY}{ENTER}")
        page.wait_for("#live-text", "live")
        keys = (f"Authorization: Bearer {PROXY_KEY}", f"X-Goog-Api-Key: {CLIENT_KEY}")
        serve(
            proxy,
            worker,
            post(b'{"a": 1}', f"/v1/x?api_key={CLIENT_KEY}", *keys),
            answer(b"{}", "200 OK", f"Set-Cookie: id={CLIENT_KEY}"),
        )
        show(page, 1)
        return page

    def test_a_har_file_is_saved_with_the_proxy_s_key(self, page: StatusPage, tmp_path: Path) -> None:
        page.browser.save_downloads(tmp_path)
        for button, name in (("#kept-save", "vespa-1.har"), ("#capture-save", "vespa.har")):
            page.browser.click(button)
            file = tmp_path / name
            wait_until(lambda file=file: file.exists() and file.stat().st_size > 0)  # type: ignore[misc]
            [entry] = json.loads(file.read_text("utf-8"))["log"]["entries"]
            assert entry["request"]["postData"]["text"] == '{"a": 1}'
            assert CLIENT_KEY not in str(entry) and PROXY_KEY not in str(entry)

    def test_it_is_copied_as_curl(self, page: StatusPage) -> None:
        page.browser.run("navigator.clipboard.writeText = async (text) => { window.copied = text }")
        page.browser.click("#kept-curl")
        page.wait_for("#kept-curl", "Copied")
        copied = page.value("window.copied")
        assert copied.startswith("curl -N -X POST 'http://localhost:") and "--data-raw '{\"a\": 1}'" in copied
        assert "Authorization: Bearer YOUR_PROXY_KEY" in copied and "X-Goog-Api-Key: YOUR_KEY" in copied
        assert CLIENT_KEY not in copied and PROXY_KEY not in copied

    def test_no_key_is_shown(self, page: StatusPage) -> None:
        for tab in ("request", "answer", "pieces", "timings"):
            turn_to(page, tab)
            everything = page.value("document.documentElement.outerHTML")
            assert CLIENT_KEY not in everything and PROXY_KEY not in everything
            if tab == "request":
                page.browser.click("#kept-part summary")
                assert "X-Goog-Api-Key (not kept)" in page.text("#kept-part")
        assert page.text("#kept-title") == "#1 POST /v1/x?api_key=MASKED"

    def test_what_can_t_be_saved_says_why(self, page: StatusPage) -> None:
        for _ in range(3):
            requests.post(
                f"{page.address.removesuffix('/_vespa/')}/v1/y",
                data="no json",
                headers={"Authorization": f"Bearer {PROXY_KEY}"},
                timeout=LONG,
            )
        page.browser.click("#kept-save")
        page.wait_for("#kept-said", "no more")


class TestItsManners:
    def test_keys_do_what_a_mouse_does(self, page: StatusPage, proxy: VastClient, worker: RawWorker) -> None:
        serve(proxy, worker, post(b'{"a": 1}', "/v1/x"), answer(b'{"b": 2}'))
        look(page)
        page.wait_for("#captured tr", "#1")
        focus = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
        page.browser.run("document.getElementById('capture-save').focus()")
        seen: list[Any] = []
        for key in (TAB, TAB, ENTER):
            page.browser.press(key)
            seen.append(page.value(focus))
        assert seen == ["Captured exchanges", "Exchange 1: show it", "Exchange 1: show it"]
        page.wait_for("#kept-said", "Came at")
        seen.clear()
        for key in (TAB, TAB, TAB, TAB, RIGHT, END, TAB):
            assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            page.browser.press(key)
            seen.append(page.value(focus))
        assert seen == ["kept-curl", "kept-save", "kept-close", "kept-answer", "kept-pieces", "kept-timings", "kept-part"]
        assert page.value("document.getElementById('kept-part').getAttribute('aria-labelledby')") == "kept-timings"
        page.browser.run("document.getElementById('kept-close').focus()")
        page.browser.press(ENTER)
        assert page.rows("#kept") == []
        assert page.value(focus) == "Exchange 1: show it"

    @pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (768, "light"), (1280, "dark")])
    def test_it_fits_the_screen_and_axe_finds_nothing(
        self, width: int, theme: str, browser: Browser, proxy: VastClient, worker: RawWorker, node_modules: Path
    ) -> None:
        browser.emulate(width, theme)
        page = StatusPage(browser, proxy).open()
        stream = EVENT_STREAM + event("Hello " * 40) + chunk(b"data: [DONE]\n\n") + chunk(b"")
        serve(proxy, worker, post(ODD.encode(), f"/v1/{'long/' * 40}?a=b"), stream)
        show(page, 1)
        tops = page.value("[...document.querySelectorAll('#captured td')].map((cell) => cell.offsetTop)")
        # In two lines where there is no room for columns: what it is, then when and how much.
        assert [top > tops[0] + 12 for top in tops] == [width == 360 and index in (1, 4, 5, 6) for index in range(7)]
        for tab in ("request", "answer", "pieces", "timings"):
            turn_to(page, tab)
            assert page.value("document.documentElement.scrollWidth") <= width
            assert page.violations(node_modules) == []
