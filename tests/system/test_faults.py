"""The fault matrix: what becomes of a request when worker, autoscaler or console fail, in each way, at each stage.

Every cell of the three tables is run against a real socket. A cell says what the client gets (a status, or how the answer's
framing ends), how often the part was asked, what the log says, and within which time. A cell that makes no sense says why.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from vespa_client import VastClient
from vespa_client.net.lifeline import Lifeline
from vespa_client.outbound.call import TimeLimits
from vespa_client.routing.warmup import Warmup
from vespa_client.sandbox import Sandbox

from ..support.faults import (
    BAD_GATEWAY,
    BEFORE,
    BLACKHOLE,
    BUSY,
    CHUNKED,
    CLOSE,
    DRIP,
    FAULTS,
    GARBAGE,
    GATEWAY_TIMEOUT,
    HUGE,
    IN_HEAD,
    KEPT,
    LENGTH,
    LOADING,
    REFUSES,
    RESET,
    SENDING,
    SILENCE,
    STAGES,
    STATUS_INSIDE,
    TLS_FAILURE,
    UNTIL_CLOSE,
    WAITING,
    Front,
    Log,
    proxy_log,
)
from ..support.raw_worker import LONG, Message, Peer, answer, connect, post
from ..support.tls_material import Authority

LIMIT = 0.2
"""Seconds: every time limit, in the rows where one is meant to be reached. A dripping part sends twenty bytes in it."""
SOON = 5.0
"""Seconds: what happens at once, with room for a busy machine."""

log = proxy_log


class Cell(NamedTuple):
    """What a fault leads to. ``outcome`` names it in the count of cells."""

    outcome: str
    status: int
    tries: int
    log: str
    late: bool = False
    """Whether a time limit is what ends it: not before LIMIT then, and in any case within LIMIT + SOON."""


class NoSense(str):
    """Why there is no such fault at that stage."""


Row = dict[str, Cell | NoSense]


TOOK_IT = "The worker {worker} took the request, and then: "
WAS_LOST = "The worker {worker} was lost inside its answer: "


def passed_by(log: str, *, late: bool = False) -> Cell:
    """The request goes to another worker, which serves it."""
    return Cell("served by another worker", 200, 2, log, late)


def lost(log: str) -> Cell:
    """The worker may have run it: 502, and it isn't sent again."""
    return Cell("502, not sent again", 502, 1, f"refused: worker_answer_broken: {TOOK_IT}{log}")


def late(log: str = "no answer came within") -> Cell:
    """The worker may have run it: 504, and it isn't sent again."""
    return Cell("504, not sent again", 504, 1, f"refused: worker_timeout: {TOOK_IT}{log}", True)


def its_own(status: int) -> Cell:
    """The worker passed it on to something that failed, and may have run it: its answer is the answer."""
    return Cell("the worker's answer", status, 1, f"-> {status}")


def cut(log: str) -> Cell:
    """The answer had begun: the client sees that it breaks off."""
    return Cell("visibly broken", 200, 1, f"broken: worker_answer_broken: {WAS_LOST}{log}")


def cut_late() -> Cell:
    """The answer had begun and fell silent: the client sees that it breaks off."""
    return Cell("visibly broken", 200, 1, f"broken: worker_timeout: {WAS_LOST}its answer fell silent", True)


def whole() -> Cell:
    """The answer is passed on, and complete."""
    return Cell("whole", 200, 1, "-> 200")


def replaced() -> Cell:
    """A new connection serves it, and nobody hears of the old one."""
    return Cell("served on a new connection", 200, 1, "-> 200")


def replaced_late() -> Cell:
    """As above, after it was noticed that nothing arrives on the old one."""
    return Cell("served on a new connection", 200, 2, "gone stale", True)


CONNECTED = NoSense("the connection is there already")
NO_BODY_YET = NoSense("no body has begun")
HAS_STATUS = NoSense("the head has given the status; one inside the body is the row 'status line in the body'")
ANY_BYTES = NoSense("in a body of this framing any bytes are body")
A_QUIET_TIME = NoSense("an idle connection is silent")
NO_ANSWER = NoSense("no answer is under way on an idle connection, and bytes out of turn are the rows above")

WORKER: dict[str, Row] = {
    REFUSES: {
        BEFORE: passed_by("connection refused; asking for another worker"),
        SENDING: CONNECTED,
        WAITING: CONNECTED,
        IN_HEAD: CONNECTED,
        CHUNKED: CONNECTED,
        LENGTH: CONNECTED,
        UNTIL_CLOSE: CONNECTED,
        KEPT: passed_by("connection refused; asking for another worker"),
    },
    BLACKHOLE: {
        BEFORE: passed_by("no connection within 0.2 s; asking for another worker", late=True),
        SENDING: passed_by("it stopped taking the request", late=True),
        WAITING: late(),
        IN_HEAD: late(),
        CHUNKED: cut_late(),
        LENGTH: cut_late(),
        UNTIL_CLOSE: cut_late(),
        KEPT: replaced_late(),
    },
    TLS_FAILURE: {
        BEFORE: passed_by("its certificate is not trusted"),
        SENDING: lost("it hung up: TLS failed"),
        WAITING: lost("it hung up: TLS failed"),
        IN_HEAD: lost("it hung up: TLS failed"),
        CHUNKED: cut("its answer broke off: TLS failed"),
        LENGTH: cut("its answer broke off: TLS failed"),
        UNTIL_CLOSE: cut("its answer broke off: TLS failed"),
        KEPT: replaced(),
    },
    RESET: {
        BEFORE: passed_by("connection reset; asking for another worker"),
        SENDING: passed_by("connection"),
        WAITING: lost("it hung up: "),
        IN_HEAD: lost("it hung up: "),
        CHUNKED: cut("its answer broke off: "),
        LENGTH: cut("its answer broke off: "),
        UNTIL_CLOSE: cut("its answer broke off: "),
        KEPT: replaced(),
    },
    CLOSE: {
        BEFORE: passed_by("TLS failed"),
        SENDING: lost("it hung up without an answer"),
        WAITING: lost("it hung up without an answer"),
        IN_HEAD: lost("its answer is not HTTP: the connection ended inside the head"),
        CHUNKED: cut("its answer broke off inside the chunked body"),
        LENGTH: cut("its answer broke off, 22 bytes short"),
        UNTIL_CLOSE: whole(),  # under TLS with its goodbye: that is this body's end
        KEPT: replaced(),
    },
    SILENCE: {
        BEFORE: passed_by("asking for another worker", late=True),
        SENDING: passed_by("it stopped taking the request", late=True),
        WAITING: late(),
        IN_HEAD: late(),
        CHUNKED: cut_late(),
        LENGTH: cut_late(),
        UNTIL_CLOSE: cut_late(),
        KEPT: A_QUIET_TIME,
    },
    DRIP: {
        BEFORE: passed_by("asking for another worker", late=True),
        SENDING: passed_by("it stopped taking the request", late=True),
        WAITING: late(),
        IN_HEAD: late(),
        CHUNKED: whole(),  # slow, and never silent for long
        LENGTH: whole(),
        UNTIL_CLOSE: whole(),
        KEPT: replaced(),
    },
    GARBAGE: {
        BEFORE: passed_by("TLS failed"),
        SENDING: lost("its answer is not HTTP"),
        WAITING: lost("its answer is not HTTP"),
        IN_HEAD: lost("its answer is not HTTP"),
        CHUNKED: cut("its answer broke off: a chunk's size is not a hexadecimal number"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: replaced(),
    },
    HUGE: {
        BEFORE: passed_by("TLS failed"),
        SENDING: lost("its answer is not HTTP: the head is longer than 65536 bytes"),
        WAITING: lost("its answer is not HTTP: the head is longer than 65536 bytes"),
        IN_HEAD: lost("its answer is not HTTP: the head is longer than 65536 bytes"),
        CHUNKED: cut("its answer broke off: in place of the next chunk came the head of another answer, '200 OK'"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: replaced(),
    },
    BUSY: {
        BEFORE: passed_by("TLS failed"),
        SENDING: passed_by("it answered 429; asking for another worker"),
        WAITING: passed_by("it answered 429; asking for another worker"),
        IN_HEAD: lost("its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    LOADING: {
        BEFORE: passed_by("TLS failed"),
        SENDING: passed_by("it answered 503; asking for another worker"),
        WAITING: passed_by("it answered 503; asking for another worker"),
        IN_HEAD: lost("its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    BAD_GATEWAY: {
        BEFORE: passed_by("TLS failed"),
        SENDING: its_own(502),
        WAITING: its_own(502),
        IN_HEAD: lost("its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    GATEWAY_TIMEOUT: {
        BEFORE: passed_by("TLS failed"),
        SENDING: its_own(504),
        WAITING: its_own(504),
        IN_HEAD: lost("its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    STATUS_INSIDE: {
        BEFORE: NO_BODY_YET,
        SENDING: NO_BODY_YET,
        WAITING: NO_BODY_YET,
        IN_HEAD: NO_BODY_YET,
        CHUNKED: cut("its answer broke off: in place of the next chunk came the head of another answer, '500 "),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: NO_ANSWER,
    },
}


def ridden_out(log: str, *, late: bool = False) -> Cell:
    """The autoscaler is asked again until it has an answer; the client sees nothing of it."""
    return Cell("asked again", 200, 2, f"Waiting for a worker: {log}", late)


UNREACHED = "the autoscaler at {url} can't be reached: "
ONE_WRITE = NoSense("the question fits into one packet: it is sent whole or not at all")
NOT_JSON = ridden_out("the autoscaler's answer is not JSON")

AUTOSCALER: dict[str, Row] = {
    REFUSES: {
        BEFORE: Cell("503 when the wait is over", 503, 0, "refused: no_worker_ready: The autoscaler gave no worker for"),
        SENDING: CONNECTED,
        WAITING: CONNECTED,
        IN_HEAD: CONNECTED,
        CHUNKED: CONNECTED,
        LENGTH: CONNECTED,
        UNTIL_CLOSE: CONNECTED,
        KEPT: Cell("503 when the wait is over", 503, 0, "refused: no_worker_ready: The autoscaler gave no worker for"),
    },
    BLACKHOLE: {
        BEFORE: Cell("503 when the wait is over", 503, 0, "refused: no_worker_ready: The autoscaler gave no worker for", True),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "no answer came within", late=True),
        IN_HEAD: ridden_out(UNREACHED + "no answer came within", late=True),
        CHUNKED: ridden_out(UNREACHED + "its answer fell silent", late=True),
        LENGTH: ridden_out(UNREACHED + "its answer fell silent", late=True),
        UNTIL_CLOSE: ridden_out(UNREACHED + "its answer fell silent", late=True),
        KEPT: Cell("served on a new connection", 200, 1, "-> 200", True),
    },
    TLS_FAILURE: {
        BEFORE: Cell("502 at once", 502, 0, "refused: network_error: The autoscaler at {url} can't be trusted"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "it hung up: TLS failed"),
        IN_HEAD: ridden_out(UNREACHED + "it hung up: TLS failed"),
        CHUNKED: ridden_out(UNREACHED + "its answer broke off: TLS failed"),
        LENGTH: ridden_out(UNREACHED + "its answer broke off: TLS failed"),
        UNTIL_CLOSE: ridden_out(UNREACHED + "its answer broke off: TLS failed"),
        KEPT: replaced(),
    },
    RESET: {
        BEFORE: ridden_out(UNREACHED + "connection reset"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "it hung up: "),
        IN_HEAD: ridden_out(UNREACHED + "it hung up: "),
        CHUNKED: ridden_out(UNREACHED + "its answer broke off: "),
        LENGTH: ridden_out(UNREACHED + "its answer broke off: "),
        UNTIL_CLOSE: ridden_out(UNREACHED + "its answer broke off: "),
        KEPT: replaced(),
    },
    CLOSE: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "it hung up without an answer"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP"),
        CHUNKED: ridden_out(UNREACHED + "its answer broke off"),
        LENGTH: ridden_out(UNREACHED + "its answer broke off"),
        UNTIL_CLOSE: NOT_JSON,
        KEPT: replaced(),
    },
    SILENCE: {
        BEFORE: ridden_out(UNREACHED, late=True),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "no answer came within", late=True),
        IN_HEAD: ridden_out(UNREACHED + "no answer came within", late=True),
        CHUNKED: ridden_out(UNREACHED + "its answer fell silent", late=True),
        LENGTH: ridden_out(UNREACHED + "its answer fell silent", late=True),
        UNTIL_CLOSE: ridden_out(UNREACHED + "its answer fell silent", late=True),
        KEPT: A_QUIET_TIME,
    },
    DRIP: {
        BEFORE: ridden_out(UNREACHED, late=True),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "no answer came within", late=True),
        IN_HEAD: ridden_out(UNREACHED + "no answer came within", late=True),
        CHUNKED: ridden_out(UNREACHED + "its answer was not complete within", late=True),
        LENGTH: ridden_out(UNREACHED + "its answer was not complete within", late=True),
        UNTIL_CLOSE: ridden_out(UNREACHED + "its answer was not complete within", late=True),
        KEPT: replaced(),
    },
    GARBAGE: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "its answer is not HTTP"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP"),
        CHUNKED: ridden_out(UNREACHED + "its answer broke off"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: replaced(),
    },
    HUGE: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out(UNREACHED + "its answer is not HTTP: the head is longer than 65536 bytes"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP: the head is longer than 65536 bytes"),
        CHUNKED: ridden_out(UNREACHED + "its answer broke off"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: replaced(),
    },
    BUSY: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out("the autoscaler answered 429"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    LOADING: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out("the autoscaler answered 503"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    BAD_GATEWAY: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out("the autoscaler answered 502"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    GATEWAY_TIMEOUT: {
        BEFORE: ridden_out(UNREACHED + "TLS failed"),
        SENDING: ONE_WRITE,
        WAITING: ridden_out("the autoscaler answered 504"),
        IN_HEAD: ridden_out(UNREACHED + "its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    STATUS_INSIDE: {
        BEFORE: NO_BODY_YET,
        SENDING: NO_BODY_YET,
        WAITING: NO_BODY_YET,
        IN_HEAD: NO_BODY_YET,
        CHUNKED: ridden_out(UNREACHED + "its answer broke off"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: NO_ANSWER,
    },
}


def said(log: str, *, tries: int = 1, late: bool = False) -> Cell:
    """The key can't be renewed now: 502 that says what is wrong with the console; the next request tries anew."""
    return Cell(NAMES_IT, 502, tries, f"refused: network_error: The console at {{url}} can't be {log}", late)


NAMES_IT = "an error that names the console"
NO_LIST = Cell(NAMES_IT, 502, 1, "refused: console_error: The console at {url} answered with something that is no list")

CONSOLE: dict[str, Row] = {
    REFUSES: {
        BEFORE: said("reached: connection refused", tries=0),
        SENDING: CONNECTED,
        WAITING: CONNECTED,
        IN_HEAD: CONNECTED,
        CHUNKED: CONNECTED,
        LENGTH: CONNECTED,
        UNTIL_CLOSE: CONNECTED,
        KEPT: said("reached: connection refused", tries=0),
    },
    BLACKHOLE: {
        BEFORE: said("reached: no connection within", tries=0, late=True),
        SENDING: ONE_WRITE,
        WAITING: said("reached: no answer came within", late=True),
        IN_HEAD: said("reached: no answer came within", late=True),
        CHUNKED: said("reached: its answer fell silent", late=True),
        LENGTH: said("reached: its answer fell silent", late=True),
        UNTIL_CLOSE: said("reached: its answer fell silent", late=True),
        KEPT: Cell("served on a new connection", 200, 1, "-> 200", True),
    },
    TLS_FAILURE: {
        BEFORE: said("trusted: its certificate is not trusted", tries=0),
        SENDING: ONE_WRITE,
        WAITING: said("reached: it hung up: TLS failed"),
        IN_HEAD: said("reached: it hung up: TLS failed"),
        CHUNKED: said("reached: its answer broke off: TLS failed"),
        LENGTH: said("reached: its answer broke off: TLS failed"),
        UNTIL_CLOSE: said("reached: its answer broke off: TLS failed"),
        KEPT: replaced(),
    },
    RESET: {
        BEFORE: said("reached: connection reset", tries=0),
        SENDING: ONE_WRITE,
        WAITING: said("reached: it hung up: "),
        IN_HEAD: said("reached: it hung up: "),
        CHUNKED: said("reached: its answer broke off: "),
        LENGTH: said("reached: its answer broke off: "),
        UNTIL_CLOSE: said("reached: its answer broke off: "),
        KEPT: replaced(),
    },
    CLOSE: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: said("reached: it hung up without an answer"),
        IN_HEAD: said("reached: its answer is not HTTP"),
        CHUNKED: said("reached: its answer broke off"),
        LENGTH: said("reached: its answer broke off"),
        UNTIL_CLOSE: NO_LIST,
        KEPT: replaced(),
    },
    SILENCE: {
        BEFORE: said("reached: ", tries=0, late=True),
        SENDING: ONE_WRITE,
        WAITING: said("reached: no answer came within", late=True),
        IN_HEAD: said("reached: no answer came within", late=True),
        CHUNKED: said("reached: its answer fell silent", late=True),
        LENGTH: said("reached: its answer fell silent", late=True),
        UNTIL_CLOSE: said("reached: its answer fell silent", late=True),
        KEPT: A_QUIET_TIME,
    },
    DRIP: {
        BEFORE: said("reached: ", tries=0, late=True),
        SENDING: ONE_WRITE,
        WAITING: said("reached: no answer came within", late=True),
        IN_HEAD: said("reached: no answer came within", late=True),
        CHUNKED: said("reached: its answer was not complete within", late=True),
        LENGTH: said("reached: its answer was not complete within", late=True),
        UNTIL_CLOSE: said("reached: its answer was not complete within", late=True),
        KEPT: replaced(),
    },
    GARBAGE: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: said("reached: its answer is not HTTP"),
        IN_HEAD: said("reached: its answer is not HTTP"),
        CHUNKED: said("reached: its answer broke off"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: replaced(),
    },
    HUGE: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: said("reached: its answer is not HTTP: the head is longer than 65536 bytes"),
        IN_HEAD: said("reached: its answer is not HTTP: the head is longer than 65536 bytes"),
        CHUNKED: said("reached: its answer broke off"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: replaced(),
    },
    BUSY: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: Cell(NAMES_IT, 503, 1, "refused: console_busy: The console at {url} answered 429"),
        IN_HEAD: said("reached: its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    LOADING: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: Cell(NAMES_IT, 502, 1, "refused: console_error: The console at {url} answered 503"),
        IN_HEAD: said("reached: its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    BAD_GATEWAY: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: Cell(NAMES_IT, 502, 1, "refused: console_error: The console at {url} answered 502"),
        IN_HEAD: said("reached: its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    GATEWAY_TIMEOUT: {
        BEFORE: said("reached: TLS failed", tries=0),
        SENDING: ONE_WRITE,
        WAITING: Cell(NAMES_IT, 502, 1, "refused: console_error: The console at {url} answered 504"),
        IN_HEAD: said("reached: its answer is not HTTP"),
        CHUNKED: HAS_STATUS,
        LENGTH: HAS_STATUS,
        UNTIL_CLOSE: HAS_STATUS,
        KEPT: replaced(),
    },
    STATUS_INSIDE: {
        BEFORE: NO_BODY_YET,
        SENDING: NO_BODY_YET,
        WAITING: NO_BODY_YET,
        IN_HEAD: NO_BODY_YET,
        CHUNKED: said("reached: its answer broke off"),
        LENGTH: ANY_BYTES,
        UNTIL_CLOSE: ANY_BYTES,
        KEPT: NO_ANSWER,
    },
}

MATRIX = {"worker": WORKER, "autoscaler": AUTOSCALER, "console": CONSOLE}


def count_of_cells() -> dict[str, Counter[str]]:
    """How many cells of each table have which outcome."""
    return {
        part: Counter(
            "makes no sense" if isinstance(cell, NoSense) else cell.outcome for row in table.values() for cell in row.values()
        )
        for part, table in MATRIX.items()
    }


@pytest.mark.parametrize("part", MATRIX)
def test_the_matrix_has_every_cell(part: str) -> None:
    assert tuple(MATRIX[part]) == FAULTS
    for fault, row in MATRIX[part].items():
        assert tuple(row) == STAGES, fault
    counted = count_of_cells()[part]
    print(f"{part}: {sum(counted.values())} cells:", ", ".join(f"{count} {what}" for what, count in counted.most_common()))


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The root of every certificate here, but for that of the TLS failure."""
    return Authority()


class Asked(NamedTuple):
    """What came of a request: the status, the body, whether it ended as its framing says, and the seconds it took."""

    status: int
    body: bytes
    whole: bool
    seconds: float


def ask(client: Peer, body: bytes = b"{}") -> Asked:
    """Send a request, and read its answer as far as it goes."""
    started = time.monotonic()
    client.send(post(body))
    start, fields = client.head()
    wanted = {name.lower(): value for name, value in fields}
    received, whole = b"", True
    try:
        if wanted.get("transfer-encoding") == "chunked":
            while size := int(client.until(b"\r\n"), 16):
                received += client.exactly(size + 2)[:-2]
            client.exactly(2)
        else:
            received = client.exactly(int(wanted["content-length"]))
    except (EOFError, ConnectionError):
        whole = False
    return Asked(int(start.split(" ")[1]), received, whole, time.monotonic() - started)


def judge(cell: Cell, asked: Asked, log: Log, **named: str) -> None:
    """Hold what came of a request against its cell."""
    line = log.wait_for(cell.log.format(**named), 2.0)
    assert asked.status == cell.status, (asked, line)
    assert asked.whole == (cell.outcome != "visibly broken"), (asked, line)
    assert asked.seconds < (LIMIT if cell.late else 0.0) + SOON
    if cell.late:
        assert asked.seconds >= LIMIT * 0.9, (asked, line)


def limits_for(fault: str) -> dict[str, float]:
    """The proxy's limits: short ones in the rows that are about time."""
    seconds = LIMIT if fault in (BLACKHOLE, SILENCE, DRIP) else LONG
    return {"connect_timeout": seconds, "timeout": seconds, "idle_timeout": seconds}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short: virtual time for what is not about time."""
    monkeypatch.setattr("vespa_client.routing.autoscaler._FIRST_POLL_PAUSE", 0.02)
    monkeypatch.setattr("vespa_client.routing.exchange._FIRST_PAUSE", 0.02)
    monkeypatch.setattr("vespa_client.routing.workers._DEAD_SECONDS", 0.0)


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made before a request asks for one."""
    monkeypatch.setattr(Warmup, "start", lambda warmup: None)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_that_fails(
    fault: str,
    authority: Authority,
    sandbox: Sandbox,
    start_proxy: Callable[..., VastClient],
    tmp_path: Path,
    log: Log,
    subtests: pytest.Subtests,
) -> None:
    def good(message: Message) -> bytes:
        return answer(b"served")

    ca_file = str(authority.pem_file(tmp_path))
    with (
        Front(authority, good) as front,
        Front(authority, good) as other,
        connect_to(start_proxy(ca_file=ca_file, **limits_for(fault))) as connected,
    ):
        for stage, cell in WORKER[fault].items():
            if isinstance(cell, NoSense):
                continue
            with subtests.test(stage):
                front.arm(fault, stage)
                routed = len(sandbox.autoscaler.routes)
                turn = [front.url, other.url]
                if stage == KEPT:
                    sandbox.autoscaler.workers[:] = [front.url]
                    assert ask(connected()).body == b"served"
                    front.strike()
                    routed += 1
                    turn = [front.url, other.url if cell.outcome == "served by another worker" else front.url]
                sandbox.autoscaler.workers[:] = turn if routed % 2 == 0 else turn[::-1]
                log.clear()
                asked = ask(connected(), b'"' + b"x" * (6 << 20) + b'"' if stage == SENDING else b"{}")
                judge(cell, asked, log, worker=front.url.removeprefix("https://"))
                assert len(sandbox.autoscaler.routes) - routed == cell.tries
                if cell.status == 200 and cell.outcome not in ("visibly broken", "whole"):
                    assert asked.body == b"served"
            front.mend()


@contextlib.contextmanager
def connect_to(proxy: VastClient) -> Iterator[Callable[[], Peer]]:
    """Makes a client's connection for each call, and ends the one before."""
    with contextlib.ExitStack() as peers:

        def connected() -> Peer:
            peers.close()
            return peers.enter_context(connect(proxy.url))

        yield connected


def assignment_for(sandbox: Sandbox, message: Message) -> bytes:
    """A good autoscaler's answer: the assignment that the sandbox would give."""
    question = message.envelope
    return json.dumps(sandbox.autoscaler.assign(question["endpoint"], question["cost"], question.get("request_idx"))).encode()


@pytest.mark.usefixtures("impatient", "cold")
@pytest.mark.parametrize("fault", FAULTS)
def test_an_autoscaler_that_fails(
    fault: str,
    authority: Authority,
    sandbox: Sandbox,
    start_proxy: Callable[..., VastClient],
    tmp_path: Path,
    log: Log,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = limits_for(fault)["timeout"]
    monkeypatch.setattr("vespa_client.routing.autoscaler._LIMITS", TimeLimits(limits, limits, limits))
    ca_file = str(authority.pem_file(tmp_path))
    sandbox.worker.answer_with(200, b"served", times=None)
    with Front(authority, lambda message: answer(assignment_for(sandbox, message))) as front:
        for stage, cell in AUTOSCALER[fault].items():
            if isinstance(cell, NoSense):
                continue
            # Short only where its end is what is looked for: a busy machine may need long for a second try.
            wait = LIMIT * 2 if cell.status == 503 else LONG
            proxy = start_proxy(ca_file=ca_file, autoscaler_url=front.url, wait=wait)
            with subtests.test(stage), connect_to(proxy) as connected:
                front.arm(fault, stage)
                if stage == KEPT:
                    assert ask(connected()).body == b"served"
                    front.strike()
                    front.requests.clear()
                log.clear()
                asked = ask(connected())
                judge(cell, asked, log, url=front.url)
                assert len(front.requests) == tries(cell, stage)
                assert (asked.body == b"served") == (cell.status == 200)
                # Once it is well again, so is the proxy.
                front.mend()
                assert ask(connected()).body == b"served"


def tries(cell: Cell, stage: str) -> int:
    """How many whole requests a part sees: where the connection doesn't come about, the first try is none."""
    return cell.tries - (stage == BEFORE and cell.tries > 0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_console_that_fails(
    fault: str,
    authority: Authority,
    sandbox: Sandbox,
    start_proxy: Callable[..., VastClient],
    tmp_path: Path,
    log: Log,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = limits_for(fault)["timeout"]
    monkeypatch.setattr("vespa_client.account.console._LIMITS", TimeLimits(limits, limits, limits))
    monkeypatch.setattr("vespa_client.account.endpoint_key._FIRST_PAUSE", 0.0)
    monkeypatch.setattr("vespa_client.account.endpoint_key._FRESH_SECONDS", 0.0)
    ca_file = str(authority.pem_file(tmp_path))
    endpoint = sandbox.endpoints[0]
    sandbox.worker.answer_with(200, b"served", times=None)

    def good(message: Message) -> bytes:
        row = {"id": endpoint.id, "endpoint_name": endpoint.name, "api_key": endpoint.api_key, "endpoint_state": "active"}
        return answer(json.dumps({"success": True, "results": [row]}).encode())

    with Front(authority, good) as front, connect_to(start_proxy(ca_file=ca_file, console_url=front.url)) as connected:
        for stage, cell in CONSOLE[fault].items():
            if isinstance(cell, NoSense):
                continue
            with subtests.test(stage):
                front.arm(fault, stage)
                # The autoscaler refuses the key that the proxy has: it asks the console for another one.
                sandbox.console.rotate_key(endpoint.name)
                if stage == KEPT:
                    assert ask(connected()).body == b"served"
                    front.strike()
                    front.requests.clear()
                    sandbox.console.rotate_key(endpoint.name)
                log.clear()
                asked = ask(connected())
                judge(cell, asked, log, url=front.url)
                assert len(front.requests) == cell.tries
                assert (asked.body == b"served") == (cell.status == 200)
                # Once it is well again, so is the proxy.
                front.mend()
                assert ask(connected()).body == b"served"


# What the matrix leaves open: the same worker twice, no worker at all, and how long a pause is.


def test_a_worker_just_seen_dead_is_avoided_when_it_is_offered_again(
    authority: Authority, sandbox: Sandbox, start_proxy: Callable[..., VastClient], tmp_path: Path, log: Log
) -> None:
    ca_file = str(authority.pem_file(tmp_path))
    with Front(authority, lambda message: answer(b"served")) as dead:
        dead.arm(RESET, BEFORE)
        sandbox.autoscaler.workers[:] = [dead.url, dead.url, sandbox.worker.url]
        with connect(start_proxy(ca_file=ca_file).url) as client:
            assert ask(client).status != 502
        assert dead.connections == 1
    assert len(sandbox.autoscaler.routes) == 3
    log.wait_for("was just seen dead; asking again")
    assert len({json.loads(route.body).get("request_idx") for route in sandbox.autoscaler.routes[1:]}) == 1


@pytest.mark.usefixtures("impatient")
def test_when_no_worker_can_be_connected_to_in_time_it_is_a_504(
    authority: Authority, sandbox: Sandbox, start_proxy: Callable[..., VastClient], tmp_path: Path
) -> None:
    proxy = start_proxy(ca_file=str(authority.pem_file(tmp_path)), connect_timeout=LIMIT, retries=2)
    with Front(authority, lambda message: answer(b"served")) as hole, connect(proxy.url) as client:
        hole.arm(BLACKHOLE, BEFORE)
        sandbox.autoscaler.workers[:] = [hole.url]
        asked = ask(client)
        assert asked.status == 504
        assert 3 * LIMIT * 0.9 <= asked.seconds < 3 * LIMIT + SOON
        error = json.loads(asked.body)["error"]
        assert error["code"] == "worker_unreachable"
        assert f"127.0.0.1:{hole.port}: no connection within {LIMIT:g} s (3 times)" in error["message"]
        hole.mend()


@pytest.mark.parametrize(
    ("asked_for", "least", "most"), [("2", 2.0, 2.0), ("3600", 5.0, 5.0), ("soon", 0.0, 0.1), ("-1", 0.0, 0.1), ("", 0.0, 0.1)]
)
def test_a_workers_retry_after_is_respected_up_to_a_limit(
    sandbox: Sandbox,
    start_proxy: Callable[..., VastClient],
    monkeypatch: pytest.MonkeyPatch,
    asked_for: str,
    least: float,
    most: float,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Lifeline, "wait", lambda lifeline, seconds: pauses.append(seconds))
    sandbox.worker.answer_with(429, b"full", [("Retry-After", asked_for)])
    sandbox.worker.answer_with(200, b"served")
    with connect(start_proxy().url) as client:
        assert ask(client).body == b"served"
    assert len(pauses) == 1
    assert least <= pauses[0] <= most
