"""A worker's answer, passed on as it arrives."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import AnswerTimeout, WorkerAnswerBroken, WorkerError
from .headers import answer_fields, field_value
from .lifeline import Lifeline
from .record import Record
from .reply import Reply
from .transport import Answer, AnswerLate, TransportError

__all__ = ["relay"]


def relay(answer: Answer, reply: Reply, record: Record, lifeline: Lifeline) -> None:
    """Pass the answer on: status, headers, and the body in the pieces that come.

    Raises :class:`WorkerError` where the answer breaks off, after the client's side has been left visibly broken or, if
    nothing had gone out, untouched; :class:`ClientGone` if the client hangs up.
    """
    fields = answer_fields(answer.fields)
    pieces: Iterator[bytes] = answer.iter_content(chunk_size=None)
    try:
        # Bytes that are here go out with the head; an error's head waits for them, since one without a body is given ours.
        is_error = answer.status_code >= 400
        first = next(pieces, b"") if is_error or answer.raw.arrived() else b""
        record.begin(answer.status_code)
        if is_error and not first and record.method != "HEAD":
            problem = _empty_error(answer)
            record.detail = problem.code
            reply.begin_error(problem, answer.status_code, answer.reason, fields)
        else:
            reply.begin(answer.status_code, answer.reason, fields, _length(answer, record.method), first)
            record.answer_bytes += len(first)
            for piece in pieces:
                reply.write(piece)
                record.answer_bytes += len(piece)
        reply.end()
    except TransportError as broken:
        lifeline.check()
        problem = _broken(broken, record)
        if reply.started:
            if field_value(answer.fields, "content-type").lower().startswith("text/event-stream"):
                _say_on_stream(answer, reply, problem)
            reply.break_off()
        raise problem from broken
    finally:
        answer.close()


def _length(answer: Answer, method: str) -> int | None:
    """The length to announce. An answer to HEAD announces what GET would have had, if the worker said it."""
    if method == "HEAD" or answer.status_code == 304:
        told = answer.field("content-length")
        return int(told) if told is not None and told.isascii() and told.isdigit() else None
    return answer.framing.length if answer.framing.kind == "length" else None


def _empty_error(answer: Answer) -> WorkerError:
    status = answer.status_code
    hints = {
        401: "The worker refused the signature. If this goes on, check --autoscaler-url and --instance.",
        404: "The worker has no such route. Which paths there are is decided by the worker's own configuration.",
        405: "The worker has no such route for this method; the official worker knows POST alone.",
        410: "The session is over.",
        429: "The worker's queue is full. Try again in a moment, or let the endpoint have more workers.",
        500: "The model server behind the worker failed. Its log on the worker says why.",
    }
    hint = hints.get(status, "The worker gave no reason. The worker's log may say more.")
    return WorkerError(f"The worker answered {status} without saying why.", hint=hint, status=status)


def _broken(problem: TransportError, record: Record) -> WorkerError:
    message = f"The worker {record.worker} was lost inside its answer: {problem}."
    if isinstance(problem, AnswerLate):
        return AnswerTimeout(message, hint="Raise --idle-timeout if your model is silent for longer than that.")
    return WorkerAnswerBroken(message)


def _say_on_stream(answer: Answer, reply: Reply, problem: WorkerError) -> None:
    """One last event, in the shape on which SDKs raise. What came before it may have stopped inside an event."""
    if answer.framing.kind != "length" and not answer.field("content-encoding"):
        reply.write(b"\n\n" + problem.event())
