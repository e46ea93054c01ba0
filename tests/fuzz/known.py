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


_NO_URL = r"no IPv6 address in the brackets|a port that there is none of"
_NO_URL_RAISED = (
    r"ValueError: (An IPv4 address cannot be in brackets|Port out of range|Invalid IPv6 URL|.*does not appear to be)"
)

KNOWN: tuple[Known, ...] = (
    Known("no Host or several, and the connection goes on", r"behind what is no request the connection ends", r"no Host"),
    Known("a reset where more had been sent", r"a connection ends in good order", r"^a reset came after [1-9]"),
    Known("a reset where more had been sent", r"the client gets whole answers", r"^half of one: .*'Connection', 'close'"),
    Known("a preflight's body, and an end that isn't told", r"gets (its|an) answer", r"behind 204 .*Access-Control-Max-Age"),
    Known("NaN and Infinity in an assignment", r"an assignment that is none is not used", r"^NaN"),
    Known("NaN and Infinity in an assignment", r"a worker gets the assignment as it was given", r"NaN|Infinity"),
    Known(
        "a length of 5,000 digits in an answer to HEAD", r"nothing fails inside the proxy", r"4300 digits|beyond all measure"
    ),
    Known("a preflight's body, and an end that isn't told", r"a connection that ends says so", r"Access-Control-Max-Age"),
    Known("an assignment that is nested too deeply", r"nothing fails inside the proxy", r"^RecursionError|nested deeply"),
    Known("a probe behind an event stream's end", r"the client gets answers and nothing else", r"b'3\\r\\n:\\n\\n\\r\\n"),
    Known("a no-break space in front of identity", r"what is wrong is refused", r"^a content coding"),
    Known("an assignment's url that urlsplit refuses", r"nothing fails inside the proxy", f"{_NO_URL}|{_NO_URL_RAISED}"),
)


def known_as(finding: Finding) -> str:
    """What the fault is called if it is known, or nothing."""
    for known in KNOWN:
        if re.search(known.promise, finding.promise) and re.search(known.what, finding.what):
            return known.name
    return ""
