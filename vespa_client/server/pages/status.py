"""``/_vespa/status``: all there is to see, at one moment. The README has its shape, which :data:`SHAPE` numbers."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...journal.snapshot import ErrorCount, Exchange, Series, Sums, Worker, errors_of, series_of, sums_of
from ...journal.totals import Totals
from ...routing.endpoint_view import EndpointView
from ...settings.table import Settings, settings_table
from ...version import __version__

__all__ = [
    "SHAPE",
    "Overview",
    "Proxy",
    "Status",
    "Waiting",
    "as_json",
    "overview_of",
    "proxy_of",
    "settings_shown",
    "status_of",
    "waiting_of",
]

SHAPE = 1
"""Rises when a field goes or changes its meaning; new ones may come without that."""

_MASK = "(set)"


@dataclass(frozen=True)
class Proxy:
    """The program itself. ``started`` is in seconds since 1970."""

    version: str
    python: str
    platform: str
    started: float
    uptime: float
    port: int
    needs_key: bool
    connections: int
    max_connections: int
    stopping: bool
    capture: int
    """How many exchanges are kept with their bodies; 0 where none are."""


@dataclass(frozen=True)
class Waiting:
    """The requests that wait for a worker, as none is ready. ``since`` is when the first of them began to, a time of day."""

    count: int
    since: float | None
    said: str
    """What the autoscaler last said of the endpoint's workers."""


@dataclass(frozen=True)
class Overview:
    """The parts of a :class:`Status` that change when an exchange ends, but for the exchanges themselves."""

    now: float
    proxy: Proxy
    totals: Sums
    series: Series
    workers: list[Worker]
    errors: list[ErrorCount]


@dataclass(frozen=True)
class Status:
    """What the proxy does and has done. Times of day are seconds since 1970."""

    version: int
    now: float
    proxy: Proxy
    endpoint: EndpointView
    waiting: Waiting
    in_progress: list[Exchange]
    """The oldest first."""
    recent: list[Exchange]
    """Those that are over, the newest first, 200 at most."""
    totals: Sums
    series: Series
    workers: list[Worker]
    """The one met last first."""
    errors: list[ErrorCount]
    """The one met last first."""
    settings: dict[str, Any]


def status_of(totals: Totals, endpoint: EndpointView, proxy: Proxy, settings: Mapping[str, Any]) -> Status:
    """The status now."""
    running = totals.running()
    with totals.settled():
        recent = list(totals.recent)
        seen = _overview(totals, endpoint, proxy)
    in_progress = [Exchange.of(record) for record in running]
    return Status(
        version=SHAPE,
        now=seen.now,
        proxy=proxy,
        endpoint=endpoint,
        waiting=waiting_of(in_progress),
        in_progress=in_progress,
        recent=[Exchange.of(record) for record in reversed(recent)],
        totals=seen.totals,
        series=seen.series,
        workers=seen.workers,
        errors=seen.errors,
        settings=dict(settings),
    )


def overview_of(totals: Totals, endpoint: EndpointView, proxy: Proxy) -> Overview:
    """The sums now."""
    with totals.settled():
        return _overview(totals, endpoint, proxy)


def _overview(totals: Totals, endpoint: EndpointView, proxy: Proxy) -> Overview:
    """The sums now, for whoever holds the totals' lock."""
    now = time.time()
    dead = set(endpoint.dead_workers)
    workers = [Worker.of(tally, dead=tally.address in dead) for tally in reversed(totals.workers.all())]
    return Overview(round(now, 4), proxy, sums_of(totals), series_of(totals, now), workers, errors_of(totals))


def waiting_of(in_progress: list[Exchange]) -> Waiting:
    """Those among them that wait for a worker."""
    waiting = [exchange for exchange in in_progress if exchange.phase == "waiting"]
    if not waiting:
        return Waiting(0, None, "")
    first = min(exchange.phase_since for exchange in waiting)
    return Waiting(len(waiting), first, waiting[-1].waiting_for)


def proxy_of(
    settings: Settings, totals: Totals, *, port: int, needs_key: bool, connections: int, stopping: bool, capture: int = 0
) -> Proxy:
    """The program's own part."""
    return Proxy(
        version=__version__,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        started=round(totals.started_at, 4),
        uptime=round(time.time() - totals.started_at, 4),
        port=port,
        needs_key=needs_key,
        connections=connections,
        max_connections=settings.max_connections,
        stopping=stopping,
        capture=capture,
    )


def settings_shown(settings: Settings) -> dict[str, Any]:
    """Each setting by its name; of a key, only whether there is one."""
    shown = {}
    for name, setting in settings_table().items():
        value = getattr(settings, name)
        shown[name] = (_MASK if value else None) if setting.secret else value
    return shown


def as_json(seen: Any) -> bytes:
    """A status, or a part of it, as JSON."""
    # JSON from elsewhere can hold half a character (RFC 8259, 8.2), which a model's name may end in.
    return json.dumps(seen, default=vars, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
