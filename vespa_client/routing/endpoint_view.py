"""What is known of an endpoint at one moment: for the status page, the probes and the library."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AutoscalerView", "EndpointView", "KeyView"]


@dataclass(frozen=True)
class KeyView:
    """Where the endpoint's key came from, and how it fares; never the key. Times are in seconds since 1970."""

    source: str
    since: float
    fetches: int
    good: bool
    trouble: str
    trouble_since: float | None


@dataclass(frozen=True)
class AutoscalerView:
    """The way to the autoscaler. ``reached`` is None before the first try; ``since`` is in seconds since 1970."""

    url: str
    reached: bool | None
    since: float
    trouble: str


@dataclass(frozen=True)
class EndpointView:
    """One endpoint. Its state is the console's word, empty where it wasn't asked; times are in seconds since 1970."""

    name: str
    state: str
    state_looked_at: float | None
    key: KeyView
    autoscaler: AutoscalerView
    dead_workers: list[str]
    """The addresses of workers that could not be reached a moment ago, and are avoided."""
