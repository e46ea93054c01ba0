"""What can be said of a request by its head alone."""

from __future__ import annotations

from ..errors import BodyTooLarge, MethodNotAllowed, NotFound
from ..http1.framing import Framing
from ..http1.heads import RequestHead
from ..payload.cost import read_cost

__all__ = ["METHODS", "OWN_PAGES", "check_head", "too_large"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OWN_PAGES = "/_vespa/"
"""Paths below this one are the proxy's own; every other one belongs to the backend."""


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
