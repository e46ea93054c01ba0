"""Faults that are known and not yet mended, so that a fuzzer can go on to what isn't. Each goes when its fault does."""

from __future__ import annotations

import re
from typing import NamedTuple

from .finding import Finding

__all__ = ["KNOWN", "Known", "known_as"]


class Known(NamedTuple):
    """``promise`` and ``what`` are patterns that a finding's own are searched for; ``name`` is what the table calls it."""

    name: str
    promise: str
    what: str = ""


KNOWN: tuple[Known, ...] = ()


def known_as(finding: Finding) -> str:
    """What the fault is called if it is known, or nothing."""
    for known in KNOWN:
        if re.search(known.promise, finding.promise) and re.search(known.what, finding.what):
            return known.name
    return ""
