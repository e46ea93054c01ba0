"""A client's request, read and found good: what an exchange starts from."""

from __future__ import annotations

import re
from typing import NamedTuple

from .envelope import BODY_METHODS, Payload, check_body
from .errors import BadRequest, BodyTooLarge, MethodNotAllowed, NotFound
from .headers import COST_HEADER, field_value
from .http1 import Fields, Framing, RequestHead, values_of

__all__ = ["METHODS", "OWN_PAGES", "ClientRequest", "check_head", "read_cost", "too_large"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OWN_PAGES = "/_vespa/"
"""Paths below this one are the proxy's own; every other one belongs to the backend."""

DEFAULT_COST = "1.0"
# RFC 8259, 6, without the minus sign.
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class ClientRequest(NamedTuple):
    """What a worker is to be asked. ``cost`` is the text of a JSON number; ``payload`` is JSON, byte for byte as sent."""

    method: str
    target: str
    fields: Fields
    cost: str
    payload: bytes | bytearray
    streams: bool
    """Whether the payload asks for an event stream: ``"stream": true``, as in OpenAI's and Anthropic's APIs."""

    @classmethod
    def read(cls, head: RequestHead, cost: str, body: bytes | bytearray) -> ClientRequest:
        """Raises :class:`BadRequest` where a worker can't be asked this."""
        payload, streams = Payload(b"", streams=False)
        if head.method in BODY_METHODS:
            payload, streams = check_body(
                body, field_value(head.fields, "content-type"), field_value(head.fields, "content-encoding")
            )
        elif body:
            raise BadRequest(
                f"A {head.method} request can't carry a body to a worker.",
                hint="Put what it says into the query, or send it with POST.",
            )
        return cls(head.method, head.target, head.fields, cost, payload, streams)


def check_head(head: RequestHead, framing: Framing, max_body: int) -> str:
    """What can be said before the body is read. Returns the cost. Raises :class:`BadRequest`, :class:`NotFound`."""
    if head.method not in METHODS:
        raise MethodNotAllowed(f"Workers know no method {head.method!r}.", allow=METHODS)
    path = head.target.partition("?")[0]
    if (path + "/").startswith(OWN_PAGES):
        raise NotFound(
            f"The proxy has no page {path}.",
            hint=f"Paths below {OWN_PAGES} are the proxy's own and never reach your endpoint.",
        )
    if framing.length > max_body:
        raise too_large(max_body)
    return read_cost(head.fields)


def too_large(max_body: int) -> BodyTooLarge:
    """The error for a body above ``max_body`` bytes."""
    return BodyTooLarge(f"The body is larger than {max_body} bytes.", hint="Raise the limit with --max-body SIZE.")


def read_cost(fields: Fields) -> str:
    """The workload of ``X-Serverless-Cost``, in the text it came in. Raises :class:`BadRequest`."""
    values = values_of(fields, COST_HEADER)
    if not values:
        return DEFAULT_COST
    value = values[0]
    if len(values) > 1 or not _NUMBER.fullmatch(value) or len(value) > 100 or float(value) == float("inf"):
        raise BadRequest(
            "X-Serverless-Cost takes one number, 0 or more.",
            hint="Send the workload in the units of your endpoint, such as 'X-Serverless-Cost: 500', or leave it out for 1.",
        )
    return value
