"""What a span says of an exchange: OpenTelemetry's semantic conventions for generative AI (v0.1.0) and for HTTP (v1.45).

A request that a model is to answer is a call of generative AI, whatever the API; any other one is plain HTTP. What the
conventions have no name for begins with ``vespa.``. No body, query, header or text of a model is in any of it.
"""

from __future__ import annotations

from ..journal.record import Record, Retry

__all__ = ["OPERATIONS", "attributes", "error_type", "is_model_call", "retry_attributes", "span_name"]

# "A custom value MAY be used" where none of the well-known ones applies. Which model server runs there is not ours to know.
_PROVIDER = "vast.ai"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
# By the class of the path; Ollama's, by its last part.
_BY_ROUTE = {
    "chat": "chat",
    "responses": "chat",
    "messages": "chat",
    "completions": "text_completion",
    "generate": "text_completion",
    "embeddings": "embeddings",
    "rerank": "rerank",
    "audio": "generate_content",
    "images": "generate_content",
    "videos": "generate_content",
}
_OLLAMA = {"chat": "chat", "generate": "text_completion", "embed": "embeddings", "embeddings": "embeddings"}

OPERATIONS = frozenset({*_BY_ROUTE.values(), *_OLLAMA.values()})
"""What is asked of models, as the conventions call it."""

_Value = str | int | bool


def is_model_call(record: Record) -> bool:
    """Whether a model was to answer: not where the proxy did so itself."""
    return record.method == "POST" and record.outcome != "local" and bool(_operation(record))


def span_name(record: Record) -> str:
    """Low in cardinality, but for the models' names: ``chat my-model``, or as ``GET models``."""
    if is_model_call(record):
        return _whole(f"{_operation(record)} {record.model}".rstrip())
    method = record.method if record.method in _METHODS else "HTTP"
    return method if record.route == "other" else f"{method} {record.route}"


def error_type(record: Record) -> str | None:
    """The code of the proxy's own error, else the worker's status, where the exchange failed; None where it didn't.

    A client that left, or a person who cancelled it, is no failure. A 4xx is one of a call, and none of plain HTTP's server.
    """
    status = record.status or 0
    is_error = record.is_failure or (is_model_call(record) and status >= 400)
    if not is_error or record.outcome in ("left", "cancelled"):
        return None
    return record.problem.code if record.problem else str(status)


def attributes(record: Record, endpoint: str) -> dict[str, _Value]:
    """All of the exchange's; those that aren't known are left out."""
    found = {
        **(_of_call(record) if is_model_call(record) else {"url.scheme": "http"}),
        **_of_http(record),
        "error.type": error_type(record),
        "vespa.request.id": record.request_id,
        "vespa.endpoint": endpoint,
        "vespa.route": record.route,
        "vespa.outcome": record.outcome,
        "vespa.worker": record.worker,
        "vespa.waits": record.waits,
        "vespa.retries": len(record.retries),
        "vespa.tokens_from": record.tokens_from or None,
    }
    return {name: _whole(value) if isinstance(value, str) else value for name, value in found.items() if value is not None}


def retry_attributes(retry: Retry) -> dict[str, _Value]:
    """Those of the event that a worker could not have run the request."""
    return {"vespa.worker": retry.worker, "vespa.retry.kind": retry.kind, "vespa.retry.reason": _whole(retry.reason)}


def _operation(record: Record) -> str:
    if record.route == "ollama":
        return _OLLAMA.get(_last_part(record.path), "")
    return _BY_ROUTE.get(record.route, "")


def _of_call(record: Record) -> dict[str, _Value | None]:
    host, port = _place(record.worker)
    return {
        "gen_ai.operation.name": _operation(record),
        "gen_ai.provider.name": _PROVIDER,
        "gen_ai.request.model": record.model or None,
        "gen_ai.request.stream": True if record.events else None,
        "gen_ai.output.type": _output_type(record),
        "gen_ai.usage.input_tokens": record.tokens_in,
        "gen_ai.usage.output_tokens": record.tokens_out,
        "server.address": host,
        "server.port": port,
    }


def _of_http(record: Record) -> dict[str, _Value | None]:
    known = record.method in _METHODS
    return {
        "http.request.method": record.method if known else "_OTHER",
        "http.request.method_original": None if known else record.method,
        "http.request.body.size": record.request_bytes,
        "http.response.status_code": record.status,
        "http.response.body.size": record.answer_bytes,
        "url.path": record.path,
    }


def _output_type(record: Record) -> str | None:
    if record.route == "images":
        return "image"
    if record.route == "audio":
        return "speech" if _last_part(record.path) == "speech" else "text"
    return None


def _place(worker: str | None) -> tuple[str | None, int | None]:
    """A worker's host and port."""
    host, colon, port = (worker or "").rpartition(":")
    if not colon or not port.isdigit():
        return worker, None
    return host.strip("[]"), int(port)


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _whole(text: str) -> str:
    # JSON from elsewhere can hold half a character (RFC 8259, 8.2), of which no span can be made.
    return text.encode("utf-8", "replace").decode()
