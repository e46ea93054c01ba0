"""The status page in a real browser, as a person sees it: what stands where, and what is pressed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vespa_client import VastClient

from .browser import Browser
from .waiting import wait_until

__all__ = ["StatusPage", "browser", "chromium"]

# What is seen, as it is read.
_ROWS = """
const shown = [...document.querySelectorAll(args[0])].filter((element) => element.checkVisibility());
return shown.map((element) => element.innerText.replace(/\\s+/g, " ").trim());
"""
# How far things have moved that nobody touched, as browsers count it (Layout Instability API).
_WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map(({ node }) => node?.id || node?.className);
    if (!entry.hadRecentInput) window.shifts.push([entry.value, ...moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


# Rules that axe-core calls best practice are kept to as well.
_AXE = """
const { violations } = await axe.run(document, { resultTypes: ["violations"] });
return violations.map((found) => [found.id, found.nodes.map((node) => node.html)]);
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for a module's tests."""
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.quit()


@pytest.fixture
def browser(chromium: Browser, proxy: VastClient) -> Iterator[Browser]:
    """That browser, whose page ends before the proxy does."""
    chromium.emulate(1280, "light")
    chromium.console()
    yield chromium
    chromium.leave()


class StatusPage:
    """The page of one proxy, open."""

    def __init__(self, browser: Browser, proxy: VastClient) -> None:
        self.browser = browser
        self.address = f"http://localhost:{proxy.url.rpartition(':')[2]}/_vespa/"

    def open(self, *, state: str = "live") -> StatusPage:
        """Go there, and wait for what the page says of its connection."""
        self.browser.open(self.address)
        self.browser.run(_WATCH)
        if state:
            self.wait_for("#live-text", state)
        return self

    def text(self, selector: str) -> str:
        """What stands in the first element that it selects and that is seen."""
        [shown] = self.rows(selector)[:1] or [""]
        return shown

    def rows(self, selector: str) -> list[str]:
        """What stands in each element that it selects and that is seen."""
        shown: list[str] = self.browser.run(_ROWS, selector)
        return shown

    def value(self, expression: str) -> Any:
        """What the expression is, in the page."""
        return self.browser.run(f"return {expression}")

    def wait_for(self, selector: str, text: str) -> str:
        """Wait until that text stands there. Returns all that does."""
        wait_until(lambda: text in self.text(selector))
        return self.text(selector)

    def click(self, selector: str) -> None:
        """Click on the first element that it selects."""
        self.browser.run("document.querySelector(args[0]).click()", selector)

    def fill(self, selector: str, text: str) -> None:
        """Have that text stand in a field, as if it had been typed."""
        source = """
        const field = document.querySelector(args[0]);
        field.value = args[1];
        field.dispatchEvent(new Event("input", { bubbles: true }));
        """
        self.browser.run(source, selector, text)

    def violations(self, node_modules: Path) -> list[Any]:
        """What axe-core has against the page as it is now: each rule, and the elements that break it."""
        axe = (node_modules / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
        self.browser.run(axe + "; window.axe = axe")
        found: list[Any] = self.browser.run(_AXE)
        return found

    def shifts(self) -> list[Any]:
        """What has moved since it was opened, without having been touched: how far, and which elements."""
        moved: list[Any] = self.browser.run("return window.shifts")
        return moved
