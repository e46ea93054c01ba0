"""The official worker, and a proxy in front of it."""

from __future__ import annotations

from tests.support.official_worker import official, official_proxy

__all__ = ["official", "official_proxy"]
