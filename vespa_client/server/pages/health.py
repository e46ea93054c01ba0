"""``/_vespa/health`` and ``/_vespa/ready``: does the process live, and can it route; for Kubernetes, Docker and systemd."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ...routing.endpoint_view import EndpointView
from ...version import __version__

__all__ = ["Check", "Health", "Readiness", "health_since", "readiness_of"]


@dataclass(frozen=True)
class Health:
    """The process lives, or it would not answer."""

    status: str
    version: str
    uptime: float


@dataclass(frozen=True)
class Check:
    """One thing that has to be so. ``since`` is when it came to be as it is, in seconds since 1970; ``why`` says why not."""

    name: str
    ok: bool
    since: float
    why: str


@dataclass(frozen=True)
class Readiness:
    """Whether a request could be routed, as far as that is known without routing one."""

    ready: bool
    checks: list[Check]


def health_since(started_at: float) -> Health:
    """The health of a proxy that was started then, in seconds since 1970."""
    return Health("ok", __version__, round(time.time() - started_at, 3))


def readiness_of(endpoint: EndpointView, *, started_at: float, stopping_since: float | None) -> Readiness:
    """Whether the proxy listens, its key is good, and the autoscaler was reached."""
    key, autoscaler = endpoint.key, endpoint.autoscaler
    unreached = autoscaler.trouble or "not tried yet"
    checks = [
        Check("listening", stopping_since is None, stopping_since or started_at, "" if stopping_since is None else "stopping"),
        Check("key", key.good, key.since if key.good else key.trouble_since or key.since, key.trouble),
        Check("autoscaler", autoscaler.reached is True, autoscaler.since, "" if autoscaler.reached else unreached),
    ]
    return Readiness(all(check.ok for check in checks), checks)
