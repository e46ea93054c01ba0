"""What can be said of a request by its head alone."""

from __future__ import annotations

from ..errors import BodyTooLarge, MethodNotAllowed, NotFound
from ..http1.fields import field_value
from ..http1.framing import Framing
from ..http1.heads import RequestHead
from ..payload.cost import read_cost
from ..payload.upload import MAX_UPLOAD, takes_upload, upload_too_large
from ..settings.table import Settings

__all__ = ["METHODS", "OWN_PAGES", "check_head", "too_large"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OWN_PAGES = "/_vespa/"
"""Paths below this one are the proxy's own; every other one belongs to the backend."""


def check_head(head: RequestHead, framing: Framing, settings: Settings) -> str:
    """What can be said before the body is read. Returns the cost. Raises :class:`BadRequest`, :class:`NotFound`."""
    if head.method not in METHODS:
        raise MethodNotAllowed(f"Workers know no method {head.method!r}.", allow=METHODS)
    path = head.target.partition("?")[0]
    if (path + "/").startswith(OWN_PAGES):
        raise NotFound(
            f"The proxy has no page {path}.",
            hint=f"Paths below {OWN_PAGES} are the proxy's own and never reach your endpoint.",
        )
    if framing.length > settings.max_body:
        raise too_large(settings.max_body)
    if framing.length > MAX_UPLOAD and _is_upload(head, path, settings):
        raise upload_too_large()
    return read_cost(head.fields, settings.cost)


def _is_upload(head: RequestHead, path: str, settings: Settings) -> bool:
    # JSON that is called a form by mistake, as curl -d does, may be larger.
    content_type = field_value(head.fields, "content-type")
    is_for_sure = content_type.strip().lower().startswith("multipart/")
    return is_for_sure and takes_upload(path, content_type, general_rule=settings.multipart == "json")


def too_large(max_body: int) -> BodyTooLarge:
    """The error for a body above ``max_body`` bytes."""
    return BodyTooLarge(f"The body is larger than {max_body} bytes.", hint="Raise the limit with --max-body SIZE.")
