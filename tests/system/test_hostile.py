"""Requests that have hurt other servers, and requests that look like them and are legal (``tests/hostile``).

Each is sent whole, a byte at a time, and behind a good request on the same connection. A hostile one is refused with the
answer it has to get, in good order; nothing of it arrives upstream; and the next request is served.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from vespa_client.sandbox.messages import Request

from ..support.hostile_cases import NOTHING, REFUSED, SERVED, Case, Upstream
from ..support.hostile_stage import Stage, StrictAnswer, StrictClient, good, stage

__all__ = ["stage"]

BEFORE, BEHIND, AFTER = "/good/before", "/good/behind", "/good/after"
SERVERLESS = re.compile(r"serverless_cost=.*")

WAYS: dict[str, Callable[[StrictClient, bytes], None]] = {
    "whole": StrictClient.send,
    "a byte at a time": StrictClient.send_in_pieces,
    "behind a good request": lambda client, data: client.send(good(BEFORE) + data),
}


def parameters(cases: Sequence[Case]) -> list[object]:
    """The cases, those of a known defect as tests that have to fail."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[pytest.mark.xfail(strict=True, reason=case.known_defect)] if case.known_defect else [],
        )
        for case in cases
    ]


def ways(case: Case) -> list[str]:
    """How the case is sent."""
    return [way for way in WAYS if not (case.whole_only and way == "a byte at a time")]


def play(stage: Stage, case: Case, way: str) -> list[StrictAnswer]:
    """Send the case in that way, and return the answers to it, which have to be those expected.

    Where the connection goes on behind the case, a good request follows on it. It has to end in good order.
    """
    stage.forget()
    with stage.connect(patient=case.then != "waits") as client:
        WAYS[way](client, case.data + (good(BEHIND, last=True) if case.connection_stays else b""))
        if case.then == "ends":
            client.end_of_sending()
        if way == "behind a good request":
            assert client.answer("POST").status == 200
        answers = [client.answer(method) for method in case.methods if case.answers[0][0] != NOTHING]
        told = [(answer.status, answer.fields.get("x-vespa-error", "")) for answer in answers]
        assert told == [expected for expected in case.answers if expected[0] != NOTHING], way
        if case.connection_stays:
            assert client.answer("POST").status == 200
        client.end()
    return answers


def around(case: Case, way: str, own: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """What has to arrive upstream in all: the good requests, and ``own`` between them."""
    before = [("POST", BEFORE)] * (way == "behind a good request")
    return [*before, *own, *[("POST", BEHIND)] * case.connection_stays]


def upstream(requests: Sequence[Request]) -> list[tuple[str, str]]:
    """Method and target of what arrived, without the assignment."""
    return [(request.method, SERVERLESS.sub("", request.target)) for request in requests]


@pytest.mark.parametrize("case", parameters(REFUSED))
def test_a_hostile_request_is_refused_and_nothing_of_it_goes_upstream(stage: Stage, case: Case) -> None:
    for way in ways(case):
        answers = play(stage, case, way)
        stage.ask_good(AFTER)
        for answer in answers:
            assert not answer.interim
            assert answer.fields["content-type"] == "application/json"
            options = answer.fields.get("connection", "").split(", ")
            assert ("close" in options) is not case.connection_stays, way
            if case.methods != ["HEAD"]:
                told = json.loads(answer.body)
                assert (told["type"], told["error"]["code"]) == ("error", answer.fields["x-vespa-error"])
        assert upstream(stage.arrived()) == [*around(case, way), ("POST", AFTER)], way


@pytest.mark.parametrize("case", parameters(SERVED))
def test_an_odd_request_that_is_legal_is_served(stage: Stage, case: Case) -> None:
    for way in ways(case):
        answers = play(stage, case, way)
        assert (answers[-1].fields.get("connection") == "close") is not case.connection_stays, way
        arrived = stage.arrived()
        assert upstream(arrived) == around(case, way, [(wanted.method, wanted.target) for wanted in case.upstream]), way
        for request, wanted in zip(arrived[way == "behind a good request" :], case.upstream, strict=False):
            check_arrival(request, wanted)


def check_arrival(request: Request, wanted: Upstream) -> None:
    """The request carries what it has to, and nothing that frames it is the client's."""
    if wanted.payload is not None:
        assert request.body.partition(b', "payload": ')[2] == wanted.payload + b"}"
    for name, value in wanted.passes:
        assert (name, value) in request.headers
    names = [name.lower() for name, _ in request.headers]
    assert not set(names) & set(wanted.stays)
    assert names.count("host") == 1
    assert "transfer-encoding" not in names
    assert names.count("content-length") == int(request.method not in ("GET", "HEAD", "DELETE"))


def test_there_are_many_hostile_requests_and_no_two_are_the_same() -> None:
    assert len(REFUSED) >= 170
    by_bytes: dict[bytes, list[str]] = defaultdict(list)
    for case in (*REFUSED, *SERVED):
        by_bytes[case.data].append(case.name)
    assert [names for names in by_bytes.values() if len(names) > 1] == []


def test_each_case_says_what_it_is_and_where_it_comes_from() -> None:
    advisory = re.compile(r"CVE-20[0-9]{2}-[0-9]{4,6}|GHSA(-[0-9a-z]{4}){3}")
    for case in (*REFUSED, *SERVED):
        assert case.then in ("", "ends", "waits"), case.name
        assert re.fullmatch(r"(takes|refuses) [a-z-]+|", case.h11), case.name
        assert not case.what.endswith("."), case.name
        for source in case.source.split("; "):
            if source.startswith(("CVE", "GHSA")):
                assert advisory.fullmatch(source), case.name
            elif source.startswith("RFC"):
                assert re.fullmatch(r"RFC [0-9]{3,4}, [0-9A-Z.]+", source), case.name
        if case.is_served:
            assert all(status < 400 for status, _ in case.answers), case.name
            assert len(case.upstream) in (0, len(case.answers)), case.name
        else:
            assert all(status == NOTHING or status >= 400 for status, _ in case.answers), case.name
            assert not case.upstream, case.name
