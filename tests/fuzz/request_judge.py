"""A connection's bytes against what became of them: at the client, and at the worker. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .access import cost_in, is_open, worker_view
from .arrival import Arrival
from .conversation import Seen
from .echo import echo_body, echo_of
from .finding import Finding
from .heads import Fields, members_of, values_of
from .marks import Mark, marks_in
from .oracle import Reading, Request, Step, is_first_page, is_landing
from .payload import asks_for_stream
from .request_case import RequestCase
from .seen import Answer, NotHTTP, read_answers

__all__ = ["Judgement", "Unmarked", "judge_requests"]

_ECHOED = {"content-type", "content-length", "transfer-encoding", "connection", "x-echo"}
_REFUSED = {
    "content-type",
    "content-length",
    "connection",
    "x-vespa-error",
    "content-security-policy",
    "allow",
    "upgrade",
    "retry-after",
    "www-authenticate",
}
_OWN = {"allow", "content-length", "connection"}
_CORS = {"access-control-allow-origin", "access-control-expose-headers", "vary"}
_PREFLIGHT = {
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-private-network",
    "access-control-max-age",
}


class _Broken(Exception):
    """A promise that was not kept, and how."""


Unmarked = tuple[str, str, bytes | None]
"""What there is to tell a request by in which no mark is left: method, target, payload."""


@dataclass
class Judgement:
    """What became of a case, in a word and in more of them, and the first promise that was not kept.

    ``unmarked`` are its requests that a worker got and that have no mark; or that it may have got, where the client has
    gone or a promise was not kept.
    """

    group: str
    outcome: str
    finding: Finding | None = None
    unmarked: list[Unmarked] = field(default_factory=list)


def judge_requests(case: RequestCase, reading: Reading, seen: Seen, arrivals: Sequence[Arrival]) -> Judgement:
    """``arrivals`` are those that carry a mark of the case."""
    data = case.data
    answers: list[Answer] = []
    possible = [step for step in reading.steps if step.refused != "surely" and not step.own]
    try:
        try:
            answers = read_answers(seen.data, seen.end, [step.request.method for step in reading.steps])
        except NotHTTP as problem:
            raise _Broken("the client gets whole answers and nothing else", problem.args[0]) from None
        # Whoever has ended its sending waits for its answers (RFC 9112, 9.6).
        is_gone = case.leaves in ("close", "reset")
        if is_gone:
            outcome = "left", f"left by {case.leaves}"
            accepted = possible
        else:
            outcome, accepted = _walk(reading, seen, answers)
        _check_arrivals(data, accepted, arrivals, all_came=not is_gone)
    except _Broken as broken:
        promise, what = broken.args
        details: list[tuple[str, object]] = [
            ("kinds", ", ".join(case.kinds)),
            ("sent", data),
            ("in pieces of", [len(piece.data) for piece in case.pieces][:50]),
            ("read as", reading),
            ("got", f"{len(seen.data)} bytes, then {seen.end} after {seen.seconds:.3f} s"),
            *[("answer", answer) for answer in answers],
            *[("at the worker", arrival.raw) for arrival in arrivals],
        ]
        finding = Finding(f"r{case.number}", promise, what, details)
        return Judgement("finding", promise, finding, _unmarked(possible))
    return Judgement(*outcome, None, _unmarked(accepted))


_Outcome = tuple[str, str]


def _walk(reading: Reading, seen: Seen, answers: list[Answer]) -> tuple[_Outcome, list[Step]]:
    """Hold the answers against the steps. Returns what it came to, and the steps that a worker got."""
    accepted: list[Step] = []
    left = list(answers)
    ended = ("served", "served")
    for step in reading.steps:
        if not left:
            behind = f"behind {answers[-1]}" if answers else ""
            raise _Broken("each request gets its answer", f"{step.request.method} {step.request.target!r} got none {behind}")
        answer = left.pop(0)
        if _was_served(step, answer):
            accepted += [] if step.own else [step]
            ended = ("served", "served, then closed")
            # The body of a preflight, or of one who asks for the proxy's own page, is nothing to wait for (RFC 9112, 9.3).
            is_preflight = bool(values_of(answer.fields, "access-control-allow-methods"))
            passes_body_over = is_preflight or (step.has_body and is_first_page(step.request))
            closes_rightly = step.closes or step.request.minor == 0 or passes_body_over
        else:
            ended = ("refused", f"refused, {answer.status}")
            closes_rightly = True
            if step.must_close and not answer.closes:
                raise _Broken("behind what is no request the connection ends", f"{step.why}: {answer}")
        if answer.closes:
            if not closes_rightly:
                raise _Broken("a connection goes on", f"it ended behind {answer}")
            break
        if step.closes:
            raise _Broken("a connection that ends says so", f"it didn't: {answer}")
    else:
        ended = _check_end(reading, answers, left)
    if left:
        raise _Broken("one answer a request", f"there was more: {left[0]}")
    _check_closing(seen, answers)
    return ended, accepted


def _check_end(reading: Reading, answers: list[Answer], left: list[Answer]) -> _Outcome:
    """Behind the last request. Returns what it came to."""
    if reading.end == "closed" or (reading.end == "clean" and not left):
        return "served", "served"
    if reading.end == "incomplete" and not left:
        return "cut short", "cut short, silence"
    if reading.end == "broken" and not left:
        behind = f", behind {answers[-1]}" if answers else ""
        raise _Broken("what is no request gets an answer", f"{reading.why}{behind}")
    answer = left.pop(0)
    if reading.end == "clean":
        raise _Broken("one answer a request", f"there was more: {answer}")
    _check_refusal(answer)
    if not answer.closes:
        raise _Broken("behind what is no request the connection ends", str(answer))
    ended = "cut short" if reading.end == "incomplete" else "no request"
    return ended, f"{ended}, {answer.status}"


def _was_served(step: Step, answer: Answer) -> bool:
    if not answer.whole:
        raise _Broken("the client gets whole answers and nothing else", f"half of one: {answer}")
    if answer.own_error or answer.status >= 400:
        _check_refusal(answer)
        _check_headers(step, answer, _REFUSED)
        if step.refused == "never":
            raise _Broken("what is right is served", str(answer))
        if step.refused == "surely" and answer.status not in step.statuses:
            raise _Broken("a refusal says why", f"{sorted(step.statuses)} for {step.why}: {answer}")
        return False
    if step.refused == "surely":
        raise _Broken("what is wrong is refused", f"{step.why}: {answer}")
    if is_first_page(step.request) and answer.status != 204:
        if answer.status not in (200, 301, 302, 307, 308):
            raise _Broken("the proxy's own page is shown", str(answer))
        return True
    if is_landing(step.request):
        if answer.status != 200 or values_of(answer.fields, "x-vespa-local") != ["landing"]:
            raise _Broken("what is at / is the proxy's own", str(answer))
        _check_headers(step, answer, _ECHOED | {"x-vespa-local", "content-security-policy"})
        return True
    if step.own:
        if answer.status != 204:
            raise _Broken("OPTIONS is answered by the proxy", str(answer))
        _check_headers(step, answer, _OWN | _PREFLIGHT)
        return True
    request = step.request
    echo = echo_of(request.method, _target_there(request), request.payload)
    if answer.status != 200 or values_of(answer.fields, "x-echo") != [echo]:
        raise _Broken("each request gets its own answer", f"{echo} and not {answer}")
    if answer.body != (b"" if request.method == "HEAD" else echo_body(echo)):
        raise _Broken("each request gets its own answer", f"another body: {answer}")
    _check_headers(step, answer, _ECHOED)
    return True


def _check_headers(step: Step, answer: Answer, known: set[str]) -> None:
    origins = values_of(step.request.fields, "origin")
    strange = [name for name, _ in answer.fields if name.lower() not in (known | _CORS if origins else known)]
    if strange:
        raise _Broken("no header joins an answer", f"{strange} in {answer}")
    allowed = values_of(answer.fields, "access-control-allow-origin")
    if answer.own_error == "forbidden_origin" and allowed:
        raise _Broken("a welcome origin may read the answer, and no other one", str(answer))
    if allowed != origins and (allowed or not answer.own_error):
        raise _Broken("a welcome origin may read the answer, and no other one", str(answer))


def _check_refusal(answer: Answer) -> None:
    if not 400 <= answer.status < 600 or not answer.own_error or not answer.whole:
        raise _Broken("a refusal is a whole error of the proxy's own", str(answer))
    if answer.own_error == "internal_error":
        raise _Broken("nothing fails inside the proxy", f"internal_error: {answer}")
    try:
        answer.check_own_error()
    except NotHTTP as problem:
        raise _Broken("a refusal is a whole error of the proxy's own", f"{problem.args[0]}: {answer}") from None


def _check_closing(seen: Seen, answers: list[Answer]) -> None:
    if seen.end == "late":
        raise _Broken("no hang", f"the connection was still open after {seen.seconds:.1f} s")
    if seen.end == "reset":
        raise _Broken("a connection ends in good order", f"a reset came after {len(answers)} answers")


def _check_arrivals(data: bytes, accepted: list[Step], arrivals: Sequence[Arrival], *, all_came: bool) -> None:
    marked = [step for step in accepted if _marks_there(step.request)]
    for step, arrival in zip(marked, arrivals, strict=False):
        _check_arrival(data, step, arrival)
    if len(arrivals) > len(marked):
        raise _Broken("nothing arrives upstream that is no request", f"{arrivals[len(marked)].raw[:200]!r}")
    if len(arrivals) < len(marked) and all_came:
        raise _Broken("what was answered had arrived", f"{len(arrivals)} of {len(marked)} did")


def _unmarked(steps: list[Step]) -> list[Unmarked]:
    requests = [step.request for step in steps if not _marks_there(step.request)]
    return [(request.method, _target_there(request), request.payload) for request in requests]


def _marks_there(request: Request) -> set[Mark]:
    """The marks that a worker sees: not those of headers that are held back."""
    lines = [_target_there(request), *(value for _, value in _fields_there(request))]
    return marks_in("\n".join(lines).encode("latin-1")) | marks_in(request.payload or b"")


def _marks_of(data: bytes, step: Step) -> set[Mark]:
    # In a chunked body a mark may be in two pieces.
    return marks_in(data[step.begin : step.end]) | marks_in(step.request.payload or b"")


def _check_arrival(data: bytes, step: Step, arrival: Arrival) -> None:
    request = step.request
    wanted = (request.method, _target_there(request), request.payload)
    if (arrival.method, arrival.target, arrival.payload) != wanted:
        raise _Broken("what arrives is what was sent", f"{arrival.method} {arrival.target!r} {arrival.payload!r:.500}")
    strange = arrival.marks - _marks_of(data, step)
    if strange:
        raise _Broken("no byte of one request in another", f"{[str(mark) for mark in strange]}")
    envelope = arrival.payload is not None
    fields = _fields_there(request)
    is_named = "content-type" in members_of(request.fields, "connection")
    came = [(name, value) for name, value in arrival.fields if not is_open(name.lower(), envelope=envelope, is_named=is_named)]
    if came != fields:
        raise _Broken("the worker sees the headers that were sent", f"{came} and not {fields}")
    assert arrival.auth is not None
    cost = arrival.auth["cost"]
    if (cost[1] if isinstance(cost, tuple) else cost) != cost_in(request.fields):
        raise _Broken("the cost is what was sent", f"{cost}")


def _fields_there(request: Request) -> Fields:
    """The header lines that a worker is to see."""
    uncoded = request.minor >= 1 and asks_for_stream(request.payload, request.target)
    return worker_view(request.fields, envelope=request.payload is not None, uncoded=uncoded)


def _target_there(request: Request) -> str:
    """The target as a worker gets it, up to the assignment."""
    if request.payload is not None:
        return request.target
    _, mark, query = request.target.partition("?")
    joint = "?" if not mark else "&" if query and not query.endswith("&") else ""
    return request.target + joint
