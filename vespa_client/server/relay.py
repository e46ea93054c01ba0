"""A worker's answer, passed on as it arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import WorkerError
from ..http1.fields import field_value, values_of
from ..http1.forwarding import answer_fields
from ..http1.framing import length_of
from ..http1.malformed import MessageError
from ..journal.answer_meter import AnswerMeter, meter_for
from ..journal.record import Problem, Record
from ..net.lifeline import Lifeline
from ..outbound.answer import Answer
from ..outbound.failures import TransportError
from ..routing.exchange import WorkerAnswer
from ..routing.worker_errors import answered_after_a_heartbeat, broke_off, gave_no_reason
from .answer_writer import AnswerWriter

__all__ = ["relay"]

# How much of an error's text is quoted where it can't be passed on as it came, in bytes.
_QUOTED = 2000


def relay(came: WorkerAnswer, writer: AnswerWriter, record: Record, lifeline: Lifeline) -> None:
    """Pass the answer on: status, headers, and the body in the pieces that come.

    Raises :class:`WorkerError` where the answer breaks off, or can't follow what a heartbeat has begun; the client's side
    is left as it is then, for :meth:`AnswerWriter.fail`. Raises :class:`ClientGone` if the client hangs up.
    """
    try:
        if writer.started:
            _continue_stream(came, writer, record)
        else:
            _pass_on(came, writer, record)
    except TransportError as broken:
        lifeline.check()
        raise broke_off(broken, came.worker) from broken
    finally:
        came.answer.close()


def _pass_on(came: WorkerAnswer, writer: AnswerWriter, record: Record) -> None:
    answer = came.answer
    fields = answer_fields(answer.fields)
    pieces: Iterator[bytes] = answer.iter_content(chunk_size=None)
    # Bytes that are here go out with the head; an error's head waits for them, since one without a body is given ours.
    is_error = answer.status_code >= 400
    first = next(pieces, b"") if is_error or answer.raw.arrived() else b""
    record.begin(answer.status_code)
    if is_error and not first and writer.method != "HEAD":
        problem = gave_no_reason(answer.status_code, retried=came.retried)
        problem.request_id = record.request_id
        record.detail, record.problem = problem.code, Problem(problem.code, problem.message, problem.hint)
        writer.begin_error(problem, answer.status_code, answer.reason, fields)
    else:
        if is_error and came.retried and not values_of(answer.fields, "x-should-retry"):
            fields.append(("x-should-retry", "false"))
        meter = _meter(answer, record)
        writer.begin(answer.status_code, answer.reason, fields, _length(answer, writer.method), first)
        if first:
            meter.passed(first)
        _pass_body(pieces, writer, meter)
    writer.end()


def _continue_stream(came: WorkerAnswer, writer: AnswerWriter, record: Record) -> None:
    """The answer to a client that has been given an event stream's head already."""
    answer = came.answer
    record.begin(200)
    if answer.status_code >= 400:
        said = answer.read(_QUOTED).decode("utf-8", "replace").strip()
        raise answered_after_a_heartbeat(answer.status_code, said, retried=came.retried)
    if not field_value(answer.fields, "content-type").lower().startswith("text/event-stream"):
        raise WorkerError(
            "The worker's answer is no event stream, and a heartbeat had begun one.",
            hint='Send the request without --heartbeat, or without "stream": true.',
        )
    _pass_body(answer.iter_content(chunk_size=None), writer, _meter(answer, record))
    writer.end()


def _meter(answer: Answer, record: Record) -> AnswerMeter:
    return meter_for(record, field_value(answer.fields, "content-type"), field_value(answer.fields, "content-encoding"))


def _pass_body(pieces: Iterator[bytes], writer: AnswerWriter, meter: AnswerMeter) -> None:
    try:
        for piece in pieces:
            writer.write(piece)
            meter.passed(piece)
    finally:
        meter.end()


def _length(answer: Answer, method: str) -> int | None:
    """The length to announce. An answer to HEAD announces what GET would have had, if the worker said it."""
    if method == "HEAD" or answer.status_code == 304:
        with contextlib.suppress(MessageError):
            return length_of(field_value(answer.fields, "content-length"))
        return None
    return answer.framing.length if answer.framing.kind == "length" else None
