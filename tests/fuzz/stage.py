"""The far side of the proxy: an autoscaler and workers that write down what came."""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

from .arrival import AUTH_FIELDS, Arrival, parse_json
from .echo import echo_answer
from .heads import values_of
from .marks import Mark, mark_of_cost
from .upstream import Link, Upstream

__all__ = ["Stage", "json_answer"]

# Odd ones, all of them right.
_SIGNATURES = ("c2lnbmF0dXJl==", 'a"b\\c', "é\u2028", "%2F&x=1#?")


class Stage:
    """One autoscaler and one worker that are in order."""

    def __init__(self, endpoint: str, key: str) -> None:
        self._endpoint = endpoint
        self._key = key
        self._lock = threading.Lock()  # guards what follows
        self._reqnums = itertools.count(1)
        self._given: dict[str, dict[str, Any]] = {}
        self._arrivals: dict[tuple[str, int], list[Arrival]] = {}
        self._unmarked: list[Arrival] = []
        self.worker = Upstream("worker", self._serve_worker, signed=True)
        self.autoscaler = Upstream("autoscaler", self._serve_autoscaler, signed=False)

    def stop(self) -> None:
        """End both."""
        self.autoscaler.stop()
        self.worker.stop()

    def take(self, fuzzer: str, number: int) -> list[Arrival]:
        """What has come to the worker of that case; it is forgotten."""
        with self._lock:
            return self._arrivals.pop((fuzzer, number), [])

    def take_unmarked(self) -> list[Arrival]:
        """What has come to the worker without a mark; it is forgotten."""
        with self._lock:
            unmarked, self._unmarked = self._unmarked, []
        return unmarked

    def settle(self) -> list[tuple[str, bytes]]:
        """What came that must not have come, with its bytes, now that nothing is under way. It is forgotten."""
        with self._lock:
            faults = self.worker.faults + self.autoscaler.faults
            self.worker.faults, self.autoscaler.faults = [], []
            faults += [("an assignment was asked for, and not used", repr(given).encode()) for given in self._given.values()]
            self._given.clear()
            for arrivals in self._arrivals.values():
                faults += [("a request came when its case was over", arrival.raw) for arrival in arrivals]
            self._arrivals.clear()
        return faults

    def _serve_autoscaler(self, upstream: Upstream, link: Link) -> None:
        while (arrival := link.next(upstream.names)) is not None:
            cost = self._cost_asked(arrival)
            if cost is None:
                upstream.faults.append(("the autoscaler was asked in an unknown way", arrival.raw))
                return
            if not self.play_autoscaler(link, arrival, mark_of_cost(cost), cost):
                return

    def play_autoscaler(self, link: Link, arrival: Arrival, mark: Mark | None, cost: str) -> bool:
        """Answer it. Returns whether the connection goes on."""
        link.sock.sendall(json_answer(self.assign(cost, self.worker.url)))
        return True

    def assign(self, cost: str, url: str) -> str:
        """An assignment to a worker in order."""
        with self._lock:
            number = str(next(self._reqnums))
            signature = _SIGNATURES[int(number) % len(_SIGNATURES)]
            text = (
                f'{{"url": "{url}", "endpoint": "{self._endpoint}", "cost": {cost}, "reqnum": {number}, '
                f'"request_idx": {number}, "signature": {json.dumps(signature)}, "__request_id": "x"}}'
            )
            self._given[number] = parse_json(text)
        return text

    def _cost_asked(self, arrival: Arrival) -> str | None:
        """The text of its cost; None where it isn't a question that the protocol knows."""
        try:
            asked = parse_json((arrival.payload or b"").decode())
        except ValueError:
            return None
        except RecursionError:
            # It has the autoscaler's own words in it, as deep as they were.
            return (arrival.payload or b"").partition(b'"cost": ')[2].partition(b",")[0].decode()
        authorization = values_of(arrival.fields, "authorization")
        cost = asked.get("cost") if isinstance(asked, dict) else None
        if (
            (arrival.method, arrival.target) != ("POST", "/route/")
            or authorization != [f"Bearer {self._key}"]
            or not isinstance(cost, tuple)
            or asked["endpoint"] != self._endpoint
            or not set(asked) <= {"cost", "endpoint", "request_idx"}
        ):
            return None
        text: str = cost[1]
        return text

    def _serve_worker(self, upstream: Upstream, link: Link) -> None:
        while (arrival := link.next(upstream.names)) is not None:
            self.serve_in_order(upstream, link, arrival)

    def serve_in_order(self, upstream: Upstream, link: Link, arrival: Arrival) -> None:
        """Write the request down and echo it."""
        problem = self._check_signed(arrival)
        if problem:
            upstream.faults.append((problem, arrival.raw))
        self._keep(upstream, arrival)
        link.sock.sendall(echo_answer(arrival.method, arrival.target, arrival.payload))

    def _keep(self, upstream: Upstream, arrival: Arrival) -> None:
        with self._lock:
            cases = {mark.case for mark in arrival.marks}
            if len(cases) > 1:
                upstream.faults.append(("a request has bytes of two connections in it", arrival.raw))
            if not cases:
                self._unmarked.append(arrival)
            for case in cases:
                self._arrivals.setdefault(case, []).append(arrival)

    def _check_signed(self, arrival: Arrival) -> str:
        """What is wrong with the assignment in it."""
        assert arrival.auth is not None
        is_text = arrival.payload is None
        reqnum = arrival.auth["reqnum"]
        with self._lock:
            given = self._given.pop(reqnum if is_text else reqnum[1], None)
        if given is None:
            return "an assignment came that was never given, or came before"
        wanted = {name: given[name] for name in AUTH_FIELDS}
        if is_text:
            wanted = {name: value[1] if isinstance(value, tuple) else value for name, value in wanted.items()}
        return "" if arrival.auth == wanted else "an assignment came that was changed"


def json_answer(text: str) -> bytes:
    """The autoscaler's answer."""
    body = text.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
