"""Bodies of requests, as a worker's envelope takes them. Pure."""

from __future__ import annotations

import json
from typing import Any

from .access import Reason
from .heads import Fields, values_of

__all__ = ["asks_for_stream", "body_reasons", "read_payload"]

BODY_METHODS = ("POST", "PUT", "PATCH")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_payload(method: str, body: bytes) -> bytes | None:
    """The body as a worker gets it; None for a request that has none."""
    if method not in BODY_METHODS:
        return None
    return body.removeprefix(_BYTE_ORDER_MARK) if body else b"{}"


def body_reasons(method: str, body: bytes, fields: Fields, *, own: bool) -> list[Reason]:
    """What is enough for a refusal once the body is there. ``own``: the proxy answers by itself."""
    reasons = []
    expectations = [value.lower() for value in values_of(fields, "expect")]
    if len(expectations) == 1 and expectations[0] not in ("", "100-continue") and body and not own:
        reasons.append(Reason(417, "an expectation nobody can meet"))
    elif expectations not in ([], ["100-continue"]):
        reasons.append(Reason(None, "an odd Expect"))
    if own:
        return reasons
    if method not in BODY_METHODS:
        return [*reasons, Reason(400, "a body that a worker can't get")] if body else reasons
    encodings = [value.lower() for value in values_of(fields, "content-encoding")]
    if len(encodings) > 1:
        reasons.append(Reason(None, "several content codings"))
    elif encodings and encodings[0] not in ("", "identity"):
        reasons.append(Reason(415, "a content coding"))
    return reasons + _json_reasons(body)


def asks_for_stream(payload: bytes | None, target: str) -> bool:
    """Whether a request with that payload is for an event stream."""
    if payload is None:
        return False
    if "alt=sse" in target.partition("?")[2].split("&"):
        return True
    try:
        asked = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(asked, dict) and asked.get("stream") is True


def _json_reasons(body: bytes) -> list[Reason]:
    if not body:
        return []
    try:
        json.loads(body.removeprefix(_BYTE_ORDER_MARK).decode(), parse_constant=_refuse, parse_int=float)
    except RecursionError:
        return [Reason(None, "JSON that is nested deeply")]
    except ValueError:
        return [Reason(400, "no JSON"), Reason(415, "no JSON")]
    return []


def _refuse(name: str) -> Any:
    raise ValueError(name)
