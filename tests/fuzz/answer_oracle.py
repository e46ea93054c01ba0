"""What an upstream's bytes are, by the RFCs: an answer, half of one, or none. Pure, and written from the RFCs alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from .heads import Fields, Incomplete, Malformed, head_end, is_text, members_of, read_chunks, read_lines, values_of

__all__ = ["AnswerReading", "LinkEnd", "leads_away", "read_answer"]

LinkEnd = Literal["keep", "close", "reset"]
Verdict = Literal["good", "either", "broken", "none"]

# With the proxy's own lines, of which there can be 12, no more than the 99 that every client reads.
_FEW_LINES = 87
_FEW_INTERIM = 50
_MOST_INTERIM = 200
_LONGEST_LENGTH = 18
_HOP_BY_HOP = (
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
# The proxy says these itself.
# What is no path to every client: browsers pass over tabs, and take a backslash for a slash.
_NO_PATH = re.compile(r"[^!-~]*(?:[A-Za-z][A-Za-z0-9+.\t-]*:|[/\\]\t*[/\\])")
_FROM_THE_PROXY = ("content-length", "x-vespa-error", "x-vespa-local", "x-vespa-request-id", "x-vespa-translated")


@dataclass
class AnswerReading:
    """``good``: it is to be passed on; ``either``: that, or refused; ``broken``: its head is good and its body ends too
    soon or is none; ``none``: it is no answer.

    ``body`` is what of the body came; ``rest`` is what came behind it.
    """

    verdict: Verdict
    why: str = ""
    status: int = 0
    reason: str = ""
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    rest: bytes = b""
    until_close: bool = False
    reusable: bool = False

    @property
    def is_event_stream(self) -> bool:
        """Whether the proxy may put events of its own into it."""
        kind = next(iter(values_of(self.fields, "content-type")), "")
        return kind.lower().startswith("text/event-stream")

    @property
    def shown_fields(self) -> Fields:
        """The header lines that a client is to see."""
        named = set(members_of(self.fields, "connection")) - {"content-type", "content-encoding"}
        return [
            (name, value)
            for name, value in self.fields
            if (lower := name.lower()) not in _HOP_BY_HOP
            and lower not in _FROM_THE_PROXY
            and lower not in named
            and not lower.startswith("access-control-")
        ]

    def __str__(self) -> str:
        return f"{self.verdict} ({self.why}) {self.status} {self.fields}"[:600] + f" {len(self.body)} bytes"


def leads_away(status: int, fields: Fields) -> bool:
    """Whether a client that follows these headers leaves the proxy. No worker here redirects to its own address."""
    return 300 <= status < 400 and any(map(_NO_PATH.match, values_of(fields, "location")))


def read_answer(data: bytes, end: LinkEnd, method: str) -> AnswerReading:
    """The answer to a ``method`` request in what an upstream sent before it ended, or kept, the connection."""
    place, interim = 0, 0
    open_to_both = []
    while True:
        if data.startswith(b"\r\n", place):
            open_to_both.append("an empty line in front of a head")
            while data.startswith(b"\r\n", place):
                place += 2
        try:
            bound = head_end(data, place)
            start, fields, close_to_limit = read_lines(data[place:bound])
            minor, status, reason, odd = _status_line(start)
        except (Malformed, Incomplete) as problem:
            return AnswerReading("none", problem.args[0])
        place = bound + 4
        open_to_both += ["close to a limit"] * (close_to_limit or len(fields) > _FEW_LINES) + odd
        if status >= 200:
            break
        interim += 1
        if status == 101 or interim > _MOST_INTERIM:
            return AnswerReading("none", "another protocol, or interim answers without end")
    if interim > _FEW_INTERIM:
        open_to_both.append("many interim answers")
    reading = AnswerReading("good", "", status, reason, fields)
    try:
        _read_body(reading, data[place:], end, method, minor, open_to_both)
    except Malformed as problem:
        return AnswerReading("none", problem.args[0])
    if end == "reset":
        # It may overtake what came before (RFC 9112, 9.6).
        open_to_both.append("a reset")
    if open_to_both and reading.verdict == "good":
        reading.verdict, reading.why = "either", ", ".join(open_to_both)
    elif open_to_both and reading.verdict == "broken":
        reading.why += ", " + ", ".join(open_to_both)
    return reading


def _status_line(line: bytes) -> tuple[int, int, str, list[str]]:
    version, space, rest = line.partition(b" ")
    status, second, reason = rest.partition(b" ")
    odd = []
    if len(version) != 8 or not version.startswith(b"HTTP/1.") or not version[7:].isdigit() or not space:
        raise Malformed("no HTTP/1 version")
    if len(status) != 3 or not status.isdigit() or status[:1] == b"0":
        raise Malformed("the status is no number of three digits")
    if not is_text(reason):
        raise Malformed("a control character in the reason")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        odd.append("a later minor version")
    if not second:
        odd.append("no space behind the status")
    if status[:1] > b"5":
        odd.append("a status beyond 599")
    return int(version[7:]), int(status), reason.decode("latin-1"), odd


def _read_body(reading: AnswerReading, data: bytes, end: LinkEnd, method: str, minor: int, odd: list[str]) -> None:
    fields = reading.fields
    options = members_of(fields, "connection")
    keeps = end == "keep" and "close" not in options and (minor >= 1 or "keep-alive" in options)
    lengths = values_of(fields, "content-length")
    if method == "HEAD" or reading.status in (204, 304):
        reading.rest, reading.reusable = data, keeps
        if any(len(length) > _LONGEST_LENGTH for length in lengths):
            odd.append("a length beyond all measure")
        return
    if values_of(fields, "transfer-encoding"):
        codings = members_of(fields, "transfer-encoding")
        if lengths or minor == 0 or [coding for coding in codings if coding] != ["chunked"]:
            raise Malformed("its transfer coding leaves open where it ends")
        if len(codings) > 1:
            odd.append("empty members of a list")
        _read_chunked(reading, data, odd)
    elif lengths:
        if any(not length or not set(length) <= set("0123456789") for length in lengths):
            numbers = {part.strip(" \t") for length in lengths for part in length.split(",")}
            if len(numbers) > 1 or not all(number and set(number) <= set("0123456789") for number in numbers):
                raise Malformed("a length that is no number, or several")
            odd.append("a length that is a list of one and the same")
            lengths = list(numbers)
        if len({int(length[-30:]) for length in lengths}) > 1:
            raise Malformed("several lengths")
        if len(lengths) > 1 or len(lengths[0]) > _LONGEST_LENGTH:
            odd.append("one length several times, or a long one")
        _read_length(reading, data, lengths[0])
    else:
        reading.until_close = True
        reading.body = data
        if end != "close":
            reading.verdict, reading.why = "broken", "its end never came, or was a reset"
    reading.reusable = keeps and reading.verdict == "good" and not reading.until_close


def _read_chunked(reading: AnswerReading, data: bytes, odd: list[str]) -> None:
    try:
        reading.body, place, odd_chunks = read_chunks(data, 0)
    except (Malformed, Incomplete) as problem:
        reading.verdict, reading.why, reading.body = "broken", problem.args[0], problem.args[1]
        return
    reading.rest = data[place:]
    odd += ["chunks that may be refused"] * odd_chunks


def _read_length(reading: AnswerReading, data: bytes, length: str) -> None:
    wanted = int(length) if len(length.lstrip("0")) <= _LONGEST_LENGTH else len(data) + 1
    reading.body, reading.rest = data[:wanted], data[wanted:]
    if len(reading.body) < wanted:
        reading.verdict, reading.why = "broken", "its body is too short"
