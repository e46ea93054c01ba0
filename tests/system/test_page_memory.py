"""A day of the status page, and up to 100,000 exchanges: neither the page nor the proxy grows."""

from __future__ import annotations

import gc
import itertools
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from vespa_client import VastClient
from vespa_client.journal.record import Problem
from vespa_client.journal.totals import Totals
from vespa_client.server.pages import events, status

from ..support.browser import Browser, missing
from ..support.status_page import StatusPage
from ..support.waiting import wait_until

if reason := missing():
    pytest.skip(f"no test of the status page's memory: {reason}", allow_module_level=True)

DAY = 24 * 3600.0
# After so many, everything that is kept is full: the last 200, 256 workers, 15 minutes.
FULL = 10_000
BATCH = 5_000


class Day:
    """A time of day that passes as exchanges do; what is measured by the monotonic clock takes no part in it."""

    def __init__(self) -> None:
        self._now = time.time()
        self.monotonic = time.monotonic

    def time(self) -> float:
        """Seconds since 1970."""
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Let so much time go by."""
        self._now += seconds


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> Day:
    """The time of day of all that the page is told."""
    day = Day()
    for module in (status, events):
        monkeypatch.setattr(module, "time", day)
    return day


@pytest.fixture
def browser(tmp_path: Path, proxy: VastClient) -> Iterator[Browser]:
    browser = Browser(tmp_path)
    browser.emulate(1280, "light")
    yield browser
    browser.leave()
    browser.quit()


def exchange(totals: Totals, number: int) -> None:
    """One exchange's record, from its beginning to its end: each of a kind of its own."""
    record = totals.begin("POST", f"/v1/route-{number % 700}")
    record.model = f"model-{number % 90}"
    record.ask_for_worker()
    worker = f"203.0.113.{number % 250}:{20000 + number % 900}"
    if number % 7 == 0:
        record.wait_for_worker(f"{number % 40} loading")
    if number % 11 == 0:
        record.retry(worker, "turned_away", "it answered 429")
    record.worker = worker
    record.enter("first_byte")
    if number % 13 == 0:
        record.refuse(503, Problem(f"code_{number % 300}", f"Trouble {number}.", "Try again."))
    else:
        record.begin(200)
        record.answer_bytes = number
        record.take_tokens(10, number % 400, "usage")
    totals.finish(record)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("exchanges", [20_000, pytest.param(100_000, marks=pytest.mark.heavy)])
def test_a_day_and_many_exchanges_leave_page_and_process_as_they_were(
    exchanges: int, proxy: VastClient, browser: Browser, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = proxy._totals
    monkeypatch.setattr(totals, "_clock", day.time)
    page = StatusPage(browser, proxy).open()
    numbers = itertools.count(1)

    def pass_on(count: int) -> None:
        """So many exchanges, at the pace at which the page takes them."""
        for _ in range(count // BATCH):
            for number in itertools.islice(numbers, BATCH):
                exchange(totals, number)
                day.pass_by(DAY / exchanges * random.uniform(0.5, 1.5))
            # In such a crowd not each is told of: the sums, and the rest of the last 200, come with the snapshot behind it.
            total = f"{number / 1000:.1f}k" if number >= 10_000 else f"{number:,}"
            page.wait_for("#stat-requests", total if number < 100_000 else "100k")
            wait_until(lambda last=number: page.value("document.querySelector('#recent button')?.innerText") == f"#{last}")  # type: ignore[misc]
            wait_until(lambda: len(page.rows("#recent button")) == 200)

    pass_on(FULL)
    gc.collect()
    tracemalloc.start()
    try:
        before = browser.memory()
        pass_on(BATCH)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
        pass_on(exchanges - FULL - BATCH)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - kept
    finally:
        tracemalloc.stop()
    nodes, heap = browser.memory()
    assert len(page.rows("#recent button")) == 200
    assert nodes < before[0] * 1.1
    assert heap < before[1] * 1.25 + 2**20
    assert grown < 2**20
