"""A client's request, read and found good: what an exchange starts from."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BadRequest
from ..http1.fields import Fields, field_value, list_items
from ..http1.heads import RequestHead
from .envelope import BODY_METHODS
from .json_body import Payload, check_body

__all__ = ["WorkerRequest"]


class WorkerRequest(NamedTuple):
    """What a worker is to be asked. ``cost`` is the text of a JSON number; ``payload`` is JSON, byte for byte as sent."""

    method: str
    target: str
    fields: Fields
    cost: str
    payload: bytes | bytearray
    streams: bool
    """Whether the payload asks for an event stream: ``"stream": true``, as in OpenAI's and Anthropic's APIs."""

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
        return cls(head.method, head.target, head.fields, cost, payload, streams)
