"""What one request of the soak is, drawn by the seed. Client, autoscaler and worker know it by its number. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

__all__ = ["Content", "Plan", "content_of", "draw_plan", "draw_short_plan", "payload_of", "pieces_of"]

Kind = Literal["plain", "stream", "upload", "download", "slow reader", "GET", "HEAD", "DELETE", "half-closed"]
Framing = Literal["length", "chunked", "close"]
Fault = Literal["", "hang up", "reset at once", "garbage", "no words", "reset", "end", "status line"]
Leaving = Literal["close", "reset", "inside its body"]
Content = Literal["whole", "short", "crossed"]

_KINDS: dict[Kind, int] = {
    "plain": 40,
    "stream": 25,
    "upload": 5,
    "download": 5,
    "slow reader": 3,
    "GET": 8,
    "HEAD": 4,
    "DELETE": 4,
    "half-closed": 4,
}
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Plan:
    """One request. Sizes are in bytes, times in seconds."""

    number: int
    kind: Kind = "plain"
    method: str = "POST"
    upload: int = 0
    chunked_upload: bool = False
    status: int = 200
    framing: Framing = "length"
    events: bool = False
    """Whether the answer is an event stream."""
    pieces: int = 1
    piece: int = 100
    think: float = 0.0
    """The worker's pause before its answer's head."""
    pause: float = 0.0
    """The worker's pause before each further piece."""
    turned_away: tuple[int, ...] = ()
    """What the first workers answer instead of taking it."""
    fault: Fault = ""
    """What the worker that takes it does wrong; "no words" is an error without a body."""
    announces_close: bool = False
    """The worker says ``Connection: close`` and leaves the socket open, as the official one does."""
    leaves: Leaving | None = None
    leaves_after: float = 0.0
    new_connection: bool = False

    @property
    def target(self) -> str:
        """The request's target; the query is there to be kept as it is."""
        path = f"/{self.kind.replace(' ', '-')}/{self.number}"
        return path if self.method == "POST" else f"{path}?a=%20+&n={self.number}&a="


def draw_plan(number: int, source: Random) -> Plan:
    """One request of the mixed traffic."""
    kind = source.choices(list(_KINDS), list(_KINDS.values()))[0]
    plan = _dressed(Plan(number, kind, new_connection=source.random() < 0.2), source)
    if source.random() < 0.15:
        plan = replace(plan, think=source.uniform(0.2, 1.2))
    luck = source.random()
    if kind in ("plain", "stream", "upload", "download", "half-closed") and luck < 0.18:
        return _leaving(plan, source)
    if luck < 0.24:
        return replace(plan, turned_away=tuple(source.choices((429, 503), k=source.randint(1, 2))))
    if luck < 0.32:
        return _faulty(plan, source)
    return plan


def draw_short_plan(number: int, source: Random) -> Plan:
    """One request of the time in which each worker is a new one."""
    announces_close = source.random() < 0.1
    if source.random() < 0.5:
        return Plan(number, "GET", "GET", announces_close=announces_close)
    return Plan(number, announces_close=announces_close)


def _dressed(plan: Plan, source: Random) -> Plan:
    framing: Framing = source.choice(("length", "chunked", "close"))
    pieces, size = source.randint(1, 4), source.choice((20, 300, 5000))
    if plan.kind in ("stream", "half-closed"):
        pause = source.choice((0.005, 0.02, 0.08))
        return replace(
            plan, events=True, framing="chunked", pieces=source.randint(3, 25), piece=source.randint(10, 400), pause=pause
        )
    if plan.kind == "upload":
        size = source.randint(200_000, 3 * _MEGABYTE)
        return replace(plan, upload=size, framing=framing, chunked_upload=source.random() < 0.3)
    if plan.kind == "download":
        return replace(plan, framing=framing, pieces=source.randint(2, 16), piece=source.randint(100_000, _MEGABYTE // 2))
    if plan.kind == "slow reader":
        return replace(plan, framing=framing, pieces=12, piece=_MEGABYTE // 2)
    if plan.kind == "plain":
        closes = source.random() < 0.3
        return replace(plan, framing=framing, pieces=pieces, piece=size, announces_close=closes, upload=source.choice((0, 900)))
    return replace(plan, method=plan.kind, framing=framing, pieces=pieces, piece=size)


def _leaving(plan: Plan, source: Random) -> Plan:
    """A client that leaves early, for a worker that would go on for seconds."""
    way: Leaving = source.choice(("close", "reset"))
    if plan.kind == "upload" and source.random() < 0.5:
        way = "inside its body"
    thinks = source.random() < 0.4
    return replace(
        plan,
        framing="chunked",
        pieces=200,
        piece=min(plan.piece, 20_000),
        pause=source.choice((0.02, 0.5, 2.0)),
        think=3.0 if thinks else 0.0,
        leaves=way,
        leaves_after=source.choice((0.0, source.uniform(0.0, 0.05), source.uniform(0.05, 0.8))),
        new_connection=True,
    )


def _faulty(plan: Plan, source: Random) -> Plan:
    if plan.method == "HEAD":
        return replace(plan, status=404)
    faults: tuple[Fault, ...] = ("", "no words", "hang up", "reset at once", "garbage", "reset", "reset", "end", "status line")
    fault = source.choice(faults)
    if fault in ("", "no words"):
        return replace(plan, fault=fault, status=source.choice((404, 500, 502, 504)))
    if fault == "status line" or (fault == "end" and plan.framing == "close"):
        # An orderly end is the end of a body that lasts until then; a status line stands out among chunks alone.
        plan = replace(plan, framing="chunked")
    return replace(plan, fault=fault, pieces=max(plan.pieces, 4))


def payload_of(plan: Plan) -> bytes:
    """The body that the client sends: JSON, with blanks that nobody may touch."""
    if plan.method != "POST":
        return b""
    stream = b', "stream": true' if plan.events else b""
    return b'{ "number":%d%b,\t"filler": "%b" }' % (plan.number, stream, _filler(plan.number, plan.upload))


def pieces_of(plan: Plan) -> Iterator[bytes]:
    """The answer's body, in the pieces in which the worker sends it: each with the number, the last with a checksum."""
    checksum = 0
    for count in range(plan.pieces):
        piece = b"%d:%b\n" % (plan.number, _filler(plan.number + count, plan.piece))
        if plan.events:
            piece = b"data: " + piece + b"\n"
        if count == plan.pieces - 1:
            piece += b"data: #" if plan.events else b"#"
            checksum = zlib.crc32(piece[:-1], checksum)
            piece += b"%08x" % checksum + (b"\n\n" if plan.events else b"")
        checksum = zlib.crc32(piece, checksum)
        yield piece


def content_of(body: bytes, plan: Plan) -> Content:
    """What a body that came to its end holds."""
    text, _, checksum = body.rpartition(b"#")
    numbered = text.count(b"%d:" % plan.number)
    if (text and not numbered) or numbered > plan.pieces:
        return "crossed"
    if numbered < plan.pieces or checksum[:8] != b"%08x" % zlib.crc32(text):
        return "short"
    return "whole"


def _filler(number: int, size: int) -> bytes:
    unit = b"%d." % number
    return unit * (size // len(unit))
