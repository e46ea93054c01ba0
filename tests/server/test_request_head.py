"""What is said of a request by its head alone."""

from __future__ import annotations

import pytest

from vespa_client.http1.fields import ReceivedFields
from vespa_client.http1.heads import parse_request_head
from vespa_client.server.request_head import trace_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def fields(value: str, *states: str) -> ReceivedFields:
    lines = [f"traceparent: {value}", *(f"tracestate: {state}" for state in states)]
    return parse_request_head("\r\n".join(["GET / HTTP/1.1", "Host: localhost", *lines]).encode()).fields


@pytest.mark.parametrize("value", [PARENT, f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-01-more"])
def test_a_trace_is_taken_as_it_came(value: str) -> None:
    assert trace_context(fields(value)) == (value, "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_what_the_specification_forbids_is_none(value: str) -> None:
    assert trace_context(fields(value, "a=1")) == ("", "")


LONG_STATE = ",".join(f"{key}={'x' * 253}" for key in "ab")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["a=1 , \tb=2,,", "t1@c-3/x=a b"], "a=1,b=2,t1@c-3/x=a b"),
        (["a=" + "x" * 256], "a=" + "x" * 256),
        ([",".join(f"k{n}=1" for n in range(32))], ",".join(f"k{n}=1" for n in range(32))),
        ([LONG_STATE + "x"], LONG_STATE + "x"),
        (["", " , "], ""),
    ],
)
def test_a_state_is_taken_with_its_trace(states: list[str], expected: str) -> None:
    assert trace_context(fields(PARENT, *states)) == (PARENT, expected)


@pytest.mark.parametrize(
    "states",
    [
        ["a"],
        ["a="],
        ["A=1"],
        ["1=1"],
        ["a=1=2"],
        ["a=\u00e9"],
        ["a@B=1"],
        ["a=1,b"],
        ["a=1", "a=2"],
        ["a=" + "x" * 257],
        [f"{'k' * 257}=1"],
        [",".join(f"k{n}=1" for n in range(33))],
        [LONG_STATE + "xx"],
    ],
)
def test_a_state_that_is_malformed_costs_no_trace(states: list[str]) -> None:
    assert trace_context(fields(PARENT, *states)) == (PARENT, "")
