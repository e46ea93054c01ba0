"""The requests of ``tests/hostile``: one a file, with what has to come of it.

A file begins with lines of ``key: value``, which :data:`KEYS` names. After an empty line come the bytes, which stand for
themselves except for these:

=============  ====================================================================
``\\r`` ``\\n``    the line ends that are sent; those of the file are not
``\\t`` ``\\0``    a tab, a NUL
``\\\\``         a backslash
``\\xNN``       the byte of that number
``{N*text}``   the text N times, without braces in it; ``{}`` is two braces
=============  ====================================================================

Everything else in a file is printable ASCII, and no line ends in a space, so that no editor and no version control can
change a byte unseen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["KEYS", "NOTHING", "REFUSED", "SERVED", "Case", "Upstream", "bytes_of", "read_case"]

KEYS = {
    "what": "what is odd about it, in a sentence",
    "source": "the section of an RFC that forbids or allows it; an advisory or a paper on those whom it has hurt",
    "expect": "the answers' statuses, each with its error code unless that is bad_request; 'nothing': the connection ends",
    "connection": "'stays' where it goes on behind a refusal, 'closes' where it doesn't behind what is served",
    "sent": "'whole' alone where what comes in pieces would meet a connection that is closed",
    "then": "what the client does when all is sent: 'ends' its sending, or 'waits' for what never comes",
    "arrives": "what a worker is asked: the method and the target, up to the assignment in it",
    "payload": "what the request that arrives carries; nothing is {}",
    "passes": "a header that arrives",
    "stays": "headers that don't arrive, with commas between them",
    "h11": "'takes WHY' where h11 doesn't refuse it, 'refuses WHY' where it refuses what is served here",
    "known defect": "what the proxy does instead, until it is mended",
}
_MUST = ("what", "source", "expect")

NOTHING = 0
"""The status of an answer that isn't given."""

_ROOT = Path(__file__).parents[1] / "hostile"
_LINE = re.compile(r"[ -~]*[!-~]")
_REPEATED = re.compile(r"\{([0-9]+)\*([^{}]+)\}")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[rnt0\\]|)")
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@dataclass
class Upstream:
    """A request that arrives at a worker. ``target`` is without the assignment; ``stays`` are names in lower case."""

    method: str
    target: str
    payload: bytes | None = None
    passes: list[tuple[str, str]] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


@dataclass
class Case:
    """One file. ``answers`` are statuses and error codes, in their order; the code of what is no error is empty."""

    name: str
    what: str
    source: str
    answers: list[tuple[int, str]]
    data: bytes
    connection_stays: bool
    whole_only: bool = False
    then: str = ""
    upstream: list[Upstream] = field(default_factory=list)
    h11: str = ""
    known_defect: str = ""

    @property
    def is_served(self) -> bool:
        """Whether it is odd and legal; else it has to be refused."""
        return self.name.startswith("served/")

    @property
    def methods(self) -> list[str]:
        """The methods of the requests that are answered, of which it depends whether an answer has a body."""
        if self.upstream:
            return [one.method for one in self.upstream]
        return ["HEAD" if self.data.startswith(b"HEAD ") else "GET"] * len(self.answers)


def bytes_of(text: str) -> bytes:
    """The bytes that a file's lines stand for. Raises :class:`ValueError` for an escape that is none."""
    data = b""
    for line in text.split("\n"):
        if line and not _LINE.fullmatch(line):
            raise ValueError(f"a space at the end, or what isn't printable ASCII: {line!r}")
        unfolded = _REPEATED.sub(lambda match: int(match[1]) * match[2], line)
        data += _ESCAPE.sub(_unescaped, unfolded).encode("latin-1")
    return data


def _unescaped(match: re.Match[str]) -> str:
    what = match[1]
    if not what:
        raise ValueError(f"no escape: {match.string[match.start() : match.start() + 4]!r}")
    return chr(int(what[1:], 16)) if what.startswith("x") else _ESCAPED[what]


def read_case(name: str, text: str) -> Case:
    """What the file says. ``name`` is its path below ``tests/hostile``. Raises :class:`ValueError`."""
    head, separator, body = text.removesuffix("\n").partition("\n\n")
    pairs = []
    for line in head.split("\n"):
        key, colon, value = line.partition(": ")
        if not colon or not value or key not in KEYS or not _LINE.fullmatch(line):
            raise ValueError(f"{name}: no line of the head: {line!r}")
        pairs.append((key, value))
    said = dict(pairs)
    missing = [key for key in _MUST if key not in said]
    if missing or not separator:
        raise ValueError(f"{name}: without {missing or 'bytes'}")
    return Case(
        name,
        said["what"],
        said["source"],
        _answers(said["expect"]),
        bytes_of(body),
        said.get("connection", "stays" if name.startswith("served/") else "closes") == "stays",
        said.get("sent") == "whole",
        said.get("then", ""),
        _upstream(pairs),
        said.get("h11", ""),
        said.get("known defect", ""),
    )


def _answers(text: str) -> list[tuple[int, str]]:
    if text == "nothing":
        return [(NOTHING, "")]
    answers = []
    for part in text.split(", "):
        status, _, code = part.partition(" ")
        answers.append((int(status), code or ("bad_request" if int(status) >= 400 else "")))
    return answers


def _upstream(pairs: Sequence[tuple[str, str]]) -> list[Upstream]:
    found: list[Upstream] = []
    for key, value in pairs:
        if key == "arrives":
            method, target = value.split(" ")
            found.append(Upstream(method, bytes_of(target).decode("latin-1")))
        elif key == "payload":
            found[-1].payload = bytes_of(value)
        elif key == "passes":
            name, _, field_value = value.partition(":")
            found[-1].passes.append((name, bytes_of(field_value.strip()).decode("latin-1")))
        elif key == "stays":
            found[-1].stays += value.lower().split(", ")
    return found


def _all() -> list[Case]:
    paths = sorted(_ROOT.glob("*/*.txt"))
    return [read_case(f"{path.parent.name}/{path.stem}", path.read_text("ascii")) for path in paths]


_cases = _all()
REFUSED = [case for case in _cases if not case.is_served]
"""The hostile requests."""
SERVED = [case for case in _cases if case.is_served]
"""Requests that look hostile and are legal."""
