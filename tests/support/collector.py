"""A collector of traces on loopback, which speaks OTLP over HTTP as a real one does."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

__all__ = ["Collector", "Export", "SpanSeen"]

_KINDS = {1: "internal", 2: "server", 3: "client"}


class SpanSeen(NamedTuple):
    """A span as it came. Ids are hexadecimal, times nanoseconds since 1970; ``events`` are names, times and attributes."""

    name: str
    kind: str
    trace_id: str
    id: str
    parent: str
    trace_state: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[tuple[str, int, dict[str, Any]]]
    is_error: bool
    resource: dict[str, Any]


class Export(NamedTuple):
    """One request of an exporter."""

    path: str
    headers: dict[str, str]
    body: bytes


class Collector:
    """Listens on a free port. ``status`` is what it answers with, and while ``holds`` is set, nothing comes of a request."""

    def __init__(self) -> None:
        self.exports: list[Export] = []
        self.spans: list[SpanSeen] = []
        self.status = 200
        self.holds = False
        self._came = threading.Condition()  # guards exports and spans; told of each request
        self._over = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._take(Export(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                if collector.holds:
                    collector._over.wait()
                    return
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for_exports(self, count: int, seconds: float = 10.0) -> None:
        """Return when so many requests have come. Fails the test if they don't."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.exports) >= count, seconds), f"{len(self.exports)} exports came"

    @property
    def roots(self) -> list[SpanSeen]:
        """The spans of exchanges, in the order in which they began."""
        ids = {span.id for span in self.spans}
        return sorted((span for span in self.spans if span.parent not in ids), key=lambda span: span.start)

    def phases(self, root: SpanSeen) -> list[SpanSeen]:
        """The spans below it, in the order in which they began."""
        return sorted((span for span in self.spans if span.parent == root.id), key=lambda span: (span.start, span.end))

    def _take(self, export: Export) -> None:
        raw = gzip.decompress(export.body) if export.headers.get("content-encoding") == "gzip" else export.body
        request = ExportTraceServiceRequest.FromString(raw)
        with self._came:
            self.exports.append(export)
            for of_resource in request.resource_spans:
                resource = _read(of_resource.resource.attributes)
                for of_scope in of_resource.scope_spans:
                    self.spans += [_seen(span, resource) for span in of_scope.spans]
            self._came.notify_all()


def _seen(span: Any, resource: dict[str, Any]) -> SpanSeen:
    return SpanSeen(
        span.name,
        _KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_state,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _read(span.attributes),
        [(event.name, event.time_unix_nano, _read(event.attributes)) for event in span.events],
        span.status.code == 2,
        resource,
    )


def _read(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
