"""Marks: what tells the bytes of one request from those of every other one, wherever they turn up."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

__all__ = ["Mark", "cost_of", "mark_of_cost", "marks_in"]

_MARK = re.compile(rb"(fz([rat])([0-9]{9})-([0-9]))z([0-9a-f]{4})")
_COST = re.compile(r"([123])([0-9]{9})\.([0-9])5")
_DIGITS = {"r": "1", "a": "2", "t": "3"}


@dataclass(frozen=True)
class Mark:
    """``fuzzer``: ``r`` (requests), ``a`` (answers), ``t`` (translations); ``index``: the request's place on its connection."""

    fuzzer: str
    number: int
    index: int

    def __str__(self) -> str:
        text = f"fz{self.fuzzer}{self.number:09}-{self.index}"
        return f"{text}z{_check(text.encode())}"

    def __bytes__(self) -> bytes:
        return str(self).encode()

    @property
    def case(self) -> tuple[str, int]:
        """The case that it belongs to."""
        return self.fuzzer, self.number


def _check(text: bytes) -> str:
    return f"{zlib.crc32(text) & 0xFFFF:04x}"


def marks_in(data: bytes) -> set[Mark]:
    """All whole marks in these bytes. One in which a byte was changed is none."""
    return {
        Mark(found[2].decode(), int(found[3]), int(found[4]))
        for found in _MARK.finditer(data)
        if found[5] == _check(found[1]).encode()
    }


def cost_of(mark: Mark) -> str:
    """The mark as a workload, which is all that the autoscaler hears of a request."""
    return f"{_DIGITS[mark.fuzzer]}{mark.number:09}.{mark.index}5"


def mark_of_cost(text: str) -> Mark | None:
    """The mark of which this is the workload, or None."""
    found = _COST.fullmatch(text)
    return Mark("rat"[int(found[1]) - 1], int(found[2]), int(found[3])) if found else None
