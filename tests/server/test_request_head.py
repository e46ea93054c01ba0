"""What is said of a request by its head alone."""

from __future__ import annotations

import pytest

from vespa_client.http1.fields import Fields
from vespa_client.http1.heads import parse_request_head
from vespa_client.server.request_head import traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def fields(value: str) -> Fields:
    return parse_request_head(f"GET / HTTP/1.1\r\nHost: localhost\r\ntraceparent: {value}".encode()).fields


@pytest.mark.parametrize("value", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-01-more"])
def test_a_trace_is_taken_as_it_came(value: str) -> None:
    assert traceparent(fields(value)) == value


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
    assert traceparent(fields(value)) == ""
