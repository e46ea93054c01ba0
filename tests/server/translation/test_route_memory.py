"""What is remembered of the routes that a worker lacks, and for how long."""

from __future__ import annotations

from vespa_client.server.translation.route_memory import RouteMemory

HOUR = 3600.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_route_is_missing_for_an_hour() -> None:
    clock = Clock()
    missing = RouteMemory(clock)
    assert not missing.has("/v1/responses")
    missing.note("/v1/responses")
    clock.now += HOUR - 1
    assert missing.has("/v1/responses")
    clock.now += 2
    assert not missing.has("/v1/responses")


def test_each_route_is_remembered_for_itself() -> None:
    missing = RouteMemory(Clock())
    missing.note("/v1/responses")
    assert not missing.has("/v1/messages")
    missing.note("/v1/messages")
    missing.forget("/v1/messages")
    missing.forget("/v1/messages")
    assert missing.has("/v1/responses")
    assert not missing.has("/v1/messages")
