"""Chromium as a person has it, headless, and the web pages that it opens.

Names under ``.example`` lead to this machine, and everything else but loopback to nowhere. For Chromium such a page is one of
this machine's own, so that its rules on who may ask local addresses (Local Network Access) stop none of it: what keeps a
stranger out in these tests is the proxy, as in browsers without such rules.
"""

from __future__ import annotations

import base64
import logging
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service

from vespa_client.sandbox import Answer, Component, Request

from .javascript import JS
from .waiting import LONG

__all__ = ["AccessLog", "Browser", "Pages", "missing"]

_NAMES = "MAP *.example 127.0.0.1, MAP host.docker.internal 127.0.0.1, MAP * ~NOTFOUND"
_LOOPBACK = "EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
_FLAGS = (
    "--headless",
    # Chromium refuses to run as root otherwise; the pages are the tests' own.
    "--no-sandbox",
    "--disable-gpu",
    # A container's /dev/shm can be too small.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    f"--host-resolver-rules={_NAMES}, {_LOOPBACK}",
)
_PROGRAMS = ("chromium", "chromedriver")


def missing() -> str:
    """Why there can be no browser here, or an empty string."""
    absent = [name for name in _PROGRAMS if not shutil.which(name)]
    packages = "Debian's packages are chromium and chromium-driver"
    return f"{' and '.join(absent)} not found on this machine; {packages}" if absent else ""


class Browser:
    """A browser with one page open."""

    def __init__(self, profile: Path) -> None:
        """``profile`` is an empty directory for all that it keeps."""
        chromium, driver = map(shutil.which, _PROGRAMS)
        assert chromium and driver
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(driver, log_output=subprocess.DEVNULL, env={**os.environ, "HOME": str(profile)})
        with pytest.MonkeyPatch.context() as patch:
            # What is said to the driver isn't for the caller's outbound proxy.
            patch.setenv("NO_PROXY", "*")
            # A connection that is kept would be a socket left behind by the test that opened it.
            self._driver = webdriver.Chrome(options, service, keep_alive=False)
        self._driver.set_script_timeout(LONG)
        self._driver.set_page_load_timeout(LONG)

    def open(self, url: str) -> None:
        """Go there, as if a person had typed it. Returns when the page has loaded."""
        self._driver.get(url)

    def run(self, source: str, *arguments: Any) -> Any:
        """Run the body of an async function in the page, with ``args``. Returns what it resolves to, as JSON holds it."""
        return self._driver.execute_script(f"return (async (...args) => {{ {source} }})(...arguments)", *arguments)

    def text(self) -> str:
        """What the page shows."""
        shown: str = self.run("return document.body.innerText")
        return shown

    def leave(self) -> None:
        """Leave the page, which the browser may keep for the way back, its requests still running."""
        self.open("about:blank")

    def close(self) -> None:
        """Close the page's tab, and with it whatever the page still does; a new one is open then."""
        closed = self._driver.current_window_handle
        self._driver.switch_to.new_window("tab")
        opened = self._driver.current_window_handle
        self._driver.switch_to.window(closed)
        self._driver.close()
        self._driver.switch_to.window(opened)

    def emulate(self, width: int, theme: str, height: int = 900) -> None:
        """Show pages as on a screen of that many CSS pixels, in the ``light`` or the ``dark`` theme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self._driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, path: Path) -> None:
        """Write a PNG of the whole page, however long it is."""
        taken = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))

    def memory(self) -> tuple[int, int]:
        """How many DOM nodes the page has, and the bytes of its JavaScript objects, after what is unused was collected."""
        self._driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        self._driver.execute_cdp_cmd("Performance.enable", {})
        metrics = self._driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        found = {metric["name"]: int(metric["value"]) for metric in metrics}
        return found["Nodes"], found["JSHeapUsedSize"]

    def click(self, selector: str) -> None:
        """Click with the mouse on the first element that it selects, which is scrolled to where it can be seen."""
        self.run("document.querySelector(args[0]).scrollIntoView({ block: 'nearest' })", selector)
        self._driver.find_element("css selector", selector).click()

    def save_downloads(self, directory: Path) -> None:
        """Have what pages let a person save go there, without asking."""
        behaviour = {"behavior": "allow", "downloadPath": str(directory)}
        self._driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)

    def press(self, *keys: str) -> None:
        """Press these keys, one after the other, wherever the focus is."""
        ActionChains(self._driver).send_keys(*keys).perform()

    def console(self) -> list[str]:
        """What the page has said on its console since the last call, problems that the browser found included."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def quit(self) -> None:
        """End the browser and its driver."""
        self._driver.quit()


class Pages(Component):
    """A web site, under whichever name it is asked for: an empty page at each path, and these.

    ``/js/NAME`` is a script of ``tests/js``, and ``/openai/…`` the OpenAI SDK in ``modules``. ``/redirect?URL`` leads on
    with method and body; ``/report?URL`` is a page on which something is forbidden, as the browser then reports to that URL.
    """

    name = "pages"

    def __init__(self) -> None:
        super().__init__()
        self.modules = Path()

    def at(self, host: str) -> str:
        """The site's first page, under that host's name."""
        return f"http://{host}:{self.url.rpartition(':')[2]}/"

    def respond(self, request: Request) -> Answer:
        html = ("Content-Type", "text/html")
        if request.path == "/redirect":
            return Answer(307, b"", [("Location", request.query)])
        if request.path == "/report":
            policy = ("Content-Security-Policy", f"img-src 'none'; report-uri {request.query}")
            return Answer(200, b'<!doctype html><img src="/forbidden">', [html, policy])
        if request.path.startswith("/js/"):
            return _script(JS / request.path.removeprefix("/js/"))
        if request.path.startswith("/openai/"):
            return _script(self.modules / request.path.removeprefix("/"))
        return Answer(200, b"<!doctype html><title>A page</title><p>A page.</p>", [html])


class AccessLog(logging.Handler):
    """The lines that the proxy logs, as they come: one on each request, when it has been answered."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()  # guards _lines; told of each
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self._lines.append(record.getMessage())
            self._changed.notify_all()

    def of(self, path: str, count: int = 1) -> list[str]:
        """Wait for so many requests of that path. Returns the lines so far on requests of it."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._of(path)) >= count, LONG), f"no {path} in {self._lines}"
            return self._of(path)

    def _of(self, path: str) -> list[str]:
        return [line for line in self._lines if f" {path} -> " in line]


def _script(path: Path) -> Answer:
    return Answer(200, path.read_bytes(), [("Content-Type", "text/javascript")])
