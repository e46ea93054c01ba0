"""The real case: autoscaler and workers are a round trip away. What does a request cost beyond the trips it has to pay?"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .client import exchange
from .load import Lane, Load, words
from .measured import Effort, Failed, Measured
from .messages import BODY, CHAT, ROUTE, ROUTE_BODY, large_body, request
from .way import Way

__all__ = ["ROUND_TRIP", "UNSEEN_WORKERS", "Places", "measure_far"]

ROUND_TRIP = 0.08
UNSEEN_WORKERS = 3

# What a proxy gets ready at its start is ready after this.
_SETTLED = 1.0
_TOGETHER = 32
# On a machine that is busy otherwise, the first ones may not be wholly at once.
_BURSTS_BEFORE = 2
_BURSTS = 4
_UPLOADS = 3
# A prompt with a picture. Its way through the relay takes a fraction of a round trip, so that one too many stands out.
_UPLOAD = 4_000_000
_PATIENCE = 30.0


@dataclass(frozen=True)
class Places:
    """Where the far-away ones are. All ports are on loopback, and ``control`` is near."""

    control: int
    autoscaler: int
    workers: list[int]
    """The relay's ports; the first one is known from the start, and each other is for one request."""
    autoscaler_itself: int
    """The stand-in's port behind the relay's, by which it counts."""
    ca_file: str | None
    """The root of their certificates; None where there is no TLS."""

    @property
    def handshakes(self) -> int:
        """The round trips that a new connection takes: one for TCP, and one for TLS 1.3."""
        return 2 if self.ca_file else 1

    def url(self, port: int) -> str:
        """The URL of that one of them."""
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{port}"


def measure_far(way: Way, places: Places, effort: Effort) -> Measured:
    """One by one, then many at once, then workers that weren't seen before, and a large body at the end."""
    control = _Control(places.control)
    client = _FarClient(way, places)
    with contextlib.closing(client):
        client.use(control, places.workers[0])
        client.prepare()
        time.sleep(_SETTLED)
        early = control.counts()
        seconds = {"first": client.chat(), "second": client.chat()}
        seconds["next_p50"] = statistics.median([client.chat() for _ in range(effort.far_requests)])
        bursts, opened, errors = _many_at_once(client, control)
        if bursts:
            seconds["together_p50"] = statistics.median(statistics.median(latencies) for latencies in bursts)
            seconds["together_max"] = statistics.median(max(latencies) for latencies in bursts)
        unseen = []
        for port in places.workers[1:]:
            client.use(control, port)
            unseen.append(client.chat())
        seconds["new_worker"] = statistics.median(unseen)
        client.use(control, places.workers[0])
        client.chat()
        body = large_body(_UPLOAD)
        seconds["upload"] = statistics.median([client.chat(body) for _ in range(_UPLOADS)])
    counts = control.counts()
    asked = 2 + effort.far_requests + (_BURSTS_BEFORE + _BURSTS) * _TOGETHER + len(unseen) + 1 + _UPLOADS
    trips = dict.fromkeys(seconds, 2) | dict.fromkeys(("first", "new_worker"), 2 + places.handshakes)
    figures: dict[str, float | None] = {}
    for name, took in seconds.items():
        figures[f"{name}_ms"] = took * 1e3
        figures[f"{name}_over_ms"] = (took - trips[name] * ROUND_TRIP) * 1e3
    figures["together_opened"] = opened
    figures["connections"] = sum(counts["connections"].values())
    figures["routes_a_request"] = counts["routes"] / asked
    if not way.is_direct:
        figures["early_connections"] = early["connections"].get(str(places.autoscaler_itself), 0)
        figures["early_routes"] = early["routes"]
    return Measured(figures, errors=errors)


def _many_at_once(client: _FarClient, control: _Control) -> tuple[list[list[float]], int, Counter[str]]:
    """The latencies of each burst behind some others, how many connections these bursts made, and what went wrong in all."""
    with client.load(_TOGETHER) as load:
        outcomes = [load.once() for _ in range(_BURSTS_BEFORE)]
        before = sum(control.counts()["connections"].values())
        outcomes += [load.once() for _ in range(_BURSTS)]
        opened = sum(control.counts()["connections"].values()) - before
    bursts = [outcome.latencies for outcome in outcomes[_BURSTS_BEFORE:] if outcome.latencies]
    return bursts, opened, sum((outcome.errors for outcome in outcomes), Counter())


class _Control:
    """The stand-in's near port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def name_worker(self, url: str) -> None:
        """Have that worker assigned from now on."""
        self._ask("PUT", "/_benchmark/worker", url.encode())

    def counts(self) -> Any:
        """``connections`` so far by port, those to this one left out, and the ``routes`` that were asked for."""
        counts = json.loads(self._ask("GET", "/_benchmark/counts"))
        del counts["connections"][str(self._port)]
        return counts

    def _ask(self, method: str, target: str, body: bytes | None = None) -> bytes:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)) as connection:
            connection.request(method, target, body)
            return connection.getresponse().read()


class _FarClient:
    """One client that asks one by one, and can be many at once. On the direct path it goes the far ways itself."""

    def __init__(self, way: Way, places: Places) -> None:
        self._way = way
        self._places = places
        self._context = ssl.create_default_context(cafile=places.ca_file) if places.ca_file else None
        self._worker = places.workers[0]
        self._kept: dict[int, socket.socket] = {}

    def close(self) -> None:
        """End its connections."""
        for sock in self._kept.values():
            sock.close()

    def use(self, control: _Control, worker: int) -> None:
        """From now on the worker behind that port is assigned."""
        self._worker = worker
        control.name_worker(self._places.url(worker))

    def prepare(self) -> None:
        """On the direct path: connect to the autoscaler, as a proxy should at its start."""
        if self._way.is_direct:
            self._kept[self._places.autoscaler] = self._dial(self._places.autoscaler)

    def chat(self, body: bytes = BODY) -> float:
        """One request. Returns the seconds it took, connections that had to be made included."""
        steps = [(port, self._request(port, body)) for port in self._ports()]
        begin = time.perf_counter()
        try:
            for port, data in steps:
                if port not in self._kept:
                    self._kept[port] = self._dial(port)
                exchange(self._kept[port], data)
        except OSError as problem:
            raise Failed(words(problem)) from None
        return time.perf_counter() - begin

    def load(self, count: int) -> Load:
        """So many of them at once, whose far connections on the direct path are there already."""
        steps = [(number, self._request(port, BODY)) for number, port in enumerate(self._ports())]
        ready: list[list[socket.socket | None]] = [[None] * len(steps) for _ in range(count)]
        if self._way.is_direct:
            with ThreadPoolExecutor(count) as pool:
                ready = list(pool.map(lambda _: [self._dial(port) for port in self._ports()], range(count)))
            for sock in (sock for sockets in ready for sock in sockets if sock is not None):
                sock.setblocking(False)
        return Load([Lane(steps, sockets) for sockets in ready], lambda _: self._way.dial(), patience=_PATIENCE)

    def _ports(self) -> list[int]:
        return [self._places.autoscaler, self._worker] if self._way.is_direct else [self._way.port]

    def _request(self, port: int, body: bytes) -> bytes:
        if self._way.is_direct and port == self._places.autoscaler:
            return request("POST", ROUTE, f"127.0.0.1:{port}", ROUTE_BODY)
        return request("POST", CHAT, f"127.0.0.1:{port}", self._way.body(body))

    def _dial(self, port: int) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context and self._way.is_direct:
            return self._context.wrap_socket(sock, server_hostname="127.0.0.1")
        return sock
