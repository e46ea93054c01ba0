"""A worker's chat completion, passed on in the words of the client's dialect, event by event as it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ...dialects import Translation
from ...dialects.chat_error import read_error_body
from ...errors import AnswerNotUnderstood, WorkerFailed
from ...http1.fields import Fields, field_value, values_of
from ...http1.forwarding import answer_fields, describes_body
from ...journal.answer_meter import AnswerMeter, meter_for
from ...journal.record import Record
from ...net.lifeline import ClientGone, Lifeline
from ...outbound.answer import Answer
from ...outbound.failures import AnswerBroken, TransportError
from ...payload.worker_request import WorkerRequest
from ...routing.exchange import WorkerAnswer
from ...routing.missing_routes import is_bare, may_be_bare
from ...routing.worker_errors import answered_after_a_heartbeat, broke_off, gave_no_reason
from ..answer_writer import AnswerWriter, is_event_stream
from ..heartbeats import Heartbeats
from ..relay import noted
from .routes import dialect_of
from .voice import TranslatedVoice

__all__ = ["relay_translated"]

# What a plain answer may have; it is held whole while it is translated.
_LARGEST_ANSWER = 64 * 2**20
_LARGEST_ERROR = 64 * 1024
# How long a stream's end may be waited for when all of it has been said.
_END_SECONDS = 0.02


def relay_translated(
    came: WorkerAnswer,
    translation: Translation,
    request: WorkerRequest,
    writer: AnswerWriter,
    record: Record,
    lifeline: Lifeline,
    heartbeats: Heartbeats,
) -> bytes:
    """Pass the answer on in the words of the dialect of ``request``, which a worker was asked in other words.

    Returns what came first, as :func:`.relay.relay` does.

    Raises :class:`WorkerError` where the answer breaks off, isn't understood, or can't follow what a heartbeat has begun, and
    :class:`ClientGone`; the client's side is left as it is then, for :meth:`AnswerWriter.fail`.
    """
    try:
        if came.answer.status_code >= 400:
            return _pass_error(came, translation, request, writer, record)
        if translation.streams:
            return _pass_stream(came.answer, writer, record, heartbeats)
        return _pass_plain(came.answer, translation, writer, record)
    except TransportError as broken:
        lifeline.check()
        raise broke_off(broken, came.worker) from broken
    finally:
        came.answer.close()


def _pass_error(
    came: WorkerAnswer, translation: Translation, request: WorkerRequest, writer: AnswerWriter, record: Record
) -> bytes:
    answer, status = came.answer, came.answer.status_code
    said = b""
    with contextlib.suppress(AnswerBroken):  # words in a coding that nobody knows are none
        said = _read(answer, _LARGEST_ERROR).strip()
    text = said.decode("utf-8", "replace")
    if not said or (may_be_bare(status, answer.fields, translation.target) and is_bare(text, translation.target)):
        problem = gave_no_reason(status, request.method, translation.target, retried=came.retried)
        if writer.started:
            raise problem
        record.begin(status)
        record.tell(noted(problem, record))
        record.answer_bytes += writer.begin_error(problem, status, answer.reason, _fields(answer))
    else:
        if writer.started:
            raise answered_after_a_heartbeat(status, read_error_body(status, said).message)
        record.begin(status)
        dialect = dialect_of(request.path)
        assert dialect is not None
        body = dialect.worker_error(status, said)
        fields = [*_fields(answer), ("Content-Type", "application/json")]
        if came.retried and not values_of(fields, "x-should-retry"):
            fields.append(("x-should-retry", "false"))
        writer.begin(status, answer.reason, fields, len(body), body)
        record.answer_bytes += len(body)
    writer.end()
    return b""


def _pass_plain(answer: Answer, translation: Translation, writer: AnswerWriter, record: Record) -> bytes:
    said = _read_whole(answer)
    body = translation.answer(said)
    record.begin(200)
    writer.begin(200, "OK", [*_fields(answer), ("Content-Type", "application/json")], len(body), body)
    meter = meter_for(record, "application/json", "")
    meter.passed(said, len(body))
    meter.end()
    writer.end()
    return said


def _pass_stream(answer: Answer, writer: AnswerWriter, record: Record, heartbeats: Heartbeats) -> bytes:
    voice = writer.voice
    assert isinstance(voice, TranslatedVoice)
    stream = voice.stream
    meter = meter_for(record, field_value(answer.fields, "content-type"), "")
    say = _Saying(voice, writer, record, meter)
    head = [*_fields(answer), ("Content-Type", stream.content_type)]
    if not values_of(head, "cache-control"):
        head.append(("Cache-Control", "no-cache"))
    record.begin(200)
    try:
        if not is_event_stream(answer.fields):
            # A backend that doesn't stream has the whole completion in one piece.
            with heartbeats.beating(writer):
                first = _read_whole(answer)
            say(stream.feed_completion, first, head)
            pieces: Iterator[bytes] = iter(())
        else:
            pieces = answer.uncoded(answer.iter_content(chunk_size=None))
            first = next(pieces, b"") if answer.raw.arrived() else b""
            say(stream.feed, first, head)
        with heartbeats.beating(writer):
            while not stream.is_over and (piece := next(pieces, b"")):
                first = first or piece
                say(stream.feed, piece)
            say(lambda nothing: stream.end())
    finally:
        if stream.usage is not None:
            record.take_tokens(stream.usage.input, stream.usage.output, "usage")
        meter.end()
    failure = stream.failure
    if failure is not None:
        # It is said already; what follows has to break off visibly.
        raise WorkerFailed(f"The worker failed inside its answer: {failure.message}", status=failure.status)
    # Some clients have read enough with the closing event, and leave at once.
    with contextlib.suppress(ClientGone):
        writer.end()
    _take_end(answer, pieces)
    return first


def _read_whole(answer: Answer) -> bytes:
    """The body. Raises :class:`AnswerNotUnderstood` where it is too large to be held."""
    said = _read(answer, _LARGEST_ANSWER)
    if len(said) > _LARGEST_ANSWER:
        raise AnswerNotUnderstood(f"The worker's answer is larger than {_LARGEST_ANSWER >> 20} MiB.")
    return said


def _read(answer: Answer, limit: int) -> bytes:
    """The body in no content coding, as soon as it is whole or above the limit."""
    said = bytearray()
    for piece in answer.uncoded(answer.iter_content(chunk_size=None)):
        said += piece
        if len(said) > limit:
            break
    return bytes(said)


def _take_end(answer: Answer, pieces: Iterator[bytes]) -> None:
    """Read what frames the body's end, behind the last event, if it comes at once: then the connection serves again."""
    answer.raw.limit(_END_SECONDS)
    with contextlib.suppress(TransportError):
        next(pieces, None)


class _Saying:
    """Writes what a stream's translator makes of what has come. Nobody else has the translator speak meanwhile."""

    def __init__(self, voice: TranslatedVoice, writer: AnswerWriter, record: Record, meter: AnswerMeter) -> None:
        self._voice = voice
        self._writer = writer
        self._record = record
        self._meter = meter

    def __call__(self, step: Callable[[bytes], bytes], came: bytes = b"", head: Fields | None = None) -> None:
        """``head`` are the headers, in front of what is said first, unless a heartbeat has begun the answer."""
        with self._voice.lock:
            fault = None
            try:
                events = step(came)
            except AnswerNotUnderstood as problem:
                fault, events = problem, problem.translated
            if head is not None and not self._writer.started:
                self._writer.begin(200, "OK", head, None, events)
            else:
                self._writer.write(events)
            if came:
                self._meter.passed(came, len(events))
            else:
                self._record.answer_bytes += len(events)
            if fault is not None:
                raise fault


def _fields(answer: Answer) -> Fields:
    # What a worker said of its own words doesn't hold for ours.
    return [(name, value) for name, value in answer_fields(answer.fields) if not describes_body(name)]
