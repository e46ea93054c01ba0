"""The workers that there are at present, and those that were: they come and go, each on an address of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from random import Random

from vespa_client.sandbox.signing import SigningKey

from .ledger import Ledger
from .worker import BlackHole, Worker

__all__ = ["Fleet"]

# A new worker a request would be no test of kept connections.
_YOUNGEST = 30
_KEPT_ENDS = 5000


class Fleet:
    """What the autoscaler may assign. Safe to share between threads."""

    def __init__(self, size: int, ledger: Ledger, source: Random) -> None:
        self.key = SigningKey()
        self.addresses = 0
        """How many there were so far."""
        self.died = 0
        self.is_marching = False
        """Whether each assignment is for a worker that was never seen before."""
        self._size = size
        self._ledger = ledger
        self._source = source
        self._lock = threading.Lock()  # guards the fields below, and that there are as many workers as there should be
        self._live: list[Worker] = []
        self._gone: list[Worker] = []
        self._holes: list[BlackHole] = []
        self._offered_dead: dict[str, float] = {}
        self._outages: dict[str, float] = {}
        self._ended: deque[float] = deque(maxlen=_KEPT_ENDS)

    def __enter__(self) -> Fleet:
        with self._lock:
            self._live += [self._new() for _ in range(self._size)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._live:
            worker.die()
        for worker in (*self._live, *self._gone):
            worker.join()
        for hole in self._holes:
            hole.close()

    def offered(self) -> list[str]:
        """The urls to assign, those of some that have just died among them."""
        now = time.monotonic()
        with self._lock:
            if self.is_marching:
                self._live.append(self._new())
                self._retire()
                return [self._live[-1].url]
            self._offered_dead = {url: until for url, until in self._offered_dead.items() if now < until}
            return [*(worker.url for worker in self._live), *self._offered_dead]

    def kill_one(self) -> None:
        """One dies, and another one comes. The autoscaler learns of it late."""
        with self._lock:
            self._kill(self._source.choice(self._live), late=self._source.uniform(0.0, 1.0))
            self._live.append(self._new())

    def make_one_busy(self) -> None:
        """One turns requests away for a while."""
        with self._lock:
            self._source.choice(self._live).busy_until = time.monotonic() + self._source.uniform(0.3, 1.5)

    def end_idle_connections(self) -> None:
        """Workers close the connections that wait for a request."""
        with self._lock:
            for worker in self._live:
                worker.end_idle_connections()

    def swallow(self, seconds: float) -> None:
        """For so long there is a worker that can't be reached, and doesn't refuse either."""
        with self._lock:
            for hole in self._holes:
                hole.close()
            self._holes = [BlackHole(self._new_host())]
            self.addresses += 1
            url = self._holes[0].url
            self._offered_dead[url] = time.monotonic() + seconds
            self._outages[url] = 0.0

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until no worker is at work any more, or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                if not any(worker.running for worker in (*self._live, *self._gone)):
                    return
            time.sleep(0.02)

    def settle(self) -> list[str]:
        """Forget the workers that are gone. Returns what workers got that they can't have been meant to get."""
        with self._lock:
            self._offered_dead.clear()
            self._outages.clear()
            gone, self._gone = self._gone, []
            faults = [fault for worker in (*self._live, *gone) for fault in worker.faults]
            for worker in self._live:
                worker.faults.clear()
            self._ended += (ended for worker in gone for ended in worker.ended)
        for worker in gone:
            worker.join()
        return faults

    def outage(self, url: str) -> float | None:
        """Since when the worker can't be reached; None where it can."""
        with self._lock:
            return self._outages.get(url)

    def ended_since(self, moment: float) -> int:
        """How many waiting connections workers have ended since then: for the last seconds alone."""
        with self._lock:
            recent = (ended for worker in (*self._live, *self._gone) for ended in worker.ended)
            return sum(ended >= moment for ended in (*self._ended, *recent))

    def ended_between(self, url: str, begin: float, end: float) -> bool:
        """Whether the worker ended waiting connections in that time."""
        with self._lock:
            found = next((worker for worker in (*self._live, *self._gone) if worker.url == url), None)
            return found is not None and any(begin <= ended <= end for ended in found.ended)

    def _retire(self) -> None:
        """Let the oldest go, those without a request first."""
        if len(self._live) > _YOUNGEST:
            idle = next((worker for worker in self._live[:-1] if not worker.running), self._live[0])
            self._kill(idle, late=0.0)

    def _kill(self, worker: Worker, late: float) -> None:
        self._live.remove(worker)
        self._gone.append(worker)
        self._outages[worker.url] = time.monotonic()
        self._offered_dead[worker.url] = time.monotonic() + late
        self.died += 1
        worker.die()

    def _new(self) -> Worker:
        self.addresses += 1
        return Worker(self._new_host(), self._ledger, self.key)

    def _new_host(self) -> str:
        if sys.platform != "linux":
            return "127.0.0.1"  # elsewhere loopback is this one address
        return f"127.{self._source.randint(1, 254)}.{self._source.randint(0, 255)}.{self._source.randint(1, 254)}"
