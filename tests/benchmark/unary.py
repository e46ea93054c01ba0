"""One client, one request after the other: what the proxy adds to each."""

from __future__ import annotations

from .client import Client
from .footprint import Footprint
from .measured import Effort, Measured, quantile
from .way import Way

__all__ = ["measure_unary"]

_WARM_UP = 100


def measure_unary(way: Way, direct: Way, effort: Effort) -> Measured:
    """Request by request in turn with the direct path, so that whatever the machine does besides hits both.

    The client is the standard library's HTTP on purpose: the direct path takes two calls of it, as in an app.
    """
    footprint = Footprint(way.pid)
    through: list[float] = []
    past: list[float] = []
    with Client(way) as client, Client(direct) as other:
        for _ in range(min(_WARM_UP, effort.unary_requests)):
            client.chat()
        before = footprint.cpu_seconds()
        for _ in range(effort.unary_requests):
            through.append(client.chat())
            past.append(other.chat())
        after = footprint.cpu_seconds()
    figures, of_direct = ({f"p{percent}_ms": _ms(times, percent) for percent in (50, 99)} for times in (through, past))
    for percent in (50, 99):
        figures[f"added_p{percent}_ms"] = figures[f"p{percent}_ms"] - of_direct[f"p{percent}_ms"]
    cpu = None if before is None or after is None else (after - before) / len(through) * 1e3
    return Measured({**figures, "cpu_ms": cpu}, {**of_direct})


def _ms(times: list[float], percent: int) -> float:
    value = quantile(times, percent / 100)
    assert value is not None
    return value * 1e3
