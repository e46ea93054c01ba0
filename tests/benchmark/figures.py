"""Which measures there are, which figures each gives, and which goal a figure has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MEASURES", "SHORT_TABLE", "YARDSTICK", "Figure", "Measure"]

YARDSTICK = "yardstick"


@dataclass(frozen=True)
class Figure:
    """One figure. Where it has no ``better`` side it is told, and not compared with an earlier run's."""

    name: str
    title: str
    digits: int
    better: Literal["lower", "higher", ""] = ""
    goal: float | None = None
    """What it shouldn't exceed, or fall below."""
    per: str = ""
    """What it is divided by for a comparison: the yardstick, or a figure of the direct path in the same measure."""
    least: float = 0.0
    """A smaller difference than this says nothing, however steady it is."""

    def is_met(self, value: float) -> bool | None:
        """Whether the value meets the goal; None where there is none."""
        if self.goal is None:
            return None
        return value >= self.goal if self.better == "higher" else value <= self.goal

    @property
    def is_of_process(self) -> bool:
        """Whether it is about a proxy's process, in whose place the direct path has the stand-in's."""
        return self.name.startswith(("cpu_", "peak_", "memory_"))

    @property
    def goal_text(self) -> str:
        """The goal for people."""
        if self.goal is None:
            return ""
        return f"{'≥' if self.better == 'higher' else '≤'} {self.goal:.{self.digits}f}"


@dataclass(frozen=True)
class Measure:
    """What is measured at once, and gives these figures.

    ``is_paired``: the direct path is measured in step with each proxy. ``needs``: what a proxy has to take for it, a
    "start" by the benchmark, and the "far" stand-in's address or its certificates with "tls".
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    is_paired: bool = False
    needs: tuple[str, ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


def _cpu(what: str, goal: float | None = None, *, unit: str = "ms", digits: int = 2) -> Figure:
    return Figure("cpu_us" if unit == "µs" else "cpu_ms", f"CPU {what}, {unit}", digits, "lower", goal, YARDSTICK)


def _busy(connections: int, requests: float, cpu: float, p99: float | None) -> Measure:
    return Measure(
        f"busy{connections}",
        f"{connections} busy connections",
        (
            Figure("requests_s", "requests a second", 0, "higher", requests, "requests_s"),
            Figure("p50_ms", "latency p50, ms", 1),
            Figure("p99_ms", "latency p99, ms", 1, "lower", p99, "p99_ms", 1.0),
            _cpu("a request", cpu),
            _CLIENT_CPU,
        ),
    )


def _streams(count: int, rate: int, late: float, cpu: float | None = None, memory: float | None = None) -> Measure:
    return Measure(
        f"streams{count}",
        f"{count} streams of {rate} event{'s' * (rate > 1)} a second",
        (
            Figure("finished", "streams finished", 0, "higher", count),
            Figure("late_p50_ms", "an event's lateness p50, ms", 2, "lower", None, "late_p50_ms", 0.1),
            Figure("late_p99_ms", "an event's lateness p99, ms", 2, "lower", late, "late_p99_ms", 0.2),
            _cpu("an event", cpu, unit="µs", digits=0),
            Figure("peak_mb", "memory at its peak, MB", 1, "lower", memory, least=1.0),
        ),
    )


def _far(name: str, title: str, handshakes: int, needs: tuple[str, ...]) -> Measure:
    # Beyond the round trips it is the machine's own speed, of which a fraction of a millisecond says nothing.
    over = [
        ("first", "first request", 2 + handshakes, None),
        ("second", "second request", 2, 5.0),
        ("next_p50", "further requests p50", 2, 5.0),
        ("together_p50", "32 at once, again, p50", 2, 5.0),
        ("together_max", "32 at once, again, the last", 2, 5.0),
        ("new_worker", "first request to an unseen worker", 2 + handshakes, 5.0),
        ("upload", "4 MB up", 2, None),
    ]
    figures = [
        figure
        for name, title, trips, goal in over
        for figure in (
            Figure(f"{name}_ms", f"{title}, ms", 1),
            Figure(f"{name}_over_ms", f"{title} beyond {trips} round trips, ms", 1, "lower", goal, least=1.0),
        )
    ]
    figures += [
        Figure("together_opened", "connections opened for the 32", 0, "lower", 0),
        Figure("early_connections", "to the autoscaler before any request", 0, "higher", 1),
        Figure("early_routes", "/route/ calls before any request", 0, "lower", 0),
        Figure("connections", "connections in all", 0),
        Figure("routes_a_request", "/route/ calls a request", 2, "lower", 1),
    ]
    return Measure(name, title, tuple(figures), needs=needs)


_CLIENT_CPU = Figure("client_cpu_ms", "(CPU of the measuring client, ms)", 3)
_MEMORY = Figure("memory_mb", "memory afterwards, MB", 1, "lower", least=1.0)

_ALL = (
    Measure(
        "start",
        "start",
        (
            Figure("listening_s", "until it listens, s", 3),
            Figure("answering_s", "until the first answer, s", 3),
            Figure("listening_multiple", "until it listens, times import requests", 2, "lower", 2.5),
            Figure("help_multiple", "--help, times python -c pass", 2, "lower", 3.0),
            Figure("import_s", 'python -c "import requests", s', 3),
            Figure("pass_s", "python -c pass, s", 3),
        ),
        needs=("start",),
    ),
    Measure(
        "unary1",
        "one client, one request at a time",
        (
            Figure("p50_ms", "latency p50, ms", 2),
            Figure("p99_ms", "latency p99, ms", 2),
            Figure("added_p50_ms", "added to direct p50, ms", 2, "lower", 0.5, "p50_ms"),
            Figure("added_p99_ms", "added to direct p99, ms", 2, "lower", None, "p99_ms", 0.1),
            _cpu("a request", 0.55),
        ),
        is_paired=True,
    ),
    _busy(32, 1400, 0.65, None),
    _busy(256, 1500, 0.75, 400.0),
    Measure(
        "connect64",
        "a new connection for each request, 64 at a time",
        (
            Figure("requests_s", "requests a second", 0, "higher", 900, "requests_s"),
            Figure("p50_ms", "latency p50, ms", 1),
            Figure("p99_ms", "latency p99, ms", 1, "lower", None, "p99_ms", 1.0),
            _cpu("a request"),
            _CLIENT_CPU,
        ),
    ),
    Measure(
        "stream1",
        "one stream at full speed",
        (
            Figure("events_s", "events a second", 0),
            Figure("share", "share of direct", 2, "higher", 0.8),
            _cpu("an event", unit="µs", digits=1),
        ),
        is_paired=True,
    ),
    _streams(50, 20, 2.0, cpu=75.0),
    _streams(200, 10, 3.0),
    _streams(1000, 1, 5.0, memory=80.0),
    Measure(
        "upload",
        "20 MB up",
        (
            Figure("time_ms", "time, ms", 0),
            Figure("multiple", "times direct", 2, "lower", 2.0),
            _cpu("of it", digits=0),
            _MEMORY,
        ),
        is_paired=True,
    ),
    Measure(
        "download",
        "200 MB down",
        (
            Figure("mb_s", "MB a second", 0),
            Figure("share", "share of direct", 2, "higher", 0.6),
            _cpu("of it", digits=0),
            _MEMORY,
        ),
        is_paired=True,
    ),
    _far("far", "far away (80 ms)", 1, ("start", "far")),
    _far("far-tls", "far away (80 ms), with TLS", 2, ("start", "far", "tls")),
)

MEASURES = {measure.name: measure for measure in _ALL}

SHORT_TABLE: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("added to a request, one client: p50, p99 (ms)", (("unary1", "added_p50_ms"), ("unary1", "added_p99_ms"))),
    (
        "requests a second: 32, 256 connections, a new one each",
        (("busy32", "requests_s"), ("busy256", "requests_s"), ("connect64", "requests_s")),
    ),
    (
        "CPU a request: 1, 32, 256 connections (ms)",
        (("unary1", "cpu_ms"), ("busy32", "cpu_ms"), ("busy256", "cpu_ms")),
    ),
    ("latency p99: 32, 256 connections (ms)", (("busy32", "p99_ms"), ("busy256", "p99_ms"))),
    ("one stream at full speed (events a second)", (("stream1", "events_s"),)),
    (
        "streams finished: of 50, of 200, of 1000",
        (("streams50", "finished"), ("streams200", "finished"), ("streams1000", "finished")),
    ),
    (
        "an event late, p99: 50, 200, 1000 streams (ms)",
        (("streams50", "late_p99_ms"), ("streams200", "late_p99_ms"), ("streams1000", "late_p99_ms")),
    ),
    ("memory with 1000 streams (MB)", (("streams1000", "peak_mb"),)),
    ("20 MB up (ms)", (("upload", "time_ms"),)),
    ("200 MB down (MB a second)", (("download", "mb_s"),)),
    ("start until it listens (s)", (("start", "listening_s"),)),
    (
        "80 ms away, with TLS: first, next request, the last of 32 at once (ms)",
        (("far-tls", "first_ms"), ("far-tls", "next_p50_ms"), ("far-tls", "together_max_ms")),
    ),
)
"""What the README shows: a title, and the figures of the row."""
