"""What h11 refuses is refused here: over ``tests/hostile``, and over changes that nobody thought of.

Where the two differ, :data:`TAKES` and :data:`REFUSES` say why; each case of such a difference names one of these words.
"""

from __future__ import annotations

import contextlib
import re

from hypothesis import example, given, settings

from ..support.h11_reading import Asked, read_by_h11
from ..support.hostile_cases import REFUSED, SERVED
from ..support.hostile_stage import Stage, stage
from ..support.odd_requests import changed_requests, composed_requests, requests_with_an_odd_part

__all__ = ["stage"]

TAKES = {
    "asked": "HTTP by the letter, which asks for what isn't done here: what to do with it is up to h11's user",
    "both": "chunks beside a length win; RFC 9112, 6.3, has a server refuse them or close, and smuggling begins with them",
    "chunk-spaces": "white space behind a chunk's size is dropped, for servers that write it; clients don't",
    "controls": "controls other than NUL and white space are let through in values, for cookies that have them",
    "digits": "twenty digits of a chunk's size are read, sixteen here: more than 64 bits are no size",
    "equal-lengths": "lengths that agree are taken for one, as RFC 9110, 8.6, allows; nobody sends them by design",
    "extensions": "any byte but a line end is let through in a chunk's extension",
    "folds": "a folded line is joined, as RFC 9112, 5.2, allows; that of a first header is refused by both",
    "hosts": "whom a request is for is up to h11's user",
    "limits": "the number of headers, and the length of a chunk's line and of a trailer, are not bounded by themselves",
    "lines": "LF alone ends a line, as RFC 9112, 2.2, allows",
    "old-chunks": "chunks are read in HTTP/1.0 too, where RFC 9112, 6.1, has them taken for faulty framing",
    "origins": "which pages may ask is up to h11's user",
    "targets": "a target is any visible ASCII: its grammar is up to h11's user",
    "tunnels": "CONNECT is a method like another one until it is answered",
    "versions": "any digit is taken for a major version",
}
"""Why h11 takes what is refused here."""

REFUSES = {
    "bytes": "UTF-8 in a target, which clients send and which is percent-encoded here",
    "empty-lines": "an empty line before a request, one of LF alone too, which RFC 9112, 2.2, has a server pass over",
    "extension-spaces": "white space before an extension's semicolon, which RFC 9112, 7.1.1, has parsed",
    "limits": "a head above 16 KiB, of which 64 are taken here",
    "trailers": "lengths and codings are checked in trailers too, which are dropped here unread (RFC 9110, 6.5.1)",
}
"""Why h11 refuses what is served here."""


def test_what_h11_refuses_is_refused_here_save_what_is_said() -> None:
    for case in REFUSED:
        takes = read_by_h11(case.data).refusal is None
        assert takes == case.h11.startswith("takes "), case.name
    for case in SERVED:
        refuses = read_by_h11(case.data).refusal is not None
        assert refuses == case.h11.startswith("refuses "), case.name


def test_each_difference_is_told_and_happens() -> None:
    assert {case.h11.removeprefix("takes ") for case in REFUSED if case.h11} == set(TAKES)
    assert {case.h11.removeprefix("refuses ") for case in SERVED if case.h11} == set(REFUSES)


SERVERLESS = re.compile(r"serverless_cost=.*")
ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)
# Two of REFUSES, by what h11 says. Empty lines are forgiven below, and heads above 16 KiB not made.
EXTENSION_SPACES = re.compile(r"illegal chunk header: bytearray\(b'[0-9A-Fa-f]+(?: |\\t)+;")
ABOUT_FRAMING = re.compile(r".*(?:Content-Length|Transfer-Encoding)")
FRAMING_TRAILER = re.compile(rb"\n0+(?:;[^\n]*)?\r\n(?:[^\n]+\r\n)*(?:content-length|transfer-encoding):", re.IGNORECASE)


def served(stage: Stage, data: bytes) -> list[Asked]:
    """What of the bytes arrives upstream."""
    stage.forget()
    with stage.connect() as client:
        client.send(data)
        with contextlib.suppress(OSError):  # it may be over by now
            client.end_of_sending()
        client.drain()
    return [
        Asked(
            request.method,
            SERVERLESS.sub("", request.target).rstrip("?&"),
            request.body.partition(b', "payload": ')[2][:-1],
        )
        for request in stage.arrived()
    ]


def as_served(asked: Asked) -> Asked:
    """What would arrive upstream of what h11 has read."""
    target = ABSOLUTE.sub("", asked.target) if not asked.target.startswith("/") else asked.target
    target = target if target.startswith("/") else "/" + target
    # What URL clients leave bare goes on percent-encoded.
    target = re.sub(r"[\[\]{}|^`]", lambda bare: f"%{ord(bare[0]):02X}", target)
    if asked.method in ("POST", "PUT", "PATCH"):
        return Asked(asked.method, target.rstrip("?&"), asked.body or b"{}")
    return Asked(asked.method, target.rstrip("?&"), b"")


def is_known(refusal: str, data: bytes) -> bool:
    """Whether h11 refuses what is known to be served here."""
    if EXTENSION_SPACES.match(refusal):
        return True
    return bool(ABOUT_FRAMING.match(refusal) and FRAMING_TRAILER.search(data))


def check(stage: Stage, data: bytes) -> None:
    """What arrives upstream is what h11 reads, in this order and each as h11 reads it; more may be refused here."""
    theirs = read_by_h11(data, forgive_empty_lines=True)
    rest = iter([as_served(asked) for asked in theirs.requests])
    ours = served(stage, data)
    assert all(asked in rest for asked in ours) or is_known(theirs.refusal or "", data), (ours, theirs)


def test_nothing_of_a_request_with_an_odd_part_goes_upstream_unless_h11_reads_it_so(stage: Stage) -> None:
    for data in requests_with_an_odd_part():
        check(stage, data)


@settings(max_examples=300)
@given(changed_requests() | composed_requests)
@example(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}\r\nGET /b HTTP/1.1\r\nHost: localhost\r\n\r\n")
def test_nothing_of_a_changed_request_goes_upstream_unless_h11_reads_it_so(stage: Stage, data: bytes) -> None:
    check(stage, data)
