"""Errors as people, SDKs and programs see them."""

from __future__ import annotations

import json
import pickle
import re

import pytest

import vespa_client
from vespa_client import errors
from vespa_client.errors import (
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    MethodNotAllowed,
    NoWorkerReady,
    PortTaken,
    VespaError,
)

CLASSES = [getattr(errors, name) for name in errors.__all__]


def make(kind: type[VespaError]) -> VespaError:
    if issubclass(kind, PortTaken):
        return kind("What happened.", port=8010)
    if issubclass(kind, MethodNotAllowed):
        return kind("What happened.", allow=["POST"])
    return kind("What happened.")


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_of_one_family_with_a_status_and_a_word_of_its_own(kind: type[VespaError]) -> None:
    problem = make(kind)
    assert isinstance(problem, VespaError)
    assert 400 <= problem.status < 600
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", problem.code)
    assert [other for other in CLASSES if other.code == problem.code] == [kind]
    assert problem.message == "What happened."
    # As a notebook shows it.
    assert str(problem) == (f"What happened.\n\nHINT: {problem.hint}" if problem.hint else "What happened.")
    assert problem.retry_after is None
    assert not problem.retried


@pytest.mark.parametrize("kind", CLASSES)
def test_the_body_has_the_shape_that_both_sdks_read(kind: type[VespaError]) -> None:
    problem = make(kind)
    parsed = json.loads(problem.body())
    assert parsed == {"type": "error", "error": parsed["error"]}
    assert list(parsed["error"]) == ["type", "code", "message", "hint", "param"]
    assert parsed["error"]["code"] == kind.code
    # SDKs show the message alone.
    assert parsed["error"]["message"] == f"What happened. {problem.advice}".strip()
    assert "\n" not in parsed["error"]["message"]
    assert parsed["error"]["hint"] == problem.hint
    assert parsed["error"]["param"] is None
    assert re.fullmatch(r"[a-z_]+_error|request_too_large", parsed["error"]["type"])


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (418, "api_error"),
    ],
)
def test_the_type_follows_the_status(status: int, word: str) -> None:
    assert VespaError("x", status=status).fields()["type"] == word


def test_a_status_and_a_hint_can_be_given_and_stay_with_the_one_error() -> None:
    problem = BadRequest("x", hint="do y", status=408, retry_after=7, retried=True)
    assert (problem.status, problem.hint, problem.retry_after, problem.retried) == (408, "do y", 7, True)
    assert (BadRequest("x").status, BadRequest("x").hint) == (400, "")
    assert AuthenticationError("x").hint
    assert AuthenticationError("x", hint="").hint == ""


def test_a_body_of_any_text_is_ascii_json() -> None:
    message = 'a "quoted" \\ name\r\n\x1b[31m é 😀 \u2028'
    body = NoWorkerReady(message).body()
    assert body.isascii()
    assert b"\n" not in body
    assert json.loads(body)["error"]["message"] == message


def test_an_event_is_one_event_whatever_the_text() -> None:
    event = NoWorkerReady("line\r\none\n\ndata: two", hint="do\nthis").event()
    assert re.fullmatch(rb"event: error\ndata: [^\r\n]*\n\n", event)
    parsed = json.loads(event.split(b"data: ", 1)[1])
    assert parsed["type"] == "error"
    assert parsed["error"]["message"] == "line\r\none\n\ndata: two. do\nthis"
    assert parsed["error"]["hint"] == "do\nthis"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            AuthenticationError("401 Unauthorized"),
            "401 Unauthorized usually means: You're using the wrong API key type. Endpoint API key is required, not account "
            "API key. Use --account-key to auto-fetch the correct key.",
        ),
        (NoWorkerReady("The autoscaler says: 1 stopped", hint="Wait."), "The autoscaler says: 1 stopped. Wait."),
        (NoWorkerReady("It says: why?", hint="Wait."), "It says: why? Wait."),
        (NoWorkerReady("It broke off (reset)", hint="Do:\n  - this\n  - that!"), "It broke off (reset). Do: this. that!"),
        (BadRequest("No."), "No."),
    ],
)
def test_the_message_for_sdks_says_each_thing_once_in_sentences(problem: VespaError, said: str) -> None:
    assert problem.fields()["message"] == said


def test_without_a_hint_the_message_stands_alone() -> None:
    assert NoWorkerReady("x", hint="").fields()["message"] == "x"


def test_whose_fault_it_was_is_said_by_the_class() -> None:
    assert issubclass(PortTaken, ConfigurationError)
    assert PortTaken("x", port=1).port == 1
    assert MethodNotAllowed("x", allow=["POST"]).allow == ["POST"]
    assert VespaError("x").allow == ()


def test_the_errors_at_the_top_are_those_that_a_program_can_meet() -> None:
    exported = [getattr(vespa_client, name) for name in vespa_client.__all__]
    found = {item for item in exported if isinstance(item, type) and issubclass(item, Exception)}
    assert VespaError in found
    assert found <= set(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_crosses_processes(kind: type[VespaError]) -> None:
    # concurrent.futures and multiprocessing pickle what a task raised, and hang or break on what they can't.
    problem = make(kind)
    problem.hint, problem.retry_after, problem.retried = "What to do.", 3, True
    copy = pickle.loads(pickle.dumps(problem))
    assert type(copy) is kind
    assert vars(copy) == vars(problem)
    assert str(copy) == str(problem)
