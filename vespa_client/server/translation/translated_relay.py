"""A worker's chat completion, passed on in the words of the client's dialect, event by event as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...dialects import Translation
from ...errors import AnswerNotUnderstood, WorkerFailed
from ...http1.fields import Fields, field_value
from ...http1.forwarding import answer_fields
from ...journal.record import Record
from ...net.lifeline import Lifeline
from ...outbound.answer import Answer
from ...outbound.failures import TransportError
from ...routing.exchange import WorkerAnswer
from ...routing.worker_errors import answered_after_a_heartbeat, broke_off, gave_no_reason
from ..answer_writer import AnswerWriter
from ..heartbeats import Heartbeats
from .routes import dialect_of
from .voice import TranslatedVoice

__all__ = ["relay_translated"]

# What a plain answer may have; it is held whole while it is translated.
_LARGEST_ANSWER = 64 * 2**20
_LARGEST_ERROR = 64 * 1024
# What a worker said of its own words doesn't hold for ours.
_ABOUT_THE_BODY = ("content-type", "content-encoding", "content-language", "content-md5", "digest", "etag", "last-modified")


def relay_translated(
    came: WorkerAnswer,
    translation: Translation,
    path: str,
    writer: AnswerWriter,
    record: Record,
    lifeline: Lifeline,
    heartbeats: Heartbeats,
) -> bytes:
    """Pass the answer on in the words of ``path``'s dialect. Returns what came first, as :func:`.relay.relay` does.

    Raises :class:`WorkerError` where the answer breaks off, isn't understood, or can't follow what a heartbeat has begun, and
    :class:`ClientGone`; the client's side is left as it is then, for :meth:`AnswerWriter.fail`.
    """
    try:
        if came.answer.status_code >= 400:
            return _pass_error(came, path, writer, record)
        _check_coding(came.answer)
        if translation.streams:
            return _pass_stream(came.answer, writer, record, heartbeats)
        return _pass_plain(came.answer, translation, writer, record)
    except TransportError as broken:
        lifeline.check()
        raise broke_off(broken, came.worker) from broken
    finally:
        came.answer.close()


def _pass_error(came: WorkerAnswer, path: str, writer: AnswerWriter, record: Record) -> bytes:
    answer = came.answer
    said = answer.read(_LARGEST_ERROR)
    if writer.started:
        raise answered_after_a_heartbeat(answer.status_code, said.decode("utf-8", "replace").strip(), retried=came.retried)
    record.begin(answer.status_code)
    if not said:
        problem = gave_no_reason(answer.status_code, retried=came.retried)
        record.detail = problem.code
        writer.begin_error(problem, answer.status_code, answer.reason, _fields(answer))
    else:
        dialect = dialect_of(path)
        assert dialect is not None
        body = dialect.worker_error(answer.status_code, said)
        fields = [*_fields(answer), ("Content-Type", "application/json")]
        writer.begin(answer.status_code, answer.reason, fields, len(body), body)
        record.answer_bytes += len(body)
    writer.end()
    return b""


def _pass_plain(answer: Answer, translation: Translation, writer: AnswerWriter, record: Record) -> bytes:
    said = answer.read(_LARGEST_ANSWER + 1)
    if len(said) > _LARGEST_ANSWER:
        raise AnswerNotUnderstood(f"The worker's answer is larger than {_LARGEST_ANSWER >> 20} MiB.")
    body = translation.answer(said)
    record.begin(200)
    writer.begin(200, "OK", [*_fields(answer), ("Content-Type", "application/json")], len(body), body)
    record.answer_bytes += len(body)
    writer.end()
    return said


def _pass_stream(answer: Answer, writer: AnswerWriter, record: Record, heartbeats: Heartbeats) -> bytes:
    voice = writer.voice
    assert isinstance(voice, TranslatedVoice)
    stream = voice.stream
    if field_value(answer.fields, "content-type").lower().startswith("text/event-stream"):
        pieces: Iterator[bytes] = answer.iter_content(chunk_size=None)
        feed: Callable[[bytes], bytes] = stream.feed
        first = next(pieces, b"") if answer.raw.arrived() else b""
    else:
        # A backend that doesn't stream has the whole completion in one piece.
        pieces, feed = iter(()), stream.feed_completion
        first = answer.read(_LARGEST_ANSWER)
    say = _Saying(voice, writer, record)
    record.begin(200)
    say(feed, first, head=[*_fields(answer), ("Content-Type", stream.content_type), ("Cache-Control", "no-cache")])
    with heartbeats.beating(writer):
        for piece in pieces:
            first = first or piece
            say(feed, piece)
            if stream.failed or stream.finished:
                break
        say(lambda nothing: stream.end())
    failure = stream.failure
    if failure is not None:
        # It is said already; what follows has to break off visibly.
        raise WorkerFailed(f"The worker failed inside its answer: {failure.message}", status=failure.status)
    writer.end()
    return first


class _Saying:
    """Writes what a stream's translator makes of what has come. Nobody else has the translator speak meanwhile."""

    def __init__(self, voice: TranslatedVoice, writer: AnswerWriter, record: Record) -> None:
        self._voice = voice
        self._writer = writer
        self._record = record

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
            self._record.answer_bytes += len(events)
            if fault is not None:
                raise fault


def _check_coding(answer: Answer) -> None:
    coding = field_value(answer.fields, "content-encoding").strip().lower()
    if coding not in ("", "identity"):
        raise AnswerNotUnderstood(
            f"The worker's answer is coded ({coding}), though none was asked for, and can't be translated.",
            hint="Have the model server send its answers uncompressed.",
        )


def _fields(answer: Answer) -> Fields:
    return [(name, value) for name, value in answer_fields(answer.fields) if name.lower() not in _ABOUT_THE_BODY]
