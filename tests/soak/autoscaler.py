"""The sandbox's autoscaler, for the fleet, and with troubles of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from vespa_client.sandbox import Answer, Endpoint, HangUp, Request
from vespa_client.sandbox.autoscaler import Autoscaler
from vespa_client.sandbox.scenario.course import Fate

from .fleet import Fleet
from .ledger import Ledger

__all__ = ["StumblingAutoscaler"]

_GARBAGE = (b"", b"<html>", b"[]", b'{"url":')


class StumblingAutoscaler(Autoscaler):
    """Assigns the fleet's workers. A request's cost is its number, by which the ledger learns who got it."""

    def __init__(self, endpoints: Sequence[Endpoint], fleet: Fleet, ledger: Ledger, source: Random) -> None:
        super().__init__(fleet.key, endpoints)
        self.stumbles = 0
        self.refused = 0
        """How often the key was an old one."""
        self._fleet = fleet
        self._ledger = ledger
        self._source = source
        self._choosing = threading.Lock()  # guards the workers between their choice and their turn
        self._storm_ends = 0.0

    def storm(self, seconds: float) -> None:
        """Every call goes wrong for so long."""
        self._storm_ends = time.monotonic() + seconds

    def handle(self, request: Request) -> Answer:
        # Past Component.handle, which keeps a record of each request.
        if request.path == "/route/" and (time.monotonic() < self._storm_ends or self._source.random() < 0.01):
            self.stumbles += 1
            return self._stumble(request)
        answer = self.respond(request)
        self.refused += answer.status == 401
        return answer

    def assign(self, endpoint: str, cost: float, request_idx: int | None = None, fate: Fate = "whole") -> dict[str, Any] | None:
        with self._choosing:
            self.workers = list(self._fleet.offered())
            assignment = super().assign(endpoint, cost, request_idx, fate)
        entry = self._ledger.entry(int(cost))
        if entry is not None and assignment is not None:
            entry.assigned.append((time.monotonic(), assignment["url"]))
        return assignment

    def _stumble(self, request: Request) -> Answer:
        way = self._source.choice(("429", "500", "503", "garbage", "end", "reset", "cold", "slow"))
        if way.isdigit():
            return Answer(int(way), b"not now")
        if way == "garbage":
            return Answer(200, self._source.choice(_GARBAGE), [("Content-Type", "application/json")])
        if way in ("end", "reset"):
            raise HangUp(reset=way == "reset")
        if way == "slow":
            request.pause(0.7)
            return self.respond(request)
        return Answer(200, b'{"endpoint": "soak", "status": "0 of 6 workers ready: 6 loading", "request_idx": null}')
