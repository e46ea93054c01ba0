"""What the log says while requests wait for a worker."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.journal.record import Record
from vespa_client.routing.cold_start import ColdStart
from vespa_client.sandbox import Sandbox


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level("INFO", "vespa_client")
    return lambda: [record.getMessage() for record in caplog.records]


def record(number: int = 1) -> Record:
    return Record(number, "POST", "/x")


def test_it_says_so_again_every_30_s(clock: Clock, lines: Callable[[], list[str]]) -> None:
    waiting, one = ColdStart(clock), record()
    waiting.begin(one, "1 loading")
    for _ in range(95):
        clock.now += 1
        waiting.go_on(one, "1 loading")
    waiting.end(one, "1.2.3.4:80")
    assert lines() == [
        "#1 Waiting for a worker: 1 loading",
        "#1 Still waiting for a worker, for 30 s now: 1 loading",
        "#1 Still waiting for a worker, for 60 s now: 1 loading",
        "#1 Still waiting for a worker, for 90 s now: 1 loading",
        "#1 A worker is ready after 95 s: 1.2.3.4:80",
    ]


def test_it_says_so_when_the_words_change(clock: Clock, lines: Callable[[], list[str]]) -> None:
    waiting, one = ColdStart(clock), record()
    waiting.begin(one, "1 stopped")
    for words in ("1 stopped", "1 loading", "1 loading", "1 idle"):
        clock.now += 2
        waiting.go_on(one, words)
    waiting.end(one)
    assert lines() == [
        "#1 Waiting for a worker: 1 stopped",
        "#1 Still waiting for a worker, for 4 s now: 1 loading",
        "#1 Still waiting for a worker, for 8 s now: 1 idle",
    ]


def test_one_of_many_speaks_for_all_and_another_one_behind_it(clock: Clock, lines: Callable[[], list[str]]) -> None:
    waiting, crowd = ColdStart(clock), [record(number) for number in range(1, 51)]
    for one in crowd:
        waiting.begin(one, f"place {one.number}")
    for _ in range(40):
        clock.now += 1
        for one in crowd:
            waiting.go_on(one, f"place {one.number}")
    assert lines()[50:] == ["#1 Still waiting for a worker (and 49 more), for 30 s now: place 1"]
    waiting.end(crowd.pop(0), "w:1")
    clock.now += 5
    waiting.go_on(crowd[0], "the next place")
    assert lines()[51:] == [
        "#1 A worker is ready after 40 s: w:1",
        "#2 Still waiting for a worker (and 48 more), for 45 s now: the next place",
    ]


def test_who_never_waited_says_nothing(lines: Callable[[], list[str]]) -> None:
    ColdStart().end(record(), "w:1")
    assert lines() == []


def test_a_cold_endpoint_is_told_of_to_its_end(
    sandbox: Sandbox, start_proxy: Callable[..., VastClient], lines: Callable[[], list[str]]
) -> None:
    for status in ("1 stopped", "1 loading"):
        sandbox.autoscaler.answer_with(200, {"status": status})
    client = start_proxy()
    assert requests.get(f"{client.url}/v1/models", timeout=LONG).status_code == 200
    client.stop()
    worker = sandbox.worker.url.partition("://")[2]
    said = [line for line in lines() if "worker" in line and " -> " not in line]
    assert said[0] == "#1 Waiting for a worker: 1 stopped"
    assert said[1].startswith("#1 Still waiting for a worker, for ") and said[1].endswith(": 1 loading")
    assert said[2].startswith("#1 A worker is ready after ") and said[2].endswith(f": {worker}")
