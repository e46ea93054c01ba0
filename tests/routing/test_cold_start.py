"""The requests that wait for a worker: what the log says of them, and who hears that there is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.journal.record import Record
from vespa_client.net.lifeline import Lifeline
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
    waiting.begin(one, "1 loading", Lifeline())
    for _ in range(95):
        clock.now += 1
        waiting.go_on(one, "1 loading")
    waiting.end(one, "1.2.3.4:80")
    assert lines() == [
        "#1 Waiting for a worker: 1 loading",
        "#1 Still waiting for a worker, for 30 s now: 1 loading",
        "#1 Still waiting for a worker, for 60 s now: 1 loading",
        "#1 Still waiting for a worker, for 90 s now: 1 loading",
        "#1 A worker is ready after 95.0 s: 1.2.3.4:80",
    ]


def test_it_says_so_when_the_words_change(clock: Clock, lines: Callable[[], list[str]]) -> None:
    waiting, one = ColdStart(clock), record()
    waiting.begin(one, "1 stopped", Lifeline())
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
        waiting.begin(one, f"place {one.number}", Lifeline())
    for _ in range(40):
        clock.now += 1
        for one in crowd:
            waiting.go_on(one, f"place {one.number}")
    assert lines()[50:] == ["#1 Still waiting for a worker (and 49 more), for 30 s now: place 1"]
    waiting.end(crowd.pop(0), "w:1")
    clock.now += 5
    waiting.go_on(crowd[0], "the next place")
    assert lines()[51:] == [
        "#1 A worker is ready after 40.0 s: w:1",
        "#2 Still waiting for a worker (and 48 more), for 45 s now: the next place",
    ]


class Noted(Lifeline):
    """Notes that it was woken."""

    woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_who_is_given_a_worker_wakes_the_first_of_those_that_wait_now_and_then(clock: Clock) -> None:
    waiting, crowd = ColdStart(clock), [Noted() for _ in range(40)]
    for number, lifeline in enumerate(crowd, 1):
        waiting.begin(record(number), "1 loading", lifeline)
    waiting.end(record(99), None)
    assert sum(one.woken for one in crowd) == 0, "it has given up, or its client has left"
    waiting.end(record(99), "w:1")
    assert [one.woken for one in crowd] == [1] * 32 + [0] * 8
    waiting.end(record(1), "w:1")
    assert sum(one.woken for one in crowd) == 32, "that was a moment ago"
    clock.now += 1
    for number in range(2, 10):
        waiting.end(record(number), "w:1")
    assert crowd[-1].woken == 0 and crowd[32].woken == 1


def test_of_many_that_are_given_a_worker_at_once_a_terminal_is_told_of_one(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vespa_client")
    waiting = ColdStart(clock)
    for number in range(1, 31):
        waiting.begin(record(number), "1 loading", Lifeline())
    clock.now += 20
    for number in range(1, 30):
        waiting.end(record(number), "w:1")
        clock.now += 0.01
    clock.now += 2
    waiting.end(record(30), "w:1")
    ready = [line for line in caplog.records if "A worker is ready" in line.getMessage()]
    shown = [line.getMessage() for line in ready if not getattr(line, "is_shown_live", False)]
    assert len(ready) == 30
    assert shown == ["#1 A worker is ready after 20.0 s: w:1", "#30 A worker is ready after 22.3 s: w:1"]


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
