"""What arrived at the autoscaler or at a worker: one request, read more strictly than any server would. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .heads import Fields, Malformed, is_token, read_lines, values_of
from .marks import Mark, marks_in

__all__ = ["AUTH_FIELDS", "Arrival", "NotOurs", "expected_length", "parse_json", "read_arrival"]

AUTH_FIELDS = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")
_ENVELOPE_BEGIN = '{"auth_data": '
_ENVELOPE_MIDDLE = ', "payload": '
_QUERY = "serverless_"


class NotOurs(Exception):
    """Something that the proxy must not have sent."""


@dataclass
class Arrival:
    """``raw`` is all of it. ``target``, ``payload`` and ``fields`` are without what the proxy has to add."""

    raw: bytes
    method: str
    target: str
    fields: Fields
    payload: bytes | None
    auth: dict[str, Any] | None
    """The assignment: values as JSON has them, numbers as ``("number", text)``. Of a query, each value's text."""
    number: int = 0
    marks: set[Mark] = field(default_factory=set)


def parse_json(text: str) -> Any:
    """JSON, each number as ``("number", text)``, and what Python takes for one as ``("constant", text)``.

    Raises ValueError, RecursionError.
    """
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_constant)


def expected_length(head: bytes, names: tuple[str, ...]) -> tuple[list[str], Fields, int]:
    """The start line's parts, the fields, and how long the body is. Raises :class:`NotOurs`."""
    try:
        start, fields, _ = read_lines(head)
    except Malformed as problem:
        raise NotOurs(problem.args[0]) from None
    parts = start.decode("latin-1").split(" ")
    if len(parts) != 3 or not is_token(parts[0].encode("latin-1")) or parts[2] != "HTTP/1.1":
        raise NotOurs("its request line is none")
    if not re.fullmatch(r"/[!-~]*|\*", parts[1]):
        raise NotOurs("its target is none")
    hosts = values_of(fields, "host")
    if len(hosts) != 1 or hosts[0].lower() not in names:
        raise NotOurs("its Host is another one")
    lengths = values_of(fields, "content-length")
    if values_of(fields, "transfer-encoding") or len(lengths) > 1 or not all(re.fullmatch("[0-9]+", one) for one in lengths):
        raise NotOurs("its framing can be read in two ways")
    if bool(lengths) != (parts[0] in ("POST", "PUT", "PATCH")):
        raise NotOurs("it has a length and shouldn't, or the other way round")
    return parts, fields, int(lengths[0]) if lengths else 0


def read_arrival(head: bytes, parts: list[str], fields: Fields, body: bytes, *, signed: bool) -> Arrival:
    """A whole request. ``signed``: a worker got it, so that the assignment is in it. Raises :class:`NotOurs`."""
    raw = head + b"\r\n\r\n" + body
    kept = [(name, value) for name, value in fields if name.lower() not in ("host", "content-length")]
    arrival = Arrival(raw, parts[0], parts[1], kept, None, None, marks=marks_in(raw))
    if not signed:
        arrival.payload = body
    elif parts[0] in ("POST", "PUT", "PATCH"):
        arrival.auth, arrival.payload = _open_envelope(body)
    else:
        arrival.target, arrival.auth = _open_target(parts[1])
    return arrival


def _open_envelope(body: bytes) -> tuple[dict[str, Any] | None, bytes]:
    text = body.decode("latin-1")
    if not text.startswith(_ENVELOPE_BEGIN) or not text.endswith("}"):
        raise NotOurs("its body is no envelope")
    decoder = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_constant)
    try:
        auth, end = decoder.raw_decode(text, len(_ENVELOPE_BEGIN))
    except ValueError:
        raise NotOurs("its auth_data is no JSON") from None
    except RecursionError:
        # Too deep for this reader; the payload begins where the last separator says.
        end, auth = text.rindex(_ENVELOPE_MIDDLE), None
    if not text.startswith(_ENVELOPE_MIDDLE, end):
        raise NotOurs("its body is no envelope")
    if auth is not None and (not isinstance(auth, dict) or tuple(auth) != AUTH_FIELDS):
        raise NotOurs("its auth_data is not the six fields")
    return auth, body[end + len(_ENVELOPE_MIDDLE) : -1]


def _open_target(target: str) -> tuple[str, dict[str, Any]]:
    place = target.rfind(_QUERY + "cost=")
    if place < 1:
        raise NotOurs("its query has no assignment")
    pairs = [pair.partition("=") for pair in target[place:].split("&")]
    if tuple(name for name, _, _ in pairs) != tuple(_QUERY + name for name in AUTH_FIELDS):
        raise NotOurs("its query has not the six fields")
    return target[:place], {name.removeprefix(_QUERY): unquote(value) for name, _, value in pairs}


def _number(text: str) -> tuple[str, str]:
    return ("number", text)


def _constant(text: str) -> tuple[str, str]:
    return ("constant", text)
