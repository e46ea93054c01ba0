"""What a client got against what the far side did. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .answer_case import TURNED_AWAY, AnswerCase
from .answer_oracle import AnswerReading, leads_away
from .arrival import Arrival
from .conversation import Seen
from .echo import echo_body, echo_of
from .finding import Finding
from .heads import Fields, values_of
from .lanes import Play
from .marks import marks_in
from .seen import Answer, NotHTTP, read_answers

__all__ = ["judge_answers"]

_TRIES = 2
_FRAMING = ("content-length", "transfer-encoding", "connection")
_ABOUT_THE_BODY = re.compile(r"content[-_](?!security-policy).*|.*digest|etag|last-modified|mime-version|x-goog-hash")
_OWN = (
    "content-type",
    "x-vespa-error",
    "content-security-policy",
    "retry-after",
    "x-should-retry",
    "www-authenticate",
    "allow",
)
_ERROR_EVENT = re.compile(rb"(\n{1,2})?event: error\ndata: \{[^\n]*\}\n\n\Z")
_REFUSALS = {
    "no_worker_ready": (503,),
    "autoscaler_error": (502,),
    "endpoint_not_found": (404,),
    "authentication_failed": (401,),
    "network_error": (502,),
    "worker_unreachable": (502, 504),
}


class _Broken(Exception):
    """A promise that was not kept, and how."""


def judge_answers(
    case: AnswerCase, routes: Sequence[Play], runs: Sequence[Play], beside: Sequence[Arrival], seen: Seen
) -> tuple[str, str, Finding | None]:
    """What became of the case, in a word and in more of them, and the first promise that was not kept.

    ``routes`` and ``runs`` were played by the autoscaler and by workers; ``beside`` came to the worker besides.
    """
    answers: list[Answer] = []
    try:
        try:
            answers = read_answers(seen.data, seen.end, [case.method, "POST"])
        except NotHTTP as problem:
            raise _Broken("the client gets answers and nothing else", problem.args[0]) from None
        outcome = _judge(case, routes, runs, answers, seen)
        _check_following(case, answers, beside)
    except _Broken as broken:
        promise, what = broken.args
        details: list[tuple[str, object]] = [("kinds", ", ".join(case.kinds)), ("sent", case.request + case.follows)]
        for name, plays in (("the autoscaler", routes), ("the worker", runs)):
            for play in plays:
                script = play.script
                details.append((f"{name} got", play.arrival.raw))
                details.append((f"{name} sent", script.data))
                details.append(("in pieces of", [len(piece.data) for piece in script.pieces][:50]))
                details.append(("then", f"{script.end} {script.late!r}"))
                details.append(("read as", script.assignment or script.reading))
        details += [("beside it came", arrival.raw) for arrival in beside]
        details.append(("got", f"{len(seen.data)} bytes, then {seen.end} after {seen.seconds:.3f} s"))
        details += [("answer", answer) for answer in answers]
        return "finding", promise, Finding(f"a{case.number}", promise, what, details)
    return *outcome, None


_Outcome = tuple[str, str]


def _judge(case: AnswerCase, routes: Sequence[Play], runs: Sequence[Play], answers: list[Answer], seen: Seen) -> _Outcome:
    if seen.end == "late":
        raise _Broken("no hang", f"the connection was still open after {seen.seconds:.1f} s")
    _check_tries(routes, runs, answers[0].own_error if answers else "")
    reading = runs[-1].script.reading if runs else None
    if not answers:
        # An HTTP/1.0 client learns of a break by a reset, which may overtake what came before.
        if seen.end == "reset" and case.minor == 0 and reading is not None and reading.verdict != "good":
            return "broken", "a reset"
        raise _Broken("each request gets an answer", f"there is none, and then {seen.end}")
    answer = answers[0]
    if answer.own_error and answer.own_error != "worker_failed":
        return _check_own_error(case, routes, runs, answer)
    if reading is None:
        raise _Broken("an answer is a worker's or the proxy's own", str(answer))
    if reading.verdict == "none":
        raise _Broken("what is no answer is not passed on", str(answer))
    if answer.own_error:
        return _check_worker_failed(case, reading, answer)
    return _check_passed(case, reading, answer, seen)


def _check_tries(routes: Sequence[Play], runs: Sequence[Play], own_error: str) -> None:
    for run in runs[:-1]:
        if run.script.reading.status not in TURNED_AWAY or run.script.reading.verdict == "none":
            raise _Broken("what may have run is not sent again", str(run.script.reading))
    if len(runs) > _TRIES:
        raise _Broken("the number of tries is kept", f"{len(runs)}")
    if not routes:
        raise _Broken("the autoscaler is asked", "it wasn't")
    last = routes[-1].script.assignment
    if last is not None and last.verdict == "illegal" and (runs or own_error.startswith("worker_")):
        raise _Broken("an assignment that is none is not used", last.why)
    for run in runs:
        if not any(_is_shown(route, run.arrival) for route in routes):
            raise _Broken("a worker gets the assignment as it was given", f"{run.arrival.auth}"[:2000])
    for route in routes:
        assignment = route.script.assignment
        if assignment is not None and assignment.verdict == "assigned" and not runs:
            raise _Broken("a good assignment is used", assignment.url)


def _is_shown(route: Play, arrival: Arrival) -> bool:
    """Whether the assignment is this one."""
    assignment = route.script.assignment
    if assignment is None or assignment.verdict in ("waiting", "illegal"):
        return False
    if not assignment.auth or arrival.auth is None:
        return True
    if arrival.payload is not None:
        try:
            return arrival.auth == assignment.auth
        except RecursionError:
            return True
    # Of what is no text, the JSON in a query may be written in one way or the other.
    return all(
        arrival.auth[name] == _query_text(value) for name, value in assignment.auth.items() if isinstance(value, str | tuple)
    )


def _query_text(value: Any) -> str:
    if isinstance(value, tuple):
        return str(value[1])
    # Half a character has no place in a query.
    return str(value).encode("utf-8", "replace").decode()


def _check_own_error(case: AnswerCase, routes: Sequence[Play], runs: Sequence[Play], answer: Answer) -> _Outcome:
    if answer.own_error == "internal_error":
        odd = [route.script.assignment.why for route in routes if route.script.assignment is not None]
        odd += [run.script.reading.why for run in runs]
        raise _Broken("nothing fails inside the proxy", f"internal_error, with {odd}")
    strange = [name for name, _ in answer.fields if name.lower() not in _OWN + _FRAMING]
    if strange:
        raise _Broken("no header joins an answer", f"{strange} in {answer}")
    try:
        answer.check_own_error()
    except NotHTTP as problem:
        raise _Broken("an error of the proxy's own has its shape", f"{problem.args[0]}: {answer}") from None
    if not answer.whole or (not answer.body and case.method != "HEAD"):
        raise _Broken("an error of the proxy's own has its shape", str(answer))
    reading = runs[-1].script.reading if runs else None
    if answer.own_error in ("worker_answer_broken", "worker_timeout"):
        if reading is None or reading.verdict == "good":
            raise _Broken("a good answer is passed on", f"{reading}: {answer}")
        if answer.status != (502 if answer.own_error == "worker_answer_broken" else 504):
            raise _Broken("an error has its status", str(answer))
        return "refused", f"{answer.status} {answer.own_error}"
    if answer.own_error == "redirect_refused":
        if answer.status != 502 or reading is None or not leads_away(reading.status, reading.fields):
            raise _Broken("a good answer is passed on", f"{reading}: {answer}")
        return "refused", f"{answer.status} {answer.own_error}"
    if answer.status not in _REFUSALS.get(answer.own_error, ()):
        raise _Broken("an error has its status", str(answer))
    if reading is not None and reading.status not in TURNED_AWAY:
        raise _Broken("a good answer is passed on", f"{reading}: {answer}")
    return "refused", f"{answer.status} {answer.own_error}"


def _check_worker_failed(case: AnswerCase, reading: AnswerReading, answer: Answer) -> _Outcome:
    # A text such as "404: Not Found" may be replaced, and what has a mark is more than that.
    says_no_more = reading.status in (404, 405) and len(reading.body) <= 4096 and not marks_in(reading.body)
    if (reading.body and not says_no_more) or reading.status < 400 or answer.status != reading.status or case.method == "HEAD":
        raise _Broken("a worker's words are passed on", f"{reading}: {answer}")
    kept = [(name, value) for name, value in reading.shown_fields if not _ABOUT_THE_BODY.fullmatch(name.lower())]
    own = [(name, value) for name, value in answer.fields if name.lower() not in _FRAMING]
    if own[: len(kept)] != kept or any(name.lower() not in _OWN for name, _ in own[len(kept) :]) or not answer.whole:
        raise _Broken("a worker's headers are passed on", f"{kept} and not {own}")
    return "passed on", "an error without words, given ours"


def _check_passed(case: AnswerCase, reading: AnswerReading, answer: Answer, seen: Seen) -> _Outcome:
    if (answer.status, answer.reason) != (reading.status, reading.reason):
        raise _Broken("a worker's status is passed on", f"{reading}: {answer}")
    if leads_away(reading.status, reading.shown_fields):
        raise _Broken("a client is led nowhere else", f"{reading}: {answer}")
    _check_fields(case, reading, answer)
    body = answer.body
    if answer.whole:
        if reading.verdict == "broken":
            raise _Broken("half an answer never looks whole", f"{reading}: {answer}")
        if body != reading.body:
            raise _Broken("a worker's body is passed on", f"{reading.body!r:.500} and not {body!r:.500}")
        return "passed on", "passed on" if reading.status < 400 else "an error, passed on"
    if reading.verdict == "good":
        raise _Broken("a good answer is passed on", f"it was broken off: {answer}")
    if seen.end == "end" and case.minor == 0 and reading.until_close:
        raise _Broken("half an answer never looks whole", str(answer))
    event = _ERROR_EVENT.search(body) if reading.is_event_stream else None
    if not reading.body.startswith(body[: event.start()] if event else body):
        raise _Broken("half an answer has nothing in it that isn't the worker's", f"{body!r:.500}")
    return "broken", "visibly broken"


def _check_fields(case: AnswerCase, reading: AnswerReading, answer: Answer) -> None:
    ours = _FRAMING if values_of(reading.fields, "x-should-retry") else (*_FRAMING, "x-should-retry")

    def shown(fields: Fields) -> Fields:
        return [(name, value) for name, value in fields if name.lower() not in ours]

    if shown(answer.fields) != shown(reading.shown_fields):
        raise _Broken("a worker's headers are passed on", f"{reading.shown_fields} and not {answer.fields}")
    if case.method == "HEAD" or answer.status == 304:
        lengths, told = values_of(answer.fields, "content-length"), values_of(reading.fields, "content-length")
        if lengths and lengths[0].lstrip("0") not in [one.lstrip("0") for one in told]:
            raise _Broken("the length that is told is the worker's", f"{told} and not {lengths}")


def _check_following(case: AnswerCase, answers: list[Answer], beside: Sequence[Arrival]) -> None:
    first = answers[0] if answers else None
    goes_on = first is not None and first.whole and not first.closes
    if not goes_on and case.minor and first is not None and first.whole:
        raise _Broken("a connection goes on", f"it ended behind {first}")
    wanted = 1 if case.follows and goes_on else 0
    if len(beside) != wanted or len(answers) > 1 + wanted:
        raise _Broken("one answer a request", f"{len(beside)} came to the worker, {len(answers)} to the client")
    if wanted:
        if len(answers) < 2:
            raise _Broken("each request gets an answer", "the second one got none")
        echo = echo_of("POST", beside[0].target, beside[0].payload)
        if values_of(answers[1].fields, "x-echo") != [echo] or answers[1].body != echo_body(echo):
            raise _Broken("each request gets its own answer", str(answers[1]))
