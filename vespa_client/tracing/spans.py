"""A story as spans of OpenTelemetry: one for the exchange, and one below it for each phase that it went through."""

from __future__ import annotations

from itertools import pairwise

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..journal.record import Record
from ..version import __version__
from .conventions import attributes, error_type, is_model_call, retry_attributes, span_name
from .timeline import Story

__all__ = ["Spans"]

_OURS = {SERVICE_NAME: "vespa-client", SERVICE_VERSION: __version__}
_TRACE_CONTEXT = TraceContextTextMapPropagator()


class Spans:
    """Those of one proxy. For one thread.

    The provider is its own, and not the program's: what a host program traces, and how, is as if nobody traced here. Sampler,
    limits and resource are by the SDK's variables.
    """

    def __init__(self, endpoint: str) -> None:
        """``endpoint`` is the name of Vast.ai's endpoint."""
        self._endpoint = endpoint
        self._ended = _Ended()
        # What the environment says of the service goes before what we say of it.
        resource = Resource.create({**_OURS, **OTELResourceDetector().detect().attributes})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("vespa_client", __version__)

    def of(self, story: Story) -> list[ReadableSpan]:
        """The spans of an exchange; none where it isn't sampled, as its client or the SDK's sampler has it."""
        record, turns = story
        span = self._tracer.start_span(
            span_name(record),
            _parent_of(record),
            SpanKind.CLIENT if is_model_call(record) else SpanKind.SERVER,
            attributes(record, self._endpoint),
            start_time=_nanoseconds(record, record.started),
        )
        if span.is_recording():
            self._add_phases(span, story)
            if error_type(record) is not None:
                span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(record, turns[-1].began))
        return self._ended.taken()

    def _add_phases(self, span: Span, story: Story) -> None:
        record = story.record
        inside = set_span_in_context(span, Context())
        for turn, following in pairwise(story.turns):
            began, ended = _nanoseconds(record, turn.began), _nanoseconds(record, following.began)
            self._tracer.start_span(turn.phase, inside, start_time=began).end(ended)
            for retry in record.retries[turn.retries : following.retries]:
                span.add_event("vespa.retry", retry_attributes(retry), ended)


class _Ended(SpanProcessor):
    """Keeps the sampled spans that have ended."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._spans.append(span)

    def taken(self) -> list[ReadableSpan]:
        """Those since the last call."""
        spans, self._spans = self._spans, []
        return spans


def _parent_of(record: Record) -> Context:
    return _TRACE_CONTEXT.extract({"traceparent": record.traceparent, "tracestate": record.tracestate}, Context())


def _nanoseconds(record: Record, moment: float) -> int:
    """A moment of :func:`time.monotonic` as the time of day, as OpenTelemetry counts it."""
    return round(record.started_at * 1e9) + round((moment - record.started) * 1e9)
