"""A worker's answer, passed on as it arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from ..errors import VespaError, WorkerError
from ..http1.fields import field_value, values_of
from ..http1.forwarding import answer_fields
from ..http1.framing import length_of
from ..http1.malformed import MessageError
from ..journal.answer_meter import AnswerMeter, meter_for
from ..journal.record import Problem, Record
from ..net.lifeline import Lifeline
from ..outbound.answer import Answer
from ..outbound.failures import AnswerBroken, TransportError
from ..payload.worker_request import WorkerRequest
from ..routing.exchange import WorkerAnswer
from ..routing.worker_errors import answered_after_a_heartbeat, broke_off, gave_no_reason
from .answer_writer import AnswerWriter, is_event_stream

__all__ = ["noted", "relay"]

# How much of an error's text is quoted where it can't be passed on as it came, in bytes.
_QUOTED = 2000


def relay(came: WorkerAnswer, request: WorkerRequest, writer: AnswerWriter, record: Record, lifeline: Lifeline) -> bytes:
    """Pass the answer to the request on: status, headers, and the body in the pieces that come. Returns the first one.

    Raises :class:`WorkerError` where the answer breaks off, or can't follow what a heartbeat has begun; the client's side
    is left as it is then, for :meth:`AnswerWriter.fail`. Raises :class:`ClientGone` if the client hangs up.
    """
    try:
        if writer.started:
            return _continue_stream(came, request, writer, record)
        return _pass_on(came, request, writer, record)
    except TransportError as broken:
        lifeline.check()
        raise broke_off(broken, came.worker) from broken
    finally:
        came.answer.close()


def noted(problem: VespaError, record: Record) -> Problem:
    """The problem as the record has it. The answer that tells it has the request's id from here on."""
    problem.request_id = record.request_id
    return Problem(problem.code, problem.message, problem.advice)


def _pass_on(came: WorkerAnswer, request: WorkerRequest, writer: AnswerWriter, record: Record) -> bytes:
    answer = came.answer
    fields = answer_fields(answer.fields)
    pieces: Iterator[bytes] = answer.iter_content(chunk_size=None)
    # Bytes that are here go out with the head; an error's head waits for them, since one without a body is given ours.
    is_error = answer.status_code >= 400
    first = next(pieces, b"") if is_error or answer.raw.arrived() else b""
    says_nothing = is_error and writer.method != "HEAD" and not first
    if first and is_error:
        from ..routing.missing_routes import LONGEST_BARE, is_bare, may_be_bare  # here, as they take 3 ms to load

        if may_be_bare(answer.status_code, answer.fields, request.path):
            first = _gathered(first, pieces, LONGEST_BARE)
            with contextlib.suppress(AnswerBroken):
                says_nothing = is_bare(_text(answer.uncoded([first])), request.path)
    record.begin(answer.status_code)
    if says_nothing:
        problem = gave_no_reason(answer.status_code, request.method, request.path, retried=came.retried)
        record.tell(noted(problem, record))
        record.answer_bytes += writer.begin_error(problem, answer.status_code, answer.reason, fields)
    else:
        if is_error and came.retried and not values_of(answer.fields, "x-should-retry"):
            fields.append(("x-should-retry", "false"))
        meter = _meter(answer, record)
        writer.begin(answer.status_code, answer.reason, fields, _length(answer, writer.method), first)
        if first:
            meter.passed(first)
        first = _pass_body(pieces, writer, meter, first)
    writer.end()
    return first


def _continue_stream(came: WorkerAnswer, request: WorkerRequest, writer: AnswerWriter, record: Record) -> bytes:
    """The answer to a client that has been given an event stream's head already."""
    answer = came.answer
    record.begin(200)
    if answer.status_code >= 300:
        from ..routing.missing_routes import is_bare, may_be_bare

        said = _quoted(answer)
        if not said or (may_be_bare(answer.status_code, answer.fields, request.path) and is_bare(said, request.path)):
            raise gave_no_reason(answer.status_code, request.method, request.path, retried=came.retried)
        raise answered_after_a_heartbeat(answer.status_code, said)
    if not is_event_stream(answer.fields):
        raise WorkerError(
            "The worker's answer is no event stream, and a heartbeat had begun one.",
            hint='Send the request without "stream": true, or start the proxy with --heartbeat 0.',
        )
    pieces = answer.uncoded(answer.iter_content(chunk_size=None))
    first = _pass_body(pieces, writer, meter_for(record, field_value(answer.fields, "content-type"), ""))
    writer.end()
    return first


def _meter(answer: Answer, record: Record) -> AnswerMeter:
    return meter_for(record, field_value(answer.fields, "content-type"), field_value(answer.fields, "content-encoding"))


def _gathered(first: bytes, pieces: Iterator[bytes], limit: int) -> bytes:
    """``first`` and what comes behind it, until it is all or more than ``limit`` bytes."""
    while len(first) <= limit and (piece := next(pieces, b"")):
        first += piece
    return first


def _quoted(answer: Answer) -> str:
    """The beginning of a body, as text."""
    said = bytearray()
    with contextlib.suppress(AnswerBroken):
        for piece in answer.uncoded(answer.iter_content(chunk_size=None)):
            said += piece
            if len(said) >= _QUOTED:
                break
    return _text([said[:_QUOTED]]).strip()


def _text(pieces: Iterable[bytes | bytearray]) -> str:
    return b"".join(pieces).decode("utf-8", "replace")


def _pass_body(pieces: Iterator[bytes], writer: AnswerWriter, meter: AnswerMeter, first: bytes = b"") -> bytes:
    """Returns ``first``, or else the first of the pieces."""
    try:
        for piece in pieces:
            first = first or piece
            writer.write(piece)
            meter.passed(piece)
    finally:
        meter.end()
    return first


def _length(answer: Answer, method: str) -> int | None:
    """The length to announce. An answer to HEAD announces what GET would have had, if the worker said it."""
    if method == "HEAD" or answer.status_code == 304:
        with contextlib.suppress(MessageError):
            return length_of(field_value(answer.fields, "content-length"))
        return None
    return answer.framing.length if answer.framing.kind == "length" else None
