"""A client's request, read and found good: what an exchange starts from."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import BadRequest
from ..http1.fields import Fields, field_value, list_items
from ..http1.heads import RequestHead
from .envelope import BODY_METHODS
from .json_body import Payload, check_body

__all__ = ["WorkerRequest"]

# Ollama's own API: its streams are lines of JSON.
_STREAMS_JSON_LINES = re.compile(r"/api/(?:chat|generate|create|pull|push)/?\Z")
_JSON_LINES = ("ndjson", "jsonl", "json-lines", "json-seq", "stream+json")


class WorkerRequest(NamedTuple):
    """What a worker is to be asked. ``cost`` is the text of a JSON number; ``payload`` is JSON, byte for byte as sent."""

    method: str
    target: str
    fields: Fields
    cost: str
    payload: bytes | bytearray
    streams: bool
    """Whether an event stream is asked for: by ``"stream": true``, as in OpenAI's and Anthropic's APIs, or by the target."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @classmethod
    def read(cls, head: RequestHead, cost: str, body: bytes | bytearray) -> WorkerRequest:
        """Raises :class:`BadRequest` where a worker can't be asked this."""
        payload, streams = Payload(b"", streams=False)
        if head.method in BODY_METHODS:
            codings = ", ".join(
                coding for coding in list_items(head.fields, "content-encoding") if coding.lower() != "identity"
            )
            payload, streams = check_body(body, field_value(head.fields, "content-type"), codings)
        elif body:
            raise BadRequest(
                f"A {head.method} request can't carry a body to a worker.",
                hint="Put what it says into the query, or send it with POST.",
            )
        return cls(head.method, head.target, head.fields, cost, payload, _are_events(head, streams))

    def uncoded(self) -> WorkerRequest:
        """The same, for an answer whose body is in no coding such as gzip (RFC 9110, 12.5.3)."""
        others = [(name, value) for name, value in self.fields if name.lower() != "accept-encoding"]
        return self._replace(fields=[*others, ("Accept-Encoding", "identity")])


def _are_events(head: RequestHead, streams: bool) -> bool:
    """Whether the answer will be an event stream; ``streams`` says that the payload has ``"stream": true``."""
    path, _, query = head.target.partition("?")
    if head.method not in BODY_METHODS or _STREAMS_JSON_LINES.search(path):
        return False
    accepted = ",".join(list_items(head.fields, "accept")).lower()
    if any(kind in accepted for kind in _JSON_LINES) and "text/event-stream" not in accepted:
        return False
    return streams or "alt=sse" in query.split("&") or path.rstrip("/").endswith("/generate_stream")
