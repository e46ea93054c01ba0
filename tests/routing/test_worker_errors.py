"""What is said of workers that could not be reached."""

from __future__ import annotations

from vespa_client.outbound.failures import TransportError
from vespa_client.routing.worker_errors import none_reached


def test_failures_that_are_alike_are_counted() -> None:
    one, other = "203.0.113.7:1: connection refused", "203.0.113.8:2: timed out"
    problem = none_reached([one, other, one], TransportError("connection refused"), 502)
    assert problem.message == f"No worker could be reached in 3 tries. {one} (2 times); {other}."
