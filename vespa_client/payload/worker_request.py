"""A client's request, read and found good: what an exchange starts from."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import BadRequest
from ..http1.codings import codings_of
from ..http1.fields import Fields, field_value
from ..http1.heads import RequestHead
from .cost import AUTO
from .envelope import BODY_METHODS
from .json_body import check_body
from .upload_routes import takes_upload

__all__ = ["WorkerRequest"]

# Ollama's own API: its streams are lines of JSON.
_STREAMS_JSON_LINES = re.compile(r"/api/(?:chat|generate|create|pull|push)/?\Z")
_JSON_LINES = re.compile(r"ndjson|jsonl|json-lines|json-seq|stream\+json")


class WorkerRequest(NamedTuple):
    """What a worker is to be asked."""

    method: str
    target: str
    fields: Fields
    cost: str
    """The text of a JSON number."""
    payload: tuple[bytes | bytearray, ...] = ()
    """JSON in pieces, byte for byte as sent."""
    streams: bool = False
    """Whether an event stream is asked for: by ``"stream": true``, as in OpenAI's and Anthropic's APIs, or by the target."""
    model: str = ""
    """The model that the payload names; empty where that isn't known."""
    cost_is_estimated: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @classmethod
    def read(
        cls, head: RequestHead, cost: str, body: bytes | bytearray, *, any_form_becomes_json: bool = False
    ) -> WorkerRequest:
        """``cost`` may be :data:`AUTO`. Raises :class:`BadRequest` where a worker can't be asked this.

        A form with files becomes JSON on the routes that are known to take files, and on others by ``any_form_becomes_json``.
        """
        if head.method not in BODY_METHODS:
            if body:
                raise BadRequest(
                    f"A {head.method} request can't carry a body to a worker.",
                    hint="Put what it says into the query, or send it with POST.",
                )
            return cls(head.method, head.target, head.fields, cost, streams=_are_events(head, False))._estimated(b"")
        content_type = field_value(head.fields, "content-type")
        content_encoding = ", ".join(codings_of(head.fields))
        path = head.path
        if takes_upload(path, content_type, content_encoding, general_rule=any_form_becomes_json):
            from .cost_estimate import estimate_cost
            from .upload import payload_of_upload

            upload = payload_of_upload(path, content_type, body, general_rule=any_form_becomes_json)
            if upload is not None:
                estimated = estimate_cost(path, upload.values) if cost == AUTO else cost
                streams, model = _are_events(head, upload.streams), upload.values.get("model")
                name = model if isinstance(model, str) else ""
                return cls(head.method, head.target, head.fields, estimated, upload.pieces, streams, name, cost == AUTO)
        checked = check_body(body, content_type, content_encoding)
        streams = _are_events(head, checked.streams)
        asked = cls(head.method, head.target, head.fields, cost, (checked.json,), streams, checked.model)
        return asked._estimated(checked.json)

    def translated(self, target: str, body: bytes, *, streams: bool) -> WorkerRequest:
        """The same request in other words. An estimated cost is that of those words."""
        cost = AUTO if self.cost_is_estimated else self.cost
        said = self._replace(target=target, payload=(body,), streams=streams, cost=cost)
        # What is translated has to be read.
        return said.uncoded()._estimated(body)

    def uncoded(self) -> WorkerRequest:
        """The same, for an answer whose body is in no coding such as gzip (RFC 9110, 12.5.3)."""
        others = [(name, value) for name, value in self.fields if name.lower() != "accept-encoding"]
        return self._replace(fields=[*others, ("Accept-Encoding", "identity")])

    def _estimated(self, body: bytes | bytearray) -> WorkerRequest:
        if self.cost != AUTO:
            return self
        from .cost_estimate import estimate_cost_of_body

        return self._replace(cost=estimate_cost_of_body(self.path, body or b"{}"), cost_is_estimated=True)


def _are_events(head: RequestHead, streams: bool) -> bool:
    """Whether the answer will be an event stream; ``streams`` says that the payload has ``"stream": true``."""
    path, _, query = head.target.partition("?")
    if head.method not in BODY_METHODS or _STREAMS_JSON_LINES.search(path):
        return False
    accepted = ",".join(head.fields.by_name.get("accept", ())).lower()
    if _JSON_LINES.search(accepted) and "text/event-stream" not in accepted:
        return False
    return streams or "alt=sse" in query.split("&") or path.rstrip("/").endswith("/generate_stream")
