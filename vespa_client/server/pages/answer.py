"""What a page answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...http1.fields import Fields

__all__ = ["NEVER_STORED", "PageAnswer"]

NEVER_STORED: Fields = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
"""What goes with each page: it is of the moment, and nobody's to guess the type of."""

_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class PageAnswer:
    """A page's body, whole. ``policy`` is its Content-Security-Policy; without one, the page may do nothing."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    policy: str = _NO_PAGE
    fields: Fields = field(default_factory=list)

    def all_fields(self) -> Fields:
        """The headers, without those of framing."""
        return [("Content-Type", self.content_type), ("Content-Security-Policy", self.policy), *NEVER_STORED, *self.fields]
