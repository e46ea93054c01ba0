"""The line that the log gives a request."""

from __future__ import annotations

import time

import pytest

from vespa_client.journal.record import Record


def test_a_request_that_went_well_is_one_short_line() -> None:
    record = Record(7, "POST", "/v1/chat/completions", started=time.monotonic() - 2)
    record.begin(200)
    record.answer_bytes = 123
    record.worker = "203.0.113.7:41234"
    assert record.name == "#7"
    start, seconds, first, size, worker = record.line().split(", ")
    assert start == "#7 POST /v1/chat/completions -> 200"
    assert 2.0 <= float(seconds.removesuffix(" s")) < 60
    assert 2.0 <= float(first.removeprefix("first byte ").removesuffix(" s")) < 60
    assert (size, worker) == ("123 bytes", "worker 203.0.113.7:41234")


def test_its_tokens_and_its_client_s_trace_are_told_where_they_are_known() -> None:
    record = Record(7, "POST", "/v1/chat/completions")
    assert "tokens" not in record.line() and "trace" not in record.line()
    record.traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    record.take_tokens(5, 20, "usage")
    assert record.line().endswith(f", 20 tokens, trace {'a' * 32}")
    record.take_tokens(None, 22, "events")
    assert ", ~22 tokens, " in record.line()


def test_waits_and_retries_are_told_where_there_were_any() -> None:
    record = Record(1, "GET", "/")
    assert "waited" not in record.line()
    assert "retried" not in record.line()
    record.waits, record.seconds["waiting"] = 3, 12.34
    record.retry("203.0.113.7:41234", "unreachable", "connection refused")
    record.retry("203.0.113.8:41234", "turned_away", "it answered 429")
    assert record.line().endswith(", waited 12.3 s, 2 retried")


@pytest.mark.parametrize(
    ("outcome", "detail", "ending"),
    [
        ("whole", "", " s"),
        ("left", "", ", left"),
        ("broken", "the worker died", ", broken: the worker died"),
        ("refused", "bad_request: The body is not JSON.", ", refused: bad_request: The body is not JSON."),
    ],
)
def test_what_did_not_go_well_is_said_at_the_end(outcome: str, detail: str, ending: str) -> None:
    record = Record(1, "GET", "/")
    record.outcome, record.detail = outcome, detail
    assert record.line().endswith(ending)


def test_a_request_that_was_never_answered_has_no_status() -> None:
    record = Record(1, "GET", "/")
    record.outcome = "left"
    assert record.line().startswith("#1 GET / -> -, ")
    assert "first byte" not in record.line()


def test_a_refusal_of_the_proxys_own_has_no_first_byte_to_speak_of() -> None:
    record = Record(1, "GET", "/")
    record.begin(400)
    record.outcome = "refused"
    assert record.status == 400
    assert "first byte" not in record.line()
