"""The soak: rounds of traffic, a quiet moment after each in which the proxy's footprint is taken, and the table."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from vespa_client.sandbox import Endpoint
from vespa_client.sandbox.console import Console, make_key

from .autoscaler import StumblingAutoscaler
from .client import Client
from .fleet import Fleet
from .ledger import Ledger
from .metronome import Metronome
from .plan import Plan, draw_plan, draw_short_plan
from .proxy import Footprint, Proxy
from .table import Table, counts, words
from .verdict import PROMISES, Verdict
from .weather import Weather

__all__ = ["Soak"]

_ENDPOINT = "soak"
_WORKERS = 6
_SETTINGS = ("--wait", "45", "--connect-timeout", "2", "--timeout", "20", "--idle-timeout", "20", "--drain", "5")
_MEAN_PAUSE = 0.25
_LONGEST_ROUND = 20.0
# While each worker is a new one: few clients that don't rest.
_MARCHERS = 8
# The proxy remembers 1,024 hosts: its memory grows until it has met so many, and not from then on.
_HOSTS_REMEMBERED = 1024
# Shorter runs than this have no time to meet them all before the traffic begins.
_SHORT = 60.0
# What is over on its far end is noticed within seconds.
_NOTICED_SECONDS = 15.0
_QUIET_SECONDS = 5.0
_MOST_GROWTH = 1.1
# A short run is over before memory is warm.
_MOST_GROWTH_COLD = 1.3
_MOST_NEW_SOCKETS = 20


class Soak:
    """One run of ``seconds``, by a seed: what is drawn is the same for the same seed, when it happens is not."""

    def __init__(self, seconds: float, seed: int, clients: int = 24, say: Callable[[str], None] = lambda line: None) -> None:
        """``say`` is told how it goes, a line a round."""
        self._seconds = seconds
        self._seed = seed
        self._clients = clients
        self._say = say
        self._table = Table()
        self._footprints: dict[str, Footprint] = {}

    def run(self) -> Table:
        """Run it to the end."""
        with contextlib.ExitStack() as stack:
            self._ledger = ledger = Ledger()
            self._fleet = fleet = stack.enter_context(Fleet(_WORKERS, ledger, self._source("fleet")))
            key, account_key = make_key(), make_key()
            # Two of them, since the autoscaler learns of a new key later than the console.
            endpoint = Endpoint(1, _ENDPOINT, key)
            console = Console(account_key, [Endpoint(1, _ENDPOINT, key)])
            autoscaler = StumblingAutoscaler([endpoint], fleet, ledger, self._source("autoscaler"))
            for component in (console, autoscaler):
                component.start()
                stack.callback(component.stop)
            metronome = Metronome()
            metronome.start()
            stack.callback(metronome.end)
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
            urls = ("--endpoint", _ENDPOINT, "--console-url", console.url, "--autoscaler-url", autoscaler.url)
            self._proxy = proxy = Proxy(home, account_key, *urls, *_SETTINGS)
            self._idle_threads = proxy.footprint().threads
            self._verdict = Verdict(fleet, metronome, proxy)
            weather = Weather(fleet, console, autoscaler, endpoint, self._source("weather"))
            started = time.monotonic()
            try:
                self._rounds(started, weather)
                cpu = proxy.cpu_seconds()
            finally:
                exit_code = proxy.end()
            self._tell_traffic(time.monotonic() - started)
            self._table.tell("what went wrong", counts(weather.happened))
            self._table.tell(
                "the autoscaler", f"stumbled {autoscaler.stumbles} times, refused a key {autoscaler.refused} times"
            )
            self._table.tell("workers", f"{fleet.addresses} addresses, {fleet.died} died")
            self._table.tell(
                "this machine", f"was up to {metronome.latest * 1000:.0f} ms late; the proxy used {cpu:.0f} s of CPU"
            )
            self._tell_promises()
            self._tell_footprints()
            complaints = proxy.complaints()
            self._table.tell("complaints in its log", len(complaints), is_bad=bool(complaints))
            self._table.tell("its exit code", exit_code, is_bad=exit_code != 0)
            self._table.breaches += [*self._verdict.details, *complaints[:5]]
        return self._table

    def _rounds(self, started: float, weather: Weather) -> None:
        ends_at = started + self._seconds
        last_march = max(self._seconds * 0.15, 3.0)
        if self._seconds >= _SHORT:
            self._march("new workers before", lambda: self._fleet.addresses < _HOSTS_REMEMBERED + 100)
        mixed_ends = ends_at - last_march
        length = min(max((mixed_ends - time.monotonic()) / 5, 3.0), _LONGEST_ROUND)
        weather.start()
        try:
            for count in itertools.count(1):
                self._mix(f"mixed {count}", min(time.monotonic() + length, mixed_ends))
                if mixed_ends - time.monotonic() < length / 2:
                    break
        finally:
            weather.end()
        last = max(ends_at, time.monotonic() + last_march / 2)
        self._march("new workers after", lambda: time.monotonic() < last)

    def _mix(self, name: str, until: float) -> None:
        self._round(name, self._clients, draw_plan, _MEAN_PAUSE, lambda: time.monotonic() < until)

    def _march(self, name: str, goes_on: Callable[[], bool]) -> None:
        self._fleet.is_marching = True
        self._round(name, _MARCHERS, draw_short_plan, 0.0, goes_on)
        self._fleet.is_marching = False

    def _round(
        self, name: str, count: int, draw: Callable[[int, Random], Plan], pause: float, goes_on: Callable[[], bool]
    ) -> None:
        """Traffic of ``count`` clients for as long as it goes on, then silence and judgement."""
        first = (len(self._footprints) + 1) * 10_000_000
        clients = []
        for place in range(count):
            source = self._source(f"{name} {place}")
            plans = _plans(first + place * 100_000, source, draw, goes_on)
            clients.append(Client(f"soak-client-{place}", self._proxy.port, self._ledger, plans, source, pause))
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self._proxy.wait_for_threads(self._idle_threads, _QUIET_SECONDS)
        # Workers note for themselves when they have heard of the end.
        self._fleet.wait_until_idle(_QUIET_SECONDS)
        footprint = self._footprints[name] = self._proxy.footprint()
        ended_lately = self._fleet.ended_since(time.monotonic() - _NOTICED_SECONDS)
        entries = self._ledger.take()
        for entry in entries:
            self._verdict.judge(entry)
        for fault in self._fleet.settle():
            self._verdict.note("not meant for its worker", fault)
        if footprint.threads > self._idle_threads:
            self._table.breaches.append(f"{name}: {footprint.threads} threads are left; {self._idle_threads} are its own")
        if footprint.ended > ended_lately:
            said = f"{footprint.ended} sockets are over on their far end, {ended_lately} of them in the last seconds"
            self._table.breaches.append(f"{name}: {said}")
        self._say(f"{name}: {len(entries)} requests; {words(footprint)}; {sum(self._verdict.broken.values())} breaches so far")

    def _tell_traffic(self, seconds: float) -> None:
        verdict = self._verdict
        self._table.tell("seed", self._seed)
        self._table.tell("ran for", f"{seconds:.0f} s, {sum(verdict.kinds.values())} requests")
        self._table.tell("of these", counts(verdict.kinds))
        self._table.tell("their ends", counts(verdict.outcomes))
        self._table.tell("sent to a second worker", verdict.retried)
        self._table.tell("generations cut short", verdict.leaving)

    def _tell_promises(self) -> None:
        for promise in PROMISES:
            count = self._verdict.broken[promise]
            self._table.tell(promise, count, is_bad=count > 0)

    def _tell_footprints(self) -> None:
        mixed = [footprint for name, footprint in self._footprints.items() if name.startswith("mixed")]
        settled = mixed[len(mixed) // 4 :]
        early, late = settled[: (len(settled) + 1) // 2], settled[len(settled) // 2 :]
        # The least of some rounds: how much stays of the last large bodies is chance, and a leak raises the least too.
        growth = min(one.memory for one in late) / min(one.memory for one in early)
        more = statistics.median(one.sockets for one in late) - statistics.median(one.sockets for one in early)
        memory = " ".join(f"{one.memory / 2**20:.0f}" for one in mixed)
        most = _MOST_GROWTH_COLD if self._seconds < _SHORT else _MOST_GROWTH
        self._table.tell("memory", f"{memory} MB; x {growth:.3f} when warm", is_bad=growth > most)
        threads = " ".join(str(one.threads) for one in mixed)
        self._table.tell("threads", threads, is_bad=any(one.threads > self._idle_threads for one in mixed))
        sockets = " ".join(str(one.sockets) for one in mixed)
        self._table.tell("sockets", sockets, is_bad=more > _MOST_NEW_SOCKETS)
        for name, footprint in self._footprints.items():
            if not name.startswith("mixed"):
                self._table.tell(name, words(footprint))

    def _source(self, name: str) -> Random:
        return Random(f"{self._seed} {name}")


def _plans(first: int, source: Random, draw: Callable[[int, Random], Plan], goes_on: Callable[[], bool]) -> Iterator[Plan]:
    for number in itertools.count(first):
        if not goes_on():
            return
        yield draw(number, source)
