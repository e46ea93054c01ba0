"""A worker's answer, passed on as it arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .errors import AnswerTimeout, WorkerAnswerBroken, WorkerError, WorkerFailed
from .headers import answer_fields, field_value
from .http1 import MessageError, length_of
from .lifeline import Lifeline
from .record import Record
from .reply import Reply
from .transport import Answer, AnswerLate, TransportError

__all__ = ["relay"]

# How much of an error's text is quoted where it can't be passed on as it came, in bytes.
_QUOTED = 2000


def relay(answer: Answer, reply: Reply, record: Record, lifeline: Lifeline) -> None:
    """Pass the answer on: status, headers, and the body in the pieces that come.

    Raises :class:`WorkerError` where the answer breaks off, or can't follow what a heartbeat has begun; the client's side
    is left as it is then, for :meth:`Reply.fail`. Raises :class:`ClientGone` if the client hangs up.
    """
    try:
        if reply.status_is_spent:
            _continue_stream(answer, reply, record)
        else:
            _pass_on(answer, reply, record)
    except TransportError as broken:
        lifeline.check()
        raise _broken(broken, record) from broken
    finally:
        answer.close()


def _pass_on(answer: Answer, reply: Reply, record: Record) -> None:
    fields = answer_fields(answer.fields)
    pieces: Iterator[bytes] = answer.iter_content(chunk_size=None)
    # Bytes that are here go out with the head; an error's head waits for them, since one without a body is given ours.
    is_error = answer.status_code >= 400
    first = next(pieces, b"") if is_error or answer.raw.arrived() else b""
    record.begin(answer.status_code)
    if is_error and not first and record.method != "HEAD":
        problem = _empty_error(answer, record)
        record.detail = problem.code
        reply.begin_error(problem, answer.status_code, answer.reason, fields)
    else:
        if is_error and record.retries and answer.field("x-should-retry") is None:
            fields.append(("x-should-retry", "false"))
        reply.begin(answer.status_code, answer.reason, fields, _length(answer, record.method), first)
        record.answer_bytes += len(first)
        _pass_body(pieces, reply, record)
    reply.end()


def _continue_stream(answer: Answer, reply: Reply, record: Record) -> None:
    """The answer to a client that has been given an event stream's head already."""
    record.begin(200)
    if answer.status_code >= 400:
        said = answer.read(_QUOTED).decode("utf-8", "replace").strip()
        message = f"The worker answered {answer.status_code}: {said}" if said else _empty_error(answer, record).message
        raise WorkerFailed(message, status=answer.status_code, hint=_hint(answer.status_code))
    if not field_value(answer.fields, "content-type").lower().startswith("text/event-stream"):
        raise WorkerError(
            "The worker's answer is no event stream, and a heartbeat had begun one.",
            hint='Send the request without --heartbeat, or without "stream": true.',
        )
    _pass_body(answer.iter_content(chunk_size=None), reply, record)
    reply.end()


def _pass_body(pieces: Iterator[bytes], reply: Reply, record: Record) -> None:
    for piece in pieces:
        reply.write(piece)
        record.answer_bytes += len(piece)


def _length(answer: Answer, method: str) -> int | None:
    """The length to announce. An answer to HEAD announces what GET would have had, if the worker said it."""
    if method == "HEAD" or answer.status_code == 304:
        with contextlib.suppress(MessageError):
            return length_of(answer.field("content-length") or "")
        return None
    return answer.framing.length if answer.framing.kind == "length" else None


def _empty_error(answer: Answer, record: Record) -> WorkerError:
    status = answer.status_code
    return WorkerFailed(
        f"The worker answered {status} without saying why.", hint=_hint(status), status=status, retried=record.retries > 0
    )


_HINTS = {
    401: "The worker refused the signature. If this goes on, check --autoscaler-url and --instance.",
    404: "The worker has no such route. Which paths there are is decided by the worker's own configuration.",
    405: "The worker has no such route for this method; the official worker knows POST alone.",
    410: "The session is over.",
    429: "The worker's queue is full. Try again in a moment, or let the endpoint have more workers.",
    500: "The model server behind the worker failed. Its log on the worker says why.",
}


def _hint(status: int) -> str:
    return _HINTS.get(status, "The worker gave no reason. The worker's log may say more.")


def _broken(problem: TransportError, record: Record) -> WorkerError:
    message = f"The worker {record.worker} was lost inside its answer: {problem}."
    if isinstance(problem, AnswerLate):
        return AnswerTimeout(message, hint="Raise --idle-timeout if your model is silent for longer than that.")
    return WorkerAnswerBroken(message)
