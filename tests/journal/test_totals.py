"""The sums: right, bounded, and the same for every reader."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.waiting import LONG
from vespa_client.journal.record import Problem, Record
from vespa_client.journal.route_class import ROUTE_CLASSES, route_class
from vespa_client.journal.snapshot import Exchange, errors_of, series_of, sums_of
from vespa_client.journal.sums.histogram import Histogram
from vespa_client.journal.sums.series import SLOT_SECONDS, SLOTS
from vespa_client.journal.totals import RECENT, Totals


def exchange(totals: Totals, *, worker: str = "203.0.113.7:41234", status: int = 200, path: str = "/v1/completions") -> Record:
    record = totals.begin("POST", path)
    record.ask_for_worker()
    record.worker = worker
    record.enter("first_byte")
    record.begin(status)
    totals.finish(record)
    return record


def test_each_exchange_is_counted_once_whoever_reads_meanwhile() -> None:
    totals = Totals()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: (exchange(totals), series_of(totals, 0)), range(2000)))
    with totals.settled():
        assert totals.requests == {("POST", "completions", "200", "whole"): 2000}
        assert totals.histograms["duration"].count == totals.histograms["first_byte"].count == 2000
        assert sum(tally.requests for tally in totals.workers.all()) == 2000
    assert totals.running() == []


def test_no_request_waits_for_a_reader() -> None:
    totals = Totals()
    with ThreadPoolExecutor(1) as pool, totals.settled():
        pool.submit(lambda: [exchange(totals) for _ in range(100)]).result(LONG)
        assert not totals.requests
    with totals.settled():
        assert totals.requests == {("POST", "completions", "200", "whole"): 100}


def test_labels_are_few_whatever_clients_and_workers_say() -> None:
    totals = Totals()
    for number in range(300):
        record = totals.begin(f"M{number}", f"/odd/{number}")
        record.begin(300 + number)
        totals.finish(record)
    with totals.settled():
        assert {labels[0] for labels in totals.requests} == {"other"}
        assert {labels[1] for labels in totals.requests} == {"other"}
        assert len({labels[2] for labels in totals.requests}) < 60


def test_the_memory_of_a_day_is_that_of_an_hour() -> None:
    now = [1_700_000_000.0]
    totals = Totals(lambda: now[0])

    def hours(count: int) -> None:
        for number in range(count * 2000):
            now[0] += 3600 / 2000
            exchange(totals, worker=f"203.0.113.{number % 251}:{now[0]}", status=200 + number % 400)
            refused = totals.begin("GET", f"/{number}")
            refused.refuse(500, Problem(f"code{number}", "message", "hint"))
            totals.finish(refused)

    def size() -> int:
        gc.collect()
        with totals.settled():
            return sum(map(sys.getsizeof, gc.get_objects()))

    hours(2)
    before = size()
    hours(22)
    assert size() < before * 1.05 + 200_000
    assert len(totals.recent) == RECENT
    assert len(totals.workers) == 256
    assert len(totals.series.since(now[0])) <= SLOTS


def test_the_series_holds_the_last_quarter_of_an_hour() -> None:
    now = [1_700_000_010.0]
    totals = Totals(lambda: now[0])
    for _ in range(100):
        exchange(totals)
        exchange(totals, status=502)
        now[0] += SLOT_SECONDS
    with totals.settled():
        series = series_of(totals, now[0])
    assert len(series.slots) == SLOTS - 1
    assert {(slot.requests, slot.failures) for slot in series.slots} == {(2, 1)}
    assert all(slot.at % SLOT_SECONDS == 0 for slot in series.slots)
    assert series.slots == sorted(series.slots, key=lambda slot: slot.at)


def test_a_worker_that_was_retried_and_one_that_failed() -> None:
    totals = Totals()
    record = totals.begin("POST", "/v1/completions")
    record.retry("a:1", "unreachable", "connection refused")
    record.worker = "b:1"
    record.break_off(Problem("worker_answer_broken", "It broke.", "Send it again."))
    totals.finish(record)
    with totals.settled():
        first, second = sorted(totals.workers.all(), key=lambda tally: tally.address)
        [error] = errors_of(totals)
        sums = sums_of(totals)
    assert (first.address, first.requests, first.failed_tries, first.errors) == ("a:1", 0, 1, 0)
    assert (second.address, second.requests, second.failed_tries, second.errors) == ("b:1", 1, 0, 1)
    assert (error.code, error.hint, error.last_number) == ("worker_answer_broken", "Send it again.", 1)
    assert (sums.retries, sums.failures, sums.by_outcome) == (1, 1, {"broken": 1})


def test_listeners_hear_of_each_and_a_bad_one_costs_nobody_s_request() -> None:
    totals, heard = Totals(), []

    def bad(record: Record) -> None:
        raise KeyError

    totals.listen(bad)
    stop = totals.listen(heard.append)
    one = exchange(totals)
    stop()
    exchange(totals)
    assert heard == [one]


def test_a_phase_s_time_is_summed_over_its_turns() -> None:
    record = Record(1, "POST", "/")
    for phase in ("routing", "waiting", "retrying", "routing", "connecting", "first_byte", "streaming", "done"):
        record.enter(phase)
    seen = Exchange.of(record)
    assert all(seconds > 0 for seconds in record.seconds.values())
    assert sum(record.seconds.values()) == pytest.approx(record.total)
    assert (seen.phase, seen.outcome) == ("done", "whole")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/completions", "chat"),
        ("/chat/completions/", "chat"),
        ("/openai/v1/completions", "completions"),
        ("/v1/responses", "responses"),
        ("/v1/messages", "messages"),
        ("/v1/messages/count_tokens", "tokens"),
        ("/api/chat", "ollama"),
        ("/v1/models/my-model", "models"),
        ("/v1/audio/transcriptions", "audio"),
        ("/session/create", "sessions"),
        ("/generate/sync", "generate"),
        ("/", "other"),
        ("*", "other"),
        ("/my/own", "other"),
    ],
)
def test_the_class_of_a_path(path: str, expected: str) -> None:
    assert route_class(path) == expected
    assert expected in ROUTE_CLASSES


def test_a_histogram_s_quantiles() -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    assert histogram.quantile(0.5) is None and histogram.mean is None
    histogram.observe_all([0.5, 1.5, 1.5, 3.0])
    assert histogram.counts == [1, 2, 1, 0]
    assert histogram.quantile(0.25) == 1.0
    assert histogram.quantile(0.5) == 1.5
    assert histogram.quantile(1.0) == 3.0
    histogram.observe_all([100.0])
    assert histogram.quantile(1.0) == 100.0


def test_no_quantile_is_beyond_what_was_seen() -> None:
    # Three that waited for one cold start.
    histogram, other = Histogram(), Histogram()
    histogram.observe_all([12.52, 12.49])
    other.observe_all([12.5])
    histogram.add(other)
    for seen in (histogram, histogram.copy()):
        assert all(12.49 <= (seen.quantile(share) or 0.0) <= 12.52 for share in (0.0, 0.5, 0.95, 1.0))
