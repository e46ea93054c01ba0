"""What a client's bytes are, by the RFCs and the rules of the proxy: which requests, in which order, and where they end.

It judges from the sent bytes alone, and knows nothing of ``vespa_client``. Where the RFCs leave a choice, both are right.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .access import FIRST_PAGE, Reason, head_reasons
from .heads import Fields, Incomplete, Malformed, head_end, is_token, members_of, read_chunks, read_lines, values_of
from .payload import body_reasons, read_payload
from .targets import read_target

__all__ = ["Reading", "Request", "Step", "is_first_page", "is_landing", "read_stream"]

Refusal = Literal["never", "maybe", "surely"]
End = Literal["clean", "closed", "broken", "incomplete"]
_LONGEST_LENGTH = 18


class Request(NamedTuple):
    """A request as it was sent. ``target`` is in origin form; ``payload`` is what a worker is to get."""

    method: str
    target: str
    minor: int
    fields: Fields
    payload: bytes | None


@dataclass
class Step:
    """One request and what may become of it.

    It is refused, surely with one of ``statuses``, or a worker gets it; ``own`` says that the proxy answers it instead.
    """

    request: Request
    begin: int
    end: int
    closes: bool
    """Whether the connection ends behind it, because the client wants it so."""
    has_body: bool
    own: bool
    must_close: bool = False
    """Whether a refusal has to end the connection, whatever the client wants."""
    refused: Refusal = "never"
    statuses: set[int] = field(default_factory=set)
    why: str = ""


@dataclass
class Reading:
    """``end`` is what becomes of the connection behind the steps.

    ``clean``: nothing more was sent; ``closed``: what was sent is not looked at any more; ``broken``: what follows is no
    request; ``incomplete``: it may have become one.
    """

    steps: list[Step]
    end: End
    why: str = ""

    def __str__(self) -> str:
        steps = [
            f"{step.request.method} {step.request.target[:80]}: refused {step.refused} {sorted(step.statuses)} {step.why}"
            for step in self.steps
        ]
        return "; ".join([*steps, f"then {self.end} {self.why}"])


def read_stream(data: bytes, max_body: int) -> Reading:
    """All that a client sends on one connection before it ends its sending."""
    reading = Reading([], "clean")
    place = 0
    while True:
        place, blank = _behind_empty_lines(data, place)
        if place == len(data):
            return reading
        try:
            step = _read_one(data, place, max_body)
        except Incomplete as problem:
            reading.end, reading.why = "incomplete", problem.args[0]
            return reading
        except Malformed as problem:
            reading.end, reading.why = "broken", problem.args[0]
            return reading
        if blank > 1 and step.refused == "never":
            # RFC 9112, 2.2 asks for one of them to be forgiven.
            step.refused, step.why = "maybe", "more than one empty line in front"
        reading.steps.append(step)
        if step.closes:
            reading.end = "closed"
            return reading
        place = step.end


def is_landing(request: Request) -> bool:
    """Whether it asks for what is at ``/``, where the proxy says what it is."""
    return request.method in ("GET", "HEAD") and request.target.partition("?")[0] == "/"


def is_first_page(request: Request) -> bool:
    """Whether it asks for the page on which the proxy shows what it does."""
    return request.target.partition("?")[0] in FIRST_PAGE


def _behind_empty_lines(data: bytes, place: int) -> tuple[int, int]:
    """Where they end, and how many there are. One of LF alone is forgiven too, as the issue has it."""
    count = bare = 0
    while True:
        if data.startswith(b"\r\n", place):
            place += 2
        elif data.startswith(b"\n", place) and not bare:
            place, bare = place + 1, 1
        else:
            return place, count
        count += 1


def _read_one(data: bytes, place: int, max_body: int) -> Step:
    end = head_end(data, place)
    start, fields, open_to_both = read_lines(data[place:end])
    reasons: list[Reason] = [Reason(None, "close to a limit")] if open_to_both else []
    method, target, minor = _start_line(start, reasons)
    hosts = values_of(fields, "host")
    is_ambiguous = len(hosts) > 1 or (not hosts and minor >= 1)
    if is_ambiguous:
        reasons.append(Reason(400, "no Host, or several"))
    length = _framing(fields, minor, reasons)
    options = members_of(fields, "connection")
    closes = "close" in options or (minor == 0 and "keep-alive" not in options)
    asked = bool(values_of(fields, "origin") and values_of(fields, "access-control-request-method"))
    preflight = method == "OPTIONS" and asked
    reasons += head_reasons(method, target, fields, preflight=preflight)
    if length is not None and length > max_body:
        # A preflight is answered without its body.
        reasons.append(Reason(None if preflight else 413, "the body is too long"))
    if not preflight and "websocket" in members_of(fields, "upgrade"):
        reasons.append(Reason(426, "another protocol"))
    request = Request(method, target, minor, fields, None)
    own = method == "OPTIONS" or is_landing(request) or is_first_page(request)
    step = Step(request, place, -1, closes, has_body=length is None or length > 0, own=own)
    try:
        body, step.end, odd_chunks = _read_body(data, end + 4, length, max_body)
    except (Malformed, Incomplete):
        # The head may be enough to answer it; where its body ends is of no interest then.
        if any(reason.status for reason in reasons):
            reasons.append(Reason(400, "and a broken body"))
        elif preflight:
            reasons.append(Reason(None, "a broken body"))
        else:
            raise
        step.closes = True
    else:
        if odd_chunks:
            reasons.append(Reason(None, "chunks that may be refused"))
        if not preflight:
            reasons += body_reasons(method, body, fields, own=step.own)
        step.request = request._replace(payload=read_payload(method, body))
    step.must_close = is_ambiguous
    step.statuses = {reason.status for reason in reasons if reason.status}
    if step.statuses and any(not reason.status for reason in reasons):
        # One of the things that may be refused may be what it is refused for.
        step.statuses |= {400, 403, 417, 421, 431}
    step.refused = "surely" if step.statuses else "maybe" if reasons else "never"
    step.why = ", ".join(reason.why for reason in reasons)
    return step


def _start_line(line: bytes, reasons: list[Reason]) -> tuple[str, str, int]:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise Malformed("the request line has not three parts")
    method, target, version = parts
    if not is_token(method):
        raise Malformed("the method is no token")
    if len(version) != 8 or not version.startswith(b"HTTP/") or version[6:7] != b"." or not version[7:].isdigit():
        raise Malformed("no HTTP version")
    if version[5:6] != b"1":
        raise Malformed("another major version")
    minor = int(version[7:])
    if minor > 1:
        reasons.append(Reason(None, "a later minor version"))
    return method.decode("ascii"), read_target(method, target, reasons), minor


def _framing(fields: Fields, minor: int, reasons: list[Reason]) -> int | None:
    """The body's length, None where it is chunked. Raises Malformed."""
    lengths = values_of(fields, "content-length")
    if values_of(fields, "transfer-encoding"):
        if lengths:
            raise Malformed("length and transfer coding together")
        if minor == 0:
            raise Malformed("a transfer coding in HTTP/1.0")
        codings = members_of(fields, "transfer-encoding")
        if [coding for coding in codings if coding] != ["chunked"]:
            raise Malformed("another transfer coding than chunked")
        if len(codings) > 1:
            reasons.append(Reason(None, "empty members of a list"))
        return None
    if not lengths:
        return 0
    if len(lengths) > 1:
        raise Malformed("several lengths")
    if not lengths[0] or not set(lengths[0]) <= set("0123456789"):
        raise Malformed("a length that is no number")
    if len(lengths[0]) > _LONGEST_LENGTH:
        raise Malformed("a length beyond all measure")
    return int(lengths[0])


def _read_body(data: bytes, place: int, length: int | None, max_body: int) -> tuple[bytes, int, bool]:
    if length is None:
        body, place, odd = read_chunks(data, place)
        if len(body) > max_body:
            raise Malformed("the chunked body is too long")
        return body, place, odd
    if len(data) - place < length:
        raise Incomplete("the body is not complete")
    return data[place : place + length], place + length, False
