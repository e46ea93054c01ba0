"""What one exchange did, step by step. It is only written to; log, terminal, pages, metrics and library read it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from .changes import Readers
from .route_class import route_class
from .sums.histogram import Histogram

__all__ = ["PHASES", "RETRY_KINDS", "Problem", "Record", "Retry", "worker_first_bytes"]

PHASES = ("reading", "routing", "waiting", "retrying", "connecting", "first_byte", "streaming")
"""Where an exchange's time goes, in the order in which it usually does.

``reading`` the client's body; ``routing``: the autoscaler is asked; ``waiting`` for a worker, as none was ready; ``retrying``:
the pause after a worker that failed; ``connecting`` to the worker; ``first_byte``: the worker has the request and has answered
nothing; ``streaming``: its answer is passed on. Words for each, and colours, are where they are shown: in the page's
``phases.js`` and ``parts.css``, the terminal's ``live_line``, the HAR of a captured exchange.
"""

_LONGEST_MODEL = 200
_NO_SECONDS = dict.fromkeys(PHASES, 0.0)
_OUTCOMES = {
    "whole": "answered",
    "local": "answered by the proxy itself",
    "refused": "refused",
    "broken": "broke off",
    "left": "the client left",
    "cancelled": "cancelled",
}


RETRY_KINDS = ("unreachable", "hung_up", "turned_away")
"""How a worker can fail without having run a request."""


class Retry(NamedTuple):
    """A worker that could not have run the request, after which another was asked for.

    ``kind`` is one of :data:`RETRY_KINDS`; ``reason`` says it for people.
    """

    worker: str
    kind: str
    reason: str


class Problem(NamedTuple):
    """An error that a client was told: its ``code``, what happened, and what to do about it, in one line."""

    code: str
    message: str
    hint: str


class Record:
    """One request's story. Times are seconds of :func:`time.monotonic`; ``path`` is without the query, which can hold keys.

    The exchange's own thread writes it. Any other may read it: what belongs together is written in one step.
    """

    # Most requests never come to most of these: as the class's own they cost nothing.
    is_page = False
    """Whether it is a visit to one of the proxy's own pages, and no exchange."""
    traceparent = ""
    """Where the client says that its request belongs (W3C Trace Context, 3.2); empty where it says nothing that is valid."""
    tracestate = ""
    """What tracing systems have added to that (3.3); empty as well."""
    model = ""
    request_bytes = 0
    routes = 0
    waits = 0
    waiting_for = ""
    """What the autoscaler said of the endpoint's workers when it last had none."""
    retries: tuple[Retry, ...] = ()
    worker: str | None = None
    status: int | None = None
    first_byte: float | None = None
    answer_bytes = 0
    events = 0
    gaps: Histogram | None = None
    """The seconds between two pieces of an event stream."""
    longest_gap = 0.0
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_from = ""
    """Where the numbers of tokens came from: ``usage``, ``timings``, ``metrics``, or ``events``, which are counted."""
    outcome = "whole"
    """``whole``, ``local`` (the proxy's own answer, and no error), ``refused`` (an error of the proxy's own), ``broken`` (cut
    by the worker), ``left`` (by the client), ``cancelled`` (by a person, on the status page)."""
    detail = ""
    problem: Problem | None = None
    """The error of the proxy's own that the client was told."""

    def __init__(
        self,
        number: int,
        method: str,
        path: str,
        *,
        request_id: str = "",
        started: float | None = None,
        started_at: float | None = None,
        readers: Readers[Record] | None = None,
    ) -> None:
        """It begins now, unless it ``started`` before; ``started_at`` is that as a time of day, in seconds since 1970.

        ``readers`` are those who want to know when its phase changes.
        """
        self.number = number
        self.method = method
        self.path = path
        self.request_id = request_id
        self.started = time.monotonic() if started is None else started
        self.started_at = time.time() if started_at is None else started_at
        self._readers = readers or _NO_READERS
        self.now = ("reading", self.started)
        """The phase, or ``done``, and when it began."""
        self.seconds = _NO_SECONDS.copy()
        """How long each phase took so far, without the one that goes on."""

    @property
    def name(self) -> str:
        """How log lines refer to this request: by what is behind the dash in its id."""
        return f"#{self.request_id.rpartition('-')[2]}" if self.is_page else f"#{self.number}"

    @property
    def trace_id(self) -> str:
        """That of the client's ``traceparent``, as 32 hexadecimal digits; empty where there is none."""
        return self.traceparent[3:35]

    @property
    def route(self) -> str:
        """The class of its path: one of a few words, whatever clients ask for."""
        return route_class(self.path)

    @property
    def hint(self) -> str:
        """What a person can do about a failure, in one line; empty where nobody is to do anything."""
        return self.problem.hint if self.problem and self.outcome != "cancelled" else ""

    @property
    def is_done(self) -> bool:
        """Whether it is over."""
        return self.now[0] == "done"

    @property
    def ended_at(self) -> float:
        """When it ended, as a time of day in seconds since 1970."""
        return self.started_at + self.now[1] - self.started

    @property
    def total(self) -> float:
        """How many seconds it took, or has taken so far."""
        phase, since = self.now
        return (since if phase == "done" else time.monotonic()) - self.started

    @property
    def waited(self) -> float:
        """How many seconds it waited for a worker, as none was ready."""
        return self.seconds["waiting"]

    @property
    def tokens_per_second(self) -> float | None:
        """How fast the tokens came out; None where they weren't counted, or came all at once."""
        spent = self.generating
        return self.tokens_out / spent if self.tokens_out and spent else None

    @property
    def generating(self) -> float:
        """The seconds in which the worker generated, as far as that shows: an answer that isn't a stream comes at its end."""
        return self.seconds["streaming"] + (0.0 if self.events else self.seconds["first_byte"])

    @property
    def worker_first_byte(self) -> float | None:
        """After how many seconds a worker's answer began; None where the answer is the proxy's own."""
        return self.first_byte if self.worker and self.outcome not in ("refused", "local") else None

    @property
    def is_failure(self) -> bool:
        """Whether it ended in a way that isn't the client's doing."""
        return self.outcome == "broken" or (self.status or 0) >= 500

    @property
    def in_words(self) -> str:
        """How it ended."""
        said = _OUTCOMES[self.outcome]
        if self.outcome == "whole" and (self.status or 0) >= 400:
            said = f"the worker answered {self.status}"
        return f"{said}: {self.detail}" if self.detail else said

    def enter(self, phase: str) -> None:
        """One of :data:`PHASES` begins, or ``done``."""
        now = time.monotonic()
        before, since = self.now
        self.seconds[before] += now - since
        self.now = (phase, now)
        for reader in self._readers.all:
            reader.note(self)

    def ask_for_model(self, name: str) -> None:
        """The request names a model. A name that is longer than people read is cut."""
        self.model = name[:_LONGEST_MODEL]

    def ask_for_worker(self) -> None:
        """The autoscaler is asked for a worker."""
        if self.now[0] != "waiting":
            self.enter("routing")

    def wait_for_worker(self, said: str) -> None:
        """No worker is ready, and the autoscaler says this about it."""
        self.waits += 1
        self.waiting_for = said
        if self.now[0] != "waiting":
            self.enter("waiting")

    def retry(self, worker: str, kind: str, reason: str) -> None:
        """The worker can't have run it, and another is asked for."""
        self.retries = (*self.retries, Retry(worker, kind, reason))

    def take_tokens(self, tokens_in: int | None, tokens_out: int | None, source: str) -> None:
        """How many tokens went in and out; None where that isn't known. ``source`` is what :attr:`tokens_from` has."""
        self.tokens_in, self.tokens_out, self.tokens_from = tokens_in, tokens_out, source

    def begin(self, status: int) -> None:
        """The answer's head goes out."""
        self.status = status
        self.enter("streaming")
        self.first_byte = self.now[1] - self.started

    def answer_locally(self, status: int, detail: str = "") -> None:
        """The answer is the proxy's own, is no error, and begins with ``status``. ``detail`` says of what kind it is."""
        self.outcome, self.detail = "local", detail
        self.begin(status)

    def tell(self, problem: Problem) -> None:
        """The client is told this, in words of the proxy's own."""
        self.problem, self.detail = problem, f"{problem.code}: {problem.message}"

    def refuse(self, status: int, problem: Problem) -> None:
        """The answer is an error of the proxy's own, and begins with ``status``."""
        self.outcome = "refused"
        self.tell(problem)
        self.begin(status)

    def cancel(self) -> None:
        """Somebody wants no more of it."""
        self.outcome, self.detail = "cancelled", ""

    def break_off(self, problem: Problem) -> None:
        """The answer that has begun ends before it is whole."""
        self.outcome = "broken"
        self.tell(problem)
        if self.status is None:
            self.begin(200)  # a heartbeat had begun it

    def line(self) -> str:
        """The request in one line, for the log."""
        parts = [f"{self.name} {self.method} {self.path} -> {self.status or '-'}", f"{self.total:.3f} s"]
        if self.first_byte is not None and self.outcome != "refused":
            parts.append(f"first byte {self.first_byte:.3f} s")
        if self.answer_bytes:
            parts.append(f"{self.answer_bytes} bytes")
        if self.tokens_out is not None:
            parts.append(f"{'~' if self.tokens_from == 'events' else ''}{self.tokens_out} tokens")
        if self.worker:
            parts.append(f"worker {self.worker}")
        if self.waits:
            parts.append(f"waited {self.waited:.1f} s")
        if self.retries:
            parts.append(f"{len(self.retries)} retried")
        if self.traceparent:
            parts.append(f"trace {self.trace_id}")
        ending = ": ".join(filter(None, ("" if self.outcome == "whole" else self.outcome, self.detail)))
        return ", ".join([*parts, ending] if ending and self.outcome != "local" else parts)


def worker_first_bytes(records: Iterable[Record]) -> list[float]:
    """The :attr:`Record.worker_first_byte` of those that have one, in seconds."""
    return [first_byte for record in records if (first_byte := record.worker_first_byte) is not None]


_NO_READERS: Readers[Record] = Readers()
