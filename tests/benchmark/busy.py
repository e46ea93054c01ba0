"""Many clients that never rest: how many requests a second, how long the unlucky ones wait, and the price of each."""

from __future__ import annotations

import time

from .footprint import Footprint
from .load import Lane, Load
from .measured import Effort, Failed, Measured, quantile
from .way import Way

__all__ = ["measure_busy", "measure_new_connections"]


def measure_busy(way: Way, connections: int, effort: Effort) -> Measured:
    """So many kept connections."""
    return _measure(way, connections, effort, renews=False)


def measure_new_connections(way: Way, connections: int, effort: Effort) -> Measured:
    """So many at a time, and each connection for one request alone."""
    return _measure(way, connections, effort, renews=True)


def _measure(way: Way, connections: int, effort: Effort, *, renews: bool) -> Measured:
    lanes = [Lane([(0, step) for step in way.chat(closes=renews)]) for _ in range(connections)]
    footprint = Footprint(way.pid)
    with Load(lanes, lambda _: way.dial(), renews=renews) as load:
        # Connections, threads and caches are there before it counts.
        errors = load.once().errors
        before, own = footprint.cpu_seconds(), time.process_time()
        outcome = load.run(effort.busy_seconds)
        after, own = footprint.cpu_seconds(), time.process_time() - own
    errors += outcome.errors
    done = len(outcome.latencies)
    if not done:
        raise Failed(f"no request was answered: {dict(errors)}")
    p99 = quantile(outcome.latencies, 0.99)
    figures = {
        "requests_s": outcome.in_time / effort.busy_seconds,
        "p50_ms": (quantile(outcome.latencies, 0.5) or 0.0) * 1e3,
        "p99_ms": None if p99 is None else p99 * 1e3,
        "cpu_ms": None if before is None or after is None else (after - before) / done * 1e3,
        "client_cpu_ms": own / done * 1e3,
    }
    return Measured(figures, errors=errors)
