"""Spans on their way to a collector, by OpenTelemetry's exporter for OTLP over HTTP.

A thread makes and sends them, some at a time: an exchange's own thread leaves its story, and goes on. It does the work of the
SDK's batch processor, whose variables it hears. That one would start a thread in every forked child, let ``VastClient.stop``
wait half a minute for a collector that hangs, and have requests wait while spans are made.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator

from opentelemetry import context as otel_context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from ..journal.log import log
from ..journal.totals import Totals
from ..outbound.session import Session
from .spans import Spans
from .timeline import Story, Timeline

__all__ = ["Export"]

# How long the end waits for the collector; then for a look-up of its name, which can't be called off.
_FLUSH_SECONDS = 3.0
_JOIN_SECONDS = 2.0
# Of this process's proxies that are traced: a trace that went there would be a request for a GPU, and the next one's cause.
_own_ports: set[int] = set()


class Export:
    """One proxy's traces, on their way."""

    def __init__(self, totals: Totals, endpoint: str, port: int) -> None:
        """``totals`` is where exchanges are noted, ``endpoint`` whom they are for, and ``port`` the proxy's own."""
        self._totals = totals
        self._port = port
        self._spans = Spans(endpoint)
        self._session = Session(_own_ports)
        self._exporter = OTLPSpanExporter(session=self._session)
        most = _positive("OTEL_BSP_MAX_QUEUE_SIZE", 2048)
        self._stories: deque[Story] = deque(maxlen=most)
        self._batch = min(_positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512), most)
        self._pause = _positive("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000
        self._wanted = threading.Event()
        self._ending = False
        self._has_complained = False
        self._thread = threading.Thread(target=self._run, name="vespa-traces", daemon=True)

    def start(self) -> None:
        """Trace what comes from now on."""
        _own_ports.add(self._port)
        self._thread.start()
        self._forget = self._totals.watch(Timeline(self._take))

    def close(self) -> None:
        """Trace no more; send what is left, within bounds, and end the thread."""
        self._forget()
        self._ending = True
        self._wanted.set()
        self._thread.join(_FLUSH_SECONDS)
        self._session.cut()
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        self._thread.join(_JOIN_SECONDS)
        _own_ports.discard(self._port)

    def _take(self, story: Story) -> None:
        """Send it, some time. For any thread; nobody waits. Where the collector is too slow, the oldest are dropped."""
        if len(self._stories) == self._stories.maxlen:
            self._complain("it takes fewer than there are")
        self._stories.append(story)
        if len(self._stories) >= self._batch:
            self._wanted.set()

    def _run(self) -> None:
        # The host program may trace requests and urllib3 for itself: this is what its instrumentation goes by.
        otel_context.attach(otel_context.set_value("suppress_instrumentation", True))
        with _quiet():
            is_last = False
            while not is_last:
                self._wanted.wait(self._pause)
                self._wanted.clear()
                # Before a look at the stories: all that came before the end are sent.
                is_last = self._ending
                self._send()

    def _send(self) -> None:
        while self._stories:
            spans: list[ReadableSpan] = []
            while self._stories and len(spans) < self._batch:
                spans += self._spans.of(self._stories.popleft())
            if spans:
                self._send_batch(spans)

    def _send_batch(self, spans: list[ReadableSpan]) -> None:
        try:
            delivered = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as problem:  # noqa: BLE001 - whatever another release of theirs raises costs these spans alone
            delivered = False
            log.debug("Spans were not sent: %s", type(problem).__name__)
        if not delivered:
            self._complain(self._session.trouble or "they can't be sent")

    def _complain(self, reason: str) -> None:
        """Say once what is wrong: a collector that is down is no reason for a line every five seconds."""
        level = logging.DEBUG if self._has_complained else logging.WARNING
        self._has_complained = True
        log.log(level, "The collector doesn't get all traces: %s. Requests go on without.", reason)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """As long as the block runs, the exporter's log has nothing of what this thread does. A host program's own goes on."""
    here = threading.get_ident()
    logger = logging.getLogger(OTLPSpanExporter.__module__)

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != here

    logger.addFilter(is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(is_of_others)


def _positive(variable: str, default: int) -> int:
    """What a variable of the SDK's says; what isn't a positive number counts as nothing."""
    said = os.environ.get(variable, "").strip()
    return int(said) if said.isascii() and said.isdigit() and int(said) else default
