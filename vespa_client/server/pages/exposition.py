"""Metrics as text, in Prometheus' format and in OpenMetrics'. Pure.

Sources: "Exposition formats" of Prometheus' documentation (text format 0.0.4), and the OpenMetrics specification 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...journal.sums.histogram import Histogram

__all__ = [
    "OPEN_METRICS",
    "PROMETHEUS_TEXT",
    "Family",
    "Sample",
    "counter",
    "exposed",
    "gauge",
    "histogram",
    "info",
    "wants_open",
]

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


class Sample(NamedTuple):
    """One line: the family's name with this ending, its labels, its value."""

    ending: str
    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    """The lines of one metric. ``name`` is without ``_total`` and ``_info``, and ends in the unit where there is one."""

    name: str
    kind: str
    help: str
    unit: str
    samples: Sequence[Sample]


def counter(name: str, help: str, samples: Mapping[tuple[tuple[str, str], ...], float] | float, unit: str = "") -> Family:
    """What only rises. ``samples`` is its value, or its values by their labels."""
    return Family(name, "counter", help, unit, _samples("_total", samples))


def gauge(name: str, help: str, samples: Mapping[tuple[tuple[str, str], ...], float] | float, unit: str = "") -> Family:
    """What rises and falls. ``samples`` as in :func:`counter`."""
    return Family(name, "gauge", help, unit, _samples("", samples))


def info(name: str, help: str, labels: Mapping[str, str]) -> Family:
    """What has words for its value."""
    return Family(name, "info", help, "", [Sample("_info", labels, 1)])


def histogram(name: str, help: str, counted: Histogram, unit: str = "seconds") -> Family:
    """How often something was below each of a few bounds."""
    samples, below = [], 0
    for bound, here in zip((*counted.bounds, None), counted.counts, strict=True):
        below += here
        samples.append(Sample("_bucket", {"le": "+Inf" if bound is None else _number(bound)}, below))
    samples += [Sample("_count", {}, below), Sample("_sum", {}, counted.total)]
    return Family(name, "histogram", help, unit, samples)


def exposed(families: Sequence[Family], *, open_metrics: bool) -> bytes:
    """The families as text, in one format or the other."""
    lines = []
    for family in families:
        name, kind = family.name, family.kind
        if not open_metrics:
            # There, a family is named as its lines are, and no information is known but numbers.
            name += {"counter": "_total", "info": "_info"}.get(kind, "")
            kind = "gauge" if kind == "info" else kind
        lines.append(f"# HELP {name} {family.help.translate(_ESCAPES if open_metrics else _HELP_ESCAPES)}")
        lines.append(f"# TYPE {name} {kind}")
        if open_metrics and family.unit:
            lines.append(f"# UNIT {name} {family.unit}")
        lines += [_line(family.name, sample) for sample in family.samples]
    if open_metrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def wants_open(accept: str) -> bool:
    """Whether an ``Accept`` asks for OpenMetrics rather than for plain text (RFC 9110, 12.5.1)."""
    liking = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        if kind in liking:
            liking[kind] = max(liking[kind], _quality(parameters))
    return liking["application/openmetrics-text"] > liking["text/plain"]


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _samples(ending: str, samples: Mapping[tuple[tuple[str, str], ...], float] | float) -> list[Sample]:
    if isinstance(samples, Mapping):
        return [Sample(ending, dict(labels), value) for labels, value in samples.items()]
    return [Sample(ending, {}, samples)]


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in sample.labels.items())
    return (
        f"{name}{sample.ending}{{{labels}}} {_number(sample.value)}"
        if labels
        else f"{name}{sample.ending} {_number(sample.value)}"
    )


def _number(value: float) -> str:
    return repr(value) if isinstance(value, float) else str(int(value))
