"""Bodies of many megabytes, both ways."""

from __future__ import annotations

import statistics

from .client import Client
from .footprint import Footprint
from .measured import Effort, Measured
from .messages import large_body
from .way import Way

__all__ = ["measure_download", "measure_upload"]


def measure_upload(way: Way, direct: Way, effort: Effort) -> Measured:
    """A chat with a large picture in it, in turn with the direct path."""
    body = large_body(int(effort.megabytes_up * 1e6))
    footprint = Footprint(way.pid)
    through: list[float] = []
    past: list[float] = []
    used = 0.0
    with Client(way) as client, Client(direct) as other:
        for one in (client, other):
            one.chat()
        for _ in range(effort.uploads):
            past.append(other.chat(body))
            before = footprint.cpu_seconds()
            through.append(client.chat(body))
            after = footprint.cpu_seconds()
            used += (after or 0.0) - (before or 0.0)
    seconds, of_direct = statistics.median(through), statistics.median(past)
    figures = {
        "time_ms": seconds * 1e3,
        "multiple": seconds / of_direct,
        "cpu_ms": None if way.pid is None else used / effort.uploads * 1e3,
        "memory_mb": footprint.memory(),
    }
    return Measured(figures, {"time_ms": of_direct * 1e3})


def measure_download(way: Way, direct: Way, effort: Effort) -> Measured:
    """A large answer of known length, first on the direct path and then on this one."""
    size = int(effort.megabytes_down * 1e6)
    footprint = Footprint(way.pid)
    with Client(direct) as other:
        of_direct = other.download(size)
    before = footprint.cpu_seconds()
    with Client(way) as client:
        seconds = client.download(size)
    after = footprint.cpu_seconds()
    figures = {
        "mb_s": size / 1e6 / seconds,
        "share": of_direct / seconds,
        "cpu_ms": None if before is None or after is None else (after - before) * 1e3,
        "memory_mb": footprint.memory(),
    }
    return Measured(figures, {"mb_s": size / 1e6 / of_direct})
