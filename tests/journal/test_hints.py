"""What stands in the log behind a request that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.journal.hints import Hints
from vespa_client.journal.record import Problem, Record
from vespa_client.sandbox import Sandbox

MARKED = "marked-key-0123456789"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    caplog.set_level("INFO", "vespa_client")
    yield lambda: [record.getMessage() for record in caplog.records if "HINT" in record.getMessage()]


def failed(number: int, hint: str) -> Record:
    record = Record(number, "GET", "/x")
    record.refuse(400, Problem("bad_request", "no", hint))
    return record


def whole(number: int, worker: str | None) -> Record:
    record = Record(number, "GET", "/x")
    record.worker = worker
    return record


def test_a_run_of_equal_ones_has_one_hint(lines: Callable[[], list[str]]) -> None:
    hints = Hints()
    for record in [failed(1, "A"), failed(2, "A"), failed(3, "B"), failed(4, "B"), failed(5, "A"), failed(6, "")]:
        hints.after(record)
    assert lines() == ["#1 HINT: A", "#3 HINT: B", "#5 HINT: A"]


def test_a_request_that_a_worker_answered_ends_the_run(lines: Callable[[], list[str]]) -> None:
    hints = Hints()
    for record in [failed(1, "A"), whole(2, None), failed(3, "A"), whole(4, "w:1"), failed(5, "A")]:
        hints.after(record)
    assert lines() == ["#1 HINT: A", "#5 HINT: A"]


def test_a_request_that_somebody_cancelled_has_none(lines: Callable[[], list[str]]) -> None:
    record = failed(1, "A")
    record.cancel()
    Hints().after(record)
    assert not lines()


def test_a_wrong_key_is_said_where_the_person_looks(
    sandbox: Sandbox, start_proxy: Callable[..., VastClient], lines: Callable[[], list[str]]
) -> None:
    client = start_proxy(api_key=MARKED, account_key=None)
    for _ in range(4):
        assert requests.get(f"{client.url}/v1/models", timeout=LONG).status_code == 401
    client.stop()
    [line] = lines()
    assert line.startswith("#1 HINT: 401 Unauthorized usually means: You're using the wrong API key type. ")
    assert "It was the autoscaler that refused the key of 'sandbox-llm'." in line
    assert MARKED not in line


def test_a_bad_request_is_said_too_and_a_workers_own_error_is_not(
    sandbox: Sandbox, start_proxy: Callable[..., VastClient], lines: Callable[[], list[str]]
) -> None:
    client = start_proxy()
    sandbox.worker.answer_with(404, b"not here", [("Content-Type", "text/html")])
    requests.get(f"{client.url}/v1/x", timeout=LONG)
    requests.post(f"{client.url}/v1/x", data="{'a': 1}", timeout=LONG)
    client.stop()
    assert [line.partition(". ")[0] for line in lines()][-1:] == ["#2 HINT: Workers take JSON alone"]
