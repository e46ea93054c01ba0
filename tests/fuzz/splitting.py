"""In which pieces bytes are sent: whole, at any boundary, or one by one. Pure."""

from __future__ import annotations

import itertools
import re
from random import Random

from .conversation import Piece

__all__ = ["cut", "split"]

_MOST_BYTES_ONE_BY_ONE = 700
_AT_ENDS = re.compile(rb"\r|\n|[^\r\n]+")


def split(data: bytes, bounds: list[int], source: Random) -> list[Piece]:
    """``bounds`` are where one message ends and the next begins."""
    kind = source.random()
    if kind < 0.45:
        return [Piece(data)]
    if kind < 0.55 and bounds:
        # Each message waits for the answer to the one before.
        return [Piece(piece, 0.0, waits=place > 0) for place, piece in enumerate(cut(data, bounds))]
    if kind < 0.63 and len(data) <= _MOST_BYTES_ONE_BY_ONE:
        return [Piece(data[place : place + 1]) for place in range(len(data))]
    if kind < 0.70 and len(data) <= _MOST_BYTES_ONE_BY_ONE * 4:
        return [Piece(piece) for piece in _AT_ENDS.findall(data)]
    places = [source.randrange(len(data) + 1) for _ in range(source.choice((1, 1, 2, 3, 5)))]
    if source.random() < 0.3:
        # Where a message changes its nature.
        places += [found.end() for found in re.finditer(rb"\r\n\r\n", data)][:3]
    return [Piece(piece, source.choice((0.0, 0.001, 0.003))) for piece in cut(data, places)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data, cut at these places; no piece is empty, but for data that is."""
    borders = [0, *sorted(places), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(borders) if start < end]
    return pieces or [b""]
