"""Twenty seconds of scripts/fuzz, and a look at what judges there."""

from __future__ import annotations

import secrets
from pathlib import Path
from random import Random

import h11
import pytest

from ..fuzz.answer_oracle import read_answer
from ..fuzz.fuzz import Fuzz
from ..fuzz.heads import members_of
from ..fuzz.oracle import Step, read_stream
from ..fuzz.request_case import draw_request_case

SECONDS = 18.0
_MAX_BODY = 100 * 1024
_GET = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
_POST = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n%b"


@pytest.mark.timeout(240)
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="what a process holds is told by Linux's /proc")
def test_odd_requests_and_odd_answers_find_nothing() -> None:
    # The seed is drawn anew for each run; the report tells it.
    fuzz = Fuzz(secrets.randbelow(2**32))
    report = fuzz.run(SECONDS)
    assert not report.found, "\n".join(["", str(report), *map(str, report.findings)])
    assert report.cases > SECONDS


@pytest.mark.parametrize(
    ("data", "verdicts", "end"),
    [
        (_GET + _GET, ["never", "never"], "clean"),
        (_POST % (b"Content-Length: 2", b"{}") + _GET, ["never", "never"], "clean"),
        (_POST % (b"Transfer-Encoding: chunked", b'2;a="b"\r\n{}\r\n0\r\nX: y\r\n\r\n') + _GET, ["never", "never"], "clean"),
        (_GET + b"GET /", ["never"], "incomplete"),
        (_GET.replace(b"/v1/x", b"/v1/[x]?{a}|^`\xc3\xa9"), ["never"], "clean"),
        (_GET.replace(b"/v1/x", b"/v1/\xe9"), [], "broken"),
        (_GET.replace(b"/v1/x", b"/v1/\xc2\x85"), [], "broken"),
        (b"\n" + _GET + b"\r\n" + _GET, ["never", "never"], "clean"),
        (b"\n\n" + _GET, [], "broken"),
        (_POST % (b"Content-Length: 3", b"{}"), [], "incomplete"),
        (_POST % (b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"0\r\n\r\n") + _GET, [], "broken"),
        (_POST % (b"Content-Length: 2, 2", b"{}"), [], "broken"),
        (_POST % (b"Content-Length: +2", b"{}"), [], "broken"),
        (_POST % (b"Transfer-Encoding: chunked", b"2\n{}\r\n0\r\n\r\n"), [], "broken"),
        (_POST % (b"Transfer-Encoding: chunked", b"2;\x00\r\n{}\r\n0\r\n\r\n"), [], "broken"),
        (_POST % (b"Transfer-Encoding: gzip, chunked", b"2\r\n{}\r\n0\r\n\r\n"), [], "broken"),
        (_GET.replace(b"Host:", b"Host :"), [], "broken"),
        (_GET.replace(b"\r\nHost", b"\nHost"), [], "broken"),
        (_GET.replace(b"localhost", b"localhost\r\n folded"), [], "broken"),
        (_GET.replace(b"/v1/x", b"/v1/x#y"), [], "broken"),
        (_GET.replace(b"/v1/x", b"http://user@localhost/"), [], "broken"),
        (_GET.replace(b"Host: localhost\r\n", b"") + _GET, ["surely", "never"], "clean"),
        (_GET.replace(b"localhost", b"evil.example"), ["surely"], "clean"),
        (_GET.replace(b"\r\n\r\n", b"\r\nOrigin: null\r\n\r\n"), ["surely"], "clean"),
        (_GET.replace(b"HTTP/1.1", b"HTTP/1.0") + _GET, ["never"], "closed"),
        (_GET.replace(b"HTTP/1.1", b"HTTP/1.7"), ["maybe"], "clean"),
    ],
)
def test_the_oracle_reads_requests_as_the_rfcs_do(data: bytes, verdicts: list[str], end: str) -> None:
    reading = read_stream(data, _MAX_BODY)
    assert ([step.refused for step in reading.steps], reading.end) == (verdicts, end), str(reading)


def test_what_is_right_to_the_oracle_is_right_to_h11() -> None:
    seed = secrets.randbelow(2**32)
    for number in range(1500):
        data = draw_request_case(number, Random(f"{seed} {number}")).data
        for step in read_stream(data, _MAX_BODY).steps:
            if step.refused == "never" and not _is_beyond_h11(data, step):
                assert _h11_refuses(data[step.begin : step.end]) == "", f"seed {seed}, case {number}: {step}"


def _h11_refuses(data: bytes) -> str:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 18)
    connection.receive_data(data)
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return "it waits for more"
    except h11.RemoteProtocolError as problem:
        return str(problem)
    return ""


def _is_beyond_h11(data: bytes, step: Step) -> bool:
    """It knows no UTF-8 in a target and no blanks in front of an extension, and takes a trailer's framing for the message's."""
    if not data[step.begin : step.end].partition(b"\r\n")[0].isascii():
        return True
    if not members_of(step.request.fields, "transfer-encoding"):
        return False
    body = data[step.begin : step.end].partition(b"\r\n\r\n")[2]
    return b" ;" in body or b"\t;" in body or b"Content-Length" in body or b"ransfer-" in body


@pytest.mark.parametrize(
    ("data", "end", "method", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "keep", "GET", "good"),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", "keep", "GET", "good"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", "keep", "HEAD", "good"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "close", "GET", "good"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "reset", "GET", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "close", "GET", "broken"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "close", "GET", "broken"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokHTTP/1.1 500 Oops\r\n\r\n", "keep", "GET", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "keep", "GET", "none"),
        (b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok", "keep", "GET", "none"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "keep", "GET", "none"),
        (b"HTTP/1.1 200", "close", "GET", "none"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "keep", "GET", "either"),
    ],
)
def test_the_oracle_reads_answers_as_the_rfcs_do(data: bytes, end: str, method: str, verdict: str) -> None:
    reading = read_answer(data, end, method)  # type: ignore[arg-type]
    assert reading.verdict == verdict, str(reading)
