"""An account's endpoint, as the console lists it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """A serverless endpoint of an account. ``api_key`` is the endpoint's own key; ``state`` a word such as ``active``."""

    id: int
    name: str
    state: str
    api_key: str | None = field(repr=False)
