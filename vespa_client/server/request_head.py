"""What can be said of a request by its head alone."""

from __future__ import annotations

import re

from ..errors import BodyTooLarge, MethodNotAllowed
from ..http1.fields import ReceivedFields, field_value, list_items
from ..http1.framing import Framing
from ..http1.heads import RequestHead
from ..payload.cost import read_cost
from ..payload.upload_routes import MAX_UPLOAD, takes_upload, upload_too_large
from ..settings.table import Settings

__all__ = ["METHODS", "OWN_PAGES", "check_head", "is_own_page", "too_large", "trace_context"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OWN_PAGES = "/_vespa/"
"""Paths below this one are the proxy's own; every other one belongs to the backend."""

_IDS_AND_FLAGS = r"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# A version to come may have more behind the flags; ff is none.
_TRACEPARENT = rf"00-{_IDS_AND_FLAGS}|(?!00|ff)[0-9a-f]{{2}}-{_IDS_AND_FLAGS}(?:-.*)?"
# A member of tracestate: a vendor's key, or a tenant's at a vendor, and an opaque value (W3C Trace Context, 3.3.1.3).
_VENDOR = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_MEMBER = rf"(?:{_VENDOR})=[ -+\--<>-~]{{0,255}}[!-+\--<>-~]"
_MOST_MEMBERS = 32
# What everybody must be able to pass on (3.3.1.5); more than that is no trace's state.
_LONGEST_STATE = 512


def check_head(head: RequestHead, framing: Framing, settings: Settings) -> str:
    """What can be said before the body is read. Returns the cost. Raises :class:`BadRequest`."""
    if head.method not in METHODS:
        raise MethodNotAllowed(f"Workers know no method {head.method!r}.", allow=METHODS)
    if framing.length > settings.max_body:
        raise too_large(settings.max_body)
    if framing.length > MAX_UPLOAD and _is_upload(head, settings):
        raise upload_too_large()
    return read_cost(head.fields, settings.cost)


def _is_upload(head: RequestHead, settings: Settings) -> bool:
    # JSON that is called a form by mistake, as curl -d does, may be larger.
    content_type = field_value(head.fields, "content-type")
    is_for_sure = content_type.strip().lower().startswith("multipart/")
    return is_for_sure and takes_upload(head.path, content_type, general_rule=settings.multipart == "json")


def is_own_page(path: str) -> bool:
    """Whether a path, without its query, is one of the proxy's own pages, or would be if there were such a page."""
    return f"{path}/".startswith(OWN_PAGES)


def trace_context(fields: ReceivedFields) -> tuple[str, str]:
    """``traceparent``, the trace and the span that the client says its request is part of, and ``tracestate``, what tracing
    systems have added to that (W3C Trace Context, 3.2 and 3.3). Each is empty if it isn't valid, the second with the first.
    """
    told = fields.by_name.get("traceparent")
    if not told or not re.fullmatch(_TRACEPARENT, told[0]):
        return "", ""
    members = list_items(fields, "tracestate")
    keys = {member.partition("=")[0] for member in members}
    state = ",".join(members)
    is_valid = len(keys) == len(members) <= _MOST_MEMBERS and len(state) <= _LONGEST_STATE
    return told[0], state if is_valid and all(re.fullmatch(_MEMBER, member) for member in members) else ""


def too_large(max_body: int) -> BodyTooLarge:
    """The error for a body above ``max_body`` bytes."""
    return BodyTooLarge(f"The body is larger than {max_body} bytes.", hint="Raise the limit with --max-body SIZE.")
